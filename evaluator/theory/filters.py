"""A filter in front of the training set. tpr, fpr: shares of tagged and of real rows that it excludes."""

from math import inf, log2
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from evaluator.theory.fresh import fresh_frechet
from hygiene.errors import ConfigurationError


class Filtered(NamedTuple):
    """Expected rows left by a filter."""

    n_real: float
    n_synthetic: float


def filtered(total: float, contamination: float, tpr: float, fpr: float) -> Filtered:
    """What a filter leaves of a pool with the given share of tagged rows: N(1−c)(1−f) real and Nc(1−r) synthetic."""
    return Filtered(total * (1 - contamination) * (1 - fpr), total * contamination * (1 - tpr))


def residual_synthetic(contamination: float, tpr: float, fpr: float) -> float:
    """Tagged share left after the filter, 0..1: c(1−r)/[(1−c)(1−f)+c(1−r)]."""
    real, synthetic = filtered(1.0, contamination, tpr, fpr)
    return synthetic / (real + synthetic)


def best_tpr(n_real: int, n_synthetic: int, sampling_bias: float, dimension: int, fpr: float = 0.0) -> float:
    """tpr in 0, .01, …, 1 with the least `fresh_frechet`: often less than 1, since synthetic rows remember
    real ones."""
    total = n_real + n_synthetic
    contamination = n_synthetic / total
    grid = np.linspace(0, 1, 101)
    left = [filtered(total, contamination, float(tpr), fpr) for tpr in grid]
    distances = [fresh_frechet(rows.n_real, rows.n_synthetic, sampling_bias, dimension) for rows in left]
    return float(grid[int(np.argmin(distances))])


class Moments(NamedTuple):
    """Mean and variance of a score, in standard deviations (squared) over real rows."""

    mean: float
    variance: float


def real_after_filter(fpr: float) -> Moments:
    """Scores of the real rows a threshold keeps: mean −φ(τ)/(1−f), variance 1 − τφ/(1−f) − (φ/(1−f))².

    A normal cut above its upper f-quantile τ: every generation loses that tail along the key.
    """
    threshold = norm.isf(fpr)
    hazard = norm.pdf(threshold) / (1 - fpr)
    return Moments(float(-hazard), float(1 - threshold * hazard - hazard**2))


class Leak(NamedTuple):
    """What a threshold misses. tpr: share of tagged rows excluded; missed_mean: mean score of the others."""

    tpr: float
    missed_mean: float


def leak(mark: float, fpr: float) -> Leak:
    """Tagged rows with scores N(mark, 1) under the threshold τ of the given fpr: tpr = Φ(mark−τ).

    The missed have mean mark − φ(τ−mark)/Φ(τ−mark), a truncated normal: they are no random sample of the
    tagged.
    """
    gap = norm.isf(fpr) - mark
    missed = norm.cdf(gap)
    return Leak(float(1 - missed), float(mark - norm.pdf(gap) / missed))


def delay(tpr: float, fpr: float = 0.0) -> float:
    """Generations a filter buys while the real : synthetic odds halve in every generation: log2((1−f)/(1−r)).

    Derived here: the filter multiplies the odds by (1−f)/(1−r), and each generation divides them by 2.
    """
    if not (0 <= tpr <= 1 and 0 <= fpr < 1):
        raise ConfigurationError(f"tpr is {tpr}, fpr {fpr}: expected 0 ≤ tpr ≤ 1 and 0 ≤ fpr < 1")
    return inf if tpr == 1 else log2((1 - fpr) / (1 - tpr))
