"""Principal components of the real training half: fewer numbers per row, the same distances along what varies most."""

import hashlib

import numpy as np

from evaluator.covariances import moments
from evaluator.models.base import Rows, checked_rows
from hygiene.errors import ConfigurationError


class Pca:
    """Projection on the directions of largest variance (Pearson 1901), centred, not whitened.

    training    rows [n, d] that the directions are fitted to; never the reference half
    components  how many, at most d and n − 1
    """

    def __init__(self, training: Rows, components: int = 32) -> None:
        rows = checked_rows(training, at_least=2)
        most = min(rows.shape[1], len(rows) - 1)
        if not 1 <= components <= most:
            raise ConfigurationError(
                f"components is {components}, expected 1 to {most} for {len(rows)} rows of {rows.shape[1]} numbers"
            )
        self.name = "pca"
        self.mean, covariance = moments(rows)
        values, vectors = covariance.principal()
        self.directions = vectors[:, :components]
        self.explained = float(values[:components].sum() / max(values.sum(), np.finfo(np.float64).tiny))

    def __call__(self, rows: Rows) -> Rows:
        """Coordinates [n, components] of rows [n, d]."""
        checked = checked_rows(rows, at_least=1)
        if checked.shape[1] != len(self.mean):
            raise ConfigurationError(
                f"pca was fitted to rows of {len(self.mean)} numbers, got rows of {checked.shape[1]}"
            )
        coordinates: Rows = (checked - self.mean) @ self.directions
        return coordinates

    @property
    def weights_digest(self) -> str:
        """SHA-256 of the mean and the directions, hexadecimal."""
        return hashlib.sha256(self.mean.tobytes() + np.ascontiguousarray(self.directions).tobytes()).hexdigest()
