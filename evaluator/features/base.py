"""What every feature map offers, and the simplest one."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluator.models.base import Rows, checked_rows
from hygiene.errors import ConfigurationError


class Features(Protocol):
    """A callable from rows [n, d] to features [n, f], float64. `name` belongs beside every figure computed with it.

    Rows come in the type that the loop keeps them in, float64 unless its configuration says another one.

    One that has weights says which, as `weights_digest`: SHA-256, hexadecimal. One that rounds rows to the levels of 8
    bits, and so cuts off what lies outside 0..1, says so, as `levels`: True.
    """

    @property
    def name(self) -> str: ...

    def __call__(self, rows: Rows) -> Rows: ...


@dataclass(frozen=True)
class Identity:
    """The rows themselves: for vectors, and for the closed forms."""

    name: str = field(default="identity", init=False)

    def __call__(self, rows: Rows) -> Rows:
        return checked_rows(rows, at_least=1)


def as_images(rows: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Rows [n, d] as float32 [n, channels, h, w], for pictures of shape (h, w) or (h, w, channels)."""
    checked = checked_rows(rows, at_least=1)
    if len(shape) not in (2, 3) or checked.shape[1] != np.prod(shape):
        raise ConfigurationError(
            f"got rows of {checked.shape[1]} numbers of shape {shape}, expected pictures (h, w) or (h, w, channels)"
        )
    folded = checked.astype(np.float32).reshape(len(checked), *shape, *(1,) * (3 - len(shape)))
    return np.ascontiguousarray(folded.transpose(0, 3, 1, 2))


def image_batches(rows: Rows, shape: tuple[int, ...], batch: int) -> Iterator[NDArray[np.float32]]:
    """`as_images` of rows [n, d], `batch` at a time; n ≥ 1."""
    return (as_images(rows[start : start + batch], shape) for start in range(0, max(len(rows), 1), batch))


def as_features(found: ArrayLike, n: int, name: str) -> Rows:
    """What a network made of `n` rows, flattened to float64 [n, f]; refuses another number of rows, and non-numbers."""
    if np.iscomplexobj(found):
        raise ConfigurationError(f"the network {name!r} made complex numbers, expected real ones")
    features = np.asarray(found, dtype=np.float64)
    if features.ndim < 2 or len(features) != n or not np.isfinite(features).all():
        raise ConfigurationError(
            f"the network {name!r} made an array {features.shape} out of {n} rows, expected {n} rows of finite numbers"
        )
    return features.reshape(n, -1)
