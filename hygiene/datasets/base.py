"""What every dataset format offers: a listing cut into shards, records read from a shard, records written."""

import hashlib
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hygiene.detectors.base import Unreadable
from hygiene.filtering import kind
from hygiene.records import Entry, Record

UNREADABLE_SIDECAR = "sidecar unreadable"
PASSING = frozenset({"cannot be opened", "cannot be read", "missing", "changed", "out of memory", UNREADABLE_SIDECAR})
"""Kinds of reason that lie in the system and not in a picture's bytes. A permission that is given, or a disk that is
back, changes no size and no time of change, so records with these are tried again and the others are not."""


@dataclass(frozen=True)
class Shard:
    """The unit of work: a worker reads one, and what it made of it is stored under `name`."""

    name: str
    entries: tuple[Entry, ...]

    def __str__(self) -> str:
        return f"{self.entries[0].id!r} to {self.entries[-1].id!r}"

    @property
    def digest(self) -> str:
        """Changes when a record is added, removed, resized or touched."""
        lines = "".join(f"{e.id!r} {e.size} {e.mtime_ns} {e.sidecars!r}\n" for e in self.entries)
        return hashlib.blake2b(lines.encode(), digest_size=16).hexdigest()

    def without(self, ids: Container[str]) -> "Shard":
        """The part that is still to be done."""
        return Shard(self.name, tuple(entry for entry in self.entries if entry.id not in ids))


@dataclass(frozen=True)
class Listing:
    """All records of a dataset, in one stable order. passed_over: files that are neither records nor sidecars."""

    shards: tuple[Shard, ...]
    passed_over: int = 0

    @property
    def records(self) -> int:
        return sum(len(shard.entries) for shard in self.shards)

    def entries(self) -> Iterator[Entry]:
        for shard in self.shards:
            yield from shard.entries


class Reader(Protocol):
    """Reads one dataset. Small and picklable: every worker gets a copy."""

    @property
    def root(self) -> Path: ...

    def listing(self) -> Listing:
        """What there is to read; ConfigurationError when there is nothing."""

    def read(self, shard: Shard, sidecars: bool = False) -> Iterator[Record | Unreadable]:
        """One item per record of the shard, in its order. What cannot be read is an item too, and a picture whose
        sidecars cannot all be read is a record with a flaw.
        """


class Writer(Protocol):
    """Writes records under one root."""

    @property
    def root(self) -> Path: ...

    def write(self, record: Record) -> None:
        """All of the record or nothing. Writing the same bytes again changes nothing."""


def may_pass(reason: str) -> bool:
    """Whether another run may find the same file readable."""
    return kind(reason) in PASSING
