"""Where a curve measured over seeds is lowest: the best point of a grid, with an interval."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hygiene.errors import ConfigurationError

RESAMPLES = 4000
ROUNDING = 1e-12  # of the largest sum: nearer ones are equal


@dataclass(frozen=True)
class Best:
    """The point of a grid at which the mean over seeds is least.

    low, high  points between which 95 % of the bootstrap's choices lie, all of those that tie; with one seed they are
               that seed's own, which is no evidence of precision
    value      the mean there
    """

    point: float
    low: float
    high: float
    value: float


def least(points: ArrayLike, values: ArrayLike, confidence: float = 0.95) -> Best:
    """The best of `points` [p] for `values` [seeds, p], least mean; the seeds are resampled together.

    Resampling whole seeds keeps what arms of one seed share (common random numbers), so the noise that they have in
    common does not widen the interval. The grid is not refined: an interval of one point says that its neighbours lost
    every time, not that the optimum lies on it.
    """
    grid, table = np.asarray(points, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or grid.shape != table.shape[1:] or not table.size:
        raise ConfigurationError(f"{grid.shape} points with values {table.shape}, expected [p] and [seeds, p]")
    mean = table.mean(axis=0)
    tied, tail = _resampled_choices(table), (1 - confidence) / 2
    low = np.quantile(np.where(tied, grid, np.inf).min(axis=1), tail, method="inverted_cdf")
    high = np.quantile(np.where(tied, grid, -np.inf).max(axis=1), 1 - tail, method="inverted_cdf")
    best = int(np.argmin(mean))
    return Best(float(grid[best]), float(low), float(high), float(mean[best]))


def _resampled_choices(table: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which columns have the least mean in every resample of the rows, [RESAMPLES, p]; several where they tie."""
    seeds = len(table)
    counts = np.random.default_rng(0).multinomial(seeds, np.full(seeds, 1 / seeds), RESAMPLES)
    sums = counts @ table
    tied: NDArray[np.bool_] = sums <= sums.min(axis=1, keepdims=True) + ROUNDING * np.abs(sums).max()
    return tied
