"""Classes for rows that have none: what conditional models are conditioned on when the loop hands no labels."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evaluator.models.base import Rows


class Clusters(NamedTuple):
    """labels: the cluster of each row [n], from 0; centres [clusters, d]; shares of the rows [max(clusters, 1)]."""

    labels: NDArray[np.int64]
    centres: NDArray[Any]
    shares: Rows


def clustered(
    rows: NDArray[Any], clusters: int, rng: np.random.Generator, start: NDArray[Any] | None = None
) -> Clusters:
    """The k-means clusters of rows [n, d], all one without clusters; from centres `start` on each keeps its number."""
    labels, centres = np.zeros(len(rows), dtype=np.int64), rows[:0]
    if clusters:
        from sklearn.cluster import KMeans

        seed = int(rng.integers(2**31))
        means = KMeans(clusters, n_init=1, random_state=seed, init="k-means++" if start is None else start).fit(rows)
        labels, centres = means.labels_.astype(np.int64), means.cluster_centers_
    return Clusters(labels, centres, np.bincount(labels, minlength=max(clusters, 1)) / len(rows))
