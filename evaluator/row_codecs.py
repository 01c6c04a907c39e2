"""What the loop asks of a mark, whether its rows are numbers or pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from evaluator.config import Tagging
from evaluator.models.base import Rows
from evaluator.pixel_codecs import PixelCodecs
from hygiene.codecs.base import Scores
from hygiene.codecs.spread_vectors import SpreadVectors
from hygiene.keys import Key


class RowCodec(Protocol):
    """One key's mark in rows [n, d]."""

    @property
    def unit(self) -> float:
        """What embedding once adds to `project`, in deviations; > 0."""

    def embed(self, rows: Rows) -> Rows:
        """Marked copies of `rows` [n, d]."""

    def project(self, rows: Rows) -> Rows:
        """How clearly each row carries the mark [n], in standard deviations over real rows, whose mean is 0."""

    def score(self, rows: Rows) -> Scores:
        """statistic: `project`; log10_p: over the key, as the codec's detector gives it."""

    def probes(self, raw: Rows, published: Rows, real: Rows, wrong: Sequence["RowCodec"]) -> dict[str, float]:
        """Readings that only this kind of mark has, of raw and published output [n, d] against real rows [m, d] and
        the codecs of wrong keys."""


@dataclass(frozen=True)
class VectorCodec:
    """`SpreadVectors` with its strength in deviations, blind or informed."""

    mark: SpreadVectors
    unit: float
    informed: bool

    def embed(self, rows: Rows) -> Rows:
        return self.mark.embed(rows, self.unit, informed=self.informed)

    def project(self, rows: Rows) -> Rows:
        return self.mark.project(rows)

    def score(self, rows: Rows) -> Scores:
        return self.mark.score(rows)

    def probes(self, raw: Rows, published: Rows, real: Rows, wrong: Sequence[RowCodec]) -> dict[str, float]:
        """None: along one direction the mean shift says all."""
        return {}


def codecs_of(tagging: Tagging, real: Rows, shape: tuple[int, ...]) -> Callable[[Key], RowCodec]:
    """What makes the codec of a key. `real` [n, d], of `shape` each, fixes the deviations that marks are told in."""
    informed = tagging.mode == "informed"
    if tagging.codec != "vectors":
        return PixelCodecs(tagging.codec, tagging.psnr, informed, shape, real)
    return lambda key: VectorCodec(SpreadVectors(key, real), tagging.alpha, informed)
