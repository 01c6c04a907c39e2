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

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
U_OF_BLUE, V_OF_RED = np.float32(0.492), np.float32(0.877)
"""U and V of floating point are these times blue − luma and red − luma, plus the offset."""

LUMA_LESS_BLUE = np.nextafter(np.array([4899, 9617, 1868 - 16384], dtype=np.float32) / 16384, np.float32(np.inf))
"""OpenCV's integers; each rounded up by its last digit, which lifts halves over the half: they too are rounded upwards.
Right of all 2²⁴ colours in whatever order three products are added, fused or not."""

STRIP = 32768
"""About how many pixels are worked on at a time: what they need fits the cache of a core."""


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
    top, bottom = _halves(plane, axis=-2)
    left, right = _halves(bottom + top, axis=-1)
    up, down = _halves(top - bottom, axis=-1)
    return Bands(right + left, down + up, left - right, up - down)


def haar_low(plane: Plane) -> Plane:
    """`haar(plane).low` without the other bands."""
    top, bottom = _halves(plane, axis=-2)
    left, right = _halves(bottom + top, axis=-1)
    return np.asarray(right + left)


def _halves(plane: Plane, axis: int) -> tuple[Plane, Plane]:
    """The even and the odd rows (axis −2) or columns (−1), times the filter's tap."""
    values = plane if plane.dtype == np.float32 else plane.astype(np.float64, copy=False)
    scaled = values * values.dtype.type(HALF_ROOT)
    return (scaled[..., 0::2, :], scaled[..., 1::2, :]) if axis == -2 else (scaled[..., 0::2], scaled[..., 1::2])


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
    luma = pixels @ LUMA
    half = np.float32(OFFSET["float32"])
    u = (pixels[..., 2] - luma) * U_OF_BLUE + half
    v = (pixels[..., 0] - luma) * V_OF_RED + half
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
    """`to_yuv(pixels)[..., 1]` alone, faster: float32 [h, w] of pixels [h, w, 3]; whole numbers if they are uint8."""
    plane = np.empty(pixels.shape[:2], dtype=np.float32)
    offset = np.float32(OFFSET["uint8" if pixels.dtype == np.uint8 else "float32"])
    rows = strip_rows(pixels.shape[1])
    for top in range(0, len(pixels), rows):
        np.add(centred_u(pixels[top : top + rows]), offset, out=plane[top : top + rows])
    return plane


def strip_rows(width: int) -> int:
    """How many rows of that many pixels are a strip; a multiple of 8."""
    return max(STRIP // width // 8, 1) * 8


def centred_u(strip: Plane) -> Plane:
    """`u_plane` less its offset, of no more pixels than a cache holds."""
    levels = strip.astype(np.float32)
    return _whole_u(levels) if strip.dtype == np.uint8 else (levels[..., 2] - levels @ LUMA) * U_OF_BLUE


def _whole_u(levels: Plane) -> Plane:
    """`to_yuv`'s integers of every uint8 colour, in float32; the product with 8061/2¹⁴ never is a half."""
    u: Plane = levels @ LUMA_LESS_BLUE
    np.rint(u, out=u)
    u *= np.float32(-8061 / 16384)
    return np.rint(u, out=u)
