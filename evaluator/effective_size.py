"""How many real samples a loop is worth, n_e, and how many synthetic ones it may take in before it loses by them.

n_e is the number of real samples on which a single model, trained on nothing else, does as well as the loop does
in the end (Alemohammad et al. 2023, arXiv:2307.01850, §5). Synthetic data helps while n_e > n_r; the admissible n_s
is where n_e falls to n_r.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from evaluator import theory
from evaluator.geometry import Rows
from evaluator.optimum import RESAMPLES
from hygiene.errors import ConfigurationError, InfeasibleError

LARGEST = 1e9  # real samples: no distance is measured finely enough to tell more


def effective_size(distance: float, sizes: ArrayLike, distances: ArrayLike) -> float:
    """n_e of a loop that settles at `distance`, by a measured curve of real samples alone.

    sizes      [m], rising: numbers of real samples
    distances  [m], falling: mean distance of a model trained on as many; read between them on logarithmic scales
    Raises InfeasibleError beyond the curve's ends: what was not measured is not guessed.
    """
    n, real = np.asarray(sizes, dtype=np.float64), np.asarray(distances, dtype=np.float64)
    if n.ndim != 1 or n.shape != real.shape or len(n) < 2 or (np.diff(n) <= 0).any() or (np.diff(real) >= 0).any():
        raise ConfigurationError("a curve of real samples needs two sizes or more, rising, with falling distances")
    if not real[-1] <= distance <= real[0]:
        raise InfeasibleError(
            f"the distance {distance:.4g} lies outside the measured curve, {real[-1]:.4g} to {real[0]:.4g}: "
            "measure real samples alone at more sizes"
        )
    return float(np.exp(np.interp(-np.log(distance), -np.log(real), np.log(n))))


def gaussian_effective_size(distance: float, dimension: int) -> float:
    """n_e for the Gaussian of unbiased covariance in `dimension` ≥ 2, by `theory.real_frechet`.

    Raises InfeasibleError for distances of fewer than 2 or more than 10⁹ real samples.
    """

    def excess(log_n: float) -> float:
        return theory.real_frechet(float(np.exp(log_n)), dimension) - distance

    ends = np.log(2.0), np.log(LARGEST)
    if not excess(ends[1]) <= 0 <= excess(ends[0]):
        raise InfeasibleError(f"no number of real samples, 2 to {LARGEST:g}, has the distance {distance:.4g}")
    return float(np.exp(brentq(excess, *ends)))


def admissible_size(sizes: ArrayLike, ratios: ArrayLike) -> float:
    """The n_s at which n_e/n_r falls to 1, between the `sizes` [m] (rising) at which `ratios` [m] were measured.

    The last crossing from above, by a straight line over ln n_s. Raises InfeasibleError where there is none.
    """
    n, ratio = np.asarray(sizes, dtype=np.float64), np.asarray(ratios, dtype=np.float64)
    if n.ndim != 1 or n.shape != ratio.shape or (np.diff(n) <= 0).any():
        raise ConfigurationError(f"{n.shape} sizes with {ratio.shape} ratios, expected [m] rising sizes and [m] ratios")
    falls = np.flatnonzero((ratio[:-1] >= 1) & (ratio[1:] < 1))
    if not len(falls):
        raise InfeasibleError(
            f"n_e/n_r goes from {ratio[0]:.3g} to {ratio[-1]:.3g} and never falls to 1: measure at other sizes n_s"
        )
    i = falls[-1]
    share = (ratio[i] - 1) / (ratio[i] - ratio[i + 1])
    return float(n[i] * (n[i + 1] / n[i]) ** share)


def admissible_interval(
    sizes: ArrayLike, limits: ArrayLike, real: ArrayLike, confidence: float = 0.95
) -> tuple[float, float, float]:
    """(admissible n_s, low, high) of measured distances, by a bootstrap over chains.

    limits  [chains, m]: distance at which a loop with n_s = sizes[m] settles
    real    [k]: distances of models trained on n_r real samples alone
    The loop is as good as its real samples where the two means agree: real/limit takes the place of n_e/n_r, which
    crosses 1 at the same n_s. Resamples without a crossing count as the end of `sizes` that they point to.
    """
    n, table, alone = (np.asarray(each, dtype=np.float64) for each in (sizes, limits, real))
    found = admissible_size(n, alone.mean() / table.mean(axis=0))
    rng = np.random.default_rng(0)
    draws = [
        _crossing_or_end(n, rng.choice(alone, len(alone)).mean() / rng.choice(table, len(table)).mean(axis=0))
        for _ in range(RESAMPLES // 4)
    ]
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return found, float(low), float(high)


def _crossing_or_end(sizes: Rows, ratios: Rows) -> float:
    try:
        return admissible_size(sizes, ratios)
    except InfeasibleError:
        return float(sizes[-1] if ratios[-1] >= 1 else sizes[0])
