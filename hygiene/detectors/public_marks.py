"""The detector of marks that public generators leave in their pictures, without their code and without a key."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hygiene.chroma import Chroma
from hygiene.detectors.base import Detection, Part
from hygiene.detectors.mark_crops import Finding, Found, search
from hygiene.detectors.mark_evidence import agreement, log10_p
from hygiene.detectors.mark_table import DOMAINS, MARKS, ORDERS, SMALLEST_AREA, Mark
from hygiene.detectors.mark_votes import cleaned, per_bit, u_band, votes
from hygiene.errors import ConfigurationError
from hygiene.looks import Look

KNOWN_SHARE = 0.9
"""Of the false positives allowed, what goes to readings that a generator is known for; the rest to all others."""


TOLD_LOG10_P = -2.0
"""Above this the mark that fits best is chance, and is not named."""


@dataclass(frozen=True)
class PublicMarks:
    """Evidence for the best of some marks, every domain and channel order tried, every try paid for.

    marks  names of MARKS
    crop   also search what a crop leaves: 64 phases, every first bit, every native width. Takes about a second for
           512 × 512 pixels; half of the false positives allowed go to it

    The probability is over messages: with the mark's bits drawn anew, a picture that carries none shows p or less
    with probability p at most.
    """

    looks_at: ClassVar[frozenset[Part]] = frozenset({"colour"})

    marks: tuple[str, ...] = tuple(MARKS)
    crop: bool = False

    def __post_init__(self) -> None:
        unknown = [name for name in self.marks if name not in MARKS]
        if unknown or not self.marks:
            given = ", ".join(unknown) or "none"
            raise ConfigurationError(f"unknown public mark: {given}; choose from {', '.join(MARKS)}")

    @property
    def name(self) -> str:
        """Says what was looked for: evidence is priced by it."""
        names = [name for name in MARKS if name in self.marks]
        return f"{'public-crop' if self.crop else 'public'}:{'all' if len(names) == len(MARKS) else ','.join(names)}"

    def detect(self, id: str, look: Look) -> Detection:
        """Evidence about the record `id`. Raises UnreadableImage for what is no picture."""
        return self.judge(id, look.chroma)

    def judge(self, id: str, chroma: Chroma | None) -> Detection:
        """Evidence about the record `id`. No colour, or fewer pixels than embedders accept: log10 p = 0.

        `finding` names the mark that fits best, if it fits at all; `statistic` is its agreement.
        """
        if chroma is None:
            return Detection(id, self.name, 0.0, 0.0, {"note": "no colour"})
        if chroma.width * chroma.height < SMALLEST_AREA and not self.crop:
            return Detection(id, self.name, 0.0, 0.0, {"note": "smaller than 256 × 256 pixels"})
        best = min(self._found(chroma), key=lambda found: (found.log10_p, -found.agreement))
        finding = best.finding if best.log10_p <= TOLD_LOG10_P else {}
        return Detection(id, self.name, min(best.log10_p, 0.0), best.agreement, finding)

    def _found(self, chroma: Chroma) -> Iterator[Found]:
        marks = [MARKS[name] for name in dict.fromkeys(self.marks)]
        halves = math.log10(2) if self.crop else 0.0
        for found in uncropped(chroma, marks):
            yield Found(found.log10_p + halves, found.agreement, found.finding)
        if self.crop:
            price = halves + math.log10(sum(len(mark.readings) for mark in marks))
            for found in search(chroma, marks):
                yield Found(found.log10_p + price, found.agreement, found.finding)


def uncropped(chroma: Chroma, marks: list[Mark]) -> Iterator[Found]:
    """Every mark in every domain and order, its price added to log10 p (so that it may be above 0)."""
    known = sum(len(mark.readings) for mark in marks)
    other = len(marks) * len(DOMAINS) * len(ORDERS) - known
    blue, red = chroma.low_band()
    for order in ORDERS:
        band = u_band(blue, red, order)
        for domain in DOMAINS:
            rest, weights = cleaned(votes(band, domain))
            for mark in marks:
                share = KNOWN_SHARE / known if (domain, order) in mark.readings else (1 - KNOWN_SHARE) / other
                of_bits = per_bit(rest, weights, mark)
                evidence = log10_p(of_bits, mark.signs) - math.log10(share)
                right = f"{np.count_nonzero(of_bits * mark.signs > 0)} of {np.count_nonzero(mark.counts)}"
                where: Finding = {"mark": mark.name, "domain": domain, "order": order, "bits": right}
                yield Found(evidence, agreement(of_bits, mark.signs), where)
