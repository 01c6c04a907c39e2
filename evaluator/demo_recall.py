"""Where more filtering stops helping: the limit of the Gaussian fresh-data loop over the filter's recall.

The experiment `recall-u-curve` measures the same with more chains and an interval.
"""

from typing import Any

import numpy as np

from evaluator.limits import distances, filtered_chains, settling_time

CURVE_RECALLS = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
DIMENSION = 100
CONTAMINATION = 0.9
SETTINGS = ((10_000, 0.8), (10_000, 1.0), (1_000, 0.8))
"""(samples in the pool per generation, sampling bias λ)."""

CHAINS = 3


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
    chains = filtered_chains(CHAINS, total, CONTAMINATION, bias, recall, DIMENSION)
    generations = 1 + settling_time(chains.n_real, chains.n_synthetic, bias)
    return float(distances(chains, generations, rng, last=1).mean())
