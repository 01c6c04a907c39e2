"""A folder of pictures: ids are relative paths, captions and metadata lie beside them with the same stem."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

from hygiene.datasets.base import UNREADABLE_SIDECAR, Listing, Progress, Shard, Sink, Writer
from hygiene.detectors.base import Unreadable
from hygiene.errors import ConfigurationError, UnreadableImage
from hygiene.records import Entry, Record

# Files with these endings, or with none, are records; their content decides whether they are pictures.
PICTURE_SUFFIXES = {".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp", ".tif", ".tiff"}
PICTURE_SUFFIXES |= {".avif", ".heic", ".heif", ".jp2", ".jxl", ".ico", ".ppm", ".pgm"}
SIDECAR_SUFFIXES = (".json", ".txt")
# A stopped run loses at most one shard per worker. Small folders get small shards, so that all workers have some.
SHARD_RECORDS = (16, 256)
SHARD_BYTES = 64 << 20
MAX_FILE_BYTES = 1 << 30


@dataclass(frozen=True)
class FolderReader:
    """Reads the pictures under `root`, at any depth, in the order of their ids; or the one picture `root`.

    Hidden files and folders are passed over. Links to folders are not followed; they, and folders named like
    pictures, are listed, so that they turn up as unreadable and not as nothing.
    """

    root: Path

    def listing(self, progress: Progress | None = None) -> Listing:
        if self.root.is_dir():
            entries, passed_over = _walk(self.root)
        else:
            entries, passed_over = [_entry(self.root.name, self.root, _sidecars_of(self.root))], 0
        if not entries:
            raise ConfigurationError(
                f"{self.root} holds no pictures: expected PNG, JPEG or WebP files, or shards (.tar, .parquet), in it"
            )
        chunks = _chunks(sorted(entries, key=lambda entry: entry.id))
        return Listing(tuple(Shard(f"{i:05d}", chunk) for i, chunk in enumerate(chunks)), passed_over)

    def read(self, shard: Shard, sidecars: bool = False) -> Iterator[Record | Unreadable]:
        folder = self.root if self.root.is_dir() else self.root.parent
        for entry in shard.entries:
            try:
                data = _read_picture(folder / entry.id, entry)
                found, flaw = _read_sidecars(folder, entry) if sidecars else ({}, "")
                yield Record(entry.id, data, found, flaw)
            except UnreadableImage as error:
                yield Unreadable(entry.id, str(error))

    def writer(self, root: Path) -> Writer:
        return FolderWriter(root)


@dataclass(frozen=True)
class FolderWriter:
    """Writes records under `root` at the paths that their ids name."""

    by_shard: ClassVar[bool] = False

    root: Path

    def open(self, shard: Shard, even_empty: bool = False) -> AbstractContextManager[Sink]:
        return nullcontext(self)

    def write(self, record: Record, data: bytes | None = None) -> None:
        """All of the record or nothing."""
        for name, sidecar in record.sidecars.items():
            write_atomically(inside(self.root, name), sidecar)
        write_atomically(inside(self.root, record.id), record.data if data is None else data)

    def state(self, shard: Shard) -> int:
        return -1

    def holds(self, id: str, size: int) -> bool:
        path = inside(self.root, id)
        return path.is_file() and path.stat().st_size == size

    def strays(self, listing: Listing, written: Iterable[str]) -> list[Path]:
        listed = {entry.id for entry in listing.entries()}
        gone = (inside(self.root, id) for id in written if id not in listed)
        return [path for path in gone if os.path.lexists(path)]


def inside(root: Path, id: str) -> Path:
    """The path of record `id` under `root`. Refuses an id that would lead out of it."""
    parts = PurePosixPath(id).parts
    if not parts or ".." in parts or PurePosixPath(id).is_absolute():
        raise ConfigurationError(f"the id {id!r} leads out of the folder {root}")
    return root.joinpath(*parts)


def write_atomically(path: Path, data: bytes) -> None:
    """Under a temporary name, then renamed: a reader sees all of it or nothing. Equal content is left alone."""
    if _holds(path, data):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own length could exceed what the file system allows.
    name = hashlib.blake2b(os.fsencode(path.name), digest_size=8).hexdigest()
    partial = path.with_name(f".{name}.partial")
    try:
        partial.write_bytes(data)
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except FileNotFoundError:
        return False


def _walk(root: Path) -> tuple[list[Entry], int]:
    """Every record below `root`, unsorted, and how many other files there are."""
    entries: list[Entry] = []
    others, waiting = 0, [""]
    while waiting:
        prefix = waiting.pop()
        found = _visible(root / prefix)
        if found is None:
            if not prefix:
                raise ConfigurationError(f"cannot list the folder {root}: permission denied, or not a folder any more")
            if os.path.splitext(prefix.rstrip("/"))[1].lower() not in PICTURE_SUFFIXES:  # those are listed as it is
                entries.append(Entry(prefix.rstrip("/"), -1, -1))
            continue
        waiting.extend(f"{prefix}{item.name}/" for item in found if item.is_dir(follow_symlinks=False))
        records = [item for item in found if _is_record(item)]
        names = {item.name for item in found if not os.path.isdir(item)}
        sidecars = {item.name: _present(item.name, names) for item in records}
        entries.extend(
            _entry(prefix + item.name, item.path, tuple(prefix + name for name in sidecars[item.name]))
            for item in records
        )
        others += len(names - set(sidecars) - {name for group in sidecars.values() for name in group})
    return entries, others


def _visible(folder: Path) -> list[os.DirEntry[str]] | None:
    """What the folder holds but for hidden names; None if it cannot be listed."""
    try:
        with os.scandir(folder) as scan:
            return [item for item in scan if not item.name.startswith(".")]
    except OSError:
        return None


def _is_record(item: os.DirEntry[str]) -> bool:
    suffix = os.path.splitext(item.name)[1].lower()
    if item.is_dir(follow_symlinks=False):
        return suffix in PICTURE_SUFFIXES
    return suffix in PICTURE_SUFFIXES or not suffix or (item.is_symlink() and os.path.isdir(item))


def _present(name: str, names: set[str]) -> list[str]:
    return [sidecar for sidecar in _sidecar_names(name) if sidecar in names]


def _sidecar_names(name: str) -> list[str]:
    return [os.path.splitext(name)[0] + ending for ending in SIDECAR_SUFFIXES]


def _sidecars_of(path: Path) -> tuple[str, ...]:
    beside = [path.parent / name for name in _sidecar_names(path.name)]
    return tuple(each.name for each in beside if os.path.lexists(each) and not os.path.isdir(each))


def _entry(id: str, path: str | Path, sidecars: tuple[str, ...]) -> Entry:
    try:
        status = os.stat(path)
    except OSError:
        return Entry(id, -1, -1, sidecars)
    return Entry(id, status.st_size, status.st_mtime_ns, sidecars)


def _chunks(entries: list[Entry]) -> Iterator[tuple[Entry, ...]]:
    fewest, most = SHARD_RECORDS
    records = min(most, max(fewest, len(entries) // 64))
    chunk: list[Entry] = []
    size = 0
    for entry in entries:
        if chunk and (len(chunk) == records or size + entry.size > SHARD_BYTES):
            yield tuple(chunk)
            chunk, size = [], 0
        chunk.append(entry)
        size += entry.size
    yield tuple(chunk)


def _read_picture(path: Path, entry: Entry) -> bytes:
    """The bytes of one record; UnreadableImage for everything that is not a plain file that stayed as listed."""
    try:
        # Non-blocking, so that a named pipe without a writer cannot hang the run.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise UnreadableImage("missing: a link to nothing" if path.is_symlink() else "missing: gone") from None
    except OSError as error:
        raise UnreadableImage(f"cannot be opened: {error.strerror}") from None
    try:
        _check(path, os.fstat(descriptor), entry)
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    except OSError as error:
        raise UnreadableImage(f"cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)


def _check(path: Path, status: os.stat_result, entry: Entry) -> None:
    _refuse_special(path, status.st_mode)
    if status.st_size > MAX_FILE_BYTES:
        raise UnreadableImage(f"too large: {status.st_size} bytes, the limit is {MAX_FILE_BYTES}")
    if (status.st_size, status.st_mtime_ns) != (entry.size, entry.mtime_ns):
        raise UnreadableImage("changed: another program wrote it during the run")


def _refuse_special(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        if path.is_symlink():
            raise UnreadableImage("a folder: links to folders are not followed")
        if not os.access(path, os.R_OK | os.X_OK):
            raise UnreadableImage("a folder: it cannot be listed (no permission)")
        raise UnreadableImage("a folder: it is named like a picture; what it holds is read")
    if not stat.S_ISREG(mode):
        raise UnreadableImage("not a plain file: a pipe, socket or device")


def _read_sidecars(folder: Path, entry: Entry) -> tuple[dict[str, bytes], str]:
    """Those that can be read, and what is wrong with the others: they cost neither the picture nor another record."""
    found: dict[str, bytes] = {}
    wrong: list[str] = []
    for name in entry.sidecars:
        try:
            found[name] = _read_sidecar(folder / name)
        except OSError as error:
            wrong.append(f"{name}: {error.strerror}")
    return found, f"{UNREADABLE_SIDECAR}: {', '.join(wrong)}" if wrong else ""


def _read_sidecar(path: Path) -> bytes:
    """OSError, in a reader's words, for what is no plain file."""
    if not path.exists():
        raise FileNotFoundError(errno.ENOENT, "a link to nothing" if path.is_symlink() else "gone")
    if not path.is_file():
        raise OSError(errno.EINVAL, "not a plain file")
    return path.read_bytes()
