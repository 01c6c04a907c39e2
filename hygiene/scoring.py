"""Evidence for every record of a dataset, shard by shard; with a folder to keep it in, work is never done twice."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hygiene import ledger
from hygiene.codecs.spread import Spread
from hygiene.datasets import Listing, Reader, Shard
from hygiene.datasets.base import Progress, may_pass
from hygiene.detectors.base import RULES, Declared, Detection, Detector, Unreadable, look_at_both
from hygiene.detectors.keyed import KeyedDetector
from hygiene.errors import ConfigurationError, UnreadableImage
from hygiene.filtering import Evidence, combined
from hygiene.keys import Key
from hygiene.looks import Look
from hygiene.records import Record

Result = TypeVar("Result")

Detectors = Key | Detector | Sequence[Key | Detector]
"""What to look for. A key stands for the detector of its `spread` mark."""


@dataclass(frozen=True)
class ScoreTask:
    """path, mark: where the shard's scores are to be kept and under which fingerprint; without a path they are not."""

    reader: Reader
    shard: Shard
    detectors: tuple[Detector, ...]
    max_pixels: int
    path: Path | None = None
    mark: str = ""

    def __str__(self) -> str:
        return str(self.shard)


@dataclass(frozen=True)
class Scores:
    """The score files of one run: one per part of a shard, valid for one listing and one set of settings."""

    folder: Path
    shards: tuple[Shard, ...]
    settings: Mapping[str, Any]

    def path(self, part: Shard) -> Path:
        return self.folder / f"{part.label}.parquet"

    def mark(self, part: Shard) -> str:
        return ledger.fingerprint(part, {**self.settings, "rules": RULES})

    def of(self, shard: Shard) -> list[Evidence]:
        """One item per record of the shard, in its order."""
        return [row for part in shard.parts() for row in self._of(part)]

    def _of(self, part: Shard) -> list[Evidence]:
        if not part.entries:  # which nothing was stored for
            return []
        stored = ledger.read_scores(self.path(part), self.mark(part))
        if stored is None:
            raise ConfigurationError(f"{self.path(part)} changed during the run: run the same command again")
        return stored

    def missing(self) -> tuple[Shard, ...]:
        """The parts whose scores are absent, torn, of something else, or worth another try."""
        return tuple(
            each for each in self._parts() if each.without(_standing(self.path(each), self.mark(each))).entries
        )

    def _parts(self) -> Iterator[Shard]:
        return (part for shard in self.shards for part in shard.parts())

    def rows(self) -> Iterator[Evidence]:
        for shard in self.shards:
            yield from self.of(shard)

    def log10_p(self) -> NDArray[np.float64]:
        """The evidence of all readable records, [n]."""
        return np.concatenate([ledger.read_log10_p(self.path(part)) for part in self._parts() if part.entries])

    def drop_others(self) -> None:
        """Remove score files of an earlier, longer listing: whoever reads the folder would count their rows."""
        current = {self.path(part) for part in self._parts()}
        for path in self.folder.rglob("*.parquet"):
            if path not in current:
                path.unlink()


def detectors_of(detectors: Detectors) -> tuple[Detector, ...]:
    """Keys as their detectors; every detector once."""
    listed = detectors if isinstance(detectors, Sequence) else [detectors]
    made: tuple[Detector, ...] = tuple(
        KeyedDetector(Spread(), item) if isinstance(item, Key) else item for item in listed
    )
    names = [detector.name for detector in made]
    if not made or len(set(names)) < len(names):
        raise ConfigurationError(
            f"expected one or more detectors (keys, generators), each once, got {', '.join(names) or 'none'}"
        )
    return made


def names_of(detectors: Detectors) -> str:
    """The detectors' names in one string: what scores and calibrations are valid for."""
    return " + ".join(sorted(detector.name for detector in detectors_of(detectors)))


def score_shard(task: ScoreTask) -> list[Evidence]:
    """Evidence about every record of the shard, in its order. What is kept of it and still stands is not made anew."""
    found = _standing(task.path, task.mark) if task.path else {}
    found |= {row.id: row for row in (_score(item, task) for item in task.reader.read(task.shard.without(found)))}
    rows = [found[entry.id] for entry in task.shard.entries]
    if task.path:
        ledger.write_scores(task.path, rows, task.mark)
    return rows


def _standing(path: Path, mark: str) -> dict[str, Evidence]:
    """id → stored evidence, but for records that another try may read."""
    rows = ledger.read_scores(path, mark) or []
    return {row.id: row for row in rows if not (isinstance(row, Unreadable) and may_pass(row.reason))}


def _score(item: Record | Unreadable, task: ScoreTask) -> Evidence:
    return item if isinstance(item, Unreadable) else evidence_of(item, task.detectors, task.max_pixels)


def evidence_of(item: Record, detectors: Sequence[Detector], max_pixels: int) -> Evidence:
    """All detectors' evidence about one record, as one."""
    look = Look(item.data, max_pixels, look_at_both(detectors))
    reasons: list[str] = []
    results: list[Detection | Declared] = []
    for detector in detectors:
        try:
            results.append(detector.detect(item.id, look))
        except UnreadableImage as error:
            reasons.append(str(error))
    if not reasons:
        return combined(results)
    said = next((each for each in results if isinstance(each, Declared)), Declared(item.id, "", ""))
    return Unreadable(item.id, reasons[0], said.declared, said.finding)


def tracked(results: Iterable[Result], listing: Listing, stage: str, progress: Progress | None) -> Iterator[Result]:
    """`results`, one per shard, with `progress` told after each."""
    done, total = 0, listing.records
    for shard, result in zip(listing.shards, results, strict=True):
        done += len(shard.entries)
        if progress:
            progress(stage, done, total)
        yield result
