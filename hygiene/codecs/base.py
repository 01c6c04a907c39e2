"""What every codec offers: a mark put into batches of pictures, and evidence for it read back."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hygiene.keys import Key

Batch = Any
"""An array of any array-API library (NumPy, torch): [B, H, W] grey or [B, H, W, 3] RGB; uint8 in 0..255 or
floating point in 0..1. All pictures of a batch have one size."""

OVERSHOOT = 0.5
"""Resampling and noise carry floating point a little out of 0..1. Farther out it is a batch in −1..1 or 0..255."""


@dataclass(frozen=True)
class Scores:
    """Evidence for a mark, one entry per picture; it decides nothing.

    statistic  float64 [B], larger = more likely marked
    log10_p    float64 [B], log10 of the probability, over the random key, that an unmarked picture scores as
               high; every search that the codec made is paid for
    search     of codecs that search: how far each picture was searched, and the geometry where a mark was found
    """

    statistic: NDArray[np.float64]
    log10_p: NDArray[np.float64]
    search: tuple[str, ...] = ()


def misplaced(low: float, high: float) -> str:
    """What is wrong with floating point that does not stay within `OVERSHOOT` of 0..1, in words."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return "a batch with values that are not finite"
    return f"a batch with values from {low:.3g} to {high:.3g}"


class Codec(Protocol):
    """A way to mark pictures and to read the mark back."""

    @property
    def name(self) -> str: ...

    def embed(self, batch: Batch, key: Key) -> Batch:
        """Marked copies: same shape, dtype and library as `batch`, which stays untouched.

        A picture that carries this key's mark already, and one in which the mark could not be kept invisible,
        comes back unchanged; `score` tells which.
        """

    def score(self, batch: Batch, key: Key) -> Scores:
        """Evidence for `key`'s mark in each picture."""
