"""Pictures of a dataset on disk, cut to squares of one size."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluator.sources.arrays import ArraySource
from evaluator.sources.squares import Squares
from hygiene.datasets import open_reader


def images(
    path: str,
    size: int,
    colour: str = "rgb",
    reference_share: float = 0.5,
    seed: int = 0,
    repeats: bool = False,
) -> ArraySource:
    """The pictures of a folder, as `Squares` makes them.

    Where every picture lies in a sub-folder, the first sub-folder is its class.
    """
    squares = Squares(size, colour, reference_share, seed)
    reader = open_reader(Path(path), "folder")
    listing = reader.listing()
    pixels = squares.read(reader, listing, path)
    return squares.source(pixels, classes_of([entry.id for entry in listing.entries()]), repeats)


def classes_of(ids: list[str]) -> NDArray[np.int64] | None:
    """The class [n] of each id, numbered in the order of the sub-folders' names; None unless all have one."""
    folders = [id.partition("/")[0] if "/" in id else None for id in ids]
    if None in folders:
        return None
    number = {name: i for i, name in enumerate(sorted(set(folders), key=str))}
    return np.array([number[name] for name in folders], dtype=np.int64)
