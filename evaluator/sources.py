"""Where real data comes from: parametric sources and an oracle (unlimited draws), and arrays (limited)."""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from evaluator.models.base import Rows, checked_rows
from evaluator.reading import refused
from evaluator.tables import build
from hygiene.errors import ConfigurationError


class RealSource(Protocol):
    """Real data. `shape` is what one row [d] folds into, e.g. (8, 8); `dimension` is d."""

    @property
    def dimension(self) -> int: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    def draw(self, n: int, rng: np.random.Generator) -> Rows:
        """`n` real rows [n, d]; another call gives another draw."""
        ...


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
class ArraySource:
    """Rows that exist: one draw takes them without replacement, and cannot take more than there are."""

    rows: Rows = field(repr=False)
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if checked_rows(self.rows, at_least=1).shape[1] != np.prod(self.shape):
            raise ConfigurationError(f"rows of {self.rows.shape[1]} numbers do not fold into the shape {self.shape}")

    @property
    def dimension(self) -> int:
        return int(self.rows.shape[1])

    def draw(self, n: int, rng: np.random.Generator) -> Rows:
        """`n` different rows [n, d], in random order."""
        if n > len(self.rows):
            raise ConfigurationError(
                f"asked for {n} real rows, the source holds {len(self.rows)}: ask for fewer, or use an oracle"
            )
        return self.rows[rng.permutation(len(self.rows))[:n]]


class OracleSource:
    """A Gaussian mixture fitted once to real rows, then taken as the truth: unlimited fresh draws of
    image-like data."""

    def __init__(self, rows: Rows, shape: tuple[int, ...], rng: np.random.Generator) -> None:
        from evaluator.models.mixture import Mixture

        base = ArraySource(rows, shape)
        self.shape = base.shape
        self.dimension = base.dimension
        self._model = Mixture()
        self._model.fit(rows, rng)

    def draw(self, n: int, rng: np.random.Generator) -> Rows:
        """`n` independent draws [n, d] of the fitted mixture."""
        return self._model.sample(n, 1.0, rng)


class Labelled(NamedTuple):
    """Rows [n, d], pixels in 0..1, and the class of each [n]."""

    rows: Rows
    labels: NDArray[np.int64]


def load_digits_halves(seed: int = 0) -> tuple[Labelled, Labelled]:
    """scikit-learn's bundled 8×8 digits in two random halves: (training 898, reference 899).

    Whatever is fitted, the feature network included, sees the training half only.
    """
    from sklearn.datasets import load_digits

    if seed < 0:
        raise ConfigurationError(f"the seed of the digits' halves is {seed}, expected at least 0")
    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(pixels))
    rows, classes = pixels[order] / 16.0, labels[order].astype(np.int64)
    half = len(rows) // 2
    return Labelled(rows[:half], classes[:half]), Labelled(rows[half:], classes[half:])


def digits(seed: int = 0) -> ArraySource:
    """The training half of the digits."""
    return ArraySource(load_digits_halves(seed)[0].rows, (8, 8))


def digits_oracle(seed: int = 0) -> OracleSource:
    """The oracle fitted to the training half of the digits."""
    return OracleSource(load_digits_halves(seed)[0].rows, (8, 8), np.random.default_rng((seed, 0)))


def npz(path: str, array: str = "samples") -> ArraySource:
    """Samples [n, ...] from an .npz file written by numpy.savez; `array` names the array in it."""
    if not Path(path).is_file():
        raise ConfigurationError(f"there is no file {path}: expected an .npz file with an array {array!r}")
    complaint = refused(f"{path} holds no usable array {array!r}")
    with complaint, zipfile.ZipFile(path), np.load(path, allow_pickle=False) as stored:  # np.load alone takes .npy
        samples = stored[array]
    if samples.dtype.kind not in "biuf" or samples.ndim < 2 or 0 in samples.shape:
        raise ConfigurationError(
            f"the array {array!r} in {path} is {samples.dtype} {samples.shape}, expected real numbers [n, ...]"
        )
    return ArraySource(samples.reshape(len(samples), -1).astype(np.float64), samples.shape[1:])


SOURCES: dict[str, Callable[..., RealSource]] = {
    "gaussian": GaussianSource,
    "mixture25": MixtureSource,
    "digits": digits,
    "digits_oracle": digits_oracle,
    "npz": npz,
}


def make_source(name: str, /, **parameters: Any) -> RealSource:
    """The source called `name` in SOURCES; unknown names and parameters are refused by name."""
    return build(SOURCES, "source", name, parameters)
