"""What experiments on filters read off their arms: means over the last generations, compared by arm and by recall."""

from collections.abc import Mapping

import numpy as np

from evaluator.optimum import least
from evaluator.presets.base import Comparison, Estimate, Measured, Series, quotient, settled
from evaluator.presets.three_loops import DISTANCE

Grid = Mapping[float, str]
"""Recall -> arm."""


def table(last: int, grid: Grid, metric: str, measured: Measured) -> Series:
    """The metric's means over the `last` generations, [seeds, recalls]."""
    return np.stack([settled(measured, arm, metric, last) for arm in grid.values()], axis=1)


def best(last: int, grid: Grid, measured: Measured) -> Estimate:
    """The recall with the least distance."""
    found = least(list(grid), table(last, grid, DISTANCE, measured))
    return Estimate(found.point, found.low, found.high)


def less(last: int, arm: str, other: str, sign: int | None, source: str) -> Comparison:
    """The row of an arm's distance less that of another one, which is called by what follows model and λ in its label.

    sign, source  the rule, and where it is from; None: only reported
    """

    def measure(measured: Measured) -> Estimate:
        return Estimate.of(np.subtract(*(settled(measured, each, DISTANCE, last) for each in (arm, other))))

    what = f"distance, {arm}, less that of {other.split(', ', 2)[2]}"
    return Comparison(what, measure, sign=sign, source="" if sign is None else source)


def over(last: int, arm: str, other: str, measured: Measured) -> Estimate:
    """An arm's distance over that of another one."""
    return Estimate.of(quotient(*(settled(measured, each, DISTANCE, last) for each in (arm, other))))


def level(last: int, arm: str, metric: str, measured: Measured) -> Estimate:
    """The metric's mean over the `last` generations."""
    return Estimate.of(settled(measured, arm, metric, last))
