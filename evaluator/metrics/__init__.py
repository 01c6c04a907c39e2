"""Metrics: features in, numbers out. A metric knows no images, models, devices or paths."""

from collections.abc import Callable, Mapping
from typing import Any

from evaluator.metrics import classes, diversity, frechet, frechet_infinity, kernel, manifold, memorisation
from evaluator.metrics.reference import Real, Reference
from evaluator.models.base import Rows
from evaluator.tables import check_parameters

__all__ = ["MEASURES", "METRICS", "Reference", "check_metrics", "measure"]

# name -> f(real features [n, f] or Reference, synthetic features [m, f], **settings) -> named floats
METRICS: dict[str, Callable[..., dict[str, float]]] = {
    "frechet": frechet.frechet,
    "manifold": manifold.manifold,
    "diversity": diversity.diversity,
    "frechet_infinity": frechet_infinity.frechet_infinity,
    "kid": kernel.kid,
    "class_entropy": classes.class_entropy,
    "class_counts": classes.class_counts,
    "memorisation": memorisation.memorisation,
}

# name -> the names of its floats, known before it runs; * stands for the number of a class
MEASURES: dict[str, tuple[str, ...]] = {
    "frechet": ("frechet_distance",),
    "manifold": ("manifold_precision", "manifold_recall", "density", "coverage", "k"),
    "diversity": ("vendi", "log_det"),
    "frechet_infinity": ("frechet_distance_infinity",),
    "kid": ("kid", "kid_deviation"),
    "class_entropy": ("class_entropy", "classes_seen"),
    "class_counts": ("class_*",),
    "memorisation": ("memorised", "training_distance_ratio"),
}


Settings = Mapping[str, Mapping[str, Any]]
"""Metric name -> its settings, e.g. {"manifold": {"k": 5}}."""

STANDARD: Settings = {name: {} for name in ("frechet", "manifold", "diversity")}


def check_metrics(chosen: Settings) -> None:
    """Raises ConfigurationError for an unknown metric or setting, or a setting of the wrong type."""
    for name, settings in chosen.items():
        check_parameters(METRICS, "metric", name, settings, given=("real", "synthetic"))


def measure(real: Real, synthetic: Rows, chosen: Settings = STANDARD) -> dict[str, float]:
    """The chosen metrics of synthetic features [m, f] against real ones [n, f], in one dict."""
    check_metrics(chosen)
    reference = real if isinstance(real, Reference) else Reference(real)
    values: dict[str, float] = {}
    for name, settings in chosen.items():
        values |= METRICS[name](reference, synthetic, **settings)
    return values
