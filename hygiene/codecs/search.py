"""The deep and the exhaustive search: the keyed correlation under many geometries, each tried at every shift.

The whitened plane is transformed once, with zeros around it; a hypothesis (`geometry`) reads the pattern's bins
between the samples of that transform, so that no picture is resampled per hypothesis.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_torch_array
from numpy.typing import NDArray
from scipy.fft import next_fast_len

from hygiene.codecs import geometry, planes
from hygiene.codecs.layouts import Layout
from hygiene.keys import Key

Array = Any

PADDING = 2.0
"""The transform is this much finer than the picture, so that straight lines between its samples will do."""

REFINED, REFINED_TWICE = 24, 4
"""Candidates of the first pass that are looked at closely, and of the second that are looked at once more."""


@dataclass(frozen=True)
class Found:
    """The best hypothesis: its cosine with the key's pattern, its geometry, and how many were tried at every shift."""

    cosine: float
    matrix: NDArray[np.float64]
    hypotheses: int


@dataclass(frozen=True)
class Bins:
    """The bins that are correlated, [n] each, on a grid of `side` shifts per direction.

    rows, columns  frequencies in cycles per tile, −side/2 ≤ row < side/2, 0 ≤ column < side/2
    weights        complex conjugate of the pattern, so that phases·weights sum to a cosine
    place          [side · (side/2 + 1)]: which bin belongs at each place of the half spectrum; n = none
    across         which bin lies at (−row, column); in column 0, the bin itself
    """

    rows: NDArray[np.float32]
    columns: NDArray[np.float32]
    weights: NDArray[np.complex64]
    place: NDArray[np.int64]
    across: NDArray[np.int64]
    side: int


@lru_cache(maxsize=64)
def _bins(layout: Layout, key: Key, radius: float, side: int) -> Bins:
    rows, columns = np.nonzero(layout.bins)
    rows = np.where(rows >= layout.tile // 2, rows - layout.tile, rows)
    used = np.hypot(rows, columns) < radius
    rows, columns = rows[used], columns[used]
    pattern = layout.pattern(key)[layout.bins][used].astype(np.complex128)
    doubled = np.where(columns == 0, 2.0, 1.0)
    weights = np.conj(pattern) / np.linalg.norm(pattern) / np.sqrt(len(pattern)) * doubled
    place = np.full((side, side // 2 + 1), len(pattern))
    place[rows % side, columns] = np.arange(len(pattern))
    across = place[np.where(columns == 0, rows, -rows) % side, columns]
    return Bins(
        rows.astype(np.float32), columns.astype(np.float32), weights.astype(np.complex64), place.ravel(), across, side
    )


def deep(plane: Array, layout: Layout, key: Key, height: int, width: int) -> Found:
    """Flips, quarter turns, crops and stretches of one canonical plane [1, h, w] of a picture of that size."""
    once = geometry.deep(height, width)
    matrices = geometry.with_mirrored(once)
    cosines = _both_cosines(_transform(plane, layout), once, _bins(layout, key, np.inf, layout.tile), layout)
    best = int(cosines.argmax())
    return Found(float(cosines[best]), matrices[best], len(matrices))


def exhaustive(plane: Array, layout: Layout, key: Key) -> Found:
    """Rotations, crops with a changed aspect or turned: a wide grid on the low waves of the middle square, its best
    cells closely, the best of those on the whole plane.

    All points of the finest grid count as tried, for any of them could have been chosen.
    """
    once, cell, bins = geometry.coarse(), geometry.around(1 / 3), _bins(layout, key, np.inf, layout.tile)
    grid = geometry.with_mirrored(once)
    middle = _transform(_middle(plane), layout)
    low = _bins(layout, key, layout.tile / 4, layout.tile // 2)  # waves that half as many shifts can hold
    rough = _both_cosines(middle, once, low, layout)
    near = _refined(grid[np.argsort(-rough)[:REFINED]], cell)
    close = _refined(near[np.argsort(-_cosines(middle, near, bins, layout))[:REFINED_TWICE]], geometry.around(1 / 9))
    cosines = _cosines(_transform(plane, layout), close, bins, layout)
    best = int(cosines.argmax())
    return Found(float(cosines[best]), close[best], len(grid) * len(cell) ** 2)


def _middle(plane: Array) -> Array:
    """The middle square: far from the centre a slightly wrong angle has lost the pattern."""
    _, height, width = plane.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return plane[:, top : top + side, left : left + side]


def _refined(matrices: NDArray[np.float64], cell: NDArray[np.float64]) -> NDArray[np.float64]:
    """Every matrix with every small change, [M·n, 2, 2]."""
    return (cell[None] @ matrices[:, None]).reshape(-1, 2, 2)


def _transform(plane: Array, layout: Layout) -> Array:
    """Half spectrum [H, W/2 + 1] of the whitened plane, its centre at the origin, zeros around."""
    xp = array_namespace(plane)
    whitened, _ = planes.whiten(plane)
    _, height, width = whitened.shape
    high, wide = (next_fast_len(int(PADDING * side), real=True) for side in (height, width))
    wide += wide % 2
    place = xp.zeros((high, wide), dtype=whitened.dtype, device=device(plane))
    place[:height, :width] = whitened[0]
    return xp.fft.rfftn(xp.roll(place, (-(height // 2), -(width // 2)), axis=(0, 1)))


def _cosines(spectrum: Array, matrices: NDArray[np.float64], bins: Bins, layout: Layout) -> NDArray[np.float64]:
    """The best cosine over all shifts, per hypothesis [M]."""
    return np.concatenate([_best_shift(phases, bins) for phases in _phases(spectrum, matrices, bins, layout)])


def _both_cosines(spectrum: Array, matrices: NDArray[np.float64], bins: Bins, layout: Layout) -> NDArray[np.float64]:
    """The same for the hypotheses and, behind them, their mirror images [2M].

    The mirrored pattern's wave (r, c) lies where (r, −c) of the plain one would; a real plane has there the conjugate
    of what it has at (−r, c), which has been read already.
    """
    plain, mirrored = [], []
    for phases in _phases(spectrum, matrices, bins, layout):
        xp = array_namespace(phases)
        across = xp.conj(xp.take(phases, planes.to_like(bins.across, phases), axis=1))
        plain.append(_best_shift(phases, bins))
        mirrored.append(_best_shift(xp.where(planes.to_like(bins.columns == 0, phases), phases, across), bins))
    return np.concatenate(plain + mirrored)


def _phases(spectrum: Array, matrices: NDArray[np.float64], bins: Bins, layout: Layout) -> Iterator[Array]:
    """What each hypothesis reads at the bins, at unit amplitude: [chunk, n] after [chunk, n]."""
    xp = array_namespace(spectrum)
    chunk = 512 if is_torch_array(spectrum) else 32  # on a CPU the chunk should stay in its cache
    waves = np.stack([bins.rows, bins.columns]) / np.float32(layout.tile)
    for start in range(0, len(matrices), chunk):
        values = _read(spectrum, matrices[start : start + chunk].astype(np.float32) @ waves)
        yield values / (xp.abs(values) + 1e-6)


def _best_shift(phases: Array, bins: Bins) -> NDArray[np.float64]:
    """The best cosine over all shifts of each row of phases [M, n]."""
    xp = array_namespace(phases)
    product = phases * planes.to_like(bins.weights, phases)
    empty = xp.zeros((product.shape[0], 1), dtype=product.dtype, device=device(product))
    grid = xp.take(xp.concat([product, empty], axis=1), planes.to_like(bins.place, phases), axis=1)
    shape = (product.shape[0], bins.side, bins.side // 2 + 1)
    shifts = xp.fft.irfftn(xp.reshape(grid, shape), s=(bins.side, bins.side), axes=(1, 2))
    return planes.to_numpy(xp.max(shifts, axis=(1, 2))) * (bins.side**2 / 2)


def _read(spectrum: Array, frequencies: NDArray[np.float32]) -> Array:
    """Values [M, n] at `frequencies` [M, 2, n] (cycles per pixel, row and column), linear between the samples.

    Zero where a frequency is beyond Nyquist: no evidence.
    """
    xp = array_namespace(spectrum)
    high, columns = spectrum.shape
    there = np.abs(frequencies).max(axis=1) < 0.5  # a stretch may push a wave beyond what the pixels can hold
    opposite = frequencies[:, 1] < 0  # a real plane's other half is the conjugate at the opposite frequency
    sign = np.where(opposite, -1, 1) * there
    row, column = frequencies[:, 0] * sign * high, frequencies[:, 1] * sign * (2 * (columns - 1))
    up, left = np.floor(row), np.floor(column)
    down_weight, right_weight = (row - up).astype(np.float32), (column - left).astype(np.float32)
    first = (up.astype(np.int64) % high) * columns + left.astype(np.int64)
    second = ((up.astype(np.int64) + 1) % high) * columns + left.astype(np.int64)
    flat = xp.reshape(spectrum, (-1,))

    def pair(index: NDArray[np.int64]) -> Array:
        here, beside = (
            xp.reshape(xp.take(flat, planes.to_like(i.ravel(), flat)), index.shape) for i in (index, index + 1)
        )
        return here + planes.to_like(right_weight, flat) * (beside - here)

    top, bottom = pair(first), pair(second)
    values = (top + planes.to_like(down_weight, flat) * (bottom - top)) * planes.to_like(there.astype(np.float32), flat)
    return xp.where(planes.to_like(opposite, flat), xp.conj(values), values)
