"""Fréchet distance: squared 2-Wasserstein distance between the Gaussians fitted to two sets of features."""

import numpy as np
from numpy.typing import ArrayLike

from evaluator.geometry import moments, symmetric_root
from evaluator.metrics.reference import Real, paired
from evaluator.models.base import Rows


def frechet(real: Real, synthetic: ArrayLike) -> dict[str, float]:
    """{"frechet_distance"}: ≥ 0, lower is closer, in squared feature units (Heusel et al. 2017,
    arXiv:1706.08500).

    Biased upwards by about f(f+5)/(4n) on f white features: compare at one n, beside its real-vs-real floor.
    """
    reference, rows = paired(real, synthetic)
    mean, covariance = moments(rows)
    gap = reference.moments[0] - mean
    traces = np.trace(reference.moments[1]) + np.trace(covariance)
    distance = gap @ gap + traces - 2 * _root_trace(reference.covariance_root, covariance)
    return {"frechet_distance": max(float(distance), 0.0)}


def gaussian_frechet(mean_a: Rows, covariance_a: Rows, mean_b: Rows, covariance_b: Rows) -> float:
    """Squared W2 between N(mean_a, covariance_a) and N(mean_b, covariance_b)."""
    gap = mean_a - mean_b
    overlap = _root_trace(symmetric_root(covariance_a), covariance_b)
    return float(gap @ gap + np.trace(covariance_a) + np.trace(covariance_b) - 2 * overlap)


def _root_trace(root: Rows, covariance: Rows) -> float:
    # tr(AB)^½ through the symmetric R B R with RR = A: real, and safe where A or B is singular
    values = np.linalg.eigvalsh(root @ covariance @ root)
    return float(np.sqrt(np.maximum(values, 0.0)).sum())
