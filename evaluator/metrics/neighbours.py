"""Who is near whom: nearest rows, and which balls hold which rows. Exact, and in blocks of bounded size.

Single precision finds the pairs that can matter and knows how wrong it may be; double precision decides them. That
is faster than double precision throughout and not less exact.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from evaluator.metrics import neighbours_torch
from evaluator.models.base import Rows
from hygiene.errors import ConfigurationError

CELLS = 1 << 20  # distances of one block: 4 MB in single precision, about what a core's cache holds
FEWEST = 32  # rows of a block, for matrix products to be worth their name
GROUPS = 64  # per neighbour asked for: two of the k nearest then share one in k of 128 rows
NUMBERS = 1 << 21  # of pairs decided at once in double precision: 16 MB a side

Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]
Index = NDArray[np.intp]


def nearest(queries: Rows, rows: Rows, k: int, same: bool = False) -> Rows:
    """Squared distances [n, k], ascending, from each of `queries` [n, f] to its k nearest of `rows` [m, f].

    same: both are one array, and no row is its own neighbour.
    """
    if not 1 <= k <= len(rows) - same:
        bound = "<" if same else "≤"
        raise ConfigurationError(f"k is {k} for {len(rows)} samples, expected 1 ≤ k {bound} number of samples")
    if device := neighbours_torch.device_for(len(queries) * len(rows)):
        return neighbours_torch.nearest(queries, rows, k, same, device)
    pairs = _Pairs(queries, rows)
    return np.concatenate([_nearest_of_block(pairs, block, k, same) for block in pairs.blocks()])


def balls(real: Rows, synthetic: Rows, real_radii: Rows, synthetic_radii: Rows) -> tuple[Counts, Flags, Flags]:
    """What lies inside of whose ball, by squared radii [n] about real rows [n, f], [m] about synthetic ones [m, f].

    Returns how many real balls hold each synthetic row [m]; whether each real ball holds a synthetic row [n];
    whether each real row lies in a synthetic ball [n]. The rim is outside.
    """
    if device := neighbours_torch.device_for(len(real) * len(synthetic)):
        return neighbours_torch.balls(real, synthetic, real_radii, synthetic_radii, device)
    pairs = _Pairs(real, synthetic)
    counts = np.zeros(len(synthetic), dtype=np.int64)
    covered, reached = np.zeros(len(real), dtype=np.bool_), np.zeros(len(real), dtype=np.bool_)
    for block in pairs.blocks():
        near = pairs.screened(block)
        rows, columns = pairs.below(near, block, real_radii[block, None])
        counts += np.bincount(columns, minlength=len(synthetic))
        covered[block.start + rows] = True
        reached[block.start + pairs.below(near, block, synthetic_radii[None])[0]] = True
    return counts, covered, reached


class _Pairs:
    """Squared distances between rows [n, f] and [m, f], both as float64 and as float32 with a bound on its error."""

    def __init__(self, a: Rows, b: Rows) -> None:
        self.a, self.b, centre = a, b, b.mean(axis=0)
        left, right = a - centre, b - centre
        squares_a, squares_b = (np.einsum("ij,ij->i", side, side) for side in (left, right))
        self.unit = max(squares_a.max(), squares_b.max()) or 1.0  # single precision neither over- nor underflows
        root = self.unit**0.5
        # |a−b|² = [−2a, |a|², 1]·[b, 1, |b|²]: one matrix product and no pass over the block after it
        columns = [left * (-2 / root), squares_a / self.unit, np.ones(len(a))]
        self._left = np.column_stack(columns).astype(np.float32)
        lines = np.vstack([right.T / root, np.ones(len(b)), squares_b / self.unit])
        self._right = np.ascontiguousarray(lines, dtype=np.float32)
        # A product of f+2 terms whose magnitudes sum to ≤ 4, its factors and the limit it is held against rounded
        # (Higham 2002, Accuracy and Stability of Numerical Algorithms, §3.1)
        self.slack = np.float32((4 * (a.shape[1] + 6) + 8) * 2.0**-24)

    def blocks(self) -> Iterator[slice]:
        """Slices of the rows `a`, at most max(CELLS, FEWEST · m) distances each."""
        step = max(CELLS // len(self.b), FEWEST)
        return (slice(start, min(start + step, len(self.a))) for start in range(0, len(self.a), step))

    def screened(self, block: slice) -> NDArray[np.float32]:
        """Squared distances [r, m] in `unit`s, each within `slack` of the truth."""
        product: NDArray[np.float32] = self._left[block] @ self._right
        return product

    def exact(self, block: slice, rows: Index, columns: Index) -> Rows:
        """Squared distances of single pairs: rows of the block, counted from its start, and columns."""
        from scipy.spatial.distance import cdist

        a = self.a[block]
        if 8 * len(rows) > len(a) * len(self.b):  # many rows are nearly one point
            distances: Rows = cdist(a, self.b, "sqeuclidean")[rows, columns]
            return distances
        step = max(NUMBERS // a.shape[1], 1)
        parts = (slice(start, start + step) for start in range(0, len(rows), step))
        gaps = (a[rows[part]] - self.b[columns[part]] for part in parts)
        return np.concatenate([np.empty(0), *(np.einsum("ij,ij->i", gap, gap) for gap in gaps)])

    def below(self, near: NDArray[np.float32], block: slice, limits: Rows) -> tuple[Index, Index]:
        """Rows, from the block's start, and columns of the distances below their limits, [r, 1] or [1, m]."""
        scaled = (limits / self.unit).astype(np.float32)
        rows, columns = self.cells(near < scaled + self.slack)
        unsure = np.flatnonzero(near[rows, columns] >= np.broadcast_to(scaled - self.slack, near.shape)[rows, columns])
        inside = np.ones(len(rows), dtype=np.bool_)
        i, j = rows[unsure], columns[unsure]
        inside[unsure] = self.exact(block, i, j) < np.broadcast_to(limits, near.shape)[i, j]
        return rows[inside], columns[inside]

    def cells(self, flags: Flags) -> tuple[Index, Index]:
        """Rows and columns of what is set in [r, m], row by row."""
        rows, columns = np.divmod(np.flatnonzero(flags), len(self.b))
        return rows, columns


def _kth_or_more(near: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    """No less than the k-th smallest of each row [r, m], and hardly more: [r, 1].

    The k-th smallest of the minima of groups, which are many more than k; to find minima is quicker than to order.
    """
    groups = GROUPS * k
    size = near.shape[1] // groups
    if size < 2:
        return np.partition(near, k - 1, axis=1)[:, k - 1 : k]
    grouped = near[:, : size * groups].reshape(len(near), size, groups)
    minima = np.concatenate([grouped.min(axis=1), near[:, size * groups :]], axis=1)
    return np.partition(minima, k - 1, axis=1)[:, k - 1 : k]


def _nearest_of_block(pairs: _Pairs, block: slice, k: int, same: bool) -> Rows:
    near = pairs.screened(block)
    if same:
        own = np.arange(len(near))
        near[own, block.start + own] = np.inf
    # the k nearest by truth are among those that single precision puts within two errors of its own k-th
    bound = _kth_or_more(near, k) + 2 * pairs.slack
    rows, columns = pairs.cells(near <= bound)
    distances = pairs.exact(block, rows, columns)
    ranked = distances[np.lexsort((distances, rows))]
    first = np.searchsorted(rows, np.arange(len(near)))
    found: Rows = ranked[first[:, None] + np.arange(k)]
    return found
