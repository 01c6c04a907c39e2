"""What a filter is worth in real data: how many real samples per generation do without one what it does."""

from collections.abc import Sequence

import numpy as np

from evaluator.presets.base import Estimate, Series


def worth(counts: Sequence[int], curves: Series, wanted: Series) -> Estimate:
    """The count at which a distance that falls with real samples comes down to `wanted`.

    counts  real samples per generation, rising [c]
    curves  distances without a filter, [seeds, c]; read straight between points in logarithms
    wanted  distance behind the filter [seeds], with counts[0] real samples

    Not defined where a seed's lies outside of its curve.
    """
    if (curves[:, 0] <= wanted).any():
        return Estimate.of([np.nan], f"with {counts[0]} a seed has less already")
    found = [_crossing(np.log(counts), np.log(curve), np.log(each)) for curve, each in zip(curves, wanted, strict=True)]
    return Estimate.of(np.exp(found), f"with {counts[-1]} a seed has still more")


def _crossing(x: Series, falling: Series, level: float) -> float:
    """The x at which `falling` comes down to `level` for the first time; NaN where it does not."""
    below = np.flatnonzero(falling <= level)
    if not len(below):
        return np.nan
    at = below[0]
    share = (falling[at - 1] - level) / (falling[at - 1] - falling[at])
    return float(x[at - 1] + share * (x[at] - x[at - 1]))
