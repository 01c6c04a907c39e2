"""What a tar file holds and where in it, told from its headers: nothing is extracted, no name becomes a path."""

import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

END = bytes(2 * tarfile.BLOCKSIZE)
"""What ends an archive (POSIX.1-2017, pax, "ustar Interchange Format")."""


@dataclass(frozen=True, slots=True)
class Member:
    """start..stop: its bytes in the archive, headers and padding too; at, size: those of its content.

    is_file is false for links and devices, and for files with holes, whose content lies scattered.
    """

    name: str
    start: int
    stop: int
    at: int
    size: int
    is_file: bool


def members_of(path: Path) -> tuple[list[Member], str]:
    """What an uncompressed tar file holds but for folders, and why there is no more; empty where it ends well.

    Of a file that was cut off, or whose headers are damaged, the members before that are there. OSError for a file
    that cannot be opened or read.
    """
    found: list[Member] = []
    with path.open("rb") as file:
        length = file.seek(0, 2)
        file.seek(0)
        try:
            with tarfile.open(fileobj=file, mode="r:") as tar:
                while header := tar.next():
                    if not header.isdir():
                        found.append(_member(header))
                fault = "" if _ends(file, tar.offset) else f"no end of the archive at byte {tar.offset}"
        except (tarfile.TarError, ValueError, EOFError) as error:
            fault = str(error)
    while found and found[-1].stop > length:
        found.pop()
        fault = "unexpected end of data"
    return found, fault


def _member(header: tarfile.TarInfo) -> Member:
    stored = header.size if header.isreg() or header.type not in tarfile.SUPPORTED_TYPES else 0
    stop = header.offset_data + -(-stored // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
    is_file = header.isreg() and not header.issparse()
    return Member(header.name, header.offset, stop, header.offset_data, header.size if is_file else 0, is_file)


def _ends(file: IO[bytes], offset: int) -> bool:
    """Whether a block of zeros lies there: tarfile stops without a word where a file is cut between members, and at a
    header that is damaged."""
    return file.seek(offset) == offset and file.read(tarfile.BLOCKSIZE) == bytes(tarfile.BLOCKSIZE)
