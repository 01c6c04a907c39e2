"""Kernel density estimate: real rows, jittered. The cheapest generator that shows quality and diversity apart."""

from dataclasses import dataclass, field

import numpy as np

from evaluator.covariances import Covariance, moments
from evaluator.geometry import participation_ratio, squared_distances
from evaluator.models.base import Rows, checked_bias, checked_rows
from hygiene.errors import ConfigurationError

NEIGHBOURS = 5  # of the density estimate that weights base rows when λ < 1


@dataclass
class Kde:
    """Gaussian kernels of covariance h²Σ on the rows, drawn towards the mean so that λ = 1 keeps mean and
    covariance.

    A draw is μ + √(1−h²)·(x_i − μ) + h·Σ^½·z (shrinkage: West 1993, J. R. Stat. Soc. B 55). Without
    the shrink every generation would multiply the variance by 1 + h².
    Sampling bias: the noise is scaled by √λ and the row x_i is chosen with weight f(x_i)^{1/λ−1}, so that the
    chosen rows follow f^{1/λ}; f is a nearest-neighbour density.

    bandwidth  h, in (0, 1), in standard deviations of the data: a share h² of every variance is noise. It is
    small on purpose: Scott's n^{−1/(d+4)} is .9 for 900 rows of 64 numbers, which is one Gaussian, not a KDE
    """

    bandwidth: float = 0.05
    name: str = field(default="kde", init=False)
    rows: Rows = field(init=False, repr=False)
    mean: Rows = field(init=False, repr=False)
    covariance: Covariance = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.bandwidth < 1:
            raise ConfigurationError(f"bandwidth is {self.bandwidth}, expected 0 < h < 1 (a share of the deviation)")

    def fit(self, samples: Rows, rng: np.random.Generator) -> None:
        """Keep `samples` [n, d], n > 5. `rng` is not used: the fit is exact."""
        self.rows = checked_rows(samples, at_least=NEIGHBOURS + 1)
        self.mean, self.covariance = moments(self.rows, len(self.rows))

    def sample(self, n: int, sampling_bias: float, rng: np.random.Generator) -> Rows:
        """`n` draws [n, d]."""
        bias = checked_bias(sampling_bias)
        weights = None if bias == 1 else density_weights(self.rows, 1 / bias - 1)
        chosen = self.rows[rng.choice(len(self.rows), n, p=weights)] - self.mean
        noise = self.covariance.coloured(rng.standard_normal(chosen.shape))
        kept = np.sqrt(1 - self.bandwidth**2)
        drawn: Rows = self.mean + kept * chosen + self.bandwidth * np.sqrt(bias) * noise
        return drawn


def density_weights(rows: Rows, exponent: float) -> Rows:
    """f(x_i)^exponent [n], summing to 1, with the k-nearest-neighbour density f ∝ r_k^{−d}.

    d is the participation ratio (Σe)²/Σe² of the covariance's eigenvalues: the number of directions that
    matter.
    """
    distances = squared_distances(rows, rows)
    distances.partition(NEIGHBOURS, axis=1)
    squared_radius = np.maximum(distances[:, NEIGHBOURS], np.finfo(np.float64).tiny)
    log_weights = -0.5 * exponent * participation_ratio(rows) * np.log(squared_radius)
    weights: Rows = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    return weights
