"""Pure functions from statistic to p-value and from evidence to guarantees.

Small probabilities are kept as log10, so that 1e-400 is a number like any other. "Score" means larger = more
likely marked.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

LN10 = math.log(10.0)
_LENTZ_STEPS = 300

Floats = NDArray[np.float64]


def cosine_log10_p(cosine: ArrayLike, dimension: int) -> Floats:
    """log10 P(cosine of a fixed vector with an isotropic random one in `dimension` ≥ 2 dimensions ≥ `cosine`).

    Exact for any fixed vector, the probability being over the random one: c·sqrt((d−1)/(1−c²)) is Student-t
    with d−1 degrees of freedom, so p = ½·I_{1−c²}((d−1)/2, ½) for c ≥ 0. Where that underflows, its continued
    fraction (DLMF 8.17.22) is evaluated in logarithms. Input in −1..1, output ≤ 0.
    """
    c = np.clip(np.asarray(cosine, dtype=np.float64), -1.0, 1.0)
    if dimension < 2:
        raise ValueError(f"a direction needs at least 2 dimensions, got {dimension}")
    a, sine2 = (dimension - 1) / 2, (1.0 - c) * (1.0 + c)
    p = 0.5 * special.betainc(a, 0.5, sine2)
    far = (p < 1e-250) & (c > 0)
    result = np.asarray(np.log10(np.where(far, 1.0, np.where(c < 0, 1.0 - p, p))))
    if far.any():
        result[far] = (math.log(0.5) + _log_betainc_far(a, sine2[far])) / LN10
    return result


def _log_betainc_far(a: float, x: Floats) -> Floats:
    """ln I_x(a, ½) for x < (a+1)/(a+2.5), by the modified Lentz algorithm on DLMF 8.17.22; −inf at x = 0."""
    b = 0.5
    with np.errstate(divide="ignore"):
        front = a * np.log(x) + b * np.log1p(-np.minimum(x, 1 - 1e-16)) - math.log(a) - special.betaln(a, b)
    tiny = 1e-300
    f, big, small = np.ones_like(x), np.ones_like(x), np.zeros_like(x)
    for m in range(_LENTZ_STEPS):
        k = m // 2
        if m == 0:
            term = np.ones_like(x)
        elif m % 2 == 0:
            term = k * (b - k) * x / ((a + 2 * k - 1) * (a + 2 * k))
        else:
            term = -(a + k) * (a + b + k) * x / ((a + 2 * k) * (a + 2 * k + 1))
        small = 1.0 + term * small
        small = 1.0 / np.where(np.abs(small) < tiny, tiny, small)
        big = 1.0 + term / big
        big = np.where(np.abs(big) < tiny, tiny, big)
        step = big * small
        f = f * step
        if m and np.all(np.abs(step - 1.0) < 1e-15):
            break
    return np.asarray(front + np.log(np.maximum(f - 1.0, tiny)))


def search_log10_p(log10_p: ArrayLike, searches: float) -> Floats:
    """log10 p of the best of `searches` independent hypotheses: 1 − (1−p)^M (Šidák), without cancellation.

    For dependent hypotheses it is within a factor of two of the Bonferroni bound min(1, M·p) and never above it.
    """
    x = np.asarray(log10_p, dtype=np.float64)
    with np.errstate(divide="ignore", under="ignore"):
        corrected = np.log10(-np.expm1(searches * np.log1p(-np.minimum(10.0**x, 1.0))))
    return np.minimum(np.where(x > -12.0, corrected, x + math.log10(searches)), 0.0)


def bonferroni_log10_p(log10_p: ArrayLike, searches: float) -> Floats:
    """log10 min(1, M·p): valid for any dependence between the `searches` hypotheses."""
    return np.minimum(np.asarray(log10_p, dtype=np.float64) + math.log10(searches), 0.0)


def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval of a proportion (Clopper & Pearson 1934); (0, 1) when nothing was tried."""
    if trials == 0:
        return 0.0, 1.0
    tail = (1.0 - confidence) / 2
    low = float(special.betaincinv(successes, trials - successes + 1, tail)) if successes else 0.0
    high = float(special.betaincinv(successes + 1, trials - successes, 1 - tail)) if successes < trials else 1.0
    return low, high


def proportion_upper(successes: int, trials: int, confidence: float = 0.95) -> float:
    """One-sided upper Clopper–Pearson bound; 0 of n gives about 3/n at 95 %."""
    if successes >= trials:
        return 1.0
    return float(special.betaincinv(successes + 1, trials - successes, confidence))


def proportion_lower(successes: int, trials: int, confidence: float = 0.95) -> float:
    """One-sided lower Clopper–Pearson bound."""
    return 1.0 - proportion_upper(trials - successes, trials, confidence)


def allowed_misses(n: int, miss_rate: float, confidence: float) -> int:
    """How many of the `n` lowest calibration scores may lie below a threshold that promises `miss_rate`.

    The largest j−1 with BinomCDF(j−1; n, miss_rate) ≤ 1−confidence; −1 when even the lowest score promises too
    little, because `n` is too small. With the threshold at the j-th smallest score,
    P(miss rate ≤ `miss_rate`) ≥ `confidence` for any continuous score distribution.
    """
    allowed = special.bdtr(np.arange(n + 1), n, miss_rate) <= 1.0 - confidence
    return int(np.count_nonzero(allowed)) - 1


def smallest_calibration(miss_rate: float, confidence: float) -> int:
    """The least number of calibration samples that can promise `miss_rate` at `confidence`: (1−α)^n ≤ δ."""
    return math.ceil(math.log1p(-confidence) / math.log1p(-miss_rate))


def benjamini_hochberg(log10_p: ArrayLike, rate: float) -> float:
    """The largest log10 p that Benjamini & Hochberg (1995) reject at false-discovery `rate`; −inf if none."""
    x = np.sort(np.asarray(log10_p, dtype=np.float64))
    passed = np.flatnonzero(x <= math.log10(rate) + np.log10(np.arange(1, x.size + 1) / max(x.size, 1)))
    return float(x[passed[-1]]) if passed.size else -math.inf
