"""Walks JPEG segments, PNG chunks and WebP chunks to the metadata in them. No pixel is decoded, no length trusted.

JPEG: ITU-T T.81 annex B; Exif 3.0 §4.7 (APP1); XMP Specification Part 3 §1.1.3 (APP1, and extended XMP);
C2PA Technical Specification 2.2 §A.3 (APP11, ISO/IEC 19566-5 annex D). PNG: W3C PNG 3rd edition §5, §11.3.
WebP: RFC 9649 §2.3–2.7.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from hygiene.images import sniff

MOST_BLOCKS = 1 << 17  # segments or chunks walked: a PNG of a gigabyte in 8 KiB chunks
_FILL = re.compile(rb"\xff*")

EXIF = b"Exif\0\0"
XMP = b"http://ns.adobe.com/xap/1.0/\0"
XMP_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_STANDALONE = frozenset((0x01, *range(0xD0, 0xD8)))  # TEM and RSTn: markers without a length
_END = frozenset((0xD9, 0xDA))  # EOI, SOS: metadata lies before the first scan


@dataclass(frozen=True, slots=True)
class Block:
    """One block of metadata: its body without the header that names it. A block that is cut off is there in part.

    kind   exif (a TIFF stream); xmp (a packet); xmp-extension (GUID, length, offset, a part of a packet);
           jumbf (a JPEG's APP11 payload after "JP", or whole JUMBF boxes); text (a PNG text chunk's body)
    where  "JPEG APP1 EXIF", "PNG tEXt", …
    """

    kind: Literal["exif", "xmp", "xmp-extension", "jumbf", "text"]
    where: str
    body: bytes


def blocks(data: bytes) -> Iterator[Block]:
    """The metadata blocks of a PNG, JPEG or WebP file, in order, as far as the file goes.

    Raises UnreadableImage for any other format.
    """
    return _WALKS[sniff(data)](data)


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start of the payload, end of the payload) of each segment before the first scan."""
    at = 2
    for _ in range(MOST_BLOCKS):
        if data[at : at + 1] != b"\xff":
            return
        at = _FILL.match(data, at).end()  # type: ignore[union-attr]  # the pattern matches everywhere
        marker = data[at] if at < len(data) else 0xD9
        if marker in _END:
            return
        at += 1
        if marker in _STANDALONE:
            continue
        size = int.from_bytes(data[at : at + 2], "big")
        yield marker, at + 2, at + size
        at += size


def _jpeg(data: bytes) -> Iterator[Block]:
    for marker, start, end in jpeg_segments(data):
        if marker == 0xE1:
            if data.startswith(EXIF, start):
                yield Block("exif", "JPEG APP1 EXIF", data[start + len(EXIF) : end])
            elif data.startswith(XMP, start):
                yield Block("xmp", "JPEG APP1 XMP", data[start + len(XMP) : end])
            elif data.startswith(XMP_EXTENSION, start):
                yield Block("xmp-extension", "JPEG APP1 extended XMP", data[start + len(XMP_EXTENSION) : end])
        elif marker == 0xEB and data.startswith(b"JP", start):
            yield Block("jumbf", "JPEG APP11 JUMBF", data[start + 2 : end])


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(name, start of the body, end of the body) of each chunk. Text may follow the pixels, so the walk goes on."""
    at, size = 8, len(data)
    for _ in range(MOST_BLOCKS):
        if at + 8 > size:
            return
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8], at + 8, end
        at = end + 4


def _png(data: bytes) -> Iterator[Block]:
    for name, start, end in png_chunks(data):
        if name == b"eXIf":
            yield Block("exif", "PNG eXIf", data[start:end].removeprefix(EXIF))
        elif name in (b"tEXt", b"zTXt", b"iTXt"):
            yield Block("text", f"PNG {name.decode()}", data[start:end])
        elif name == b"caBX":
            yield Block("jumbf", "PNG caBX", data[start:end])


def webp_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(name, start of the body, end of the body) of each chunk of the RIFF form."""
    at, size = 12, len(data)
    for _ in range(MOST_BLOCKS):
        if at + 8 > size:
            return
        end = at + 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], at + 8, end
        at = end + (end & 1)  # chunks start at even offsets


def _webp(data: bytes) -> Iterator[Block]:
    for name, start, end in webp_chunks(data):
        if name == b"EXIF":
            yield Block("exif", "WebP EXIF", data[start:end].removeprefix(EXIF))
        elif name == b"XMP ":
            yield Block("xmp", "WebP XMP", data[start:end])
        elif name == b"C2PA":
            yield Block("jumbf", "WebP C2PA", data[start:end])


_WALKS: dict[str, Callable[[bytes], Iterator[Block]]] = {"jpeg": _jpeg, "png": _png, "webp": _webp}
