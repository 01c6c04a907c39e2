"""Pictures in Parquet files, as Hugging Face's data sets come: a picture and, often, a class in each row."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluator.reading import refused
from evaluator.sources.arrays import ArraySource
from evaluator.sources.squares import Squares
from hygiene.datasets import open_reader
from hygiene.errors import ConfigurationError


def parquet(
    path: str,
    size: int,
    colour: str = "rgb",
    reference_share: float = 0.5,
    seed: int = 0,
    repeats: bool = False,
    picture: str = "",
    label: str = "label",
) -> ArraySource:
    """The pictures of a Parquet file, or of all in a folder in the order of their names, as `Squares` makes them.

    picture  the column that holds them (Image feature, or binary); empty: the one that can
    label    the column with the class, a whole number from 0; without such a column there are no classes
    """
    squares = Squares(size, colour, reference_share, seed)
    reader = open_reader(Path(path), "parquet", picture)
    listing = reader.listing()
    labels = [_labels(reader.root / shard.name, label) for shard in listing.shards]
    pixels = squares.read(reader, listing, path)
    return squares.source(pixels, _together(labels, label, path), repeats)


def _labels(path: Path, label: str) -> NDArray[np.int64] | None:
    """The column of classes [rows]; None where the file has none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with refused(f"{path} cannot be read"), pq.ParquetFile(path) as file:
        if label not in file.schema_arrow.names:
            return None
        column = file.read(columns=[label])[label]
    if not pa.types.is_integer(column.type) or column.null_count:
        found = f"{column.type}, with {column.null_count} empty" if column.null_count else column.type
        raise ConfigurationError(f"{path}: the column {label!r} is {found}: expected a whole number in every row")
    classes: NDArray[np.int64] = np.asarray(column.to_numpy(), dtype=np.int64)
    if len(classes) and classes.min() < 0:
        raise ConfigurationError(f"{path}: a class in {label!r} is {classes.min()}: expected whole numbers from 0")
    return classes


def _together(labels: list[NDArray[np.int64] | None], label: str, path: str) -> NDArray[np.int64] | None:
    known = [each for each in labels if each is not None]
    if known and len(known) < len(labels):
        raise ConfigurationError(f"{path}: {len(known)} of {len(labels)} files have a column {label!r}: all, or none")
    return np.concatenate(known) if known else None
