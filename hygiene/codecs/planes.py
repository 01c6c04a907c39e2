"""From pixels to the whitened, folded spectrum that the keyed codec correlates.

Every function takes arrays of any array-API library and stays on their device: NumPy on the CPU, torch on CPU or
GPU. Planes are float32 [B, h, w] in grey levels 0..255.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_torch_array
from numpy.typing import NDArray

from hygiene.codecs.layouts import LAYOUTS, Layout

Array = Any

LUMA = np.array((0.299, 0.587, 0.114), dtype=np.float32)
"""ITU-R BT.601, the luma of JPEG."""

WINDOW = 7
"""Side, in canonical pixels, of the square in which local mean and deviation are taken."""

FLOOR = 2.0
"""Grey levels added to the local deviation, so that flat areas do not turn their noise into evidence."""

FAINT = 0.8
"""Bins with less than this share of the mean amplitude are weighted down; see `faint`. Measured on photographs."""

_FIRST_DOUBLED = {
    side: np.where(np.arange(side // 2 + 1) == 0, 2.0, 1.0).astype(np.float32)
    for side in {each.tile for each in LAYOUTS}
}


def to_like(values: NDArray[Any], like: Array) -> Array:
    """A NumPy array as an array of `like`'s library, on its device."""
    xp = array_namespace(like)
    return xp.asarray(values, device=device(like))


def to_numpy(array: Array) -> NDArray[np.float64]:
    """Any library's array as float64 on the CPU."""
    host = array.detach().cpu().numpy() if is_torch_array(array) else array
    return np.asarray(host, dtype=np.float64)


def to_complex(array: Array) -> NDArray[np.complex128]:
    """The same of complex numbers."""
    host = array.detach().cpu().numpy() if is_torch_array(array) else array
    return np.asarray(host, dtype=np.complex128)


def luma(pixels: Array) -> Array:
    """[B, h, w] or [B, h, w, 3] float32 levels -> [B, h, w]."""
    return pixels if pixels.ndim == 3 else pixels @ to_like(LUMA, pixels)


def canonical(plane: Array, layout: Layout) -> Array:
    """The plane at the layout's short side, aspect kept: whole-pixel averages first, then triangle resampling."""
    short = min(plane.shape[-2:])
    scale = layout.short / short
    factor = short // layout.short
    if factor > 1:
        plane, scale = _average(plane, factor), scale * factor
    height, width = plane.shape[-2:]
    if scale == 1.0:
        return plane
    rows, columns = (to_like(_reduce(side, scale), plane) for side in (height, width))
    return rows @ plane @ columns.T


def _average(plane: Array, factor: int) -> Array:
    """Means of factor × factor pixels: strided sums, rows first, which beat a reduction over tiny axes."""
    height, width = (side // factor * factor for side in plane.shape[-2:])
    lines = sum(plane[:, start:height:factor, :] for start in range(1, factor)) + plane[:, 0:height:factor, :]
    cells = sum(lines[:, :, start:width:factor] for start in range(1, factor)) + lines[:, :, 0:width:factor]
    return cells / (factor * factor)


@lru_cache(maxsize=256)
def _reduce(native: int, scale: float) -> NDArray[np.float32]:
    """[⌊native·scale⌋, native]: antialiased triangle resampling of `native` pixels by `scale`; rows sum to 1."""
    count = max(int(native * scale + 1e-6), 1)
    centre = (np.arange(count)[:, None] + 0.5) / scale - 0.5
    width = max(1.0, 1.0 / scale)
    weight = np.maximum(1.0 - np.abs(np.arange(native)[None, :] - centre) / width, 0.0)
    return np.asarray(weight / weight.sum(axis=1, keepdims=True), dtype=np.float32)


def enlarge(plane: Array, height: int, width: int, scale: float) -> Array:
    """A canonical plane drawn at `height` × `width` native pixels by linear interpolation; native = canonical/scale."""
    return _stretch(_stretch(plane, height, scale, axis=1), width, scale, axis=2)


def _stretch(plane: Array, native: int, scale: float, axis: int) -> Array:
    xp = array_namespace(plane)
    last = plane.shape[axis] - 1
    position = np.clip((np.arange(native) + 0.5) * scale - 0.5, 0, last)
    below = np.minimum(position.astype(np.int64), max(last - 1, 0))
    weight = (position - below).astype(np.float32).reshape((-1, 1) if axis == 1 else (1, -1))
    low = xp.take(plane, to_like(below, plane), axis=axis)
    drawn = xp.take(plane, to_like(np.minimum(below + 1, last), plane), axis=axis)
    drawn -= low  # in place: fresh memory for every step would cost more than the arithmetic
    drawn *= to_like(weight, plane)
    drawn += low
    return drawn


def whiten(plane: Array) -> tuple[Array, Array]:
    """(plane − local mean) / (local deviation + FLOOR), and the local deviation in grey levels."""
    xp = array_namespace(plane)
    centred = plane - _box_mean(plane)
    deviation = xp.sqrt(_box_mean(centred * centred))
    return centred / (deviation + FLOOR), deviation


def texture(plane: Array) -> Array:
    """Activity in grey levels, [B, h, w], that an edge beside a flat area does not raise.

    The least standard deviation of the four 3×3 windows that have the pixel in a corner (Kuwahara et al. 1976).
    """
    xp = array_namespace(plane)
    padded = _with_edges(_with_edges(plane - 128.0, 1, 2), 2, 2)  # centred: squares of small numbers keep their digits
    mean, square = (_sums(_sums(each, 1, 3), 2, 3) / 9 for each in (padded, padded * padded))
    variance = square - mean * mean
    rows = xp.minimum(variance[:, :-2], variance[:, 2:])
    return xp.sqrt(xp.clip(xp.minimum(rows[:, :, :-2], rows[:, :, 2:]), 0.0, None))


def _box_mean(plane: Array) -> Array:
    return _box_axis(_box_axis(plane, axis=1), axis=2) / (WINDOW * WINDOW)


def _box_axis(plane: Array, axis: int) -> Array:
    """Running sum of WINDOW pixels along `axis`, edges repeated."""
    return _sums(_with_edges(plane, axis, WINDOW // 2), axis, WINDOW)


def _with_edges(plane: Array, axis: int, count: int) -> Array:
    """The first and the last line along `axis` repeated `count` times more."""
    first = (slice(None),) * axis + (slice(0, 1),)
    last = (slice(None),) * axis + (slice(plane.shape[axis] - 1, plane.shape[axis]),)
    return array_namespace(plane).concat([plane[first]] * count + [plane] + [plane[last]] * count, axis=axis)


def _sums(plane: Array, axis: int, count: int) -> Array:
    """Sums of `count` neighbours along `axis`, which gets count − 1 shorter."""
    length = plane.shape[axis] - count + 1
    shifted = [plane[(slice(None),) * axis + (slice(start, start + length),)] for start in range(count)]
    total = shifted[0] + shifted[1]
    for each in shifted[2:]:
        total += each  # in place: fresh memory for every sum would cost more than the sum
    return total


def fold(plane: Array, tile: int) -> Array:
    """[B, h, w] -> [B, tile, tile]: the sum of all tiles, the last ones padded with zeros."""
    xp = array_namespace(plane)
    for axis in (1, 2):
        missing = -plane.shape[axis] % tile
        if missing:
            shape = tuple(missing if a == axis else n for a, n in enumerate(plane.shape))
            plane = xp.concat([plane, xp.zeros(shape, dtype=plane.dtype, device=device(plane))], axis=axis)
    batch, height, width = plane.shape
    tiles = xp.reshape(plane, (batch, height // tile, tile, width // tile, tile))
    return xp.sum(xp.sum(tiles, axis=3), axis=1)


def spectrum(plane: Array, layout: Layout) -> tuple[Array, Array]:
    """A canonical plane's folded, whitened half spectrum [B, tile, tile//2 + 1], and its local deviation."""
    xp = array_namespace(plane)
    whitened, deviation = whiten(plane)
    return xp.fft.rfftn(fold(whitened, layout.tile), axes=(1, 2)), deviation


def phases(half_spectrum: Array, layout: Layout) -> Array:
    """The used bins' `evidence`, others zero, [B, tile, tile//2 + 1] as the half spectrum."""
    xp = array_namespace(half_spectrum)
    flat = xp.reshape(half_spectrum, (half_spectrum.shape[0], -1))
    return xp.reshape(evidence(flat, layout.bins.ravel().astype(np.float32), faint(layout)), half_spectrum.shape)


def faint(layout: Layout) -> float:
    """The share of the mean amplitude under which a bin is faint: none where the canonical plane is a single tile.

    There the mark is pushed into the faint bins, and no other tile brings noise into them.
    """
    return FAINT * (1 - layout.tile / layout.short)


def evidence(values: Array, band: NDArray[np.float32], share: float) -> Array:
    """Values [M, n] of a spectrum, where band [n] is 1, as unit vectors: phases, with a weight that is 1 at most.

    A bin that stands out tells no more than its phase; one under `share` of the mean amplitude, such as those that blur
    or JPEG emptied, is mostly noise and counts in proportion. The key has no part in the weights, so the cosine
    with its direction stays exact. A flat plane has no evidence: its vector is zero and correlates with nothing.
    """
    xp = array_namespace(values)
    used = values * to_like(band, values)
    amplitude = xp.abs(used)
    mean = xp.sum(amplitude, axis=1, keepdims=True) / float(band.sum())
    weighted = used * (1 / xp.maximum(amplitude, share * mean + 1e-4))
    size = xp.sqrt(xp.sum(xp.abs(weighted) ** 2, axis=1, keepdims=True))
    return weighted * (1 / xp.clip(size, 1e-3, None))


def correlation(vectors: Array, pattern: Array, layout: Layout) -> Array:
    """[B, tile, tile]: the cosine with the key's pattern at every cyclic shift, in one inverse transform.

    An inverse real transform counts every column but the first twice; only half of the first is used, so it is
    doubled.
    """
    xp = array_namespace(vectors)
    side = layout.tile
    product = vectors * (xp.conj(pattern) * to_like(_FIRST_DOUBLED[side], vectors))
    return xp.fft.irfftn(product, s=(side, side), axes=(1, 2)) * (side * side / 2)
