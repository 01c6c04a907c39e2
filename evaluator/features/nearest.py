"""Classes for features whose network names none: those of the nearest labelled real row."""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluator.features.base import Features
from evaluator.models.base import Rows
from evaluator.sources import ArraySource


class NearestClass:
    """From features [n, f] to classes [n]: the nearest neighbour's (Cover & Hart 1967) among the rows of `source`,
    which has labels."""

    def __init__(self, source: ArraySource, features: Features) -> None:
        self._source, self._features = source, features

    @cached_property
    def _search(self) -> Any:
        """Made when first asked: most runs count no classes."""
        from sklearn.neighbors import KNeighborsClassifier

        known = KNeighborsClassifier(n_neighbors=1, algorithm="brute")
        return known.fit(self._features(self._source.all_rows), self._source.labels)

    def __call__(self, features: Rows) -> NDArray[np.int64]:
        classes: NDArray[np.int64] = self._search.predict(features)
        return classes
