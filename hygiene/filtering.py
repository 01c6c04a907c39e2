"""Scored records to kept | excluded | unreadable, counted by reason. Nothing is lost: the three add up to seen."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from hygiene import statistics
from hygiene.detectors.base import Detection, Unreadable

Evidence = Detection | Unreadable
Outcome = Literal["kept", "excluded", "unreadable"]
OUTCOMES: tuple[Outcome, ...] = ("kept", "excluded", "unreadable")


@dataclass(frozen=True)
class Counts:
    """How many records went where. excluded: per detector; unreadable: per kind of reason."""

    kept: int = 0
    excluded: Mapping[str, int] = field(default_factory=dict)
    unreadable: Mapping[str, int] = field(default_factory=dict)

    @property
    def seen(self) -> int:
        return self.kept + self.total_excluded + self.total_unreadable

    @property
    def total_excluded(self) -> int:
        return sum(self.excluded.values())

    @property
    def total_unreadable(self) -> int:
        return sum(self.unreadable.values())


def strongest(detections: Sequence[Detection]) -> Detection:
    """The detection with the smallest p, which pays for all that were tried (Bonferroni); ties go to the first."""
    best = min(detections, key=lambda detection: detection.log10_p)
    log10_p = float(statistics.bonferroni_log10_p(best.log10_p, len(detections)))
    return Detection(best.id, best.detector, log10_p, best.statistic, best.finding)


def outcome(evidence: Evidence, max_log10_p: float) -> Outcome:
    """What becomes of one record: excluded iff its log10 p is at or under `max_log10_p`."""
    if isinstance(evidence, Unreadable):
        return "unreadable"
    return "excluded" if evidence.log10_p <= max_log10_p else "kept"


def split(stream: Iterable[Evidence], max_log10_p: float) -> Iterator[tuple[Outcome, Evidence]]:
    """Each record's evidence with what becomes of it, in the order of the stream."""
    return ((outcome(evidence, max_log10_p), evidence) for evidence in stream)


def count(parts: Iterable[tuple[Outcome, Evidence]]) -> Counts:
    """The counts of what `split` yields."""
    kept, excluded, unreadable = 0, Counter[str](), Counter[str]()
    for where, evidence in parts:
        if isinstance(evidence, Unreadable):
            unreadable[kind(evidence.reason)] += 1
        elif where == "excluded":
            excluded[evidence.detector] += 1
        else:
            kept += 1
    return Counts(kept, dict(excluded), dict(unreadable))


def kind(reason: str) -> str:
    """Reasons are "kind: detail"; counting goes by the kind."""
    return reason.partition(":")[0]
