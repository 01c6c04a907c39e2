"""Kernel distance: the maximum mean discrepancy that KID is, without the Fréchet distance's bias."""

import numpy as np
from numpy.typing import ArrayLike

from evaluator.metrics.neighbours import CELLS
from evaluator.metrics.reference import Real, paired
from evaluator.models.base import Rows
from hygiene.errors import ConfigurationError


def kid(
    real: Real, synthetic: ArrayLike, subsets: int = 100, subset_size: int = 1000, seed: int = 0
) -> dict[str, float]:
    """{"kid", "kid_deviation"}: mean and standard deviation over random subsets; lower is closer.

    Squared MMD with the kernel (x·y/f + 1)³, its unbiased estimator (Bińkowski et al. 2018, arXiv:1801.01401, §4):
    0 in the mean for equal distributions at any sample size, so single values below 0 are in order. The features'
    own scale counts. Where a subset would be the whole of both sides there is one, and the deviation is 0.

    subsets, subset_size  rows without replacement, as many from each side; no more than the smaller side has
    seed                  fixes the subsets
    """
    reference, rows = paired(real, synthetic)
    if subsets < 1 or subset_size < 2 or seed < 0:
        raise ConfigurationError(
            f"kid takes subsets ≥ 1, subset_size ≥ 2 and seed ≥ 0, got {subsets}, {subset_size} and {seed}"
        )
    rng, size = np.random.default_rng(seed), min(subset_size, len(reference.features), len(rows))
    if size == len(reference.features) == len(rows):
        return {"kid": squared_mmd(reference.features, rows), "kid_deviation": 0.0}
    values = [
        squared_mmd(*(side[rng.permutation(len(side))[:size]] for side in (reference.features, rows)))
        for _ in range(subsets)
    ]
    return {"kid": float(np.mean(values)), "kid_deviation": float(np.std(values))}


def squared_mmd(a: Rows, b: Rows) -> float:
    """Unbiased estimate of the squared discrepancy between rows [n, f] and [m, f] (Bińkowski et al. 2018, eq. 4)."""
    n, m = len(a), len(b)
    own = sum((_kernel_sum(side, side) - _kernel_diagonal(side)) / (len(side) * (len(side) - 1)) for side in (a, b))
    return float(own - 2 * _kernel_sum(a, b) / (n * m))


def _kernel_sum(a: Rows, b: Rows) -> float:
    step = max(CELLS // len(b), 1)
    return float(sum(_cubes(a[start : start + step] @ b.T, a.shape[1]) for start in range(0, len(a), step)))


def _kernel_diagonal(a: Rows) -> float:
    return _cubes(np.einsum("ij,ij->i", a, a), a.shape[1])


def _cubes(products: Rows, width: int) -> float:
    kernel = products / width + 1.0
    return float(np.vdot(kernel * kernel, kernel))
