"""The low band of a picture's U plane, where dwt_dct and dwt_dct_svd keep their bits: read, rounded, and written.

Only U is computed, and only U is changed: by what a step of U moves green and blue. Pictures are RGB [h, w, 3], uint8
or floating point in 0..1. A cell is 2×2 pixels, a coefficient of the band half the sum of its cell.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hygiene.codecs.bits import check_finite
from hygiene.codecs.wavelet import LUMA, OFFSET, U_OF_BLUE, Plane, centred_u, haar_low, strip_rows, u_plane

PIXELS = 8
"""Side of a block in pixels."""

HALVES = np.full(2, 0.5, dtype=np.float32)

FLOAT_PAIR = np.tile(np.float32(127.5) * U_OF_BLUE * (np.array([0, 0, 1], dtype=np.float32) - LUMA), 2)
"""Half of U, but for its offset, of two pixels of floating point in 0..1."""

CHANNELS_OF_U = {1: -0.395, 2: 2.032}
"""What a change of U by one changes in green and blue while Y and V stay (OpenCV's YUV2RGB)."""


def whole_blocks(picture: Plane) -> Plane:
    """The part of a picture [h, w, 3] that blocks cover; the package leaves the rest without a mark."""
    height, width = picture.shape[:2]
    return picture[: height // PIXELS * PIXELS, : width // PIXELS * PIXELS]


def low_band(picture: Plane, copy: Plane | None = None) -> Plane:
    """[h//8·4, w//8·4] float32: `haar(U).low` of a picture [h, w, 3] before rounding, exact if that is uint8.

    copy  becomes one of the picture, strip by strip, while the cache holds it

    Raises ConfigurationError for pixels that are not finite.
    """
    inside = whole_blocks(picture if copy is None else copy)
    low = np.empty((len(inside) // 2, inside.shape[1] // 2), dtype=np.float32)
    rows = strip_rows(picture.shape[1])
    for top in range(0, len(picture), rows):
        if copy is not None:
            copy[top : top + rows] = picture[top : top + rows]
        _cell_sums(inside[top : top + rows], low[top // 2 : (top + rows) // 2])
    whole = picture.dtype == np.uint8
    if not whole:
        check_finite(low)  # a twelfth of the pixels' size, and none of them is lost in it
    low += np.float32(2 * OFFSET["uint8" if whole else "float32"])
    return low


@np.errstate(invalid="ignore")  # of infinities `low_band` tells in words
def _cell_sums(strip: Plane, out: Plane) -> None:
    """[h/2, w/2]: half the sum of U of four neighbours, less the offset; nothing is rounded of floating point."""
    height, width = strip.shape[:2]
    if strip.dtype == np.uint8:
        u = centred_u(strip)
        np.matmul((u[0::2] + u[1::2]).reshape(height // 2, width // 2, 2), HALVES, out=out)
    else:
        pairs = strip.astype(np.float32, copy=False).reshape(height, width // 2, 6) @ FLOAT_PAIR
        np.add(pairs[0::2], pairs[1::2], out=out)


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


def add_to_cells(picture: Plane, down: Plane, right: Plane, change: Plane) -> None:
    """Add `change` [n] to n coefficients of the low band of a contiguous picture, in place; no two in one place.

    Each pixel of a cell gets half of it, so no detail band is touched. Y and V stay, as in the package; so do all other
    pixels, which it sends through YUV and back. Whole numbers are rounded; black and white are the end.
    """
    width = picture.shape[1]
    cells = 2 * (width * down + right) + np.array([[0], [1], [width], [width + 1]])
    for channel, step in _steps(picture, change):
        values = picture.reshape(-1, 3)[:, channel]
        moved = values[cells] + step
        values[cells] = np.clip(moved, 0, _white(picture), out=moved)


def add_to_band(picture: Plane, change: Plane) -> None:
    """The same of every coefficient: `change` [h//8·4, w//8·4]."""
    inside = whole_blocks(picture)
    rows = strip_rows(inside.shape[1])
    for top in range(0, len(inside), rows):
        strip = inside[top : top + rows]
        _add_to_strip(strip.reshape(-1, 2, *strip.shape[1:]), change[top // 2 : (top + rows) // 2])


def _add_to_strip(cells: Plane, change: Plane) -> None:
    """cells [h, 2, 2·w, 3] and change [h, w]."""
    whole = cells.dtype == np.uint8
    steps = np.zeros((*change.shape, 2, 3), dtype=np.int16 if whole else np.float32)
    for channel, step in _steps(cells, change):
        steps[..., channel] = step[..., None]
    levels = cells.astype(np.int16) if whole else cells
    levels += steps.reshape(len(steps), 1, -1, 3)
    np.clip(levels, 0, _white(cells), out=levels)
    if whole:
        cells[...] = levels


def _steps(picture: Plane, change: Plane) -> Iterator[tuple[int, Plane]]:
    """By how much each channel of a cell's pixels has to move."""
    for channel, gain in CHANNELS_OF_U.items():
        step = change * np.float32(gain / 2 / (1 if picture.dtype == np.uint8 else 255))
        yield channel, np.rint(step).astype(np.int16) if picture.dtype == np.uint8 else step


def _white(picture: Plane) -> int:
    return 255 if picture.dtype == np.uint8 else 1
