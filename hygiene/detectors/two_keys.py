"""The two-key rule: two independent marks, and a picture counts as marked where both are found.

One key's p-value is a probability over that key: copies of one picture, and pictures much like it, share one draw, so
a pool with many copies of an unlucky picture loses them all. With two keys both draws have to be unlucky.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hygiene.codecs.base import Batch
from hygiene.codecs.spread import Spread
from hygiene.detectors.base import Detection, Part
from hygiene.detectors.keyed import KeyedDetector
from hygiene.keys import Key
from hygiene.looks import Look


@dataclass(frozen=True)
class TwoKeyDetector:
    """Evidence that both the marks of a key and of its twin (`Key.twin`) are there.

    first  the detector of the key itself; its finding is the pair's
    """

    looks_at: ClassVar[frozenset[Part]] = KeyedDetector.looks_at

    first: KeyedDetector

    @property
    def name(self) -> str:
        return f"{self.first.codec.name}-two-keys:{self.first.key.digest}"

    def detect(self, id: str, look: Look) -> Detection:
        """log10 p is twice the weaker mark's: both of two independent keys score so well with probability p²."""
        second = replace(self.first, key=self.first.key.twin, registry=None)
        one, other = self.first.detect(id, look), second.detect(id, look)
        log10_p = float(both_log10_p(one.log10_p, other.log10_p))
        return Detection(id, self.name, log10_p, -log10_p, one.finding)


def embed_both(codec: Spread, batch: Batch, key: Key) -> Batch:
    """`batch` with the marks of `key` and, beside it and without a payload, of its twin."""
    return replace(codec, payload=None).embed(codec.embed(batch, key), key.twin)


def both_log10_p(one: ArrayLike, other: ArrayLike) -> NDArray[np.float64]:
    """log10 p of the two marks together, from that of each: twice the weaker."""
    return np.asarray(2 * np.maximum(one, other))
