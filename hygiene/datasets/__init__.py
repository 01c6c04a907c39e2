"""Datasets by format. A new one is a file in this folder and a line in the table."""

from hygiene.datasets.base import Listing, Progress, Reader, Shard, Sink, Writer
from hygiene.datasets.opening import AUTO, FORMATS, open_reader

__all__ = ["AUTO", "FORMATS", "Listing", "Progress", "Reader", "Shard", "Sink", "Writer", "open_reader"]
