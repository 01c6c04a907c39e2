"""The package's dwtDct, which SDXL, FLUX and Stable Diffusion mark with: the largest coefficient of a block.

There is no DCT in it. A block's value is the largest |coefficient| but for the first, at whatever place; embedding
writes it anew and keeps its sign. Source: invisible-watermark 0.2.0, maxDct.py, methods diffuse_dct_matrix and
infer_dct_matrix.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hygiene.codecs.blocks import BlockCodec, is_one, target
from hygiene.codecs.low_band import add_to_cells, low_band, rounded_blocks
from hygiene.codecs.wavelet import Plane


@dataclass(frozen=True)
class DwtDct(BlockCodec):
    """Reads what the package's dwtDct wrote and the other way round; see `BlockCodec` and `PayloadCodec`.

    What is embedded is what the package embeds, but the package swaps two detail bands, cuts decimals off and sends
    every pixel through YUV and back; here four pixels of a block change, and no others.
    """

    name: ClassVar[str] = "dwt_dct"

    def ones(self, picture: Plane) -> NDArray[np.bool_]:
        low = low_band(picture)
        if picture.dtype != np.uint8:
            return is_one(_peak(np.abs(low, out=low)))
        peak = _peak(low)
        doubled = (2 * peak).astype(np.int16) % 72
        ones = doubled > 36
        close = (doubled == 0) | (doubled == 36)
        if close.any():
            ones[close] = is_one(_peak(rounded_blocks(picture, close).reshape(-1, 4))[:, 0])
        return ones

    def write(self, picture: Plane, bits: Plane, marked: Plane) -> None:
        low = low_band(picture, copy=marked)
        down, right = _places(low)
        value = low[down, right]
        size = np.abs(value)
        add_to_cells(marked, down, right, np.copysign(1, value) * (target(size, bits.ravel()) - size))


def _peak(size: Plane) -> Plane:
    """[h/4, w/4]: the largest of every block of 4×4 sizes [h, w], but for the first, which is overwritten."""
    size[0::4, 0::4] = 0
    rows = np.maximum(np.maximum(size[0::4], size[1::4]), np.maximum(size[2::4], size[3::4]))
    columns = [rows[:, start::4] for start in range(4)]
    return np.asarray(np.maximum(np.maximum(*columns[:2]), np.maximum(*columns[2:])))


def _places(low: Plane) -> tuple[Plane, Plane]:
    """Rows and columns, each [n], of those coefficients, block by block; of equal ones, to 2⁻¹⁹ of them, the first.

    The bits of a positive float32 grow with it, so the place is put into their last four and the maximum taken.
    """
    ranked = low.view(np.int32) & 0x7FFFFFF0
    places = np.arange(15, -1, -1, dtype=np.int32).reshape(4, 4)
    ranked.reshape(-1, 4, low.shape[1])[:] |= np.tile(places, low.shape[1] // 4)
    place = 15 - (_peak(ranked) & 15)
    height, width = place.shape
    down, right = 4 * np.arange(height)[:, None] + place // 4, 4 * np.arange(width) + place % 4
    return down.ravel(), right.ravel()
