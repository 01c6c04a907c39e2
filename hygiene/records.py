"""A record: what a dataset holds one of. What a filter keeps, it copies byte for byte."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a dataset's listing: enough to see that a record changed, without reading it.

    id        the record's name, unique in its dataset (in a folder: the relative path, with "/")
    size      bytes; −1 where it could not be asked for
    mtime_ns  last modification, nanoseconds since 1970; −1 where it could not be asked for
    sidecars  names of the files that travel with it
    """

    id: str
    size: int
    mtime_ns: int
    sidecars: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    """One encoded picture with its sidecars, as found.

    sidecars  name → bytes: the caption (.txt) and the metadata (.json) of the same stem
    flaw      why not all of it is here, "kind: detail"; empty: all that was asked for is
    stored    what its shard's format holds of it, with all that travels with it, where it was asked for whole
    """

    id: str
    data: bytes = field(repr=False)
    sidecars: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    flaw: str = ""
    stored: Any = field(default=None, repr=False)
