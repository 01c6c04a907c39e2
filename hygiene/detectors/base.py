"""What every detector offers: evidence about one record. A threshold is a policy's business, not a detector's."""

from dataclasses import dataclass, field
from typing import Protocol

from hygiene.images import Picture


@dataclass(frozen=True)
class Detection:
    """Evidence from one detector about one record.

    log10_p    log10 of the p-value, ≤ 0; small = marked
    statistic  the detector's own statistic; larger = more likely marked
    finding    what was found, in plain values that JSON can hold
    """

    id: str
    detector: str
    log10_p: float
    statistic: float
    finding: dict[str, str | float | int] = field(default_factory=dict)


@dataclass(frozen=True)
class Unreadable:
    """A record that could not be scored, and why: a third outcome, neither kept nor excluded."""

    id: str
    reason: str


class Detector(Protocol):
    """Looks at a decoded picture and gives evidence. `name` identifies it in every report."""

    @property
    def name(self) -> str: ...

    def detect(self, id: str, picture: Picture) -> Detection:
        """Evidence about the record `id`, whose decoded picture is `picture`."""
