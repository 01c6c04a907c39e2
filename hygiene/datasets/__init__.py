"""Datasets by format. A new one is a file in this folder and a line in each table."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from hygiene.datasets.base import Listing, Reader, Shard, Writer
from hygiene.datasets.folder import FolderReader, FolderWriter
from hygiene.errors import ConfigurationError

T = TypeVar("T")

READERS: dict[str, Callable[[Path], Reader]] = {"folder": FolderReader}
WRITERS: dict[str, Callable[[Path], Writer]] = {"folder": FolderWriter}


def open_reader(path: Path, format: str = "folder") -> Reader:
    """A reader of the dataset at `path`: a folder of pictures, or one picture file."""
    if not path.exists():
        raise ConfigurationError(f"{path} does not exist: expected a folder of pictures or one picture")
    return _named(READERS, format)(path)


def open_writer(path: Path, format: str = "folder") -> Writer:
    """A writer that puts records under `path`, which it makes when the first one arrives."""
    return _named(WRITERS, format)(path)


def _named(table: dict[str, T], format: str) -> T:
    if format not in table:
        raise ConfigurationError(f"no dataset format {format!r}: there are {', '.join(sorted(table))}")
    return table[format]


__all__ = ["READERS", "WRITERS", "Listing", "Reader", "Shard", "Writer", "open_reader", "open_writer"]
