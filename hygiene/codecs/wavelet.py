"""What the codecs of the package invisible-watermark share: OpenCV's YUV and one level of the Haar wavelet.

Its decoder's bits hang on rounding, because coefficients often lie exactly between a 0 and a 1. So both steps repeat
the arithmetic of the libraries that it calls, operation for operation: OpenCV's `cvtColor` (COLOR_RGB2YUV and back) on
uint8, and PyWavelets' `dwt2(…, "haar")`. Pixels are RGB [..., h, w, 3]; for BGR pass `pixels[..., ::-1]`.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[Any]

OFFSET = {"uint8": 128.0, "float32": 0.5}
"""What stands for "no colour" in U and V. OpenCV takes 0.5 for floating point even where levels run to 255."""

HALF_ROOT = 0.7071067811865476
"""The Haar filter's tap, in float64 as PyWavelets has it."""

ROWS = 128
"""Rows that `u_plane` works on at a time, so that what it holds stays in the cache of a core."""


class Bands(NamedTuple):
    """One level of the Haar wavelet, each [..., h/2, w/2]: averages, and the details of rows, columns and both.

    horizontal  differences between the two rows of a cell: horizontal edges; PyWavelets' cH
    vertical    differences between its two columns; cV
    """

    low: Plane
    horizontal: Plane
    vertical: Plane
    diagonal: Plane


def haar(plane: Plane) -> Bands:
    """`pywt.dwt2(plane, "haar")`, bit for bit, of planes [..., h, w] with even sides.

    float32 stays float32, all else becomes float64. A cell (a b; c d) gives low = (a+b+c+d)/2 up to rounding.
    """
    values = plane if plane.dtype == np.float32 else plane.astype(np.float64)
    scaled = values * values.dtype.type(HALF_ROOT)
    top, bottom = scaled[..., 0::2, :], scaled[..., 1::2, :]
    low, vertical = _columns(bottom + top)
    horizontal, diagonal = _columns(top - bottom)
    return Bands(low, horizontal, vertical, diagonal)


def _columns(rows: Plane) -> tuple[Plane, Plane]:
    scaled = rows * rows.dtype.type(HALF_ROOT)
    left, right = scaled[..., 0::2], scaled[..., 1::2]
    return right + left, left - right


def inverse_haar(bands: Bands) -> Plane:
    """The planes [..., h, w] that `haar` made `bands` of, up to rounding: `pywt.idwt2` with each band in its place."""
    low, horizontal, vertical, diagonal = (band / 2 for band in bands)
    *batch, height, width = low.shape
    plane = np.empty((*batch, 2 * height, 2 * width), dtype=low.dtype)
    plane[..., 0::2, 0::2] = low + horizontal + vertical + diagonal
    plane[..., 0::2, 1::2] = low + horizontal - vertical - diagonal
    plane[..., 1::2, 0::2] = low - horizontal + vertical - diagonal
    plane[..., 1::2, 1::2] = low - horizontal - vertical + diagonal
    return plane


def to_yuv(pixels: Plane) -> Plane:
    """RGB to YUV as `cv2.cvtColor` does it: uint8 exactly, offset 128; floating point (levels 0..255), offset 0.5.

    Floating point comes back as float32 and agrees with OpenCV to within its last digits (it adds in another order).
    """
    if pixels.dtype != np.uint8:
        return _float_yuv(pixels.astype(np.float32))
    red, green, blue = (pixels[..., i].astype(np.int32) for i in range(3))
    luma = (4899 * red + 9617 * green + 1868 * blue + 8192) >> 14
    u = ((blue - luma) * 8061 + 8192 >> 14) + 128
    v = ((red - luma) * 14369 + 8192 >> 14) + 128
    return np.stack([luma, u, v], axis=-1).clip(0, 255).astype(np.uint8)


def _float_yuv(pixels: Plane) -> Plane:
    luma = pixels @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    half = np.float32(OFFSET["float32"])
    u = (pixels[..., 2] - luma) * np.float32(0.492) + half
    v = (pixels[..., 0] - luma) * np.float32(0.877) + half
    return np.stack([luma, u, v], axis=-1)


def from_yuv(yuv: Plane) -> Plane:
    """YUV back to RGB as `cv2.cvtColor` does it: uint8 exactly and clipped; float32 to within rounding, not clipped."""
    return _whole_rgb(yuv) if yuv.dtype == np.uint8 else _float_rgb(yuv.astype(np.float32))


def _whole_rgb(yuv: Plane) -> Plane:
    luma, u, v = (yuv[..., i].astype(np.int32) for i in range(3))
    u, v = u - 128, v - 128
    red = luma + (18678 * v + 8192 >> 14)
    green = luma + (-6472 * u - 9519 * v + 8192 >> 14)
    blue = luma + (33292 * u + 8192 >> 14)
    return np.stack([red, green, blue], axis=-1).clip(0, 255).astype(np.uint8)


def _float_rgb(yuv: Plane) -> Plane:
    half = np.float32(OFFSET["float32"])
    luma, u, v = yuv[..., 0], yuv[..., 1] - half, yuv[..., 2] - half
    green = luma - np.float32(0.395) * u - np.float32(0.581) * v
    return np.stack([luma + np.float32(1.140) * v, green, luma + np.float32(2.032) * u], axis=-1)


def u_plane(pixels: Plane) -> Plane:
    """`to_yuv(pixels)[..., 1]` alone, faster: int16 of one uint8 picture [h, w, 3], float32 of floating point."""
    if pixels.dtype != np.uint8:
        levels = pixels.astype(np.float32, copy=False)
        luma = levels @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
        return np.asarray((levels[..., 2] - luma) * np.float32(0.492) + np.float32(OFFSET["float32"]))
    plane = np.empty(pixels.shape[:2], dtype=np.int16)
    for top in range(0, len(pixels), ROWS):
        _whole_u(pixels[top : top + ROWS], out=plane[top : top + ROWS])
    return plane


def _whole_u(pixels: Plane, out: Plane) -> None:
    """`to_yuv`'s integers without leaving 16 bits: the weights of R−G and B−G split into high and low bytes.

    4899 = 19·256 + 35 and 1868 = 7·256 + 76, so luma − green = (19r + 7b + ⌊(35r + 76b)/2⁸⌋ + 32) >> 6; and
    8061 = 8192 − 131, so U = (d + ⌊−131d/2¹³⌋ + 257) >> 1 with d = blue − luma. All stay below 2¹⁵.
    """
    red, green, blue = (pixels[..., i].astype(np.int16) for i in range(3))
    red -= green
    blue -= green
    low = np.multiply(red, 35, out=green)
    scratch = np.multiply(blue, 76, out=out)
    low += scratch
    low >>= 8
    red *= 19
    red += low
    red += np.multiply(blue, 7, out=scratch)
    red += 32
    red >>= 6
    blue -= red
    np.multiply(blue, -131, out=out)
    out >>= 13
    out += blue
    out += 257
    out >>= 1
