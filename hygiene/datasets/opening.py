"""Which format a dataset has, told by what lies there, and its reader."""

import glob
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from hygiene.datasets import parquet, sharded, webdataset
from hygiene.datasets.base import Reader
from hygiene.datasets.folder import PICTURE_SUFFIXES, FolderReader
from hygiene.errors import ConfigurationError

AUTO = "auto"
COMPRESSED = (".tar.gz", ".tgz", ".tar.zst", ".tar.bz2", ".tar.xz", ".tar.lz4")
WILD = frozenset("*?[{")

Shards = Callable[[Path, tuple[str, ...], str, int], Reader]
SHARDS: dict[str, tuple[str, Shards]] = {
    "webdataset": (webdataset.SUFFIX, webdataset.WebdatasetReader),
    "parquet": (parquet.SUFFIX, parquet.ParquetReader),
}
FORMATS = ("folder", *SHARDS)
SHARD_SUFFIXES = {suffix for suffix, _ in SHARDS.values()}


def open_reader(path: Path, format: str = AUTO, picture: str = "") -> Reader:
    """A reader of the dataset at `path`: a folder of pictures or one picture; a folder of tar or Parquet files, one of
    them, or a pattern that names some (braces and wildcards: "pool/{00000..00031}.tar").

    format   one of FORMATS, or "auto": what lies there tells
    picture  the member's ending, or the column, that holds the pictures where samples have several
    """
    if format not in (AUTO, *FORMATS):
        raise ConfigurationError(f"no dataset format {format!r}: there are {', '.join((AUTO, *FORMATS))}")
    if not path.exists() and WILD & set(str(path)):
        return _of_pattern(str(path), format, picture)
    if not path.exists():
        raise ConfigurationError(f"{path} does not exist: expected a folder of pictures or shards, or one of them")
    _refuse_compressed([str(path)])
    found = _told(path) if format == AUTO else format
    if found == "folder":
        if picture:
            raise ConfigurationError(f"{path} holds pictures in files of their own: picture {picture!r} is for shards")
        return FolderReader(path)
    suffix, reader = SHARDS[found]
    if path.is_file():
        return reader(path.parent, (path.name,), picture, 0)
    paths, others = sharded.below(path, suffix)
    if not paths:
        raise ConfigurationError(f"{path} holds no {suffix} files: expected some, or another format than {found}")
    return reader(path, paths, picture, others)


def _told(path: Path) -> str:
    """The format of what lies at `path`. Parquet files beside pictures are taken for their metadata."""
    if path.is_file():
        return _told_by_content(path)
    suffixes = {_suffix(name) for name in sharded.walk(path)}
    pictures = bool(suffixes & PICTURE_SUFFIXES)
    if pictures and webdataset.SUFFIX in suffixes:
        raise ConfigurationError(
            f"{path} holds pictures and tar files: say which are meant (--input-format folder or webdataset)"
        )
    if pictures or not suffixes & {webdataset.SUFFIX, parquet.SUFFIX, *COMPRESSED}:
        return "folder"
    _refuse_compressed(f"{path}: a file *{suffix}" for suffix in sorted(suffixes))
    return "webdataset" if webdataset.SUFFIX in suffixes else "parquet"


def _told_by_content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except OSError:
        start = b""  # whoever reads it tells
    if start[257:262] == b"ustar" or path.suffix.lower() == webdataset.SUFFIX:
        return "webdataset"
    return "parquet" if start[:4] == b"PAR1" or path.suffix.lower() == parquet.SUFFIX else "folder"


def _suffix(name: str) -> str:
    lower = name.lower()
    return next((each for each in COMPRESSED if lower.endswith(each)), os.path.splitext(lower)[1])


def _refuse_compressed(names: Iterable[str]) -> None:
    for name in names:
        if name.lower().endswith(COMPRESSED):
            raise ConfigurationError(
                f"{name} is a compressed tar file, in which samples cannot be found in place: "
                "expected plain .tar files, as pictures are compressed already"
            )


def _of_pattern(pattern: str, format: str, picture: str) -> Reader:
    """A reader of the shards that braces and wildcards name; each has to exist."""
    paths = _expanded(pattern)
    _refuse_compressed(map(str, paths))
    gone = next((path for path in paths if not path.is_file()), None)
    if gone or not paths:
        raise ConfigurationError(f"{gone or pattern} does not exist: expected files that the pattern {pattern} names")
    if len(found := {_told_by_content(path) for path in paths} if format == AUTO else {format}) > 1:
        raise ConfigurationError(f"{pattern} names files of several formats ({', '.join(sorted(found))}): expected one")
    if found == {"folder"}:
        raise ConfigurationError(f"{pattern} names pictures: expected tar or Parquet files, or the folder of pictures")
    root = Path(os.path.commonpath([path.parent for path in paths]))
    return SHARDS[found.pop()][1](root, tuple(path.relative_to(root).as_posix() for path in paths), picture, 0)


def _expanded(pattern: str) -> list[Path]:
    from braceexpand import braceexpand

    try:
        names = list(braceexpand(pattern))
    except ValueError:
        raise ConfigurationError(
            f"the braces in {pattern} do not match: expected as in shards/{{000..031}}.tar"
        ) from None
    wild = [name for name in names if WILD & set(name) - {"{"}]
    found = {match for name in wild for match in glob.glob(name, recursive=True)}
    return sorted(Path(name) for name in found | (set(names) - set(wild)))
