"""A Gaussian of few directions: probabilistic principal components."""

from dataclasses import dataclass, field

import numpy as np

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
    basis: Rows = field(init=False, repr=False)  # [d, d], columns by falling variance
    deviations: Rows = field(init=False, repr=False)  # [d], of the scores on them; equal beyond `components`

    def __post_init__(self) -> None:
        if self.components < 1:
            raise ConfigurationError(f"components is {self.components}, expected at least 1")

    def fit(self, samples: Rows, rng: np.random.Generator) -> None:
        """Take mean and components of `samples` [n, d], n ≥ 2. `rng` is not used: the fit is exact."""
        rows = checked_rows(samples, at_least=2)
        self.mean = rows.mean(axis=0)
        centred = rows - self.mean
        values, vectors = np.linalg.eigh(centred.T @ centred / len(rows))
        variances = np.maximum(values[::-1], 0.0)
        if self.components < variances.size:
            variances[self.components :] = variances[self.components :].mean()
        self.basis = vectors[:, ::-1]
        self.deviations = np.sqrt(variances)

    def sample(self, n: int, sampling_bias: float, rng: np.random.Generator) -> Rows:
        """`n` draws [n, d] from N(μ, λC)."""
        noise = np.sqrt(checked_bias(sampling_bias)) * rng.standard_normal((n, self.mean.size))
        drawn: Rows = self.mean + (noise * self.deviations) @ self.basis.T
        return drawn
