"""Quality and diversity apart: precision, recall, density and coverage of k-nearest-neighbour manifolds."""

import numpy as np
from numpy.typing import ArrayLike

from evaluator.geometry import squared_distances
from evaluator.metrics.reference import Real, blocks, paired, squared_radii


def manifold(real: Real, synthetic: ArrayLike, k: int = 5) -> dict[str, float]:
    """{"manifold_precision", "manifold_recall", "density", "coverage", "k"}; higher is better.

    Precision: share of synthetic rows inside the real manifold, recall: share of real rows inside the synthetic one,
    0..1 (Kynkäänniemi et al. 2019, arXiv:1904.06991). Density ≥ 0, 1 for real against real, and coverage, 0..1
    (Naeem et al. 2020, arXiv:2002.09797). Two traps: coverage does not see a contracted distribution, and up to k
    synthetic outliers have balls that reach back to the others, so that recall can rise while a sample collapses.
    """
    reference, rows = paired(real, synthetic)
    real_radii, synthetic_radii = reference.radii(k), squared_radii(rows, k)
    counts = np.zeros(len(rows), dtype=np.int64)  # real balls that hold each synthetic row
    recalled = covered = 0
    for block in blocks(len(reference.features)):
        distances = squared_distances(reference.features[block], rows)
        inside = distances < real_radii[block, None]
        counts += inside.sum(axis=0)
        covered += int(inside.any(axis=1).sum())
        recalled += int((distances < synthetic_radii).any(axis=1).sum())
    return {
        "manifold_precision": float((counts > 0).mean()),
        "manifold_recall": recalled / len(reference.features),
        "density": float(counts.mean() / k),
        "coverage": covered / len(reference.features),
        "k": float(k),
    }
