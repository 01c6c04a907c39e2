"""Principal components of unit variance: the ground that learned models of vectors stand on."""

import numpy as np

from evaluator.models.base import Rows

LEAST = 1e-4  # of the largest deviation: narrower directions hold no more than rounding errors


class Principal:
    """Rows [n, d] <-> scores [n, kept] of mean 0 and variance 1 on the leading components, at most `dimensions`.

    What is left out comes back as independent noise of the same variances: scores of mean 0 and covariance I give
    rows with the mean and covariance of those that this was made from.
    """

    def __init__(self, rows: Rows, dimensions: int) -> None:
        self.mean = rows.mean(axis=0)
        centred = rows - self.mean
        values, vectors = np.linalg.eigh(centred.T @ centred / len(rows))
        self._deviations = np.sqrt(np.maximum(values[::-1], 0.0))
        self._basis = vectors[:, ::-1]
        self.kept = max(int((self._deviations[:dimensions] > LEAST * self._deviations[0]).sum()), 1)

    def inward(self, rows: Rows) -> Rows:
        """Scores [n, kept] of rows [n, d]."""
        scale = np.maximum(self._deviations[: self.kept], np.finfo(np.float64).tiny)
        scores: Rows = (rows - self.mean) @ self._basis[:, : self.kept] / scale
        return scores

    def outward(self, scores: Rows, spread: float, rng: np.random.Generator) -> Rows:
        """Rows [n, d] of scores [n, kept]; the deviation of what was left out is multiplied by `spread`."""
        left_out = spread * rng.standard_normal((len(scores), self.mean.size - self.kept))
        rows: Rows = self.mean + (np.hstack([scores, left_out]) * self._deviations) @ self._basis.T
        return rows
