"""Real rows that stay: beside all synthetic batches, in a pool that grows, or beside the last one."""

from math import pi, prod, sin, sqrt

from evaluator.theory.fresh import Limit


def accumulated_variance(n: int, generation: int) -> float:
    """E[σ²] at λ = 1, equal batches of n, variances by n: Π_{k=1..t} (1−1/(k²n)); t = 1 is fitted to real
    data.

    Derived here: the pool's mean moves by the new batch's mean error over k, so generation k loses
    the share 1/(k²n) of the previous expected variance.
    """
    return prod(1 - 1 / (k * k * n) for k in range(1, generation + 1))


def accumulated_variance_limit(n: int) -> float:
    """Limit of `accumulated_variance`: sin(π/√n)/(π/√n) (Euler's product); the accumulating loop does not collapse."""
    angle = pi / sqrt(n)
    return sin(angle) / angle


def augmented_limit(real_variance: float, n_real: int, n_synthetic: int, sampling_bias: float) -> Limit:
    """Exact limit of the augmentation loop (pool: previous generation), variances by n, given the fixed real
    rows.

    real_variance is their own variance s_r, and mean_error is about their own mean: V = q²λS/(n_s p(2−p)),
    S = p s_r/(1 − qλ + q²λ/(n_s(2−p))). Derived here: μ'−m_r = q(μ−m_r + e), var e = λσ²/n_s; the pooled
    variance is p s_r + qλσ²(1−1/n_s) + pq(μ−m_r + e)². The loop settles: it does not go to 0.
    """
    p = n_real / (n_real + n_synthetic)
    q = 1 - p
    pull = q**2 * sampling_bias / (n_synthetic * (2 - p))
    variance = p * real_variance / (1 - q * sampling_bias + pull)
    return Limit(variance, pull * variance / p)
