"""What dwt_dct and dwt_dct_svd have in common: blocks of the U plane's Haar low band, each holding one bit.

A block is 4×4 coefficients, 8×8 pixels. Blocks are counted in raster order and block i holds bit i mod n of the
payload, so the order of the bits depends on the width of the picture. A value w of a block (which one is the codec's
business) holds a one if w mod 36 > 18; embedding moves it to 27 or 9 within its multiple of 36. The blocks of a bit
vote. Source: the package invisible-watermark 0.2.0, maxDct.py and dwtDctSvd.py.
"""

import itertools
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hygiene.codecs.base import Batch
from hygiene.codecs.bits import Bits, PayloadCodec, check_colour
from hygiene.codecs.wavelet import LUMA, OFFSET, U_OF_BLUE, Plane, haar_low, strip_rows, u_plane, u_strips
from hygiene.errors import ConfigurationError

PIXELS = 8
"""Side of a block in pixels."""

STEP = 36.0

HALVES = np.full(2, 0.5, dtype=np.float32)

PART = 2**18
"""About how many pixels of a picture are worked on at a time: allocating more costs more than it saves."""

FLOAT_U = np.float32(255) * U_OF_BLUE * (np.array([0, 0, 1], dtype=np.float32) - LUMA)
"""U, but for its offset, of a pixel of floating point in 0..1."""

BLUE_OF_U, GREEN_OF_U = 2.032, -0.395
"""What a change of U by one changes in blue and green while Y and V stay (OpenCV's YUV2RGB)."""


class BlockCodec(PayloadCodec):
    """Levels are 0..255 in uint8; floating point in 0..1 is taken times 255, as float32, which is what generators give
    the package: there OpenCV's U is around 0.5, not 128, so a mark made on floats is read on floats."""

    @abstractmethod
    def ones(self, picture: Plane) -> NDArray[np.bool_]:
        """[h//8, w//8]: which blocks of one picture [h, w, 3] hold a one."""

    @abstractmethod
    def changes(self, picture: Plane, bits: Plane) -> tuple[Any, Plane]:
        """What puts `bits` [h//8, w//8] into a picture's blocks: an index into the low band, and what to add there."""

    def shares(self, batch: Batch) -> NDArray[np.float64]:
        """[B, bits]: for every bit of the payload, the share of its blocks that hold a one."""
        check_colour(batch, self.name)
        blocks = self._blocks(batch)
        full, rest = divmod(blocks, self.bits)
        counts = np.full(self.bits, full) + (np.arange(self.bits) < rest)
        ones = [[self.ones(part).ravel() for part in _parts(picture)] for picture in batch]
        votes = [_votes(np.concatenate(each), self.bits) for each in ones]
        return np.asarray(np.reshape(votes, (len(batch), self.bits)) / counts)

    def decode(self, batch: Batch) -> NDArray[np.bool_]:
        """The package's majority: a one where the share · 255 exceeds 127, so a tie is a one."""
        return np.asarray(self.shares(batch) * 255 > 127)

    def embed_payload(self, batch: Batch, payload: Bits) -> Batch:
        check_colour(batch, self.name)
        sent = np.resize(self.checked(payload), self._blocks(batch))
        marked = batch.copy()
        for picture in marked:
            bits = sent.reshape(batch.shape[1] // PIXELS, batch.shape[2] // PIXELS)
            for part in _parts(picture):
                mine, bits = np.split(bits, [len(part) // PIXELS])
                _add(part, *self.changes(part, mine))
        return marked

    def _blocks(self, batch: Batch) -> int:
        height, width = batch.shape[1:3]
        blocks = (height // PIXELS) * (width // PIXELS)
        if blocks < self.bits:
            raise ConfigurationError(
                f"pictures of {width}×{height} pixels hold {blocks} bits, one in 8×8 pixels: {self.bits} do not fit"
            )
        return int(blocks)


def _parts(picture: Plane) -> Iterator[Plane]:
    """Views of whole blocks of a picture [h, w, 3], from top to bottom."""
    step = max(PART // picture.shape[1] // PIXELS, 1) * PIXELS
    inside = whole_blocks(picture)
    return (inside[top : top + step] for top in range(0, len(inside), step))


def _votes(ones: NDArray[np.bool_], bits: int) -> NDArray[np.int64]:
    full = ones.size // bits * bits
    votes = ones[:full].reshape(-1, bits).sum(axis=0)
    votes[: ones.size - full] += ones[full:]
    return np.asarray(votes)


def _add(picture: Plane, where: Any, change: Plane) -> None:
    """Add `change` to the coefficients `where` of the low band of `picture`'s U plane [h, w, 3], in place.

    A coefficient is half the sum of a cell of 2×2 pixels, so each of the four gets half of the change, and no detail
    band is touched. Y and V stay, as in the package; so do all other pixels, which it sends through YUV and back.
    """
    whole = picture.dtype == np.uint8
    for channel, gain in ((1, GREEN_OF_U), (2, BLUE_OF_U)):
        step = change * np.float32(gain / 2 if whole else gain / 2 / 255)
        if whole:
            step = np.rint(step).astype(np.int16)
        for down, right in itertools.product((0, 1), (0, 1)):
            cells = whole_blocks(picture)[down::2, right::2, channel]
            moved = cells[where] + step
            cells[where] = np.clip(moved, 0, 255 if whole else 1, out=moved)


def whole_blocks(picture: Plane) -> Plane:
    """The part of a picture [h, w, 3] that blocks cover; the package leaves the rest without a mark."""
    height, width = picture.shape[:2]
    return picture[: height // PIXELS * PIXELS, : width // PIXELS * PIXELS]


def low_band(picture: Plane) -> Plane:
    """[h//8·4, w//8·4] float32: `haar(U).low` of a picture [h, w, 3] before rounding, exact if that is uint8."""
    inside = whole_blocks(picture)
    low = np.empty((len(inside) // 2, inside.shape[1] // 2), dtype=np.float32)
    top = 0
    for rows in _whole_rows(inside) if picture.dtype == np.uint8 else _float_rows(inside):
        np.matmul(rows.reshape(len(rows), -1, 2), HALVES, out=low[top : top + len(rows)])
        top += len(rows)
    low += np.float32(2 * OFFSET["uint8" if picture.dtype == np.uint8 else "float32"])
    return low


def _whole_rows(picture: Plane) -> Iterator[Plane]:
    """Sums of U's rows, two and two, less the offset; each strip of them overwrites the one before."""
    rows = np.empty((strip_rows(picture.shape[1]) // 2, picture.shape[1]), dtype=np.float32)
    for u in u_strips(picture):
        yield np.add(u[0::2], u[1::2], out=rows[: len(u) // 2])


def _float_rows(picture: Plane) -> Iterator[Plane]:
    """The same of floating point in 0..1: nothing is rounded, so the pixels are added first."""
    step = strip_rows(picture.shape[1])
    for top in range(0, len(picture), step):
        strip = picture[top : top + step]
        yield (strip[0::2] + strip[1::2]).astype(np.float32, copy=False) @ FLOAT_U


def rounded_blocks(picture: Plane, which: NDArray[np.bool_]) -> Plane:
    """[n, 4, 4] float64: the low band as PyWavelets rounds it, of the n blocks of a uint8 picture in `which`.

    which  bool [h//8, w//8]
    """
    rows, columns = which.shape
    down, right = np.nonzero(which)
    lines = whole_blocks(picture).reshape(rows, PIXELS, columns, PIXELS * 3)
    u = u_plane(lines[down, :, right].reshape(PIXELS, -1, 3))  # long rows, for U is a pixel's own business
    by_pixel = u.reshape(-1, PIXELS, PIXELS).transpose(1, 2, 0).astype(np.float64, order="C")
    return haar_low(by_pixel.transpose(2, 0, 1))  # blocks innermost: NumPy is slow on rows of eight


def is_one(value: Plane) -> NDArray[np.bool_]:
    """Whether values ≥ 0 hold a one."""
    return np.asarray(np.mod(value, STEP) > STEP / 2)


def target(value: Plane, bits: Plane) -> Plane:
    """Where values ≥ 0 have to be to hold `bits`: at a quarter or three quarters of their own step."""
    return np.asarray((np.floor(value / STEP) + 0.25 + 0.5 * bits) * STEP)
