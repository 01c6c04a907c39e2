"""Small linear algebra that models and metrics share."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hygiene.errors import ConfigurationError

Rows = NDArray[np.float64]

LARGEST = 1e20
"""Of numbers that can be measured: `kid` and its deviation raise them to the twelfth power, and add up many."""


NARROWEST = 1e-60
"""Of what real rows differ by: the Fréchet distance takes fourth powers, which must not leave double precision."""


def flaw(rows: NDArray[Any]) -> str:
    """What keeps numbers from being measured: "not finite", "beyond ±1e+20", or nothing, empty."""
    if not rows.size or max(float(rows.max()), -float(rows.min())) <= LARGEST:
        return ""
    return f"beyond ±{LARGEST:g}" if np.isfinite(rows).all() else "not finite"


def check_spread(real: Rows, what: str) -> None:
    """Refuse real rows [n, d], called `what`, that differ by so little that metrics would take them for one row.

    Rows that are all the same are no matter of scale, and pass.
    """
    spread = float(np.ptp(real, axis=0).max())
    if 0 < spread < NARROWEST:
        raise ConfigurationError(
            f"{what} differ by {spread:.3g} at most, which is lost when squared: expected {NARROWEST:g} or more, scale "
            "the rows"
        )


def squared_distances(a: Rows, b: Rows) -> Rows:
    """Squared Euclidean distances [n, m] between rows [n, f] and rows [m, f], never below 0."""
    distances = a @ (-2.0 * b.T)
    distances += np.einsum("ij,ij->i", a, a)[:, None]
    distances += np.einsum("ij,ij->i", b, b)
    return np.maximum(distances, 0.0, out=distances)


def symmetric_root(covariance: Rows) -> Rows:
    """The symmetric R [d, d] with RR = covariance; works for singular covariances, where Cholesky does not."""
    values, vectors = np.linalg.eigh(covariance)
    root: Rows = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return root


def participation_ratio(rows: Rows) -> float:
    """Effective number of dimensions of rows [n, d], in 1..d; 1 where all rows are equal."""
    centred = rows - rows.mean(axis=0)
    few = len(rows) < rows.shape[1]
    scatter = centred @ centred.T if few else centred.T @ centred  # they share their non-zero eigenvalues
    total = np.trace(scatter)
    return float(1 / np.square(scatter / total).sum()) if total > 0 else 1.0
