"""What every generator of the loop offers: fit once on rows, then sample as often as asked."""

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluator.geometry import Rows
from evaluator.row_parts import RowParts, parts_of, slices
from hygiene.errors import ConfigurationError

__all__ = [
    "GenerativeModel",
    "ReadsFiles",
    "Rows",
    "SamplesInto",
    "Trainable",
    "Weights",
    "checked_bias",
    "checked_rows",
    "kept_rows",
]

Weights = dict[str, NDArray[Any]]
"""What a model has learned, by name."""


class GenerativeModel(Protocol):
    """A generator of rows. A new one is made for every generation, and learns from scratch.

    sampling_bias is λ in (0, 1]: 1 samples what was fitted, less trades diversity for quality. It is not the
    same quantity in every family (Alemohammad et al. 2023, arXiv:2307.01850): each class says what it
    scales.

    One with a parameter `labels` may be conditioned on classes that rows bring along: it learns from rows [n, d + 1]
    and gives such rows (`evaluator.models.labels`).
    """

    name: str

    def fit(self, samples: Rows, rng: np.random.Generator) -> None:
        """Learn from `samples` [n, d], an array or, as numpy sees it, one (`RowParts`), in the type that the loop keeps
        its rows in. `checked_rows` makes float64 of them, `kept_rows` leaves them as they are."""
        ...

    def sample(self, n: int, sampling_bias: float, rng: np.random.Generator) -> Rows:
        """`n` new rows [n, d], drawn with sampling bias λ in (0, 1]."""
        ...


@runtime_checkable
class SamplesInto(GenerativeModel, Protocol):
    """A generator of wide rows, which never holds all of its samples but where they are wanted."""

    def sample_into(self, rows: Rows, sampling_bias: float, rng: np.random.Generator) -> None:
        """Fill `rows` [n, d], of any floating type, with what `sample` would return."""
        ...


@runtime_checkable
class Trainable(GenerativeModel, Protocol):
    """A generator whose learning can be stored, and taken up again by the next generation (a warm start)."""

    def fit(self, samples: Rows, rng: np.random.Generator, start: Weights | None = None) -> None:
        """Learn from `samples` [n, d]: from scratch, or on from `start`, the weights of a model of equal sizes."""
        ...

    def weights(self) -> Weights:
        """All that sampling and a warm start need beside the parameters."""
        ...

    def restore(self, weights: Weights) -> None:
        """Become the fitted model of equal parameters that gave `weights`: it samples the same, bit for bit.

        Raises ConfigurationError for weights of another shape.
        """
        ...


@runtime_checkable
class ReadsFiles(Protocol):
    """A generator that is made of somebody's files: a run goes on only while they are what they were."""

    def files(self) -> dict[str, Path]:
        """The files, by what their user calls them."""
        ...


def checked_rows(samples: ArrayLike, at_least: int) -> Rows:
    """`samples` as float64 [n, d]; refuses other shapes, fewer than `at_least` rows and values that are not finite."""
    rows = np.asarray(samples, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[0] < at_least:
        raise ConfigurationError(f"got samples of shape {rows.shape}, expected [n, d] with n ≥ {at_least}")
    _check_finite(rows)
    return rows


def kept_rows(samples: ArrayLike | RowParts, at_least: int) -> Rows | RowParts:
    """`samples` [n, d] in the type they are kept in, and refused as by `checked_rows`: float64 in one array, what is
    narrower in parts, whose rows `[index]` and `row_parts.blocks` give without a copy of all."""
    rows = samples if isinstance(samples, RowParts) else RowParts((np.asarray(samples),))
    if rows.dtype not in (np.float32, np.float16) or rows.parts[0].ndim != 2 or len(rows) < at_least:
        return checked_rows(samples, at_least)
    for part in parts_of(rows):
        for at in slices(part):
            _check_finite(part[at])
    return rows


def _check_finite(rows: NDArray[Any]) -> None:
    if not np.isfinite(rows).all():
        raise ConfigurationError("the samples hold values that are not finite: clean them before fitting")


def checked_bias(sampling_bias: float) -> float:
    """λ itself; refuses what lies outside (0, 1]."""
    if not 0 < sampling_bias <= 1:
        raise ConfigurationError(f"sampling_bias is {sampling_bias}, expected 0 < λ ≤ 1 (1 = unbiased)")
    return sampling_bias
