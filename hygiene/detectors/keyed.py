"""The detector of our own marks: a codec and one secret key."""

from dataclasses import dataclass

from hygiene.codecs.base import Codec
from hygiene.codecs.layouts import SMALLEST_SIDE
from hygiene.detectors.base import Detection
from hygiene.images import Picture
from hygiene.keys import Key


@dataclass(frozen=True)
class KeyedDetector:
    """Evidence for the mark of `key`. The probability is over the key, so copies of one picture share one draw.

    generator  the name that the key was derived for (`Key.subkey`), repeated in every finding; may be empty
    """

    codec: Codec
    key: Key
    generator: str = ""

    @property
    def name(self) -> str:
        return f"{self.codec.name}:{self.key.digest}"

    def detect(self, id: str, picture: Picture) -> Detection:
        """A picture too small to carry a mark gives no evidence: log10 p = 0."""
        finding: dict[str, str | float | int] = {"generator": self.generator} if self.generator else {}
        if min(picture.luma.shape) < SMALLEST_SIDE:
            return Detection(id, self.name, 0.0, 0.0, finding | {"note": f"smaller than {SMALLEST_SIDE} pixels"})
        scores = self.codec.score(picture.luma[None], self.key)
        if scores.search:
            finding["search"] = scores.search[0]
        return Detection(id, self.name, float(scores.log10_p[0]), float(scores.statistic[0]), finding)
