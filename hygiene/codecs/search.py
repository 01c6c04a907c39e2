"""The deep and the exhaustive search: the keyed correlation under many geometries, each tried at every shift.

The whitened plane is transformed once, with zeros around it; a hypothesis (`geometry`) reads the pattern's waves out of
that transform, so that no picture is resampled per hypothesis. A survey of a coarse grid reads the nearest samples; the
best cells are divided and read between the samples. All points of the finest grid count as tried, for any of them could
have been chosen.

A survey that does not ask for the key, by the power at the waves of each hypothesis, would be cheaper and pay for less.
It was measured on photographs: strong marks stand out, faint ones (a quarter of the area as JPEG 75) do not.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.fft
from array_api_compat import array_namespace, device, is_numpy_array
from numpy.typing import NDArray

from hygiene.codecs import geometry, planes
from hygiene.codecs.layouts import Layout
from hygiene.keys import Key

Array = Any
Read = Callable[[Array, NDArray[np.float32]], Array]

PADDING = 2.0
"""The transform is this much finer than the picture, so that nearest samples, or straight lines between, will do."""

DEEP_CELLS, EXHAUSTIVE_CELLS, LAST_CELLS = 4, 16, 2
"""Best cells of the coarse grids that are looked at closely, and of these, in the exhaustive search, once more."""


@dataclass(frozen=True)
class Found:
    """The best hypothesis: its cosine with the key's pattern, its geometry, and how many were tried at every shift."""

    cosine: float
    matrix: NDArray[np.float64]
    hypotheses: int


@dataclass(frozen=True)
class Template:
    """What is correlated: the rectangle of waves that the band fits in, rows −r … r by columns 0 … r, n in all.

    waves    [2, n]: frequencies (row, column) in cycles per canonical pixel
    band     [n]: 1 for waves of the band, 0 for the others
    weights  [2, n]: conjugates of the key's pattern and of its mirror image, unit vectors, zero outside the band
    faint    share of the mean amplitude, see `planes.evidence`
    tile     shifts tried per direction
    """

    waves: NDArray[np.float32]
    band: NDArray[np.float32]
    weights: NDArray[np.complex64]
    faint: float
    tile: int

    @property
    def reach(self) -> int:
        """r"""
        return round(float(self.waves.max()) * self.tile)

    @property
    def upright(self) -> "Template":
        """The same without the mirror image."""
        return replace(self, weights=self.weights[:1])


@lru_cache(maxsize=64)
def _template(layout: Layout, key: Key) -> Template:
    reach = int(np.argwhere(layout.bins)[:, 1].max())
    rows, columns = np.mgrid[-reach : reach + 1, : reach + 1]
    pattern = layout.pattern(key)[rows, columns].astype(np.complex128)
    plain = np.conj(pattern) / np.linalg.norm(pattern)
    mirrored = np.conj(plain[::-1])  # the wave (r, −c) of a real pattern is the conjugate of (−r, c)
    mirrored[:, 0] = plain[:, 0]  # of which the band holds only one
    weights = np.stack([plain, mirrored]) * np.where(columns == 0, 2, 1)  # the transform counts all others twice
    waves = (np.stack([rows, columns]).reshape(2, -1) / layout.tile).astype(np.float32)
    band = layout.bins[rows, columns].ravel().astype(np.float32)
    weights = weights.reshape(2, -1).astype(np.complex64)
    return Template(waves, band, weights, planes.faint(layout), layout.tile)


def deep(plane: Array, layout: Layout, key: Key, height: int, width: int) -> Found:
    """Flips, quarter turns, crops and stretches of one canonical plane [1, h, w] of a picture of that size."""
    template, spectrum = _template(layout, key), _transform(plane)
    grid, cell = geometry.deep(height, width), geometry.nearby()
    close = geometry.refined(_surveyed(spectrum, grid, template)[:DEEP_CELLS], cell)
    return _best(spectrum, close, template, 2 * len(grid) * len(cell))


def exhaustive(plane: Array, layout: Layout, key: Key) -> Found:
    """Rotations, crops with a changed aspect or turned: a wide grid on the middle square, its best cells closely, the
    best of those on the whole plane.
    """
    template, middle = _template(layout, key), _transform(_middle(plane))
    grid, cell = geometry.coarse(), geometry.around(1 / 3)
    near = geometry.refined(_surveyed(middle, grid, template)[:EXHAUSTIVE_CELLS], cell)
    order = np.argsort(-_cosines(middle, near, template.upright, _nearest)[:, 0])
    close = geometry.refined(near[order[:LAST_CELLS]], geometry.around(1 / 9))
    return _best(_transform(plane), close, template, 2 * len(grid) * len(cell) ** 2)


def phases_under(matrix: NDArray[np.float64], plane: Array, layout: Layout) -> NDArray[np.complex128]:
    """The used bins under one hypothesis, [1, tile, tile//2 + 1], unit vectors like those of `planes.phases`."""
    rows, columns = np.nonzero(layout.bins)
    waves = np.stack([np.where(rows > layout.tile // 2, rows - layout.tile, rows), columns]) / layout.tile
    values = _between(_transform(plane), (matrix @ waves).astype(np.float32)[None])
    half = np.zeros((1, *layout.bins.shape), dtype=np.complex128)
    half[0, layout.bins] = planes.to_complex(
        planes.evidence(values, np.ones(len(rows), np.float32), planes.faint(layout))
    )[0]
    return half


def _surveyed(spectrum: Array, grid: NDArray[np.float64], template: Template) -> NDArray[np.float64]:
    """The grid's hypotheses and their mirror images [2M, 2, 2], the best first."""
    cosines = _cosines(spectrum, grid, template, _nearest)
    return geometry.with_mirrored(grid)[np.argsort(-cosines.T.ravel())]


def _best(spectrum: Array, matrices: NDArray[np.float64], template: Template, hypotheses: int) -> Found:
    cosines = _cosines(spectrum, matrices, template.upright, _between)[:, 0]
    best = int(cosines.argmax())
    return Found(float(cosines[best]), matrices[best], hypotheses)


def _middle(plane: Array) -> Array:
    """The middle square: far from the centre a slightly wrong angle has lost the pattern."""
    _, height, width = plane.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return plane[:, top : top + side, left : left + side]


def _transform(plane: Array) -> Array:
    """Spectrum [H, W], zero frequency in the middle, of the whitened plane, its centre at the origin, zeros around.

    The outermost rows and columns are set to zero: whatever lies beyond Nyquist is read there.
    """
    xp = array_namespace(plane)
    whitened, _ = planes.whiten(plane)
    _, height, width = whitened.shape
    high, wide = (2 * scipy.fft.next_fast_len(int(PADDING * side / 2)) for side in (height, width))
    signs = np.outer(*(np.cos(np.pi * (np.arange(side) - side // 2)) for side in (height, width)))
    signed = whitened[0] * planes.to_like(signs.astype(np.float32), whitened)  # moves zero frequency to the middle
    place = xp.zeros((high, wide), dtype=whitened.dtype, device=device(plane))
    top, left = height // 2, width // 2
    place[: height - top, : width - left] = signed[top:, left:]
    place[: height - top, wide - left :] = signed[top:, :left]
    place[high - top :, : width - left] = signed[:top, left:]
    place[high - top :, wide - left :] = signed[:top, :left]
    spectrum = _fft(place).fftn(place)
    spectrum[0, :] = spectrum[-1, :] = 0
    spectrum[:, 0] = spectrum[:, -1] = 0
    return spectrum


def _fft(array: Array) -> Any:
    """SciPy's transforms several lines at once; NumPy's take each by itself, which costs four times as much."""
    return scipy.fft if is_numpy_array(array) else array_namespace(array).fft


def _cosines(spectrum: Array, matrices: NDArray[np.float64], template: Template, read: Read) -> NDArray[np.float64]:
    """The best cosine over all shifts [M, k], of each hypothesis with each of the template's weights [k, n]."""
    xp = array_namespace(spectrum)
    chunk = 16 if is_numpy_array(spectrum) else 512  # on a CPU the chunk should stay in its cache
    weights = planes.to_like(template.weights, spectrum)
    found = []
    for start in range(0, len(matrices), chunk):
        some = matrices[start : start + chunk].astype(np.float32)
        frequencies = (some.reshape(-1, 2) @ template.waves).reshape(len(some), 2, -1)
        evidence = planes.evidence(read(spectrum, frequencies), template.band, template.faint)
        found.append(_best_shift(evidence[:, None, :] * weights, template))
    return planes.to_numpy(xp.concat(found))


def _best_shift(products: Array, template: Template) -> Array:
    """[M, k]: the greatest of the cosines that products [M, k, n] of phases and weights sum to, over all shifts."""
    xp = array_namespace(products)
    *batch, _ = products.shape
    tile, reach = template.tile, template.reach
    products = xp.reshape(products, (*batch, 2 * reach + 1, reach + 1))
    grid = xp.zeros((*batch, tile, tile // 2 + 1), dtype=products.dtype, device=device(products))
    grid[:, :, : reach + 1, : reach + 1] = products[:, :, reach:]
    grid[:, :, tile - reach :, : reach + 1] = products[:, :, :reach]
    shifts = _fft(grid).irfftn(grid, s=(tile, tile), axes=(2, 3))
    return xp.max(xp.reshape(shifts, (*batch, -1)), axis=2) * (tile**2 / 2)


def _nearest(spectrum: Array, frequencies: NDArray[np.float32]) -> Array:
    """The samples [M, n] nearest to `frequencies` [M, 2, n] (cycles per pixel, row and column)."""
    row, column = _positions(spectrum, frequencies)
    return _taken(spectrum, (np.rint(row) * spectrum.shape[1] + np.rint(column)).astype(np.int64))


def _between(spectrum: Array, frequencies: NDArray[np.float32]) -> Array:
    """The same on straight lines between the samples."""
    high, wide = spectrum.shape
    row, column = _positions(spectrum, frequencies)
    up, left = np.minimum(row.astype(np.int64), high - 2), np.minimum(column.astype(np.int64), wide - 2)
    down, right = (planes.to_like(each.astype(np.float32), spectrum) for each in (row - up, column - left))
    corner = up * wide + left
    above, below = (
        first + right * (second - first)
        for first, second in ((_taken(spectrum, at), _taken(spectrum, at + 1)) for at in (corner, corner + wide))
    )
    return above + down * (below - above)


def _positions(spectrum: Array, frequencies: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Rows and columns [M, n] of the spectrum; beyond Nyquist the outermost ones, which hold no evidence."""
    high, wide = spectrum.shape
    row, column = frequencies[:, 0] * high + high // 2, frequencies[:, 1] * wide + wide // 2
    return np.clip(row, 0, high - 1), np.clip(column, 0, wide - 1)


def _taken(values: Array, index: NDArray[np.int64]) -> Array:
    xp = array_namespace(values)
    flat = xp.take(xp.reshape(values, (-1,)), planes.to_like(index.ravel(), values), axis=0)
    return xp.reshape(flat, index.shape)
