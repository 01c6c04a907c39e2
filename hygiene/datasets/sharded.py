"""What formats of shards share: every shard is one file, which is written whole under its own name or not at all."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hygiene import files
from hygiene.datasets.base import Listing, Progress, Shard
from hygiene.detectors.base import Unreadable
from hygiene.errors import ConfigurationError
from hygiene.records import Entry

PART_RECORDS = 256
"""A larger shard is scored in parts of about so many records: a stopped run loses at most one per worker."""


@dataclass(frozen=True, slots=True)
class ShardEntry(Entry):
    """A record of a shard. flaw: why it is known without reading it that it cannot be read; empty: it is not."""

    flaw: str = ""


@dataclass(frozen=True)
class ShardReader(ABC):
    """The part of a `Reader` that does not depend on what is in the files: reads `paths` below the folder `root`, in
    the order given.

    picture  which picture counts where samples may hold several; empty: it was not asked for
    others   files beside the shards, for the count of what is passed over
    """

    root: Path
    paths: tuple[str, ...]
    picture: str = ""
    others: int = 0

    def listing(self, progress: Progress | None = None) -> Listing:
        found = []
        for done, path in enumerate(self.paths, 1):
            found.append(self._listed(path))
            if progress:
                progress("list", done, len(self.paths))
        shards, others = tuple(shard for shard, _ in found), sum(count for _, count in found)
        _refuse_flawed(self.root, (entry for shard in shards for entry in shard.entries))
        return Listing(shards, self.others + others)

    @abstractmethod
    def _listed(self, path: str) -> tuple[Shard, int]:
        """What a shard holds, as `ShardEntry`s, and how much in it belongs to no record."""


class ShardWriter:
    """The part of a `Writer` that does not depend on what is in the files: they lie at the paths that the shards'
    names tell, below `root`."""

    by_shard = True
    suffix: str

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, shard: Shard) -> Path:
        return self.root / shard.name

    def state(self, shard: Shard) -> int:
        try:
            return self.path(shard).stat().st_size
        except OSError:
            return -1

    def holds(self, id: str, size: int) -> bool:
        return True

    def strays(self, listing: Listing, written: Iterable[str]) -> list[Path]:
        names = {shard.name for shard in listing.shards}
        lying, _ = below(self.root, self.suffix) if self.root.is_dir() else ((), 0)
        return [self.root / name for name in lying if name not in names]


def below(root: Path, suffix: str) -> tuple[tuple[str, ...], int]:
    """The files of this ending below `root`, as relative paths in order, and how many other files there are."""

    def complain(error: OSError) -> None:
        raise ConfigurationError(f"cannot list the folder {error.filename}: {error.strerror}") from None

    names = list(walk(root, complain))
    found = sorted(name for name in names if name.lower().endswith(suffix))
    return tuple(found), len(names) - len(found)


def walk(root: Path, onerror: Callable[[OSError], None] | None = None) -> Iterator[str]:
    """The relative paths of the files below `root`. Hidden files and folders are passed over, links to folders not
    followed, and folders that cannot be listed told to `onerror`."""
    for folder, folders, names in os.walk(root, onerror=onerror):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                yield Path(folder, name).relative_to(root).as_posix()


@contextmanager
def placed(path: Path) -> Iterator[Path]:
    """A temporary name. What lies there when the block ends well takes the place of `path`; where nothing does,
    `path` goes. Nothing stays of a block that fails."""
    partial = files.partial_name(path)
    partial.unlink(missing_ok=True)  # of a run that was killed
    try:
        yield partial
        if partial.exists():
            os.replace(partial, path)
        else:
            path.unlink(missing_ok=True)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def all_unreadable(shard: Shard, reason: str) -> Iterator[Unreadable]:
    """Every record of a shard that cannot be read at all."""
    return (Unreadable(entry.id, reason) for entry in shard.entries)


def _refuse_flawed(root: Path, entries: Iterable[Entry]) -> None:
    """ConfigurationError where every record has a flaw: nothing can be done."""
    first = None
    for entry in entries:
        assert isinstance(entry, ShardEntry)
        if not entry.flaw:
            return
        first = first or entry
    if first is None:
        raise ConfigurationError(f"{root} holds no records: its shards are empty")
    raise ConfigurationError(f"{root} holds no record that can be read: {first.id}: {first.flaw}")
