"""How close synthetic rows come to single rows that a model learnt from."""

import numpy as np
from numpy.typing import ArrayLike

from evaluator.metrics.neighbours import nearest
from evaluator.metrics.reference import Real, paired

COPY = 1 / 3  # of the distance to the second nearest (Yoon et al. 2023, "Diffusion Probabilistic Models Generalize …")


def memorisation(real: Real, synthetic: ArrayLike) -> dict[str, float]:
    """{"memorised", "training_distance_ratio"} against `real.training`, the rows that a model learnt from.

    memorised: 0..1, lower is better; share of synthetic rows nearer to one training row than a third of the way to
    the second nearest (Yoon et al. 2023; Gu et al. 2023, arXiv:2310.02664). training_distance_ratio: ≥ 0; median
    distance to the nearest training row over that of the real rows here, which the model has not seen: 1 keeps a new
    sample's distance, less copies (compare Meehan et al. 2020, arXiv:2004.05675), more lies outside of the data.
    A training set that holds a picture twice hides its copies from the first; exact copies it sees all the same.
    """
    reference, rows = paired(real, synthetic)
    unseen = float(np.median(np.sqrt(reference.training_distances)))
    first, second = np.sqrt(nearest(rows, reference.seen, 2)).T
    typical = float(np.median(first))
    ratio = typical / unseen if unseen > 0 else float(typical > 0)
    return {"memorised": float((first <= COPY * second).mean()), "training_distance_ratio": ratio}
