"""How much there is to see in a sample, without looking at its quality: Vendi score and log-determinant."""

import numpy as np
from numpy.typing import ArrayLike

from evaluator.covariances import moments
from evaluator.metrics.reference import Real, paired
from evaluator.models.base import Rows, checked_rows
from hygiene.errors import ConfigurationError

RIDGE = 1e-6  # of the mean real variance: keeps constant pixels from making every log-determinant −∞


def diversity(real: Real, synthetic: ArrayLike) -> dict[str, float]:
    """{"vendi", "log_det"} of the synthetic features; higher is more diverse.

    vendi: 1..m, effective number of different samples under cosine similarity. log_det: ln det of the
    synthetic covariance less that of the real one, nats; 0 is as diverse as real, negative is contracted.
    """
    reference, rows = paired(real, synthetic)
    of_real, covariance = reference.moments[1], moments(rows)[1]
    if not of_real.trace > 0:
        raise ConfigurationError("diversity compares with how real features vary, and these are all the same")
    ridge = RIDGE * of_real.trace / of_real.dimension
    return {"vendi": vendi(rows), "log_det": covariance.log_det(ridge) - of_real.log_det(ridge)}


def vendi(features: ArrayLike) -> float:
    """Vendi score of features [n, f] under cosine similarity: 1..n (Friedman & Dieng 2022, arXiv:2210.02410)."""
    rows = checked_rows(features, at_least=1)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.maximum(norms, np.finfo(np.float64).tiny)
    # XXᵀ and XᵀX share their non-zero eigenvalues: take the smaller one
    gram = unit.T @ unit if rows.shape[1] < rows.shape[0] else unit @ unit.T
    return vendi_of_kernel(gram, len(rows))


def vendi_of_kernel(kernel: Rows, n: int | None = None) -> float:
    """exp of the entropy of the eigenvalues of kernel/n, for a similarity matrix with a unit diagonal [n, n]."""
    shares = np.linalg.eigvalsh(kernel / (n or len(kernel)))
    positive = shares[shares > 0]
    return float(np.exp(-(positive * np.log(positive)).sum()))
