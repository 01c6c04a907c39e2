"""A Gaussian of few directions: probabilistic principal components."""

from dataclasses import dataclass, field

import numpy as np

from evaluator.covariances import moments
from evaluator.models.base import Rows, checked_bias, checked_rows
from hygiene.errors import ConfigurationError


@dataclass
class PcaGaussian:
    """Principal components with their own variances, one common variance for every direction left out.

    Probabilistic PCA (Tipping and Bishop 1999, J. R. Stat. Soc. B 61, eq. 3.8): the maximum-likelihood Gaussian with
    `components` free directions. The total variance of the rows is kept; with components ≥ d it is `Gaussian` by
    maximum likelihood. Sampling bias: draws from N(μ, λC), so λ scales the variance of every direction.

    components  directions with a variance of their own
    """

    components: int = 16
    name: str = field(default="pca_gaussian", init=False)
    mean: Rows = field(init=False, repr=False)  # [d]
    basis: Rows = field(init=False, repr=False)  # [d, d], of fewer rows [d, ≤ components], by falling variance
    deviations: Rows = field(init=False, repr=False)  # of the scores on its columns; equal beyond `components`
    common: float = field(init=False, repr=False)  # deviation of every direction left out

    def __post_init__(self) -> None:
        if self.components < 1:
            raise ConfigurationError(f"components is {self.components}, expected at least 1")

    def fit(self, samples: Rows, rng: np.random.Generator) -> None:
        """Take mean and components of `samples` [n, d], n ≥ 2. `rng` is not used: the fit is exact."""
        rows = checked_rows(samples, at_least=2)
        self.mean, covariance = moments(rows, len(rows))
        variances, directions = covariance.principal()
        left_out = variances[self.components :].sum() / max(self.mean.size - self.components, 1)
        variances[self.components :] = left_out
        kept = self.components if len(rows) < self.mean.size else None
        self.basis, self.deviations = directions[:, :kept], np.sqrt(variances[:kept])
        self.common = float(np.sqrt(left_out))

    def sample(self, n: int, sampling_bias: float, rng: np.random.Generator) -> Rows:
        """`n` draws [n, d] from N(μ, λC)."""
        noise = np.sqrt(checked_bias(sampling_bias)) * rng.standard_normal((n, self.mean.size))
        if self.basis.shape[1] == self.mean.size:
            drawn: Rows = self.mean + (noise * self.deviations) @ self.basis.T
        else:
            scores = (noise @ self.basis) * (self.deviations - self.common)
            drawn = self.mean + self.common * noise + scores @ self.basis.T
        return drawn
