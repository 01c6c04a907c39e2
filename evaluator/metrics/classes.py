"""Which classes a model still makes: by the network whose features are compared, or by the nearest labelled row."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluator.metrics.reference import Real, Reference, paired
from evaluator.models.base import Rows
from hygiene.errors import ConfigurationError


def class_entropy(real: Real, synthetic: ArrayLike) -> dict[str, float]:
    """{"class_entropy", "classes_seen"} of the synthetic rows; higher is more diverse.

    class_entropy: 0..ln C nats, of the shares of the classes that `real.classify` gives. classes_seen: 1..C. A
    conditional model is told its classes, so these cannot see it collapse inside of them.
    """
    reference, rows = paired(real, synthetic)
    shares = np.unique(_classes(reference, rows, "class_entropy"), return_counts=True)[1] / len(rows)
    return {"class_entropy": float(-(shares * np.log(shares)).sum()) + 0.0, "classes_seen": float(len(shares))}


def class_counts(real: Real, synthetic: ArrayLike) -> dict[str, float]:
    """{"class_0", "class_1", …}: how many of the synthetic rows `real.classify` gives to each class, 0 included.

    Up to the highest class that the real or the synthetic rows hold.
    """
    reference, rows = paired(real, synthetic)
    classes = _classes(reference, rows, "class_counts")
    counts = np.bincount(classes, minlength=1 + int(reference.classes.max()))
    return {f"class_{number}": float(count) for number, count in enumerate(counts)}


def label_agreement(real: Real, synthetic: ArrayLike, labels: NDArray[np.int64]) -> dict[str, float]:
    """{"label_agreement"}: share, 0..1, of synthetic rows to which `real.classify` gives the label [n] that each was
    made for; higher is better. Real rows with their labels have the classifier's accuracy."""
    reference, rows = paired(real, synthetic)
    return {"label_agreement": float((_classes(reference, rows, "label_agreement") == labels).mean())}


def _classes(reference: Reference, rows: Rows, metric: str) -> NDArray[np.int64]:
    if reference.classify is None:
        raise ConfigurationError(
            f"{metric} needs a classifier: use features = lenet, a source with labels, or Reference(…, classify=…)"
        )
    return reference.classify(rows)
