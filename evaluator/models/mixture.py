"""Gaussian mixture on principal components: multimodal, fitted from scratch in some hundredths of a second."""

import warnings
from dataclasses import dataclass, field

import numpy as np

from evaluator.covariances import moments
from evaluator.models.base import Rows, checked_bias, checked_rows
from evaluator.threads import one_thread
from hygiene.errors import ConfigurationError

RIDGE = 1e-6  # of the mean variance, on every component: keeps covariances of few rows invertible


@dataclass
class Mixture:
    """Full-covariance Gaussian mixture in the leading principal components, independent noise in the others.

    Maximum likelihood by EM from a k-means start (scikit-learn). A draw with λ = 1 has the mean and the
    variances of the rows fitted, also in the components left out of the mixture: nothing is lost but what
    sampling loses. Sampling bias: component covariances and the residual variances are scaled by λ, and the
    weights become π^{1/λ}, renormalised: scaling covariances alone would keep every mode.

    components  number of Gaussians
    dimensions  principal components that the mixture models, at most d
    """

    components: int = 20
    dimensions: int = 32
    name: str = field(default="mixture", init=False)
    mean: Rows = field(init=False, repr=False)  # [d]
    basis: Rows = field(init=False, repr=False)  # [d, min(n, d)], columns by falling variance
    weights: Rows = field(init=False, repr=False)  # [components]
    centres: Rows = field(init=False, repr=False)  # [components, dimensions]
    roots: Rows = field(init=False, repr=False)  # [components, dimensions, dimensions], lower
    residual: Rows = field(init=False, repr=False)  # deviations of the other columns

    def __post_init__(self) -> None:
        if self.components < 1 or self.dimensions < 1:
            raise ConfigurationError(
                f"a mixture of {self.components} components on {self.dimensions} dimensions: both must be ≥ 1"
            )

    def fit(self, samples: Rows, rng: np.random.Generator) -> None:
        """Fit `samples` [n, d], n ≥ 2·components."""
        rows = checked_rows(samples, at_least=2 * self.components)
        self.mean, covariance = moments(rows, len(rows))
        variances, self.basis = covariance.principal()
        self.residual = np.sqrt(variances[self.dimensions :])
        scores = (rows - self.mean) @ self.basis[:, : self.dimensions]
        self.weights, self.centres, self.roots = gaussian_mixture(scores, self.components, int(rng.integers(2**31)))

    def sample(self, n: int, sampling_bias: float, rng: np.random.Generator) -> Rows:
        """`n` draws [n, d], in random order."""
        bias = checked_bias(sampling_bias)
        weights = (self.weights / self.weights.max()) ** (1 / bias)  # the largest stays 1: no underflow of all
        chosen = rng.choice(len(weights), n, p=weights / weights.sum())
        noise = np.sqrt(bias) * rng.standard_normal((n, self.basis.shape[1]))
        kept = self.centres.shape[1]
        scores = self.centres[chosen] + np.einsum("nij,nj->ni", self.roots[chosen], noise[:, :kept])
        drawn: Rows = self.mean + np.hstack([scores, noise[:, kept:] * self.residual]) @ self.basis.T
        return drawn


def gaussian_mixture(rows: Rows, components: int, seed: int) -> tuple[Rows, Rows, Rows]:
    """Weights [components], centres [components, d] and roots [components, d, d], lower, of the covariances, by EM."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    # one scale for all: the ridge then means the same before and after the data has contracted
    scale = max(float(rows.std()), float(np.finfo(np.float64).tiny))
    model = GaussianMixture(components, reg_covar=RIDGE, max_iter=50, random_state=seed)
    with warnings.catch_warnings(), one_thread():  # k-means would spin on every core: 4 times slower, or 50
        # EM stopped early, or fewer distinct rows than components, still leaves a valid mixture
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rows / scale)
    return model.weights_, scale * model.means_, scale * np.linalg.cholesky(model.covariances_)
