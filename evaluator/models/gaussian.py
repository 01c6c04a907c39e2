"""The multivariate Gaussian: the family whose loops have closed forms."""

from dataclasses import dataclass, field

import numpy as np

from evaluator.covariances import Covariance, moments
from evaluator.models.base import Rows, checked_bias, checked_rows


@dataclass
class Gaussian:
    """N(μ, Σ) fitted by moments. Sampling bias: draws from N(μ, λΣ), so λ scales the variance.

    unbiased   divide the scatter by n−1 (as in Alemohammad et al. 2023) instead of n (maximum likelihood)
    """

    unbiased: bool = True
    name: str = field(default="gaussian", init=False)
    mean: Rows = field(init=False, repr=False)
    covariance: Covariance = field(init=False, repr=False)

    def fit(self, samples: Rows, rng: np.random.Generator) -> None:
        """Take mean [d] and covariance of `samples` [n, d], n ≥ 2. `rng` is not used: the fit is exact."""
        rows = checked_rows(samples, at_least=2)
        self.mean, self.covariance = moments(rows, len(rows) - self.unbiased)

    def sample(self, n: int, sampling_bias: float, rng: np.random.Generator) -> Rows:
        """`n` draws [n, d] from N(μ, λΣ)."""
        noise = rng.standard_normal((n, self.mean.size))
        drawn: Rows = self.mean + np.sqrt(checked_bias(sampling_bias)) * self.covariance.coloured(noise)
        return drawn
