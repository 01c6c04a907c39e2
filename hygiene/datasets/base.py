"""What every dataset format offers: a listing cut into shards, records read from a shard, records written."""

import hashlib
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from hygiene.detectors.base import Unreadable
from hygiene.filtering import kind
from hygiene.records import Entry, Record

UNREADABLE_SIDECAR = "sidecar unreadable"
PASSING = frozenset({"cannot be opened", "cannot be read", "missing", "changed", "out of memory", UNREADABLE_SIDECAR})
"""Kinds of reason that lie in the system and not in a picture's bytes. A permission that is given, or a disk that is
back, changes no size and no time of change, so records with these are tried again and the others are not."""


Progress = Callable[[str, int, int], None]
"""Called with (what is being done, done, in all)."""


@dataclass(frozen=True)
class Shard:
    """The unit of work: a worker reads one, and what it made of it is stored under `label`.

    name   of the file that it is or, of records by themselves, any
    cuts   where its entries may be parted, as indices in order: a large file is then scored by several
    part   which part of the file these entries are; −1: all
    """

    name: str
    entries: tuple[Entry, ...]
    cuts: tuple[int, ...] = ()
    part: int = -1

    def __str__(self) -> str:
        return f"{self.entries[0].id!r} to {self.entries[-1].id!r}" if self.entries else repr(self.name)

    @property
    def label(self) -> str:
        return self.name if self.part < 0 else f"{self.name}.{self.part:05d}"

    def parts(self) -> tuple["Shard", ...]:
        """What is scored at a time."""
        if not self.cuts:
            return (self,)
        edges = pairwise((0, *self.cuts, len(self.entries)))
        return tuple(Shard(self.name, self.entries[a:b], part=i) for i, (a, b) in enumerate(edges))

    @property
    def digest(self) -> str:
        """Changes when a record is added, removed, resized or touched."""
        lines = "".join(f"{e.id!r} {e.size} {e.mtime_ns} {e.sidecars!r}\n" for e in self.entries)
        return hashlib.blake2b(lines.encode(), digest_size=16).hexdigest()

    def without(self, ids: Container[str]) -> "Shard":
        """The part that is still to be done."""
        return Shard(self.name, tuple(entry for entry in self.entries if entry.id not in ids), part=self.part)


@dataclass(frozen=True)
class Listing:
    """All records of a dataset, in one stable order. passed_over: files that are neither records nor sidecars."""

    shards: tuple[Shard, ...]
    passed_over: int = 0

    @property
    def records(self) -> int:
        return sum(len(shard.entries) for shard in self.shards)

    @property
    def parts(self) -> "Listing":
        """The same, shard by shard as it is scored."""
        return Listing(tuple(part for shard in self.shards for part in shard.parts()), self.passed_over)

    def entries(self) -> Iterator[Entry]:
        for shard in self.shards:
            yield from shard.entries


class Sink(Protocol):
    """Takes the records of one shard."""

    def write(self, record: Record, data: bytes | None = None) -> None:
        """The record as it was read, its sidecars too; with `data` in the place of its picture if there is any."""


class Writer(Protocol):
    """Writes records under one root, in the format that they were read from.

    by_shard: a shard becomes one file, which is written whole or not at all. Else every record is, by itself.
    """

    @property
    def root(self) -> Path: ...

    @property
    def by_shard(self) -> bool: ...

    def open(self, shard: Shard, even_empty: bool = False) -> AbstractContextManager[Sink]:
        """What is written of `shard`. By shards, it takes its place when the block ends well, and what lay there
        goes; nothing comes of no records unless `even_empty`. Writing the same again changes nothing.
        """

    def state(self, shard: Shard) -> int:
        """Bytes of the shard's file; −1 where there is none, or where records are written by themselves."""

    def holds(self, id: str, size: int) -> bool:
        """Whether record `id` lies there with a picture of `size` bytes; of a shard's file, `state` tells."""

    def strays(self, listing: Listing, written: Iterable[str]) -> list[Path]:
        """What an earlier run left that `listing` does not have any more. written: ids of what it wrote."""


class Reader(Protocol):
    """Reads one dataset. Small and picklable: every worker gets a copy."""

    @property
    def root(self) -> Path: ...

    def listing(self, progress: Progress | None = None) -> Listing:
        """What there is to read; ConfigurationError when there is nothing. progress: told after every shard."""

    def read(self, shard: Shard, sidecars: bool = False) -> Iterator[Record | Unreadable]:
        """One item per record of the shard, in its order. What cannot be read is an item too, and a picture whose
        sidecars cannot all be read is a record with a flaw.
        """

    def writer(self, root: Path) -> Writer:
        """Of the same format, under `root`, which is made when there is something to write."""


def may_pass(reason: str) -> bool:
    """Whether another run may find the same file readable."""
    return kind(reason) in PASSING
