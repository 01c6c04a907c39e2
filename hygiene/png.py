"""PNG below Pillow: its chunks, and its 16-bit pixels, which Pillow cuts to 8 where there is more than grey.

Source: Portable Network Graphics (third edition), W3C Recommendation of 24 June 2025; sections are of that.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hygiene.errors import UnreadableImage

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COMPRESSION: dict[str, Any] = {"compress_level": 1, "compress_type": zlib.Z_RLE}
"""Options of Pillow's `save`. Run-length coding alone is faster than level 1 and, on photographs, smaller."""

_PIXELS = (b"IDAT", b"fdAT")
_UP = 2  # the filter type, §9.2
_ROWS = 256  # filtered and compressed at a time
_AT_ONCE = 1 << 20  # bytes inflated at a time
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type, §11.2.1
# Where the pixels of a pass begin, and how far apart they are, across and down: all at once, or Adam7 (§8.1).
_PASSES = {
    0: [(0, 0, 1, 1)],
    1: [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)],
}
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by number of channels, §11.2.1
# By colour type: Pillow's mode, and the layouts in which to decode. Pillow decodes the filters at any depth, but has
# room for 8 bits a channel, so 16-bit RGB is decoded for its high bytes, then for its low ones; 16-bit grey has as
# many bytes a pixel as 8-bit grey with alpha, and 16-bit grey with alpha as 8-bit RGBA.
_DECODED = {
    0: ("LA", ("LA",)),
    2: ("RGB", ("RGB;16B", "RGB;16L")),
    4: ("RGBA", ("RGBA",)),
    6: ("RGBA", ("RGBA;16B", "RGBA;16L")),
}

Samples = NDArray[np.uint16]


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and body of every chunk but the pixel data, as far as the file goes (§5.3)."""
    return ((name, bytes(body)) for name, body in _chunks(data) if name not in _PIXELS)


def check(data: bytes) -> None:
    """UnreadableImage where the file ends inside a chunk, or pixel data fails its checksum.

    Pillow decodes pixel data whose checksum is wrong into wrong pixels, without a word.
    """
    at = len(SIGNATURE)
    view = memoryview(data)
    while at + 8 <= len(data):
        size, name = struct.unpack(">I4s", view[at : at + 8])
        if at + 12 + size > len(data):
            raise UnreadableImage("truncated: the PNG data ends early")
        if name == b"IDAT" and zlib.crc32(view[at + 4 : at + 8 + size]).to_bytes(4, "big") != view[at + 8 + size :][:4]:
            raise UnreadableImage("corrupt: the PNG pixel data fails its checksum")
        at += 12 + size


def lacks_rows(data: bytes) -> bool:
    """Whether the pixel data of a PNG, inflated, is shorter than its header's size takes: Pillow leaves those rows 0.

    Inflates all of it, but never more than is due. Raises zlib.error for broken data.
    """
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    bits = depth * _CHANNELS[colour]
    sides = [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in _PASSES[interlaced]]
    due: int = sum(high * (1 + -(-wide * bits // 8)) for wide, high in sides if min(wide, high) > 0)
    inflate = zlib.decompressobj()
    for name, body in _chunks(data):
        while name == b"IDAT" and due > 0 and body and not inflate.eof:
            due -= len(inflate.decompress(body, min(due, _AT_ONCE)))
            body = memoryview(inflate.unconsumed_tail)
    return due > 0


def read16(data: bytes) -> Samples:
    """The pixels of a 16-bit PNG, uint16 [H, W, C]: C = 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.

    As much memory as the header's size asks for, whatever the compressed data would inflate to; check that size
    first. Raises UnreadableImage for another depth, ValueError for missing or broken pixel data.
    """
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    if depth != 16 or colour not in _DECODED:
        raise UnreadableImage(f"no 16-bit PNG: its header claims {depth} bits and colour type {colour}")
    mode, layouts = _DECODED[colour]
    packed = b"".join(body for name, body in _chunks(data) if name == b"IDAT")
    decoded = [Image.frombytes(mode, (width, height), packed, "zip", (layout, interlaced)) for layout in layouts]
    planes = [np.asarray(each) for each in decoded]
    if len(planes) == 1:
        return planes[0].view(">u2").astype(np.uint16)
    return np.asarray(planes[0].astype(np.uint16) << 8 | planes[1])


def write16(samples: Samples, frame: bytes) -> bytes:
    """A 16-bit PNG of `samples` (as `read16` gives them) with the other chunks of `frame`, a PNG of any size."""
    height, width, channels = samples.shape
    header = struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPES[channels], 0, 0, 0)
    out = [SIGNATURE]
    for name, body in _chunks(frame):
        if name == b"IDAT":
            out += [_chunk(b"IDAT", each) for each in _compressed(samples)]
        else:
            out.append(_chunk(name, header if name == b"IHDR" else body))
    return b"".join(out)


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    at = len(SIGNATURE)
    view = memoryview(data)
    while at + 8 <= len(data):
        size, name = struct.unpack(">I4s", view[at : at + 8])
        yield name, view[at + 8 : at + 8 + size]
        at += 12 + size


def _chunk(name: bytes, body: bytes | memoryview) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(name)))


def _compressed(samples: Samples) -> Iterator[bytes]:
    """Rows less the rows above them (§9.2), as pieces of one zlib stream (§10)."""
    level, strategy = COMPRESSION["compress_level"], COMPRESSION["compress_type"]
    deflate = zlib.compressobj(level, strategy=strategy)
    above = np.zeros((1, samples.shape[1] * samples.shape[2] * 2), dtype=np.uint8)
    for start in range(0, len(samples), _ROWS):
        some = samples[start : start + _ROWS]
        rows = np.concatenate([above, some.astype(">u2").reshape(len(some), -1).view(np.uint8)])
        kinds = np.full((len(some), 1), _UP, dtype=np.uint8)
        yield deflate.compress(np.hstack([kinds, rows[1:] - rows[:-1]]).tobytes())
        above = rows[-1:]
    yield deflate.flush()
