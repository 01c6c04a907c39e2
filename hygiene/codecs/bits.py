"""Codecs that carry bits, used as keyed marks: the key draws the bits, and how many come back is the evidence."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import special

from hygiene.codecs.base import OVERSHOOT, Batch, Scores, misplaced
from hygiene.errors import ConfigurationError
from hygiene.keys import Key

Bits = Sequence[int] | NDArray[Any]
"""Zeros and ones."""

MARKED_LOG10_P = -6.0
"""At or under this a picture counts as marked: `embed` adds nothing to it, and keeps no mark that stays above."""

LENGTHS = (1, 1000)
"""Fewest and most: beyond 1000 the binomial tail would leave the range of float64."""


@dataclass(frozen=True)
class PayloadCodec(ABC):
    """A codec of `bits` bits. Batches are NumPy arrays [B, H, W, 3], RGB; uint8 or floating point in 0..1.

    As a keyed mark it carries bits drawn from the key. For a fixed picture every decoded bit agrees with a drawn one
    with probability ½, independently, whatever the picture is: the number of matches is binomial, exactly, over the
    key. So p never falls below 2^−bits: 64 bits reach 1e-19, 32 bits 1e-9.6.
    """

    bits: int = 64
    name: ClassVar[str]

    def __post_init__(self) -> None:
        if not LENGTHS[0] <= self.bits <= LENGTHS[1]:
            raise ConfigurationError(f"a payload of {self.bits} bits: expected {LENGTHS[0]} to {LENGTHS[1]}")

    @abstractmethod
    def embed_payload(self, batch: Batch, payload: Bits) -> Batch:
        """Copies of `batch` that carry `payload` (`bits` zeros and ones), same shape and dtype, whether or not they
        can keep it."""

    @abstractmethod
    def decode(self, batch: Batch) -> NDArray[np.bool_]:
        """The bits [B, bits] that each picture holds; noise where there is no mark."""

    def embed(self, batch: Batch, key: Key) -> Batch:
        """Marked copies, see `Codec.embed`; unchanged where log10 p is −6 or less before, or more than that after."""
        if -self.bits * np.log10(2) > MARKED_LOG10_P:
            raise ConfigurationError(f"{self.bits} bits are no evidence: a keyed mark takes 20 or more")
        present = self.score(batch, key).log10_p <= MARKED_LOG10_P
        marked = self.embed_payload(batch, self.payload(key))
        kept = self.score(marked, key).log10_p <= MARKED_LOG10_P
        return np.where((kept & ~present)[:, None, None, None], marked, batch)

    def score(self, batch: Batch, key: Key) -> Scores:
        """statistic: how many of the key's bits each picture holds, 0..`bits`; log10_p: exact over the key."""
        matches = np.count_nonzero(self.decode(batch) == self.payload(key).astype(bool), axis=1)
        return Scores(matches.astype(np.float64), matches_log10_p(matches, self.bits))

    def payload(self, key: Key) -> NDArray[np.uint8]:
        """The key's own zeros and ones [bits]: independent and fair."""
        return key.random(f"{self.name}:{self.bits}").integers(0, 2, self.bits, dtype=np.uint8)

    def checked(self, payload: Bits) -> NDArray[np.uint8]:
        """`payload` as an array; ConfigurationError unless it is `bits` zeros and ones."""
        given = np.asarray(payload)
        if given.shape != (self.bits,) or not ((given == 0) | (given == 1)).all():
            raise ConfigurationError(
                f"a payload of shape {given.shape}, values {np.unique(given)[:4]}: expected {self.bits} zeros and ones"
            )
        return given.astype(np.uint8)


def matches_log10_p(matches: Any, bits: int) -> NDArray[np.float64]:
    """log10 P(at least `matches` of `bits` fair coins fall as foretold) = log10 I_½(k, n−k+1); 0 for no match."""
    k = np.asarray(matches, dtype=np.float64)
    return np.asarray(np.log10(np.where(k > 0, special.betainc(np.maximum(k, 1), bits - k + 1, 0.5), 1.0)))


def check_colour(batch: Batch, codec: str) -> None:
    """ConfigurationError unless `batch` is a NumPy array [B, H, W, 3] of uint8 or floating point."""
    expected = f"{codec} takes NumPy arrays [B, H, W, 3], RGB, uint8 or floating point in 0..1"
    if not isinstance(batch, np.ndarray):
        raise ConfigurationError(f"a batch of type {type(batch).__name__}: {expected}")
    if batch.ndim != 4 or batch.shape[3] != 3:
        raise ConfigurationError(f"a batch of shape {batch.shape}: {expected}; a grey picture has no colour to mark")
    if batch.dtype != np.uint8 and not np.issubdtype(batch.dtype, np.floating):
        raise ConfigurationError(f"a batch of {batch.dtype}: {expected}")
    some = batch[:, ::8]  # a picture in other units shows it everywhere, and all of it would take as long as decoding
    if batch.dtype != np.uint8 and some.size and not (some.min() >= -OVERSHOOT and some.max() <= 1 + OVERSHOOT):
        raise ConfigurationError(f"{misplaced(float(some.min()), float(some.max()))}: {expected}")


def check_finite(values: NDArray[Any]) -> None:
    """ConfigurationError where NaN or an infinity is among pixels, or sums of them: their sum then is none."""
    if not np.isfinite(values.sum(dtype=np.float64)):
        raise ConfigurationError("a batch with values that are not finite: expected floating point in 0..1")
