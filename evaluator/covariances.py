"""The covariance of rows, as models and metrics use it: by a matrix of d² numbers, or, of fewer rows than numbers, by
the rows themselves.

Of n centred rows C = (rows − mean)/√divisor the covariance is CᵀC. CᵀC [d, d] and CCᵀ [n, n] share their non-zero
eigenvalues, and an eigenvector u of the small one gives one of the large one, Cᵀu (Turk and Pentland 1991, "Eigenfaces
for Recognition", J. Cogn. Neurosci. 3): 400 pictures of 128 pixels in colour take 400² numbers in place of 49,152².
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from evaluator.geometry import Rows, symmetric_root


@dataclass(frozen=True, eq=False)
class Full:
    """By its matrix [d, d]."""

    matrix: Rows

    @property
    def dimension(self) -> int:
        return len(self.matrix)

    @property
    def trace(self) -> float:
        return float(np.trace(self.matrix))

    @cached_property
    def root(self) -> Rows:
        """R [k, d] with RᵀR = Σ."""
        return symmetric_root(self.matrix)

    def coloured(self, noise: Rows) -> Rows:
        """Rows [m, d] of covariance Σ, out of independent standard normal ones [m, d]: noise · Σ^½."""
        return noise @ self.root

    def principal(self) -> tuple[Rows, Rows]:
        """Variances [k], falling, along the principal directions, and these as columns [d, k]; k = min(n, d)."""
        values, vectors = np.linalg.eigh(self.matrix)
        return np.maximum(values[::-1], 0.0), vectors[:, ::-1]

    def log_det(self, ridge: float) -> float:
        """ln det(Σ + ridge · I)."""
        return float(np.linalg.slogdet(self.matrix + ridge * np.eye(len(self.matrix)))[1])

    def root_trace(self, root: Rows) -> float:
        """tr (RᵀRΣ)^½ of a root R [k, d]: real, and safe where a covariance is singular."""
        values = np.linalg.eigvalsh(root @ self.matrix @ root.T)
        return float(np.sqrt(np.maximum(values, 0.0)).sum())


@dataclass(frozen=True, eq=False)
class Few:
    """By the centred rows [n, d] over √divisor, n < d. The same numbers as `Full`'s, up to rounding."""

    rows: Rows

    @property
    def dimension(self) -> int:
        return int(self.rows.shape[1])

    @property
    def trace(self) -> float:
        return float(np.vdot(self.rows, self.rows))

    @property
    def root(self) -> Rows:
        return self.rows

    @cached_property
    def _small(self) -> tuple[Rows, Rows]:
        """Variances [n], rising, and eigenvectors [n, n] of CCᵀ; what is no more than rounding errors is 0."""
        values, vectors = np.linalg.eigh(self.rows @ self.rows.T)
        noise = len(values) * np.finfo(np.float64).eps * values[-1]
        return np.where(values > noise, values, 0.0), vectors

    def coloured(self, noise: Rows) -> Rows:
        values, vectors = self._small
        inverse_root = (vectors * _over(np.sqrt(values))) @ vectors.T
        return noise @ self.rows.T @ inverse_root @ self.rows  # Σ^½ = Cᵀ(CCᵀ)^−½C

    def principal(self) -> tuple[Rows, Rows]:
        """As `Full`'s; directions without variance are 0."""
        values, vectors = (each[..., ::-1] for each in self._small)
        return values, self.rows.T @ (vectors * _over(np.sqrt(values)))

    def log_det(self, ridge: float) -> float:
        surplus = self.dimension - len(self.rows)  # eigenvalues that are the ridge alone
        gram = self.rows @ self.rows.T + ridge * np.eye(len(self.rows))
        return float(surplus * np.log(ridge) + np.linalg.slogdet(gram)[1])

    def root_trace(self, root: Rows) -> float:
        return float(np.linalg.svd(root @ self.rows.T, compute_uv=False).sum())


Covariance = Full | Few


def _over(deviations: Rows) -> Rows:
    """1/deviations, 0 where there is none."""
    return np.divide(1.0, deviations, out=np.zeros_like(deviations), where=deviations > 0)


def moments(rows: Rows, divisor: int | None = None) -> tuple[Rows, Covariance]:
    """Mean [d] and covariance of rows [n, d], the scatter over `divisor`, n − 1 when not given."""
    mean = rows.mean(axis=0)
    centred = rows - mean
    over = len(rows) - 1 if divisor is None else divisor
    if len(rows) < len(mean):
        centred /= np.sqrt(over)
        return mean, Few(centred)
    return mean, Full(centred.T @ centred / over)
