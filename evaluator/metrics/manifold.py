"""Quality and diversity apart: precision, recall, density and coverage of k-nearest-neighbour manifolds."""

from numpy.typing import ArrayLike

from evaluator.metrics.neighbours import balls
from evaluator.metrics.reference import Real, paired, squared_radii


def manifold(real: Real, synthetic: ArrayLike, k: int = 5) -> dict[str, float]:
    """{"manifold_precision", "manifold_recall", "density", "coverage", "k"}; higher is better.

    Precision: share of synthetic rows inside the real manifold, recall: share of real rows inside the synthetic one,
    0..1 (Kynkäänniemi et al. 2019, arXiv:1904.06991). Density ≥ 0, 1 for real against real, and coverage, 0..1
    (Naeem et al. 2020, arXiv:2002.09797). Two traps: coverage does not see a contracted distribution, and up to k
    synthetic outliers have balls that reach back to the others, so that recall can rise while a sample collapses.
    """
    reference, rows = paired(real, synthetic)
    counts, covered, recalled = balls(reference.features, rows, reference.radii(k), squared_radii(rows, k))
    return {
        "manifold_precision": float((counts > 0).mean()),
        "manifold_recall": float(recalled.mean()),
        "density": float(counts.mean() / k),
        "coverage": float(covered.mean()),
        "k": float(k),
    }
