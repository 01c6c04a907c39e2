"""The classes that a diffusion model is conditioned on: the labels of its rows, or k-means clusters of them."""

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from evaluator.models.base import Rows
from evaluator.models.labels import Labels
from hygiene.errors import ConfigurationError


class Conditioned(Protocol):
    """labels: classes that rows bring along; clusters: classes that are found; 0 of both: no condition."""

    labels: int
    clusters: int


class Classes(NamedTuple):
    """labels: the class of each row [n], from 0; centres [clusters, d]; shares of the rows [max(classes, 1)]."""

    labels: Labels
    centres: NDArray[Any]
    shares: Rows


def check_classes(model: Conditioned) -> None:
    """Refuse one class, fewer than none, and both kinds together."""
    if min(model.labels, model.clusters) < 0 or 1 in (model.labels, model.clusters) or model.labels * model.clusters:
        raise ConfigurationError(f"{model!r}: clusters and labels must be 0 or ≥ 2, and only one of them given")


def classes_of(
    model: Conditioned,
    rows: NDArray[Any],
    labels: Labels,
    rng: np.random.Generator,
    start: NDArray[Any] | None = None,
) -> Classes:
    """What `model` is conditioned on: the labels [n] of its rows [n, d], if it takes any, or else `clustered`."""
    if model.labels:
        return Classes(labels, rows[:0], np.bincount(labels, minlength=model.labels) / len(rows))
    return clustered(rows, model.clusters, rng, start)


def clustered(
    rows: NDArray[Any], clusters: int, rng: np.random.Generator, start: NDArray[Any] | None = None
) -> Classes:
    """The k-means clusters of rows [n, d], all one without clusters; from centres `start` on each keeps its number."""
    labels, centres = np.zeros(len(rows), dtype=np.int64), rows[:0]
    if clusters:
        from sklearn.cluster import KMeans

        seed = int(rng.integers(2**31))
        means = KMeans(clusters, n_init=1, random_state=seed, init="k-means++" if start is None else start).fit(rows)
        labels, centres = means.labels_.astype(np.int64), means.cluster_centers_
    return Classes(labels, centres, np.bincount(labels, minlength=max(clusters, 1)) / len(rows))
