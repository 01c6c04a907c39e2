"""What a tar file holds and where in it, told from its headers: nothing is extracted, no name becomes a path."""

import contextlib
import os
import re
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

BLOCK = tarfile.BLOCKSIZE
END = bytes(2 * BLOCK)
"""What ends an archive (POSIX.1-2017, pax, "ustar Interchange Format")."""

ENCODING = "utf-8"
"""Of names, with surrogates for what is none, whatever the locale says."""
CUT = "unexpected end of data"

# Mode, owner, group, size and time of a header as nearly all have them: octal digits and one end each.
_NUMBERS = re.compile(rb"(?:[0-7]{7}[ \0]){3}(?:[0-7]{11}[ \0]){2}[0-7]{6}[ \0]{2}")
_DEVICE = re.compile(rb"(?:[0-7]{7}[ \0]|\0{8}){2}")
_TIME = re.compile(rb"([1-9][0-9]?) [acm]time=[0-9]+(?:\.[0-9]+)?\n")
_MAGIC = {b"ustar\x0000", b"ustar  \0"}  # POSIX.1-1988, GNU


@dataclass(slots=True)
class Member:
    """start..stop: its bytes in the archive, headers and padding too; at, size: those of its content.

    is_file is false for links and devices, and for files with holes, whose content lies scattered.
    common: the headers before it that hold for all members behind them (pax, typeflag g).
    """

    name: str
    start: int
    stop: int
    at: int
    size: int
    is_file: bool
    common: bytes = b""


def members_of(path: Path) -> tuple[list[Member], str]:
    """What an uncompressed tar file holds but for folders, and why there is no more; empty where it ends well.

    Of a file that was cut off, or whose headers are damaged, the members before that are there. OSError for a file
    that cannot be opened or read.
    """
    found: list[Member] = []
    with path.open("rb") as file:
        try:
            with tarfile.open(fileobj=file, mode="r:", encoding=ENCODING) as tar:
                _read(file, tar, found)
        except (tarfile.TarError, ValueError, EOFError) as error:
            return found, str(error)
        except (OverflowError, MemoryError, RecursionError):  # sizes and chains that no writer makes
            return found, f"a header that makes no sense behind byte {found[-1].stop if found else 0}"
    return found, ""


def _read(file: IO[bytes], tar: tarfile.TarFile, found: list[Member]) -> None:
    """Adds to `found`. Plain headers, which are nearly all, are read here; whatever is more than that by tarfile."""
    length, at, common = os.fstat(file.fileno()).st_size, 0, b""
    while header := tar.next():
        if header.offset > at:
            file.seek(at)
            common += file.read(header.offset - at)
        if tar.offset > length:
            raise EOFError(CUT)
        if header.size < 0 or tar.offset <= at:
            raise ValueError(f"the member at byte {at} has a negative size")
        at = tar.offset
        if not header.isdir():
            is_file = header.isreg() and not header.issparse()
            size = header.size if is_file else 0
            found.append(Member(header.name, header.offset, at, header.offset_data, size, is_file, common))
        tar.members = []  # type: ignore[attr-defined]  # which would grow
        while not common and (member := _plain(file, at)):
            if member.stop > length:
                raise EOFError(CUT)
            found.append(member)
            at = member.stop
        tar.offset = at
    _check_end(file, at)


def _plain(file: IO[bytes], start: int) -> Member | None:
    """The member whose header lies at `start`, if it is a plain file and its header says all about it in the simplest
    way, or one before it that says times alone, as webdataset writes; None for everything else, damage and the end too.
    """
    file.seek(start)
    blocks = file.read(3 * BLOCK)
    header = blocks[:BLOCK]
    if header[156:157] == tarfile.XHDTYPE and _says_times(header, blocks[BLOCK : 2 * BLOCK]):
        header, at = blocks[2 * BLOCK :], start + 3 * BLOCK
    else:
        at = start + BLOCK
    if header[156:157] != tarfile.REGTYPE or not _is_plain(header):
        return None
    name, prefix = (field.partition(b"\0")[0] for field in (header[:100], header[345:500]))
    path = (prefix + b"/" + name if prefix else name).decode(ENCODING, "surrogateescape")
    size = _size(header)
    return Member(path, start, at + padded(size), at, size, True)


def _is_plain(header: bytes) -> bool:
    return (
        header[257:265] in _MAGIC
        and _NUMBERS.fullmatch(header, 100, 156) is not None
        and _DEVICE.fullmatch(header, 329, 345) is not None
        and int(header[148:154], 8) == _sum(header)
    )


def _says_times(header: bytes, content: bytes) -> bool:
    """Whether an extended header of pax tells, in one block, nothing but times."""
    if not _is_plain(header) or (size := _size(header)) > BLOCK:
        return False
    records = content[:size].splitlines(keepends=True)
    return all((found := _TIME.fullmatch(each)) and int(found[1]) == len(each) for each in records)


def _size(header: bytes) -> int:
    return int(header[124:135], 8)


def _sum(block: bytes) -> int:
    """The checksum of a header: of its bytes, with blanks for the checksum itself. The low half of Adler-32 is 1 + the
    sum modulo 65521, which 256 bytes do not reach."""
    halves = sum(zlib.adler32(half) & 0xFFFF for half in (block[:256], block[256:])) - 2
    return halves - sum(block[148:156]) + 8 * ord(" ")


def padded(size: int) -> int:
    """Bytes that content of `size` takes in an archive."""
    return -(-size // BLOCK) * BLOCK


def _check_end(file: IO[bytes], at: int) -> None:
    """EOFError unless a block of zeros lies there, and no archive behind it: tarfile stops without a word where a file
    is cut between members, at a header that is damaged, and where another archive was appended with `cat`."""
    file.seek(at)
    if file.read(BLOCK) != bytes(BLOCK):
        raise EOFError(f"no end of the archive at byte {at}")
    while (block := file.read(BLOCK)) == bytes(BLOCK):
        continue
    with contextlib.suppress(tarfile.HeaderError):
        tarfile.TarInfo.frombuf(block, ENCODING, "surrogateescape")
        raise EOFError(f"the archive ends at byte {at}, and another follows: join tar files with tar -A, not cat")
