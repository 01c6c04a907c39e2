"""What formats of shards share: every shard is one file, which is written whole under its own name or not at all."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hygiene import files
from hygiene.datasets.base import Listing, Progress, Shard
from hygiene.detectors.base import Unreadable
from hygiene.errors import ConfigurationError

PART_RECORDS = 256
"""A larger shard is scored in parts of about so many records: a stopped run loses at most one per worker."""


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


def listed(paths: Sequence[str], progress: Progress | None) -> Iterator[str]:
    """The paths, with `progress` told after what is done with each."""
    for done, path in enumerate(paths, 1):
        yield path
        if progress:
            progress("list", done, len(paths))


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


def refuse_flawed(root: Path, flaws: Iterable[tuple[str, str]]) -> None:
    """ConfigurationError where every record, (id, why it cannot be read or empty), has a flaw: nothing can be done."""
    first = None
    for id, flaw in flaws:
        if not flaw:
            return
        first = first or (id, flaw)
    if first is None:
        raise ConfigurationError(f"{root} holds no records: its shards are empty")
    raise ConfigurationError(f"{root} holds no record that can be read: {first[0]}: {first[1]}")
