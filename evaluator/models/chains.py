"""Many Gaussian loops at once, without drawing a single sample: only sufficient statistics are drawn.

The mean of n draws of N(μ, Σ) is N(μ, Σ/n), their scatter is an independent Wishart(n−1, Σ): a χ² in one
dimension, Bartlett's triangle (Bartlett 1933, Proc. R. Soc. Edinburgh 53) in more. Refitting on these
is distributed exactly as drawing the samples and fitting `Gaussian` to them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from evaluator.geometry import Rows
from hygiene.errors import ConfigurationError

JITTER = 1e-12  # of the unit real variance: lets Cholesky pass covariances of fewer rows than dimensions


@dataclass(frozen=True)
class Statistics:
    """Sufficient statistics of `count` rows, for every chain.

    mean     [chains], or [chains, d]
    scatter  Σ(x−mean)²: [chains], or Σ(x−mean)(x−mean)ᵀ: [chains, d, d]
    """

    count: int
    mean: Rows
    scatter: Rows

    def covariance(self, unbiased: bool) -> Rows:
        """scatter/(count−1), or scatter/count (maximum likelihood)."""
        return self.scatter / (self.count - unbiased)

    def pooled(self, other: "Statistics") -> "Statistics":
        """Statistics of both sets of rows together."""
        count = self.count + other.count
        gap = other.mean - self.mean
        between = gap**2 if gap.ndim == 1 else gap[:, :, None] * gap[:, None, :]
        return Statistics(
            count,
            self.mean + gap * (other.count / count),
            self.scatter + other.scatter + between * (self.count * other.count / count),
        )


def draw(mean: Rows, covariance: Rows, count: int, rng: np.random.Generator) -> Statistics:
    """Statistics of `count` ≥ 2 draws of N(mean, covariance), one set per chain.

    mean [chains] with covariance [chains], or mean [chains, d] with covariance [chains, d, d].
    """
    if mean.ndim == 1:
        noise = rng.standard_normal(mean.shape) * np.sqrt(covariance / count)
        return Statistics(count, mean + noise, covariance * rng.chisquare(count - 1, mean.shape))
    root = np.linalg.cholesky(covariance + JITTER * np.eye(mean.shape[1]))
    noise = (root @ rng.standard_normal((*mean.shape, 1)))[:, :, 0] / np.sqrt(count)
    factor = root @ _bartlett(mean.shape[0], mean.shape[1], count - 1, rng)
    return Statistics(count, mean + noise, factor @ factor.transpose(0, 2, 1))


def _bartlett(chains: int, d: int, freedom: int, rng: np.random.Generator) -> Rows:
    """A [chains, d, min(d, freedom)], lower trapezoidal, with AAᵀ ~ Wishart(freedom, I), singular if freedom < d."""
    width = min(d, freedom)
    factor = np.tril(rng.standard_normal((chains, d, width)), -1)
    diagonal = np.arange(width)
    factor[:, diagonal, diagonal] = np.sqrt(rng.chisquare(freedom - diagonal, (chains, width)))
    return factor


@dataclass(frozen=True)
class Chains:
    """One kind of loop, many times. Real data is N(0, I); every generation is a Gaussian fitted to its
    training set.

    chains        how many independent loops
    n_ini         real rows of the first model
    n_real        real rows of every later training set (0: fully synthetic)
    n_synthetic   synthetic rows of every later training set
    sampling_bias λ: the model samples N(μ, λΣ)
    fixed_real    True: the real rows of the first model are kept (augmentation, n_real must be n_ini)
    accumulate    True: the synthetic batches of all generations stay in the pool
    unbiased      divide the scatter by n−1 instead of n
    dimension     d
    """

    chains: int
    n_ini: int
    n_real: int
    n_synthetic: int
    sampling_bias: float = 1.0
    fixed_real: bool = False
    accumulate: bool = False
    unbiased: bool = False
    dimension: int = 1

    def __post_init__(self) -> None:
        if self.fixed_real and self.n_real != self.n_ini:
            raise ConfigurationError(
                f"n_real is {self.n_real}, n_ini {self.n_ini}: a loop with fixed real data keeps its first rows"
            )

    def run(self, generations: int, rng: np.random.Generator) -> Iterator[tuple[Rows, Rows]]:
        """Yield mean and covariance of the fitted models at t = 1..generations; shapes as in `Statistics`."""
        first = training = self._real(self.n_ini, rng)
        pool: Statistics | None = None
        for t in range(1, generations + 1):
            mean, covariance = training.mean, training.covariance(self.unbiased)
            yield mean, covariance
            if t < generations:
                batch = draw(mean, self.sampling_bias * covariance, self.n_synthetic, rng)
                pool = pool.pooled(batch) if self.accumulate and pool else batch
                training = self._with_real(pool, first, rng)

    def _with_real(self, pool: Statistics, first: Statistics, rng: np.random.Generator) -> Statistics:
        if self.n_real == 0:
            return pool
        return pool.pooled(first if self.fixed_real else self._real(self.n_real, rng))

    def _real(self, count: int, rng: np.random.Generator) -> Statistics:
        d = self.dimension
        if d == 1:
            return draw(np.zeros(self.chains), np.ones(self.chains), count, rng)
        return draw(np.zeros((self.chains, d)), np.broadcast_to(np.eye(d), (self.chains, d, d)), count, rng)
