"""The real side of every metric, and what of it is worth computing once per run instead of once per generation."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluator.covariances import Covariance, moments
from evaluator.geometry import check_spread, flaw
from evaluator.metrics.neighbours import nearest
from evaluator.models.base import Rows, checked_rows
from hygiene.errors import ConfigurationError

Classify = Callable[[Rows], NDArray[np.int64]]
"""Features [n, f] -> the class of each [n]."""


def squared_radii(features: Rows, k: int) -> Rows:
    """Squared distance [n] from each row of [n, f] to its k-th nearest other row."""
    return nearest(features, features, k, same=True)[:, -1]


@dataclass(frozen=True)
class Reference:
    """Real features [n, f], n ≥ 2, with their moments and neighbourhood radii kept once computed.

    training  features [t, f] of real rows that a model learnt from, where a metric asks how close it stays to them
    classify  what class a row of features has, where a metric counts classes
    """

    features: Rows = field(repr=False)
    training: Rows | None = field(default=None, repr=False)
    classify: Classify | None = field(default=None, repr=False)
    _radii: dict[int, Rows] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", _checked(self.features, "real"))
        check_spread(self.features, "the real features")
        if self.training is not None:
            object.__setattr__(self, "training", self._training(self.training))

    @cached_property
    def moments(self) -> tuple[Rows, Covariance]:
        """Mean [f] and unbiased covariance."""
        return moments(self.features)

    def radii(self, k: int) -> Rows:
        """Squared distance [n] from each real row to its k-th nearest other real row."""
        if k not in self._radii:
            self._radii[k] = squared_radii(self.features, k)
        return self._radii[k]

    @property
    def seen(self) -> Rows:
        """The training rows [t, f], for metrics that cannot do without."""
        if self.training is None:
            raise ConfigurationError("memorisation needs what a model learnt from: Reference(…, training=features)")
        return self.training

    @cached_property
    def training_distances(self) -> Rows:
        """Squared distance [n] from each real row to the nearest of `training`."""
        return nearest(self.features, self.seen, 1)[:, 0]

    @cached_property
    def classes(self) -> NDArray[np.int64]:
        """The class [n] of each real row, for metrics that have a classifier."""
        if self.classify is None:
            raise ConfigurationError("nothing names the classes of these rows: Reference(…, classify=…)")
        return self.classify(self.features)

    def learnt_from(self, training: Rows) -> "Reference":
        """The same reference, with another run's training rows [t, f]; what was computed of it is kept."""
        other = copy.copy(self)
        other.__dict__.pop("training_distances", None)
        object.__setattr__(other, "training", self._training(training))
        return other

    def _training(self, training: ArrayLike) -> Rows:
        rows = _checked(training, "training")
        if rows.shape[1] != self.features.shape[1]:
            raise ConfigurationError(
                f"real features have {self.features.shape[1]} columns, those of the training rows {rows.shape[1]}: "
                "use one network for both"
            )
        return rows


Real = Reference | Rows


def paired(real: Real, synthetic: ArrayLike) -> tuple[Reference, Rows]:
    """Both sides checked: a Reference, and synthetic rows [m, f] of the same width."""
    reference = real if isinstance(real, Reference) else Reference(real)
    rows = _checked(synthetic, "synthetic")
    if rows.shape[1] != reference.features.shape[1]:
        raise ConfigurationError(
            f"real features have {reference.features.shape[1]} columns, synthetic ones {rows.shape[1]}: "
            "use one network for both"
        )
    return reference, rows


def _checked(features: ArrayLike, what: str) -> Rows:
    """Features [n, f], n ≥ 2, none so large that a metric's powers of it leave double precision."""
    rows = checked_rows(features, at_least=2)
    if told := flaw(rows):
        raise ConfigurationError(f"the {what} features hold numbers that are {told}: scale the rows")
    return rows
