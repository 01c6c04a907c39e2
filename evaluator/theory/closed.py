"""The fully synthetic loop: nothing but the last model's samples.

`refits` counts fits to samples of the previous model, from N(0, 1) on; in a loop whose generation 1 is fitted to real
data it is t − 1.
"""

from math import exp, inf, log, sqrt

import numpy as np
from scipy.special import digamma, poch


def mean_variance(refits: int, sampling_bias: float) -> float:
    """E[σ²] after `refits` unbiased refits: λ^t. The paper's martingale argument.

    At λ = 1 this mean stays 1 while almost every chain collapses: see `median_variance`.
    """
    return float(sampling_bias**refits)


def median_variance(n: int, refits: int, sampling_bias: float = 1.0) -> float:
    """Median of σ² after `refits` unbiased refits of n rows, large n: λ^t e^{−t/(n−1)}.

    Derived here: ln σ² is a sum of `log_det_step`, near normal, so its median is its mean;
    ψ(x) − ln x ≈ −1/(2x) at x = (n−1)/2.
    """
    return sampling_bias**refits * exp(-refits / (n - 1))


def mean_drift(n: int, refits: int, sampling_bias: float = 1.0) -> float:
    """E[μ²] after `refits` unbiased refits of n rows: (λ/n)(1−λ^t)/(1−λ), at λ = 1 t/n.

    Derived here: each refit adds an independent λσ²_{k−1}/n,
    and E[σ²_{k−1}] = λ^{k−1}: a geometric sum.
    """
    steps = sum(sampling_bias**k for k in range(refits))
    return sampling_bias / n * steps


def half_life(sampling_bias: float) -> float:
    """Generations in which E[σ²] = λ^t halves, λ < 1: ln 2/(−ln λ); infinite at λ = 1."""
    return inf if sampling_bias == 1 else log(2) / -log(sampling_bias)


def c4(n: int) -> float:
    """E[s]/σ of the unbiased standard deviation s of n normal rows: √(2/(n−1)) Γ(n/2)/Γ((n−1)/2)."""
    return sqrt(2 / (n - 1)) * float(poch((n - 1) / 2, 0.5))  # Γ(x+½)/Γ(x) without cancellation


def wasserstein(n: int, refits: int, sampling_bias: float = 1.0) -> float:
    """E[W2²] to N(0, 1) in one dimension after `refits` unbiased refits: E[μ²] + λ^t + 1 − 2λ^{t/2} c4(n)^t.

    Derived here: W2² = μ² + (σ−1)², and σ_t is a product of t independent factors √λ·s/σ,
    so E[σ_t] = λ^{t/2} c4^t while E[σ_t²] = λ^t.
    """
    spread: float = sampling_bias**refits + 1 - 2 * sampling_bias ** (refits / 2) * c4(n) ** refits
    return mean_drift(n, refits, sampling_bias) + spread


def wasserstein_mle(n: int, refits: int) -> float:
    """E[W2²] to N(0, 1) at λ = 1 with variances divided by n: 2(1−g^t), g = c4(n)·√((n−1)/n).

    Derived here: E[μ²] + E[σ²] = 1 at every t (`conserved_moment`),
    so E[W2²] = 1 + 1 − 2E[σ_t] and E[σ_t] = g^t.
    """
    return 2 * (1 - (c4(n) * sqrt((n - 1) / n)) ** refits)


def mean_variance_mle(n: int, refits: int) -> float:
    """E[σ²] at λ = 1 after `refits` refits that divide by n: ((n−1)/n)^t; each loses the factor (n−1)/n."""
    return ((n - 1) / n) ** refits


def conserved_moment() -> float:
    """E[σ_t²] + E[μ_t²] = 1, at every t, in any loop of a moment-matching model at λ = 1 with variances by n.

    Derived here: that sum is the second moment about the true mean of the rows fitted, real or synthetic;
    moment matching hands it on unchanged, and pooling averages ones.
    """
    return 1.0


def log_det_step(n: int, dimension: int = 1, sampling_bias: float = 1.0) -> float:
    """E[ln det Σ_t − ln det Σ_{t−1}] of one unbiased refit: d ln λ + Σ_{i=1..d} [ψ((n−i)/2) + ln 2 −
    ln(n−1)].

    Derived here: det of a Wishart(n−1) is a product of independent χ²_{n−i} (Bartlett 1933),
    and E[ln χ²_k] = ψ(k/2) + ln 2.
    """
    freedom = n - np.arange(1, dimension + 1)
    gains = digamma(freedom / 2) + log(2) - log(n - 1)
    return dimension * log(sampling_bias) + float(gains.sum())


def frechet_without_noise(dimension: int, refits: int, sampling_bias: float) -> float:
    """Fréchet distance of the fully synthetic loop as n → ∞: d(1−λ^{t/2})²; the bias alone, no sampling noise."""
    return float(dimension * (1 - sampling_bias ** (refits / 2)) ** 2)
