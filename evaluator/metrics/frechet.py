"""Fréchet distance: squared 2-Wasserstein distance between the Gaussians fitted to two sets of features."""

import numpy as np
from numpy.typing import ArrayLike

from evaluator.covariances import Full, moments
from evaluator.metrics.reference import Real, paired
from evaluator.models.base import Rows


def frechet(real: Real, synthetic: ArrayLike) -> dict[str, float]:
    """{"frechet_distance"}: ≥ 0, lower is closer, in squared feature units (Heusel et al. 2017,
    arXiv:1706.08500).

    Biased upwards by about f(f+5)/(4n) on f white features: compare at one n, beside its real-vs-real floor.
    """
    reference, rows = paired(real, synthetic)
    (real_mean, of_real), (mean, covariance) = reference.moments, moments(rows)
    gap = real_mean - mean
    distance = gap @ gap + (of_real.trace + covariance.trace) - 2 * covariance.root_trace(of_real.root)
    return {"frechet_distance": max(float(distance), 0.0)}


def gaussian_frechet(mean_a: Rows, covariance_a: Rows, mean_b: Rows, covariance_b: Rows) -> float:
    """Squared W2 between N(mean_a, covariance_a) and N(mean_b, covariance_b)."""
    gap = mean_a - mean_b
    overlap = Full(covariance_b).root_trace(Full(covariance_a).root)
    return float(gap @ gap + np.trace(covariance_a) + np.trace(covariance_b) - 2 * overlap)
