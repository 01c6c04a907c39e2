"""Where Gaussian loops settle, simulated exactly on sufficient statistics (`models.chains`): a hundred dimensions and
ten thousand samples per generation take milliseconds."""

import numpy as np

from evaluator import theory
from evaluator.geometry import Rows
from evaluator.models.chains import Chains

SETTLED = 7  # memories of the loop after which the start is forgotten: e⁻⁷ < .1 %


def distance_to_truth(mean: Rows, covariance: Rows) -> Rows:
    """Fréchet distance [chains] of N(mean, covariance) to N(0, I): |μ|² + Σ(√e − 1)², e the covariance's eigenvalues.

    mean [chains, d], covariance [chains, d, d].
    """
    roots = np.sqrt(np.maximum(np.linalg.eigvalsh(covariance), 0.0))
    distance: Rows = (mean**2).sum(axis=1) + ((roots - 1) ** 2).sum(axis=1)
    return distance


def settling_time(n_real: int, n_synthetic: int, sampling_bias: float) -> int:
    """Generations after which a fresh-data loop has forgotten its start."""
    share = n_real / (n_real + n_synthetic)
    return round(SETTLED * theory.memory(share, sampling_bias)) if n_synthetic else 0


def distances(chains: Chains, generations: int, rng: np.random.Generator, last: int | None = None) -> Rows:
    """Fréchet distance to the truth [chains, last] of the last generations of a loop; of all when not given."""
    skipped = 0 if last is None else generations - last
    steps = enumerate(chains.run(generations, rng))
    return np.stack([distance_to_truth(*step) for t, step in steps if t >= skipped], axis=1)


def filtered_chains(
    chains: int, total: int, contamination: float, sampling_bias: float, tpr: float, dimension: int
) -> Chains:
    """Fresh-data loops whose pool of `total` samples passes a filter without false positives."""
    left = theory.filtered(total, contamination, tpr, 0.0)
    n_real, n_synthetic = round(left.n_real), round(left.n_synthetic)
    return Chains(chains, n_real, n_real, n_synthetic, sampling_bias, unbiased=True, dimension=dimension)
