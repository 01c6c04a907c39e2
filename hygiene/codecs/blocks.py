"""What dwt_dct and dwt_dct_svd have in common: blocks of the U plane's Haar low band, each holding one bit.

A block is 4×4 coefficients, 8×8 pixels. Blocks are counted in raster order and block i holds bit i mod n of the
payload, so the order of the bits depends on the width of the picture. A value w of a block (which one is the codec's
business) holds a one if w mod 36 > 18; embedding moves it to 27 or 9 within its multiple of 36. The blocks of a bit
vote. Source: the package invisible-watermark 0.2.0, maxDct.py and dwtDctSvd.py.
"""

from abc import abstractmethod
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hygiene.codecs.base import Batch
from hygiene.codecs.bits import Bits, PayloadCodec, check_colour
from hygiene.codecs.low_band import PIXELS
from hygiene.codecs.wavelet import Plane
from hygiene.errors import ConfigurationError

STEP = 36.0

PART = 2**19
"""About how many pixels of a picture are worked on at a time: allocating more costs more than it saves."""


class BlockCodec(PayloadCodec):
    """Levels are 0..255 in uint8; floating point in 0..1 is taken times 255, as float32, which is what generators give
    the package: there OpenCV's U is around 0.5, not 128, so a mark made on floats is read on floats."""

    @abstractmethod
    def ones(self, picture: Plane) -> NDArray[np.bool_]:
        """[h//8, w//8]: which blocks of one picture [h, w, 3] hold a one."""

    @abstractmethod
    def write(self, picture: Plane, bits: Plane, marked: Plane) -> None:
        """Make `marked`, contiguous, a copy of a picture [h, w, 3] with `bits` [h//8, w//8] in its blocks."""

    def shares(self, batch: Batch) -> NDArray[np.float64]:
        """[B, bits]: for every bit of the payload, the share of its blocks that hold a one."""
        check_colour(batch, self.name)
        blocks = self._blocks(batch)
        full, rest = divmod(blocks, self.bits)
        counts = np.full(self.bits, full) + (np.arange(self.bits) < rest)
        ones = [[self.ones(picture[rows]).ravel() for rows in _parts(picture)] for picture in batch]
        votes = [_votes(np.concatenate(each), self.bits) for each in ones]
        return np.asarray(np.reshape(votes, (len(batch), self.bits)) / counts)

    def decode(self, batch: Batch) -> NDArray[np.bool_]:
        """The package's majority: a one where the share · 255 exceeds 127, so a tie is a one."""
        return np.asarray(self.shares(batch) * 255 > 127)

    def embed_payload(self, batch: Batch, payload: Bits) -> Batch:
        check_colour(batch, self.name)
        sent = np.resize(self.checked(payload), self._blocks(batch))
        bits = sent.reshape(batch.shape[1] // PIXELS, batch.shape[2] // PIXELS).astype(np.float32)
        marked = np.empty(batch.shape, batch.dtype)
        for picture, copy in zip(batch, marked, strict=True):
            for rows in _parts(picture):
                self.write(picture[rows], bits[rows.start // PIXELS : rows.stop // PIXELS], copy[rows])
        return marked

    def _blocks(self, batch: Batch) -> int:
        height, width = batch.shape[1:3]
        blocks = (height // PIXELS) * (width // PIXELS)
        if blocks < self.bits:
            raise ConfigurationError(
                f"pictures of {width}×{height} pixels hold {blocks} bits, one in 8×8 pixels: {self.bits} do not fit"
            )
        return int(blocks)


def _parts(picture: Plane) -> Iterator[slice]:
    """Rows of a picture [h, w, 3], from top to bottom, all but the last as many as make up whole blocks."""
    height, width = picture.shape[:2]
    step = max(PART // (width * PIXELS), 1) * PIXELS
    last = height // PIXELS * PIXELS
    return (slice(top, top + step if top + step < last else height) for top in range(0, last, step))


def _votes(ones: NDArray[np.bool_], bits: int) -> NDArray[np.int64]:
    full = ones.size // bits * bits
    votes = ones[:full].reshape(-1, bits).sum(axis=0)
    votes[: ones.size - full] += ones[full:]
    return np.asarray(votes)


def is_one(value: Plane) -> NDArray[np.bool_]:
    """Whether values ≥ 0 hold a one: w mod 36 > 18, exactly, and faster than by `np.mod`.

    What whole steps leave of a value has no more digits than it. No quotient is rounded up to the next whole number:
    the last digit of k · 36 is worth 36 times 8/9 or 16/9 of that of k.
    """
    return np.asarray(value - STEP * np.floor(value / STEP) > STEP / 2)


def target(value: Plane, bits: Plane) -> Plane:
    """Where values ≥ 0 have to be to hold `bits`: at a quarter or three quarters of their own step."""
    return np.asarray((np.floor(value / STEP) + 0.25 + 0.5 * bits) * STEP)
