"""How two loops' generations compare, seed by seed: rows of experiments on pictures."""

import numpy as np

from evaluator.presets.base import Comparison, Estimate, Measured, Series, quotient
from evaluator.presets.three_loops import DISTANCE, signed, told


def at(measured: Measured, arm: str, metric: str, generation: int) -> Series:
    """A metric at one generation, from 1 on, per seed [seeds]."""
    values: Series = measured[arm][metric][:, generation - 1]
    return values


def better(arm: str, other: str, metric: str, generation: int) -> Comparison:
    """A row: `arm` is nearer to real data than `other` at `generation`. Arms share their real draws by seed."""

    def measure(measured: Measured) -> Estimate:
        return Estimate.of(np.subtract(*(at(measured, each, metric, generation) for each in (arm, other))))

    what = f"{told(metric)} at t = {generation}, {told(arm)} less {told(other)}"
    return signed(what, measure, -1 if metric == DISTANCE else 1)


def falls_faster(arm: str, other: str, metric: str, generation: int) -> Comparison:
    """A row: of what it had at generation 1, `arm` keeps a smaller share at `generation` than `other`."""

    def measure(measured: Measured) -> Estimate:
        ends = ([at(measured, each, metric, t) for t in (generation, 1)] for each in (arm, other))
        kept = [quotient(*pair) for pair in ends]
        return Estimate.of(np.subtract(*kept), "a loop has none of it at t = 1")

    what = f"share of {told(metric)} kept at t = {generation}, {told(arm)} less {told(other)}"
    return signed(what, measure, -1)


def not_lost(arm: str, metric: str, generation: int, at_most: float) -> Comparison:
    """A row: `metric` is kept from generation 1 to `generation` or rises; a rise counts as no loss."""

    def measure(measured: Measured) -> Estimate:
        loss = at(measured, arm, metric, 1) - at(measured, arm, metric, generation)
        return Estimate.of(np.maximum(loss, 0))

    return signed(f"loss of {told(metric)} by t = {generation}, {told(arm)}", measure, 0, at_most)


def settles(arm: str, metric: str, since: int, until: int, at_most: float) -> Comparison:
    """A row: from generation `since` to `until` `metric` moves no further than `at_most`."""

    def measure(measured: Measured) -> Estimate:
        return Estimate.of(at(measured, arm, metric, until) - at(measured, arm, metric, since))

    return signed(f"change of {told(metric)} from t = {since} to t = {until}, {told(arm)}", measure, 0, at_most)
