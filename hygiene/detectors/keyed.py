"""The detector of our own marks: a codec and one secret key."""

from dataclasses import dataclass
from typing import ClassVar

from hygiene.codecs.base import Codec
from hygiene.codecs.layouts import SMALLEST_SIDE
from hygiene.codecs.spread import Spread
from hygiene.codecs.symbols import Reading
from hygiene.detectors.base import Detection, Finding, Part
from hygiene.images import Bytes8
from hygiene.keys import Key
from hygiene.looks import Look
from hygiene.registry import Registry

READ_LOG10_P = -6.0
"""A payload is looked for where the mark itself is this likely there."""

TOLD_LOG10_P, TOLD_ERROR = -4.0, 1e-3
"""A payload is told where chance reads as clearly at most this often, and another one was meant at most this often."""


@dataclass(frozen=True)
class KeyedDetector:
    """Evidence for the mark of `key`. The probability is over the key, so copies of one picture share one draw.

    generator  the name that the key was derived for (`Key.subkey`), repeated in every finding; may be empty
    registry  names for the payloads; None to read no payload, empty to read any. Only `Spread` carries payloads
    """

    looks_at: ClassVar[frozenset[Part]] = frozenset({"luma"})

    codec: Codec
    key: Key
    generator: str = ""
    registry: Registry | None = None

    @property
    def name(self) -> str:
        return f"{self.codec.name}:{self.key.digest}"

    def detect(self, id: str, look: Look) -> Detection:
        """A picture too small to carry a mark gives no evidence: log10 p = 0."""
        picture = look.picture
        finding: Finding = {"generator": self.generator} if self.generator else {}
        if min(picture.luma.shape) < SMALLEST_SIDE:
            return Detection(id, self.name, 0.0, 0.0, finding | {"note": f"smaller than {SMALLEST_SIDE} pixels"})
        scores = self.codec.score(picture.luma[None], self.key)
        if scores.search:
            finding["search"] = scores.search[0]
        if self.registry is not None and isinstance(self.codec, Spread) and scores.log10_p[0] <= READ_LOG10_P:
            finding |= self._named(self.codec, picture.luma[None], self.registry)
        return Detection(id, self.name, float(scores.log10_p[0]), float(scores.statistic[0]), finding)

    def _named(self, codec: Spread, batch: Bytes8, registry: Registry) -> Finding:
        """The payload and whom it names: of the registered ones if one reads clearly, else whichever does."""
        if registry:
            reading = codec.read(batch, self.key, tuple(registry))[0]
            if told(reading):
                return {"payload": str(reading.payload), **registry[reading.payload].as_finding()}
        reading = codec.read(batch, self.key)[0]
        return {"payload": str(reading.payload)} if told(reading) else {}


def told(reading: Reading) -> bool:
    return reading.log10_p <= TOLD_LOG10_P and reading.error <= TOLD_ERROR
