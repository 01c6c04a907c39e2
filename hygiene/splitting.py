"""Put every scored record where a rule wants it: three lists, and copies byte for byte."""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hygiene import files, ledger
from hygiene.datasets import Listing, Reader, Shard, Sink, Writer
from hygiene.datasets.folder import inside
from hygiene.detectors.base import Unreadable
from hygiene.errors import ConfigurationError
from hygiene.filtering import DECLARED, OUTCOMES, Counts, Evidence, Outcome, Rule, count, flawed, outcome, split
from hygiene.records import Entry, Record
from hygiene.scoring import Scores


@dataclass(frozen=True)
class CopyTask:
    """targets: the output folders, each with its rule."""

    reader: Reader
    shard: Shard
    scores: Scores
    targets: tuple[tuple[Path, Rule], ...]


def check_outputs(out: Path, names: Iterable[str], reader: Reader, listing: Listing, lists_only: bool) -> None:
    """Refuse, before anything is scored, outputs whose copies of an earlier run would be left out of step.

    names: of the outputs, relative to `out`; "." is `out` itself.
    """
    if "." not in names and any((out / f"{where}.jsonl").exists() for where in OUTCOMES):
        raise ConfigurationError(f"{out} holds a single output of an earlier run: choose another folder for several")
    for name in names:
        _check_output(out / name, reader, listing, lists_only)


def _check_output(folder: Path, reader: Reader, listing: Listing, lists_only: bool) -> None:
    if not _has_copies(folder):
        return
    if lists_only:
        raise ConfigurationError(f"{folder} holds copies of an earlier run: --lists-only needs another output folder")
    gone = [
        path
        for where in OUTCOMES
        for path in reader.writer(folder / where).strays(listing, _listed_in(folder / f"{where}.jsonl"))
    ]
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


def settle(folder: Path, reader: Reader, scores: Scores, rule: Rule) -> None:
    """Move the copies of an earlier run to where this rule wants them. Of shards they are made anew."""
    if reader.writer(folder).by_shard or not _has_copies(folder):
        return
    for shard in scores.shards:
        for entry, row in zip(shard.entries, scores.of(shard), strict=True):
            _move(folder, (entry.id, *entry.sidecars), outcome(row, rule))


def copy_shard(task: CopyTask) -> dict[str, str]:
    """Copy every record of the shard to its place in every target. Copies that are there already stay.

    Returns the flaws of records that cannot be read whole, id → reason: what there is of them is copied.
    """
    rows = task.scores.of(task.shard)
    copies = [_Copies(task.reader, task.shard, folder, rule, rows) for folder, rule in task.targets]
    missing = [each for each in copies if not each.done()]
    flaws: dict[str, str] = {}
    if not missing:
        return flaws
    with contextlib.ExitStack() as stack:
        for each in missing:
            each.start(stack)
        items = task.reader.read(task.shard, sidecars=True)
        for entry, item, row in zip(task.shard.entries, items, rows, strict=True):
            flaw = item.reason if isinstance(item, Unreadable) else item.flaw
            if flaw and flaw != getattr(row, "reason", ""):
                flaws[item.id] = flaw
            for each in missing:
                each.put(entry, item, outcome(flawed(row, flaw), each.rule), bool(flaw))
    for each in missing:
        if not flaws:  # with flaws, another run may find more
            each.finish()
    return flaws


class _Copies:
    """What becomes of one shard in one target."""

    def __init__(self, reader: Reader, shard: Shard, folder: Path, rule: Rule, rows: Sequence[Evidence]) -> None:
        self.folder, self.rule, self._shard = folder, rule, shard
        self._writers: dict[Outcome, Writer] = {where: reader.writer(folder / where) for where in OUTCOMES}
        self._by_shard = self._writers["kept"].by_shard
        self._record = folder / ledger.OWN / f"{shard.name}.json"
        self._places = [outcome(row, rule) for row in rows]
        self._sinks: dict[Outcome, Sink] = {}

    def done(self) -> bool:
        """Whether an earlier run wrote the shard's files just so. Records by themselves are looked at one by one."""
        return self._by_shard and files.read_json(self._record) == self._state()

    def start(self, stack: contextlib.ExitStack) -> None:
        self._record.unlink(missing_ok=True)
        for where, writer in self._writers.items():
            self._sinks[where] = stack.enter_context(writer.open(self._shard, even_empty=where == "kept"))

    def put(self, entry: Entry, item: Record | Unreadable, where: Outcome, is_flawed: bool) -> None:
        if is_flawed and not self._by_shard:  # its score alone may have led an earlier run, or `settle`, elsewhere
            _move(self.folder, (entry.id, *entry.sidecars), where)
        if isinstance(item, Record):
            self._sinks[where].write(item)

    def finish(self) -> None:
        if self._by_shard:
            files.write_json(self._record, self._state())

    def _state(self) -> dict[str, Any]:
        return {
            "fingerprint": ledger.fingerprint(self._shard, {"places": self._places}),
            "bytes": {where: each.state(self._shard) for where, each in self._writers.items()},
        }


def _line(row: Evidence, rule: Rule) -> dict[str, Any]:
    causes = rule.causes(row)
    line: dict[str, Any] = {"id": row.id}
    if isinstance(row, Unreadable):
        line |= ({"detector": DECLARED, "log10_p": None} if causes else {}) | {"reason": row.reason}
    else:
        line |= {"detector": row.detector, "log10_p": row.log10_p, "threshold": rule.max_log10_p}
    line |= {"declared": row.declared} if row.declared else {}
    line |= {"finding": row.finding} if row.finding else {}
    line |= {"given_back": True} if rule.given_back(row) else {}
    return line | ({"excluded_by": causes} if causes else {})


def _has_copies(folder: Path) -> bool:
    return any((folder / where).is_dir() for where in OUTCOMES)


def _listed_in(path: Path) -> Iterator[str]:
    return (row["id"] for row in files.read_lines(path))


def _move(folder: Path, names: tuple[str, ...], where: Outcome) -> None:
    for other in OUTCOMES:
        if other != where and os.path.lexists(inside(folder / other, names[0])):
            for name in names:
                _rename(inside(folder / other, name), inside(folder / where, name))


def _rename(old: Path, new: Path) -> None:
    if os.path.lexists(old):
        new.parent.mkdir(parents=True, exist_ok=True)
        os.replace(old, new)
