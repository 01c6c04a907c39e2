"""Other media than Gaussian rows: words, kernel density estimates, labels of a regression."""

from evaluator.theory.pools import accumulated_variance


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
