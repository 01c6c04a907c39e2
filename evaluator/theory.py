"""Closed forms of self-consuming loops: what simulations must agree with, and the report's reference curves.

Real data has mean 0 and variance 1. λ is the sampling bias of a Gaussian: samples are drawn from N(μ, λΣ).
n_real and n_synthetic are the rows of one training set, N their sum, p = n_real/N and q = 1−p. "The paper" is
Alemohammad et al. 2023, "Self-Consuming Generative Models Go MAD", arXiv:2307.01850; what it does not hold is
derived here, in two lines.
"""

from math import exp, inf, log, log2, pi, prod, sin, sqrt
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma, poch
from scipy.stats import norm

from hygiene.errors import ConfigurationError

# Fully synthetic loop. `refits` counts fits to samples of the previous model, from N(0, 1) on; in a loop whose
# generation 1 is fitted to real data it is t − 1.


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


# Accumulating pool: the real rows and all synthetic batches stay.


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


# Fresh real data in every generation.


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


# A fixed real set beside the previous generation's samples.


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


# A filter in front of the training set. tpr, fpr: shares of tagged and of real rows that it excludes.


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


# The fate of a mark. Marks are means over a set, in one unit; `transfer` κ is the share of
# the training set's mean mark that a model reproduces, `tagged_share` q' its tagged share.


def raw_mark(strength: float, tagged_share: float, generation: int, transfer: float = 1.0) -> float:
    """Mark m_t of untagged output under blind tagging: m_1 = 0 (real data only), m_{t+1} = κq'(m_t + α).

    Derived here: tagging adds α to what the samples carry already; the pool dilutes it by q', the model by κ.
    At κq' = 1 it grows without end, by α in every generation.
    """
    kept = transfer * tagged_share
    return strength * sum(kept**k for k in range(1, generation))


def blind_gain(tagged_share: float, transfer: float = 1.0) -> float:
    """Limit of published mark over strength under blind tagging: 1/(1−κq'); infinite at κq' = 1."""
    kept = transfer * tagged_share
    return inf if kept == 1 else 1 / (1 - kept)


def informed_raw_mark(strength: float, tagged_share: float, transfer: float = 1.0) -> float:
    """Mark of untagged output, t ≥ 2, when tagging brings every projection to α: κq'α. The published mark stays α.

    As long as hardly a row passes α by itself: those are left alone and lift the published mark over α.
    """
    return transfer * tagged_share * strength


def adopted_raw_mark(strength: float, tagged_share: float, untagged_share: float, transfer: float = 1.0) -> float:
    """Limit of m under blind tagging by some generators only: κq_t α/(1 − κ(q_t + q_u)).

    tagged_share q_t and untagged_share q_u of the training set after the filter. Derived here:
    m = κ(q_t(m + α) + q_u m): samples that nobody tagged hand on what they have learnt, and pass a filter of marks.
    """
    return transfer * tagged_share * strength / (1 - transfer * (tagged_share + untagged_share))


def rotated_mark(strength: float, tagged_share: float, age: int, transfer: float = 1.0) -> float:
    """Mark of untagged output along the key used `age` ≥ 1 generations ago, keys at right angles: (κq')^age α.

    Derived here: each key is embedded once and diluted from then on; along the newest one output carries nothing
    before it is tagged, so that blind tagging publishes α.
    """
    return float((transfer * tagged_share) ** age * strength)


def false_attribution(threshold: float, mark: float) -> float:
    """Share of untagged output scored above `threshold`, scores N(mark, 1): 1 − Φ(τ − m)."""
    return float(norm.sf(threshold - mark))


# Other media.


def heterozygosity(initial: float, n: int, generation: int) -> float:
    """E[1 − Σp²] of a unigram model refitted t times to n of its own tokens: H_0(1−1/n)^t (Wright–Fisher)."""
    return initial * (1 - 1 / n) ** generation


def accumulated_heterozygosity(initial: float, n: int, generation: int) -> float:
    """The same with all batches kept: H_0 Π_{k=1..t} (1−1/(k²n)), and so H_0 sin(π/√n)/(π/√n) in the end.

    Derived here: as `accumulated_variance`: 1 − Σp² is a variance, and batch k moves p by its error over k.
    """
    return initial * accumulated_variance(n, generation)


def token_loss(count: int, n: int) -> float:
    """Probability that a token seen `count` times in n is not drawn in the next n: (1−c/n)^n."""
    return (1 - count / n) ** n


def kde_second_moment(initial: float, bandwidth: float, generation: int) -> float:
    """E[x²] after t refits of a kernel density estimate without shrinkage: v_0 + t h²; each adds its noise."""
    return initial + generation * bandwidth**2


def accumulated_kde_second_moment(initial: float, bandwidth: float, generation: int) -> float:
    """E[x²] of the pool of t equal batches, the first real, all kept: v_0 + h²(H_t − 1), H_t harmonic.

    Derived here: batch k+1 has the pool's second moment plus h², and moves the pool by 1/(k+1) of that.
    """
    return initial + bandwidth**2 * sum(1 / k for k in range(2, generation + 1))


def fresh_kde_second_moment(initial: float, bandwidth: float, real_share: float) -> float:
    """Limit of E[x²] of the training set with fresh real data: v_0 + h² q/p; from v = p v_0 + q(v + h²)."""
    return initial + bandwidth**2 * (1 - real_share) / real_share


def regression_error(samples: int, dimension: int, noise: float, generation: int) -> float:
    """Excess test error of least squares refitted t times to its own labels: tσ²d/(T−d−1), isotropic X [T,
    d].

    Gerstgrasser et al. 2024, "Is Model Collapse Inevitable?", arXiv:2404.01413, and what it cites.
    """
    return generation * noise**2 * dimension / (samples - dimension - 1)


def accumulated_regression_error(samples: int, dimension: int, noise: float, generation: int) -> float:
    """The same with all sets of labels kept: σ²d Σ_{i=1..t} 1/(i(iT−d−1)); bounded in t.

    Derived here: fit i moves by (XᵀX)⁻¹Xᵀ of the newest T of iT rows' noise: E tr (XᵀX)⁻¹ = d/(iT−d−1), over
    i.
    """
    return noise**2 * dimension * sum(1 / (i * (i * samples - dimension - 1)) for i in range(1, generation + 1))


# Nulls of metrics, and the delay that a filter buys.


def coverage_null(n_real: int, n_synthetic: int, k: int) -> float:
    """E[coverage] of real data against real data: 1 − Π_{i=1..k} (N−i)/(N+M−i) (Naeem et al. 2020, arXiv:2002.09797).

    A real ball misses all M rows if the k nearest of the N+M−1 others are all real.
    """
    return 1 - prod((n_real - i) / (n_real + n_synthetic - i) for i in range(1, k + 1))


def delay(tpr: float, fpr: float = 0.0) -> float:
    """Generations a filter buys while the real : synthetic odds halve in every generation: log2((1−f)/(1−r)).

    Derived here: the filter multiplies the odds by (1−f)/(1−r), and each generation divides them by 2.
    """
    if not (0 <= tpr <= 1 and 0 <= fpr < 1):
        raise ConfigurationError(f"tpr is {tpr}, fpr {fpr}: expected 0 ≤ tpr ≤ 1 and 0 ≤ fpr < 1")
    return inf if tpr == 1 else log2((1 - fpr) / (1 - tpr))
