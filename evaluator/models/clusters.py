"""Classes for rows that have none: what conditional models are conditioned on when the loop hands no labels."""

import numpy as np
from numpy.typing import NDArray

from evaluator.models.base import Rows


def clustered(rows: Rows, clusters: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The k-means cluster [n], 0 … clusters − 1, of each row [n, d]; all 0 without clusters."""
    if not clusters:
        return np.zeros(len(rows), dtype=np.int64)
    from sklearn.cluster import KMeans

    found = KMeans(clusters, n_init=1, random_state=int(rng.integers(2**31))).fit_predict(rows)
    return np.asarray(found, dtype=np.int64)
