"""Gaussian mixture on principal components: multimodal, trained from scratch by EM in a fraction of a
second."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evaluator.models.base import Rows, checked_bias, checked_rows


@dataclass
class Mixture:
    """Gaussian mixture in the leading principal components, with independent noise in the others.

    Sampling bias: component covariances and the residual variance are scaled by λ, and the weights become
    π^{1/λ}, renormalised: scaling covariances alone would keep every mode.
    """

    components: int = 20
    dimensions: int = 32
    name: str = field(default="mixture", init=False)

    def fit(self, samples: Rows, rng: np.random.Generator) -> None:
        """Fit `samples` [n, d], n ≥ 2·components."""
        from sklearn.mixture import GaussianMixture

        rows = checked_rows(samples, at_least=2 * self.components)
        self.mean = rows.mean(axis=0)
        centred = rows - self.mean
        values, vectors = np.linalg.eigh(centred.T @ centred / len(rows))
        kept = min(self.dimensions, rows.shape[1])
        self.basis = vectors[:, ::-1][:, :kept]
        self.residual_basis = vectors[:, ::-1][:, kept:]
        self.residual_deviation = np.sqrt(np.maximum(values[::-1][kept:], 0.0))
        model = GaussianMixture(
            self.components,
            reg_covar=1e-3,
            max_iter=20,
            init_params="k-means++",
            random_state=int(rng.integers(2**31)),
        )
        model.fit(centred @ self.basis)
        self.weights: Rows = model.weights_
        self.centres: Rows = model.means_
        self.roots: Rows = np.linalg.cholesky(model.covariances_)

    def sample(self, n: int, sampling_bias: float, rng: np.random.Generator) -> Rows:
        """`n` draws [n, d]."""
        bias = checked_bias(sampling_bias)
        weights = self.weights ** (1 / bias)
        counts: NDArray[np.int64] = rng.multinomial(n, weights / weights.sum())
        chosen = np.repeat(np.arange(len(counts)), counts)
        noise = rng.standard_normal((n, self.centres.shape[1]))
        scaled = np.sqrt(bias) * np.einsum("nij,nj->ni", self.roots[chosen], noise)
        rest = (
            np.sqrt(bias) * rng.standard_normal((n, self.residual_deviation.size)) * self.residual_deviation
        )
        rows = self.mean + (self.centres[chosen] + scaled) @ self.basis.T + rest @ self.residual_basis.T
        return rng.permutation(rows)
