"""Rows that fill the memory: in the type that a loop keeps them in, in parts, read in blocks of double precision."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from evaluator.geometry import Rows
from hygiene.errors import ConfigurationError

TYPES = ("float64", "float32", "float16")
BLOCK = 1 << 22  # numbers: 32 MB in double precision
LOOKED_AT = 100  # rows that tell how coarse a type is for them
COARSEST = 0.01  # rounding that is no part of the data, in their deviations


@dataclass(frozen=True, eq=False)
class RowParts:
    """Rows [n, d] in one or more arrays of one type: what every generation adds to a pool stays where it is.

    numpy takes it for an array, which is a copy: `np.asarray(rows)`.
    """

    parts: tuple[NDArray[Any], ...]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    @property
    def shape(self) -> tuple[int, int]:
        return len(self), self.parts[0].shape[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.parts[0].dtype

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.concatenate(self.parts, dtype=dtype or self.dtype)

    def __getitem__(self, index: NDArray[np.int64]) -> NDArray[Any]:
        """The rows [k, d] at `index` [k], from 0 on."""
        chosen, start = np.empty((len(index), self.shape[1]), dtype=self.dtype), 0
        for part in self.parts:
            here = (start <= index) & (index < start + len(part))
            chosen[here] = part[index[here] - start]
            start += len(part)
        return chosen

    def plus(self, rows: NDArray[Any]) -> "RowParts":
        """These rows, and then `rows` [m, d]."""
        return RowParts((*(part for part in self.parts if len(part)), rows))


def parts_of(rows: Rows | RowParts) -> tuple[NDArray[Any], ...]:
    """The arrays that hold rows [n, d]."""
    return rows.parts if isinstance(rows, RowParts) else (rows,)


def slices(rows: NDArray[Any]) -> Iterator[slice]:
    """Of rows [n, d] that have BLOCK numbers, or are one; a single empty one of no rows."""
    step = max(BLOCK // max(rows.shape[1], 1), 1)
    return (slice(start, start + step) for start in range(0, max(len(rows), 1), step))


def blocks(rows: Rows | RowParts) -> Iterator[Rows]:
    """Rows [n, d] in float64, some at a time.

    What is float64 already comes whole: it takes no memory, and the last bit of a sum hangs on the order.
    """
    if rows.dtype == np.float64:
        yield np.asarray(rows)
        return
    for part in parts_of(rows):
        yield from (part[at].astype(np.float64) for at in slices(part))


def by_blocks(function: Callable[[Rows], NDArray[Any]], rows: Rows | RowParts) -> NDArray[Any]:
    """What `function` makes of the `blocks` of rows [n, d], put together: [n, …]."""
    return np.concatenate([function(block) for block in blocks(rows)])


def narrowed(rows: NDArray[Any], kind: str) -> Rows:
    """`rows` in the type `kind`. What it cannot hold becomes infinite, which models and metrics refuse."""
    with np.errstate(over="ignore"):
        return rows.astype(kind, copy=False)


def check_rounding(rows: NDArray[Any]) -> None:
    """Refuse a type that is too coarse for rows [n, d] that are kept in it already."""
    seen = rows[:LOOKED_AT].astype(np.float64)
    gaps = np.spacing(np.abs(rows[:LOOKED_AT])).astype(np.float64)
    rounding, deviation = float(np.sqrt(np.square(gaps).mean() / 12)), float((seen - seen.mean(axis=0)).std())
    if not rounding <= COARSEST * deviation:
        raise ConfigurationError(
            f"rows = {rows.dtype} rounds the source's rows by {rounding:.1g}, which vary by {deviation:.1g}: "
            "keep them in float32 or float64"
        )
