"""Rows that exist: a limited source, its other half for the metrics, and .npz files."""

import hashlib
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluator.geometry import flaw
from evaluator.models.base import Rows, checked_rows
from evaluator.models.labels import with_labels
from evaluator.pictures import LEVELS
from evaluator.reading import refused
from evaluator.row_parts import narrowed, slices
from evaluator.sources.base import Labelled
from hygiene.errors import ConfigurationError

LAST_CLASS = 65535


@dataclass(frozen=True)
class ArraySource:
    """Rows that exist: one draw takes them without replacement, and cannot take more than there are.

    rows      [n, d] float64, or uint8 for pixels, which stand for v/255
    labels    the class of each row [n]; None where there are none
    held_out  other rows of the same kind, for metrics only: no model and no feature network may learn from them
    repeats   whether a loop may draw a row again in a later generation; otherwise it ends with an error instead
    carries   whether draws bring labels along, where there are any: rows [n, d + 1] (`evaluator.models.labels`)
    drawn     the type of what is drawn, float64 or a narrower one (`evaluator.row_parts`)
    """

    rows: NDArray[Any] = field(repr=False)
    shape: tuple[int, ...]
    labels: NDArray[np.int64] | None = field(default=None, repr=False)
    held_out: "ArraySource | None" = field(default=None, repr=False)
    repeats: bool = False
    carries: bool = False
    drawn: str = "float64"

    def __post_init__(self) -> None:
        rows = self.rows if self.rows.dtype == np.uint8 and self.rows.ndim == 2 else checked_rows(self.rows, at_least=1)
        if not len(rows) or rows.shape[1] != np.prod(self.shape):
            raise ConfigurationError(f"{len(rows)} rows of {rows.shape[1]} numbers do not fold into {self.shape}")
        if self.labels is not None and len(self.labels) != len(rows):
            raise ConfigurationError(f"{len(rows)} rows with {len(self.labels)} labels: give one label to each")
        if self.labels is not None and self.labels.max() > LAST_CLASS:  # metrics count every class up to the last
            raise ConfigurationError(
                f"the labels reach {self.labels.max()}, expected classes 0 to {LAST_CLASS}: number them anew"
            )

    @property
    def dimension(self) -> int:
        return int(self.rows.shape[1])

    @property
    def all_rows(self) -> Rows:
        """Every row [n, d], float64, in the order of `labels`."""
        return _as_floats(self.rows, np.arange(len(self.rows)), "float64")

    @property
    def labelled(self) -> Labelled | None:
        """All rows with their classes; None without classes."""
        return None if self.labels is None else Labelled(self.all_rows, self.labels)

    def with_labels(self) -> "ArraySource":
        """The same draws, each row with its label."""
        return replace(self, carries=True)

    def draw(self, n: int, rng: np.random.Generator) -> Rows:
        """`n` different rows [n, d], in random order."""
        return self.deal(n, 0, rng)

    def deal(self, n: int, start: int, rng: np.random.Generator) -> Rows:
        """`n` rows [n, d] from position `start` on of the random order of all rows that `rng` fixes."""
        if start + n > len(self.rows):
            asked = f"{n} real rows" + f" after the first {start}" * bool(start)
            raise ConfigurationError(
                f"asked for {asked}, the source holds {len(self.rows)}: ask for fewer, or use an oracle"
            )
        chosen = rng.permutation(len(self.rows))[start : start + n]
        rows = _as_floats(self.rows, chosen, self.drawn)
        return with_labels(rows, self.labels[chosen]) if self.carries and self.labels is not None else rows


def _as_floats(rows: NDArray[Any], chosen: NDArray[np.int64], kind: str) -> Rows:
    """The `chosen` [k] of `rows` [n, d] in the type `kind`, with no copy of all of them in another one."""
    floats = np.empty((len(chosen), rows.shape[1]), dtype=kind)
    scale = LEVELS if rows.dtype == np.uint8 else 1.0
    for at in slices(floats):
        floats[at] = narrowed(rows[chosen[at]] / scale, kind)
    return floats


def without_copies(source: ArraySource, of: ArraySource) -> ArraySource | None:
    """`source` less the rows that also stand in `of`, value for value; None where nothing is left."""
    known = {_digest(row) for row in of.rows}
    kept = np.array([_digest(row) not in known for row in source.rows])
    if not kept.any():
        return None
    labels = None if source.labels is None else source.labels[kept]
    return ArraySource(source.rows[kept], source.shape, labels, repeats=source.repeats)


def _digest(row: NDArray[Any]) -> bytes:
    return hashlib.blake2b(row.tobytes(), digest_size=16).digest()


def npz(path: str, array: str = "samples", labels: str | None = None, repeats: bool = False) -> ArraySource:
    """Samples [n, ...] from an .npz file written by numpy.savez. Those of type uint8 are pixels, v/255.

    array, labels  the names of the arrays in it: samples, and where there are any their classes [n], 0 and up
    repeats        whether later generations may draw a row again
    """
    if not Path(path).is_file():
        raise ConfigurationError(f"there is no file {path}: expected an .npz file with an array {array!r}")
    samples = _stored(path, array)
    if samples.dtype.kind not in "biuf" or samples.ndim < 2 or 0 in samples.shape:
        raise ConfigurationError(
            f"the array {array!r} in {path} is {samples.dtype} {samples.shape}, expected real numbers [n, ...]"
        )
    classes = None if labels is None else _classes(path, labels, len(samples))
    rows = samples.reshape(len(samples), -1)
    rows = rows if rows.dtype == np.uint8 else rows.astype(np.float64)
    if told := flaw(rows):
        mend = "take them out" if told == "not finite" else "scale them"
        raise ConfigurationError(f"the array {array!r} in {path} holds numbers that are {told}: {mend}")
    return ArraySource(rows, samples.shape[1:], classes, repeats=repeats)


def _stored(path: str, array: str) -> NDArray[Any]:
    complaint = refused(f"{path} holds no usable array {array!r}")
    with complaint, zipfile.ZipFile(path), np.load(path, allow_pickle=False) as stored:  # np.load alone takes .npy
        if array not in stored:
            raise ValueError(f"it has {', '.join(stored) or 'none'}")
        found: NDArray[Any] = stored[array]
    return found


def _classes(path: str, array: str, n: int) -> NDArray[np.int64]:
    found = _stored(path, array)
    if found.dtype.kind not in "iu" or found.shape != (n,) or found.min() < 0 or found.max() > LAST_CLASS:
        told = f" of {found.min()} to {found.max()}" if found.size and found.dtype.kind in "iu" else ""
        raise ConfigurationError(
            f"the array {array!r} in {path} is {found.dtype} {found.shape}{told}, expected {n} classes: whole numbers "
            f"from 0 to {LAST_CLASS}"
        )
    return found.astype(np.int64)
