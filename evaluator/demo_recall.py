"""Where more filtering stops helping: the limit of the Gaussian fresh-data loop over the filter's recall.

Simulated exactly on sufficient statistics (`models.chains`), so that a hundred dimensions and ten thousand samples
per generation take milliseconds.
"""

from typing import Any

import numpy as np

from evaluator import theory
from evaluator.models.chains import Chains

CURVE_RECALLS = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
DIMENSION = 100
CONTAMINATION = 0.9
SETTINGS = ((10_000, 0.8), (10_000, 1.0), (1_000, 0.8))
"""(samples in the pool per generation, sampling bias λ)."""

CHAINS = 3
SETTLED = 7  # memories of the loop after which the start is forgotten: e⁻⁷ < .1 %


def curve_rows(seed: int = 0) -> list[dict[str, Any]]:
    """Limit of the Fréchet distance at every recall, and the recall at which it is least, per setting."""
    rng = np.random.default_rng(seed)
    rows = []
    for total, bias in SETTINGS:
        limits = [_limit(total, bias, recall, rng) for recall in CURVE_RECALLS]
        rows.append(
            {
                "n_real": round(total * (1 - CONTAMINATION)),
                "n_synthetic": round(total * CONTAMINATION),
                "sampling_bias": bias,
                "dimension": DIMENSION,
                "recall": list(CURVE_RECALLS),
                "frechet_distance": limits,
                "best_recall": CURVE_RECALLS[int(np.argmin(limits))],
            }
        )
    return rows


def _limit(total: int, bias: float, recall: float, rng: np.random.Generator) -> float:
    """Mean Fréchet distance to N(0, I) of the settled loop behind a filter with this recall and no false positives."""
    left = theory.filtered(total, CONTAMINATION, recall, 0.0)
    n_real, n_synthetic = round(left.n_real), round(left.n_synthetic)
    chains = Chains(CHAINS, n_real, n_real, n_synthetic, bias, unbiased=True, dimension=DIMENSION)
    memory = theory.memory(n_real / (n_real + n_synthetic), bias) if n_synthetic else 0.0
    *_, (mean, covariance) = chains.run(1 + round(SETTLED * memory), rng)
    roots = np.sqrt(np.maximum(np.linalg.eigvalsh(covariance), 0.0))
    return float(((mean**2).sum(axis=1) + ((roots - 1) ** 2).sum(axis=1)).mean())
