"""Webdataset shards: tar files in which neighbours of one stem are one sample (000123.jpg, 000123.txt, 000123.json)."""

import contextlib
import io
import os
import re
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import IO

from hygiene.datasets import sharded
from hygiene.datasets.base import Shard, Sink, Writer
from hygiene.datasets.folder import MAX_FILE_BYTES, PICTURE_SUFFIXES
from hygiene.datasets.tar import ENCODING, END, Member, members_of, padded
from hygiene.detectors.base import Unreadable
from hygiene.records import Record

SUFFIX = ".tar"
_NAME = re.compile(r"((?:.*/)?[^./][^./]*)\.([^/]+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Sample(sharded.ShardEntry):
    """start..stop: its bytes in the archive; at, length: those of its picture; common: the headers before it that hold
    for all samples behind them.
    """

    start: int = 0
    stop: int = 0
    at: int = 0
    length: int = 0
    common: bytes = b""


@dataclass(frozen=True)
class WebdatasetReader(sharded.ShardReader):
    """Reads tar files.

    A sample's id is its shard and the name of its picture in it. Members of a sample that are no pictures travel with
    it; of several pictures `picture` tells the one that counts by its ending (jpg, seg.png).
    """

    def _listed(self, path: str) -> tuple[Shard, int]:
        try:
            mtime_ns = (self.root / path).stat().st_mtime_ns
            members, fault = members_of(self.root / path)
        except OSError as error:
            return Shard(path, (Sample(path, -1, -1, flaw=f"cannot be opened: {error.strerror}"),)), 0
        samples, others = _samples(path, members, mtime_ns, self.picture.lower().lstrip("."))
        if fault:
            last = samples.pop() if samples else Sample(path, -1, mtime_ns)  # which may have had more members
            samples.append(replace(last, flaw=f"not a whole tar file: {fault}"))
        return Shard(
            path, tuple(samples), tuple(range(sharded.PART_RECORDS, len(samples), sharded.PART_RECORDS))
        ), others

    def read(self, shard: Shard, sidecars: bool = False) -> Iterator[Record | Unreadable]:
        try:
            file = (self.root / shard.name).open("rb")
        except OSError as error:
            yield from sharded.all_unreadable(shard, f"cannot be opened: {error.strerror}")
            return
        with file:
            mtime_ns = os.fstat(file.fileno()).st_mtime_ns
            for entry in shard.entries:
                assert isinstance(entry, Sample)
                if entry.mtime_ns not in (mtime_ns, -1):
                    yield Unreadable(entry.id, "changed: another program wrote the shard during the run")
                else:
                    yield _read(file, entry, sidecars)

    def writer(self, root: Path) -> Writer:
        return WebdatasetWriter(root)


class WebdatasetWriter(sharded.ShardWriter):
    """Writes tar files: samples as they were, with their headers and in their order, or with another picture."""

    suffix = SUFFIX

    @contextmanager
    def open(self, shard: Shard, even_empty: bool = False) -> Iterator[Sink]:
        with sharded.placed(self.path(shard)) as partial, contextlib.closing(TarSink(partial, shard)) as sink:
            if even_empty:
                sink.file()
            yield sink
            sink.end()


class TarSink:
    """Appends samples of `shard` to a tar file, which it makes for the first one."""

    def __init__(self, path: Path, shard: Shard) -> None:
        self._path = path
        self._samples = {entry.id: entry for entry in shard.entries}
        self._file: IO[bytes] | None = None
        self._common = b""

    def file(self) -> IO[bytes]:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("wb")
        return self._file

    def write(self, record: Record, data: bytes | None = None) -> None:
        sample = self._samples[record.id]
        assert isinstance(sample, Sample)
        self.file().write(sample.common.removeprefix(self._common))
        self._common = sample.common
        self.file().write(record.stored if data is None else _with_picture(record.stored, sample, data))

    def end(self) -> None:
        """The end of the archive, filled up as `tar` and tarfile do: of a shard that loses nothing comes the same."""
        if self._file:
            self._file.write(END)
            self._file.write(bytes(-self._file.tell() % tarfile.RECORDSIZE))

    def close(self) -> None:
        if self._file:
            self._file.close()


def _samples(path: str, members: Sequence[Member], mtime_ns: int, picture: str) -> tuple[list[Sample], int]:
    """What belongs to no sample, as hidden members between two of one, parts none."""
    parts = [(*stem_and_ending(member.name), member) for member in members]
    named = [part for part in parts if part[0]]
    taken: dict[str, int] = {}
    samples = [
        _sample(path, stem, [(ending, member) for _, ending, member in group], mtime_ns, picture, taken)
        for stem, group in groupby(named, key=itemgetter(0))
    ]
    return samples, sum(member.is_file for stem, _, member in parts if not stem)


def _sample(
    path: str,
    stem: str,
    members: Sequence[tuple[str, Member]],
    mtime_ns: int,
    picture: str,
    taken: dict[str, int],
) -> Sample:
    """members: each with its ending; picture: the ending that was asked for."""
    pictures = [
        member
        for ending, member in members
        if member.is_file and (ending == picture if picture else f".{ending.rpartition('.')[2]}" in PICTURE_SUFFIXES)
    ]
    flaw = ""
    if len(pictures) != 1:
        asked = f", --picture asks for {picture}" if picture and not pictures else ""
        flaw = f"{_question(members, pictures)}: the sample holds {', '.join(map(_named, members))}{asked}"
    found = pictures[0] if len(pictures) == 1 else Member(stem, 0, 0, 0, 0, False)
    id = _unused(f"{path}/{found.name}", taken)
    names = tuple(member.name for _, member in members if member is not found)
    (_, first), (_, last) = members[0], members[-1]
    size = last.stop - first.start
    return Sample(id, size, mtime_ns, names, flaw, first.start, last.stop, found.at, found.size, first.common)


def _question(members: Sequence[tuple[str, Member]], pictures: Sequence[Member]) -> str:
    """What is wrong with a sample of no picture, or of several."""
    if not pictures:
        return "no picture"
    endings = list(dict.fromkeys(ending for ending, member in members if member in pictures))
    return f"several pictures: say which one counts (--picture {endings[0]})" if endings[1:] else "a name comes twice"


def _named(part: tuple[str, Member]) -> str:
    ending, member = part
    return ending if member.is_file else f"{ending} (a link, or a file with holes)"


def _unused(id: str, taken: dict[str, int]) -> str:
    """Keys may come again in a shard: the second is #2."""
    unused = id
    while unused in taken:
        taken[id] += 1
        unused = f"{id}#{taken[id]}"
    taken[unused] = 1
    return unused


def stem_and_ending(name: str) -> tuple[str, str]:
    """Stem and ending of a member: the ending is what follows the first dot of its last part. Empty for a name that
    belongs to no sample, as a hidden one."""
    match = _NAME.fullmatch(name)
    return (match[1], match[2].lower()) if match else ("", "")


def _read(file: IO[bytes], sample: Sample, whole: bool) -> Record | Unreadable:
    """whole: with all of the sample's bytes."""
    if sample.flaw and not (whole and sample.stop):
        return Unreadable(sample.id, sample.flaw)
    if (size := sample.size if whole else sample.length) > MAX_FILE_BYTES:
        return Unreadable(sample.id, f"too large: {size} bytes, the limit is {MAX_FILE_BYTES}")
    try:
        stored = _bytes(file, sample.start, sample.stop) if whole else b""
        data = stored[sample.at - sample.start :][: sample.length] if whole else _picture(file, sample)
    except (OSError, EOFError) as error:
        return Unreadable(sample.id, f"cannot be read: {getattr(error, 'strerror', None) or error}")
    return Record(sample.id, b"" if sample.flaw else data, flaw=sample.flaw, stored=stored)


def _picture(file: IO[bytes], sample: Sample) -> bytes:
    return _bytes(file, sample.at, sample.at + sample.length)


def _bytes(file: IO[bytes], start: int, stop: int) -> bytes:
    file.seek(start)
    data = file.read(stop - start)
    if len(data) < stop - start:
        raise EOFError("the file ends before it")
    return data


def _with_picture(stored: bytes, sample: Sample, data: bytes) -> bytes:
    """The sample's bytes with `data` as the content of its picture's member, whose header is made anew."""
    out, copied = io.BytesIO(), 0
    with tarfile.open(fileobj=io.BytesIO(stored + END), mode="r:", encoding=ENCODING) as tar:
        for member in tar:
            if member.offset_data != sample.at - sample.start:
                continue
            out.write(stored[copied : member.offset])
            copied = member.offset_data + padded(member.size)
            member.size = len(data)
            member.pax_headers = {name: value for name, value in member.pax_headers.items() if name != "size"}
            out.write(member.tobuf(tarfile.PAX_FORMAT, tar.encoding, tar.errors))
            out.write(data + bytes(padded(len(data)) - len(data)))
    return out.getvalue() + stored[copied:]
