"""Fresh real data in every generation, and real data alone to compare with."""

from math import inf, log, pi, sqrt
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq


class Limit(NamedTuple):
    """Where a loop settles. variance: E[σ²]; mean_error: E[(μ−μ_0)²]."""

    variance: float
    mean_error: float


def fresh_limit(n_real: float, n_synthetic: float, sampling_bias: float, unbiased: bool = False) -> Limit:
    """Exact limit of the fresh-data loop, each coordinate of a Gaussian fitted to the pool of both parts.

    Derived here: μ' = p·m_real + q·(μ + e) with var e = λσ²/n_synthetic gives V = a + bS, and the second
    moment about 0, S + V, is p + q(λS + V): solve for S. (`unbiased` multiplies the fitted variance by
    N/(N−1).)
    """
    total = n_real + n_synthetic
    p, q = n_real / total, n_synthetic / total
    a = n_real / (total**2 * (1 - q**2))
    b = n_synthetic * sampling_bias / (total**2 * (1 - q**2))
    divided = (total - 1) / total if unbiased else 1.0
    variance = (p - p * a) / (divided - q * sampling_bias + p * b)
    return Limit(variance, a + b * variance)


def fresh_variance(real_share: float, sampling_bias: float) -> float:
    """Limit of σ² in the fresh-data loop for large N: p/(1−qλ); it does not depend on the first training set."""
    return real_share / (1 - (1 - real_share) * sampling_bias)


def memory(real_share: float, sampling_bias: float) -> float:
    """Generations in which the distance to the limit falls by e: −1/ln(qλ); 0 without synthetic data."""
    kept = (1 - real_share) * sampling_bias
    if kept == 1:
        return inf
    return -1 / log(kept) if kept > 0 else 0.0


def mean_effective_ratio(real_share: float) -> float:
    """n_e/n_r of the mean at λ = 1, large N: 2−p. More than 1: the loop remembers earlier real data.

    Derived here: V = 1/(N(1−q²)) = 1/(n_real(2−p)), against 1/n_real for real rows alone.
    """
    return 2 - real_share


def real_frechet_floor(n: int, dimension: int) -> float:
    """E[Fréchet distance] of a Gaussian fitted to n real rows, n ≫ d: d(d+5)/(4n); the bias of the metric."""
    return dimension * (dimension + 5) / (4 * n)


def real_frechet(n: float, dimension: int) -> float:
    """E[Fréchet distance] of a Gaussian (unbiased covariance) fitted to n real rows, for any n ≥ 2 and d ≥ 2.

    d/n + 2d − 2E[tr S^½], S a Wishart over its n−1 degrees of freedom: see `_root_trace`.
    """
    return dimension / n + 2 * dimension - 2 * _root_trace(dimension, n - 1)


def _root_trace(dimension: int, freedom: float, steps: int = 20_000) -> float:
    """E[tr (W/m)^½] of a real Wishart W, m = freedom: Marchenko–Pastur and its order-1 term for real entries.

    Bai & Silverstein 2004, Ann. Probab. 32, the mean of their central limit theorem at f(x) = √x, by the midpoint
    rule over the angle θ of x = 1 + y + 2√y cos θ.
    W and its transpose share their non-zero eigenvalues, so d and m may change places.
    """
    small, large = min(dimension, freedom), max(dimension, freedom)
    y = small / large
    theta = (np.arange(steps) + 0.5) * pi / steps
    x = 1 + y + 2 * sqrt(y) * np.cos(theta)
    bulk = 2 * np.mean(np.sin(theta) ** 2 / np.sqrt(x))
    correction = (1 - sqrt(y) + 1 + sqrt(y)) / 4 - np.mean(np.sqrt(x)) / 2
    return float(sqrt(large / freedom) * (small * bulk + correction))


def fresh_frechet(n_real: float, n_synthetic: float, sampling_bias: float, dimension: int) -> float:
    """Limit of E[Fréchet distance] of the fresh-data loop, unbiased covariance, n_real ≫ d (to about 1 %).

    Derived here: a covariance entry has the stationary variance E = (n_real +
    n_synthetic(λS)²)/(N(N−1)(1−(qλ)²)); then Σ behaves as S times a Wishart of S²/E degrees of freedom over
    them: d(1+V+S) − 2√S·E[tr(W/m)^½].
    """
    variance, mean_error = fresh_limit(n_real, n_synthetic, sampling_bias, unbiased=True)
    total = n_real + n_synthetic
    kept = n_synthetic / total * sampling_bias
    batches = n_real + n_synthetic * (sampling_bias * variance) ** 2
    noise = batches / (total * (total - 1) * (1 - kept**2))
    root_trace = _root_trace(dimension, variance**2 / noise)
    return dimension * (1 + mean_error + variance) - 2 * sqrt(variance) * root_trace


def admissible_synthetic(n_real: int, sampling_bias: float, dimension: int) -> float:
    """n_synthetic at which the fresh-data loop is as good as its real rows alone (the paper's n_e = n_r).

    λ < 1, n_real ≫ d, to about 1 %; more synthetic rows than this do harm, fewer help.
    """

    def excess(n_synthetic: float) -> float:
        return fresh_frechet(n_real, n_synthetic, sampling_bias, dimension) - real_frechet(n_real, dimension)

    return float(brentq(excess, 1.0, 1e3 * admissible_synthetic_limit(sampling_bias, dimension)))


def admissible_synthetic_limit(sampling_bias: float, dimension: int) -> float:
    """Limit of `admissible_synthetic` as n_real → ∞: [(2−λ²−3(1−λ)/2)(d+1) + 4(2−λ)]/(1−λ)²; near λ = 1 (d+5)/(1−λ)².

    Derived here, to first order in q: the bias costs d q²(1−λ)²/4; the added rows save the shares q(2−λ²) of
    the covariance term d(d+1)/(4n_real), less its growth 3q(1−λ)/2 through S^{−3/2}, and q(2−λ) of the mean's d/n_real.
    """
    covariance = (2 - sampling_bias**2 - 1.5 * (1 - sampling_bias)) * (dimension + 1)
    return (covariance + 4 * (2 - sampling_bias)) / (1 - sampling_bias) ** 2
