"""Closed forms of self-consuming loops: what simulations must agree with, and the report's reference curves.

Real data has mean 0 and variance 1. λ is the sampling bias of a Gaussian: samples are drawn from N(μ, λΣ).
n_real and n_synthetic are the rows of one training set, N their sum, p = n_real/N and q = 1−p. "The paper" is
Alemohammad et al. 2023, "Self-Consuming Generative Models Go MAD", arXiv:2307.01850; what it does not hold is
derived here, in two lines.
"""

from evaluator.theory.closed import (
    c4,
    conserved_moment,
    frechet_without_noise,
    half_life,
    log_det_step,
    mean_drift,
    mean_variance,
    mean_variance_mle,
    median_variance,
    wasserstein,
    wasserstein_mle,
)
from evaluator.theory.filters import (
    Filtered,
    Leak,
    Moments,
    best_tpr,
    delay,
    filtered,
    leak,
    real_after_filter,
    residual_synthetic,
)
from evaluator.theory.fresh import (
    Limit,
    admissible_synthetic,
    admissible_synthetic_limit,
    fresh_frechet,
    fresh_limit,
    fresh_variance,
    mean_effective_ratio,
    memory,
    real_frechet,
    real_frechet_floor,
)
from evaluator.theory.marks import (
    adopted_raw_mark,
    blind_gain,
    false_attribution,
    informed_raw_mark,
    raw_mark,
    rotated_mark,
)
from evaluator.theory.media import (
    accumulated_heterozygosity,
    accumulated_kde_second_moment,
    accumulated_regression_error,
    fresh_kde_second_moment,
    heterozygosity,
    kde_second_moment,
    regression_error,
    token_loss,
)
from evaluator.theory.nulls import coverage_null
from evaluator.theory.pools import accumulated_variance, accumulated_variance_limit, augmented_limit

__all__ = [
    "Filtered",
    "Leak",
    "Limit",
    "Moments",
    "accumulated_heterozygosity",
    "accumulated_kde_second_moment",
    "accumulated_regression_error",
    "accumulated_variance",
    "accumulated_variance_limit",
    "admissible_synthetic",
    "admissible_synthetic_limit",
    "adopted_raw_mark",
    "augmented_limit",
    "best_tpr",
    "blind_gain",
    "c4",
    "conserved_moment",
    "coverage_null",
    "delay",
    "false_attribution",
    "filtered",
    "frechet_without_noise",
    "fresh_frechet",
    "fresh_kde_second_moment",
    "fresh_limit",
    "fresh_variance",
    "half_life",
    "heterozygosity",
    "informed_raw_mark",
    "kde_second_moment",
    "leak",
    "log_det_step",
    "mean_drift",
    "mean_effective_ratio",
    "mean_variance",
    "mean_variance_mle",
    "median_variance",
    "memory",
    "raw_mark",
    "real_after_filter",
    "real_frechet",
    "real_frechet_floor",
    "regression_error",
    "residual_synthetic",
    "rotated_mark",
    "token_loss",
    "wasserstein",
    "wasserstein_mle",
]
