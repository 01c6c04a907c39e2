"""The real side of every metric, and what of it is worth computing once per run instead of once per generation."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from evaluator.geometry import moments, squared_distances, symmetric_root
from evaluator.models.base import Rows, checked_rows
from hygiene.errors import ConfigurationError

CHUNK = 2048  # rows of one block of distances: 2048 × 10 000 float64 are 160 MB


def squared_radii(features: Rows, k: int) -> Rows:
    """Squared distance [n] from each row of [n, f] to its k-th nearest other row."""
    if not 1 <= k < len(features):
        raise ConfigurationError(f"k is {k} for {len(features)} samples, expected 1 ≤ k < number of samples")
    return np.concatenate([_block_radii(features, block, k) for block in blocks(len(features))])


def blocks(n: int) -> Iterator[slice]:
    """Slices that cover n rows, at most CHUNK rows each: bounds the memory that distances take."""
    return (slice(start, start + CHUNK) for start in range(0, n, CHUNK))


def _block_radii(features: Rows, rows: slice, k: int) -> Rows:
    block = squared_distances(features[rows], features)
    np.fill_diagonal(block[:, rows], 0.0)  # rounding must not move a row away from itself
    block.partition(k, axis=1)
    return block[:, k].copy()


@dataclass(frozen=True)
class Reference:
    """Real features [n, f], n ≥ 2, with their moments and neighbourhood radii kept once computed."""

    features: Rows = field(repr=False)
    _radii: dict[int, Rows] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", checked_rows(self.features, at_least=2))

    @cached_property
    def moments(self) -> tuple[Rows, Rows]:
        """Mean [f] and unbiased covariance [f, f]."""
        return moments(self.features)

    @cached_property
    def covariance_root(self) -> Rows:
        """Symmetric square root [f, f] of the covariance."""
        return symmetric_root(self.moments[1])

    def radii(self, k: int) -> Rows:
        """Squared distance [n] from each real row to its k-th nearest other real row."""
        if k not in self._radii:
            self._radii[k] = squared_radii(self.features, k)
        return self._radii[k]


Real = Reference | Rows


def paired(real: Real, synthetic: ArrayLike) -> tuple[Reference, Rows]:
    """Both sides checked: a Reference, and synthetic rows [m, f] of the same width."""
    reference = real if isinstance(real, Reference) else Reference(real)
    rows = checked_rows(synthetic, at_least=2)
    if rows.shape[1] != reference.features.shape[1]:
        raise ConfigurationError(
            f"real features have {reference.features.shape[1]} columns, synthetic ones {rows.shape[1]}: "
            "use one network for both"
        )
    return reference, rows
