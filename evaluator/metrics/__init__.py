"""Metrics: features in, numbers out. A metric knows no images, models, devices or paths."""

from collections.abc import Callable, Iterable

import numpy as np

from evaluator.metrics import diversity, frechet, manifold
from evaluator.metrics.reference import Real, Reference
from evaluator.models.base import Rows, checked_rows
from hygiene.errors import ConfigurationError

__all__ = ["METRICS", "Reference", "floor", "measure"]

# name -> f(real features [n, f] or Reference, synthetic features [m, f]) -> named floats
METRICS: dict[str, Callable[[Real, Rows], dict[str, float]]] = {
    "frechet": frechet.frechet,
    "manifold": manifold.manifold,
    "diversity": diversity.diversity,
}


def measure(real: Real, synthetic: Rows, names: Iterable[str] = tuple(METRICS)) -> dict[str, float]:
    """All named metrics of synthetic features [m, f] against real ones [n, f], in one dict."""
    reference = real if isinstance(real, Reference) else Reference(real)
    values: dict[str, float] = {}
    for name in names:
        if name not in METRICS:
            raise ConfigurationError(f"there is no metric {name!r}: choose from {', '.join(METRICS)}")
        values |= METRICS[name](reference, synthetic)
    return values


def floor(real: Rows, rng: np.random.Generator, names: Iterable[str] = tuple(METRICS)) -> dict[str, float]:
    """Metrics of one random half of real features [n, f] against the other: what no model can be expected to
    beat.

    The Fréchet distance is biased by 1/n: where other real data of the loop's own size exists, prefer
    `measure(reference, other_real)`.
    """
    rows = checked_rows(real, at_least=4)
    order = rng.permutation(len(rows))
    half = len(rows) // 2
    return measure(rows[order[:half]], rows[order[half:]], names)
