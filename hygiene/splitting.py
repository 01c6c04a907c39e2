"""Put every scored record where a rule wants it: three lists, and copies byte for byte."""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hygiene import files
from hygiene.datasets import Listing, Reader, Shard, open_writer
from hygiene.datasets.folder import inside
from hygiene.detectors.base import Unreadable
from hygiene.errors import ConfigurationError
from hygiene.filtering import DECLARED, OUTCOMES, Counts, Evidence, Outcome, Rule, count, flawed, outcome, split
from hygiene.records import Record
from hygiene.scoring import Scores


@dataclass(frozen=True)
class CopyTask:
    """targets: the output folders, each with its rule."""

    reader: Reader
    shard: Shard
    scores: Scores
    targets: tuple[tuple[Path, Rule], ...]


def check_outputs(out: Path, names: Iterable[str], listing: Listing, lists_only: bool) -> None:
    """Refuse, before anything is scored, outputs whose copies of an earlier run would be left out of step.

    names: of the outputs, relative to `out`; "." is `out` itself.
    """
    if "." not in names and any((out / f"{where}.jsonl").exists() for where in OUTCOMES):
        raise ConfigurationError(f"{out} holds a single output of an earlier run: choose another folder for several")
    for name in names:
        _check_output(out / name, listing, lists_only)


def _check_output(folder: Path, listing: Listing, lists_only: bool) -> None:
    if not _has_copies(folder):
        return
    if lists_only:
        raise ConfigurationError(f"{folder} holds copies of an earlier run: --lists-only needs another output folder")
    listed = {entry.id for entry in listing.entries()}
    gone = [where / id for where, id in _copied(folder) if id not in listed]
    if gone:
        raise ConfigurationError(
            f"{folder} holds pictures of an earlier run that are no longer in the pool ({len(gone)}, such as "
            f"{gone[0]}): remove them there, or choose another output folder"
        )


def write_lists(folder: Path, scores: Scores, rule: Rule, flaws: Mapping[str, str]) -> Counts:
    """kept.jsonl, excluded.jsonl and unreadable.jsonl, a line per record; the counts. flaws: id → reason."""
    with contextlib.ExitStack() as stack:
        add = {where: stack.enter_context(files.lines(folder / f"{where}.jsonl")) for where in OUTCOMES}

        def listed() -> Iterator[Evidence]:
            for where, row in split((flawed(row, flaws.get(row.id, "")) for row in scores.rows()), rule):
                add[where](_line(row, rule))
                yield row

        return count(listed(), rule)


def settle(folder: Path, scores: Scores, rule: Rule) -> None:
    """Move the copies of an earlier run to where this rule wants them."""
    if not _has_copies(folder):
        return
    for shard in scores.shards:
        for entry, row in zip(shard.entries, scores.of(shard), strict=True):
            _move(folder, (entry.id, *entry.sidecars), outcome(row, rule))


def copy_shard(task: CopyTask) -> dict[str, str]:
    """Copy every record of the shard to its place in every target. Copies that are there already stay.

    Returns the flaws of records that cannot be read whole, id → reason: what there is of them is copied.
    """
    items = task.reader.read(task.shard, sidecars=True)
    flaws: dict[str, str] = {}
    for entry, item, row in zip(task.shard.entries, items, task.scores.of(task.shard), strict=True):
        flaw = item.reason if isinstance(item, Unreadable) else item.flaw
        if flaw and flaw != getattr(row, "reason", ""):
            flaws[item.id] = flaw
        for folder, rule in task.targets:
            where = outcome(flawed(row, flaw), rule)
            if flaw:  # its score alone may have led an earlier run, or `settle`, elsewhere
                _move(folder, (entry.id, *entry.sidecars), where)
            if isinstance(item, Record):
                open_writer(folder / where).write(item)
    return flaws


def _line(row: Evidence, rule: Rule) -> dict[str, Any]:
    causes = rule.causes(row)
    line: dict[str, Any] = {"id": row.id}
    if isinstance(row, Unreadable):
        line |= ({"detector": DECLARED, "log10_p": None} if causes else {}) | {"reason": row.reason}
    else:
        line |= {"detector": row.detector, "log10_p": row.log10_p, "threshold": rule.max_log10_p}
    line |= {"declared": row.declared} if row.declared else {}
    line |= {"finding": row.finding} if row.finding else {}
    return line | ({"excluded_by": causes} if causes else {})


def _has_copies(folder: Path) -> bool:
    return any((folder / where).is_dir() for where in OUTCOMES)


def _copied(folder: Path) -> Iterator[tuple[Path, str]]:
    """(folder, id) of each copy that the earlier run's lists name and that is still there."""
    for where in OUTCOMES:
        for row in files.read_lines(folder / f"{where}.jsonl"):
            if os.path.lexists(inside(folder / where, row["id"])):
                yield folder / where, row["id"]


def _move(folder: Path, names: tuple[str, ...], where: Outcome) -> None:
    for other in OUTCOMES:
        if other != where and os.path.lexists(inside(folder / other, names[0])):
            for name in names:
                _rename(inside(folder / other, name), inside(folder / where, name))


def _rename(old: Path, new: Path) -> None:
    if os.path.lexists(old):
        new.parent.mkdir(parents=True, exist_ok=True)
        os.replace(old, new)
