"""What every detector offers: evidence about one record. A threshold is a policy's business, not a detector's."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from hygiene.looks import Look

RULES = 3
"""Raised by one when the same file, detectors and release come to be scored otherwise: no score and no calibration of
before is used then. 2 tells what undecodable files declare, and leaves InvokeAI's shared bits uncounted. 3 reads luma
and colour of a JPEG in one pass, 4:2:2 and 4:4:0 as stored, and nothing from cut JPEG or PNG data."""

Finding = dict[str, str | float | int]
"""What was found, in plain values that JSON can hold."""

Statement = Literal["", "generated", "generative edit", "edited", "captured"]
"""What a file says of its picture; empty: nothing."""

Part = Literal["luma", "colour"]
"""Of a look: its `picture` or its `chroma`."""


@dataclass(frozen=True)
class Detection:
    """Evidence from one detector about one record, or from several, of which the strongest is told.

    log10_p    log10 of the p-value, ≤ 0; small = marked
    statistic  the detector's own statistic; larger = more likely marked
    finding    what was found
    declared   what the file itself says, if a detector read it: a statement, which has no p-value
    """

    id: str
    detector: str
    log10_p: float
    statistic: float
    finding: Finding = field(default_factory=dict)
    declared: Statement = ""


@dataclass(frozen=True)
class Declared:
    """What one record says about itself. finding: by which scheme, where and how; empty where it says nothing."""

    id: str
    detector: str
    declared: Statement
    finding: Finding = field(default_factory=dict)


@dataclass(frozen=True)
class Unreadable:
    """A record that could not be scored, and why: a third outcome, neither kept nor excluded.

    declared, finding  what its bytes say all the same, which takes no pixels; a filter may exclude it for that
    """

    id: str
    reason: str
    declared: Statement = ""
    finding: Finding = field(default_factory=dict)


class Detector(Protocol):
    """Looks at a file, decoded as far as it asks, and gives evidence. `name` identifies it in every report.

    It may say what it looks at, in an attribute `looks_at`, a collection of Part: a run that looks at luma and colour
    decodes a JPEG once for both. A detector that does not say is served all the same, by a pass of its own.
    """

    @property
    def name(self) -> str: ...

    def detect(self, id: str, look: Look) -> Detection | Declared:
        """Evidence about the record `id`. Raises UnreadableImage for a file that it cannot look at."""


def look_at_both(detectors: Iterable[Detector]) -> bool:
    """Whether luma and colour are both looked at, going by what the detectors say (`Look.both`)."""
    parts: set[Part] = {part for detector in detectors for part in getattr(detector, "looks_at", ())}
    return parts >= {"luma", "colour"}
