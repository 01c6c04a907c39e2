"""Unlimited real data: distributions that are known, and an oracle fitted once to real rows."""

import copy
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evaluator.models.base import Rows
from evaluator.models.labels import Labels, with_labels
from evaluator.sources.arrays import ArraySource
from evaluator.sources.base import Labelled
from hygiene.errors import ConfigurationError


@dataclass(frozen=True)
class GaussianSource:
    """N(0, I) in d dimensions: every real variance is 1, as the closed forms assume."""

    dimension: int = 1

    def __post_init__(self) -> None:
        if self.dimension < 1:
            raise ConfigurationError(f"dimension is {self.dimension}, expected at least 1")

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.dimension,)

    def draw(self, n: int, rng: np.random.Generator) -> Rows:
        """`n` draws [n, d] of N(0, I)."""
        return rng.standard_normal((n, self.dimension))


@dataclass(frozen=True)
class MixtureSource:
    """Equal Gaussians on a 5 × 5 grid in the plane (Alemohammad et al. 2023, 25-mode experiment).

    spacing    distance between neighbouring modes
    deviation  standard deviation of each mode, in each coordinate
    """

    spacing: float = 2.0
    deviation: float = 0.05
    dimension: int = field(default=2, init=False)
    shape: tuple[int, ...] = field(default=(2,), init=False)

    def __post_init__(self) -> None:
        if self.spacing <= 0 or self.deviation <= 0:
            raise ConfigurationError(f"spacing is {self.spacing}, deviation {self.deviation}: both must be > 0")

    def draw(self, n: int, rng: np.random.Generator) -> Rows:
        """`n` draws [n, 2]."""
        modes = self.spacing * (rng.integers(0, 5, (n, 2)) - 2.0)
        return modes + self.deviation * rng.standard_normal((n, 2))


@dataclass(frozen=True)
class RosenbrockSource:
    """A banana in the plane: density ∝ exp(−(x − 1)² − 5(y − x²)²), after Rosenbrock's function.

    x is N(1, 1/2), and y is N(x², 1/10) given x, so draws are exact.
    """

    dimension: int = field(default=2, init=False)
    shape: tuple[int, ...] = field(default=(2,), init=False)

    def draw(self, n: int, rng: np.random.Generator) -> Rows:
        """`n` draws [n, 2]."""
        x = rng.normal(1, np.sqrt(0.5), n)
        return np.stack([x, x**2 + rng.normal(0, np.sqrt(0.1), n)], axis=1)


class OracleSource:
    """A Gaussian mixture fitted once to real rows, then taken as the truth: unlimited fresh draws of
    image-like data.

    fitted_to  the real rows, with their labels where they have any: what a feature network may learn from
    carries    whether draws bring labels along, rows [n, d + 1]: each that of the nearest row it was fitted to
    """

    carries = False

    def __init__(
        self, rows: Rows, shape: tuple[int, ...], rng: np.random.Generator, labels: NDArray[np.int64] | None = None
    ) -> None:
        from evaluator.models.mixture import Mixture

        self.fitted_to = ArraySource(rows, shape, labels)
        self.shape = self.fitted_to.shape
        self.dimension = self.fitted_to.dimension
        self._model = Mixture()
        self._model.fit(rows, rng)

    @property
    def labelled(self) -> Labelled | None:
        """What the oracle was fitted to, with its classes; None without classes."""
        return self.fitted_to.labelled

    def with_labels(self) -> "OracleSource":
        """The same draws, each row with its label."""
        other = copy.copy(self)
        other.carries = True
        return other

    def draw(self, n: int, rng: np.random.Generator) -> Rows:
        """`n` independent draws [n, d] of the fitted mixture."""
        rows = self._model.sample(n, 1.0, rng)
        return with_labels(rows, self._labels(rows)) if self.carries else rows

    def _labels(self, rows: Rows) -> Labels:
        from sklearn.neighbors import KNeighborsClassifier

        known = KNeighborsClassifier(1, algorithm="brute").fit(self.fitted_to.rows, self.fitted_to.labels)
        labels: Labels = known.predict(rows)
        return labels
