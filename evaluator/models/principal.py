"""Principal components of unit variance: the ground that learned models of vectors stand on."""

import numpy as np

from evaluator.covariances import moments
from evaluator.models.base import Rows, Weights
from evaluator.models.weights import one

LEAST = 1e-4  # of the largest deviation: narrower directions hold no more than rounding errors


class Principal:
    """Rows [n, d] <-> scores [n, kept] of mean 0 and variance 1 on the leading components, at most `dimensions`.

    What is left out comes back as independent noise of the same variances: scores of mean 0 and covariance I give
    rows with the mean and covariance of those that this was made from.
    """

    def __init__(self, rows: Rows, dimensions: int) -> None:
        mean, covariance = moments(rows, len(rows))
        variances, directions = covariance.principal()
        self._set(mean, np.sqrt(variances), directions, dimensions)

    def _set(self, mean: Rows, deviations: Rows, basis: Rows, dimensions: int) -> None:
        self.mean, self._deviations, self._basis = mean, deviations, np.ascontiguousarray(basis)
        self.kept = max(int((deviations[:dimensions] > LEAST * deviations[0]).sum()), 1)

    @classmethod
    def restored(cls, weights: Weights, dimensions: int) -> "Principal":
        """The components that gave `weights`."""
        ground = cls.__new__(cls)
        mean, deviations, basis = (one(weights, name) for name in ("mean", "deviations", "basis"))
        ground._set(mean, deviations, basis, dimensions)
        return ground

    def weights(self) -> Weights:
        return {"mean": self.mean, "deviations": self._deviations, "basis": self._basis}

    def inward(self, rows: Rows) -> Rows:
        """Scores [n, kept] of rows [n, d]."""
        scale = np.maximum(self._deviations[: self.kept], np.finfo(np.float64).tiny)
        scores: Rows = (rows - self.mean) @ self._basis[:, : self.kept] / scale
        return scores

    def outward(self, scores: Rows, spread: float, rng: np.random.Generator) -> Rows:
        """Rows [n, d] of scores [n, kept]; the deviation of what was left out is multiplied by `spread`."""
        left_out = spread * rng.standard_normal((len(scores), self._deviations.size - self.kept))
        rows: Rows = self.mean + (np.hstack([scores, left_out]) * self._deviations) @ self._basis.T
        return rows
