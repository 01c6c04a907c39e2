"""Files inside a Qt resource file (.rcc), which is how some Debian packages ship their pictures."""

import struct
from pathlib import Path

FOLDER = 0x02
"""Flag of a tree node: it holds children, not data."""


def read(archive: Path, wanted: str) -> bytes:
    """The bytes of the file in `archive` whose path ends in `wanted`. FileNotFoundError if there is none.

    Big-endian throughout: a header of magic, version, and where the tree, the data and the names begin; tree nodes
    of 22 bytes (14 before version 2); a name is its length, a hash, and UTF-16; data is its length and the bytes. As
    Qt's resource compiler writes it (qtbase, src/tools/rcc/rcc.cpp). Data that Qt compressed is not read: pictures
    never are.
    """
    content = archive.read_bytes()
    version, tree, data, names = struct.unpack_from(">4I", content, 4)
    size = 22 if version >= 2 else 14

    def find(node: int, path: str) -> bytes | None:
        at, flags, first, second = struct.unpack_from(">IHII", content, tree + node * size)
        here = f"{path}/{_name(content, names + at)}"
        if flags & FOLDER:
            inside = (find(child, here) for child in range(second, second + first))
            return next((each for each in inside if each is not None), None)
        return _data(content, data + second) if here.endswith(wanted) else None

    found = find(0, "")
    if found is None:
        raise FileNotFoundError(f"{archive} holds no {wanted}")
    return found


def _name(content: bytes, at: int) -> str:
    (length,) = struct.unpack_from(">H", content, at)
    return content[at + 6 : at + 6 + 2 * length].decode("utf-16-be")


def _data(content: bytes, at: int) -> bytes:
    (length,) = struct.unpack_from(">I", content, at)
    return content[at + 4 : at + 4 + length]
