"""Which classes a model still makes, by the labels of the network whose features are compared."""

import numpy as np
from numpy.typing import ArrayLike

from evaluator.metrics.reference import Real, paired
from hygiene.errors import ConfigurationError


def class_entropy(real: Real, synthetic: ArrayLike) -> dict[str, float]:
    """{"class_entropy", "classes_seen"} of the synthetic rows; higher is more diverse.

    class_entropy: 0..ln C nats, of the shares of the classes that `real.classify` gives. classes_seen: 1..C. A
    conditional model is told its classes, so these cannot see it collapse inside of them.
    """
    reference, rows = paired(real, synthetic)
    if reference.classify is None:
        raise ConfigurationError("class_entropy needs a classifier: use features = lenet, or Reference(…, classify=…)")
    shares = np.unique(reference.classify(rows), return_counts=True)[1] / len(rows)
    return {"class_entropy": float(-(shares * np.log(shares)).sum()) + 0.0, "classes_seen": float(len(shares))}
