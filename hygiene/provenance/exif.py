"""The few EXIF fields that declare something, read straight from the TIFF stream (TIFF 6.0 §2, Exif 3.0 §4.6)."""

import struct
from collections.abc import Iterator

from hygiene.provenance import gb45438, generators
from hygiene.provenance.bounded import MOST_BYTES, text_of
from hygiene.provenance.declaration import Declaration

_NAMES = {
    0x010E: "ImageDescription",
    0x010F: "Make",
    0x0110: "Model",
    0x0131: "Software",
    0x9286: "UserComment",
}
_EXIF_IFD = 0x8769
_ONE_BYTE_TYPES = frozenset((1, 2, 7, 129))  # BYTE, ASCII, UNDEFINED, UTF-8
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}


def declarations(tiff: bytes, where: str) -> Iterator[Declaration]:
    """What a TIFF stream (EXIF without its "Exif" header) declares; nothing for what is none."""
    for name, value in _fields(tiff):
        place = f"{where} {name}"
        if name == "UserComment":
            text = user_comment(value)
            finders = [generators.automatic1111, gb45438.label, generators.comfyui_prompt]
        else:
            text = text_of(value).rstrip("\0")
            finders = [generators.comfyui_exif]
            finders += {"Make": [generators.make], "Software": [generators.software]}.get(name, [])
        yield from (found for finder in finders if (found := finder(text, place)))


def user_comment(value: bytes) -> str:
    """The text after the eight bytes that name its character set; many writers leave those out."""
    code, text = value[:8], value[8:]
    if code == b"UNICODE\0":
        return text.decode(_utf16_order(text), "replace")
    return text_of(text if code in (b"ASCII\0\0\0", bytes(8)) else value).strip("\0")


def _utf16_order(text: bytes) -> str:
    """The standard leaves the byte order open: a mark decides, or else where the zero bytes of Latin letters are."""
    if text[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    return "utf-16-be" if text[0:400:2].count(0) >= text[1:400:2].count(0) else "utf-16-le"


def _fields(tiff: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and value of the known fields in the first directory and in its Exif directory."""
    order = _ORDERS.get(tiff[:4])
    if order is None:
        return
    first = _directory(tiff, _number(tiff[4:8], order), order)
    second = _directory(tiff, _number(first[_EXIF_IFD][1], order), order) if _EXIF_IFD in first else {}
    for tag, (count, raw) in (*first.items(), *second.items()):
        if tag in _NAMES:
            at = _number(raw, order)
            yield _NAMES[tag], raw[:count] if count <= 4 else tiff[at : at + min(count, MOST_BYTES)]


def _directory(tiff: bytes, at: int, order: str) -> dict[int, tuple[int, bytes]]:
    """tag → (count, four bytes of value or offset) of the entries of use, as far as the stream goes.

    A tag counts once: thousands of entries may point at the same megabytes.
    """
    table = tiff[at + 2 : at + 2 + 12 * _number(tiff[at : at + 2], order)]
    entries = struct.iter_unpack(f"{order}HHI4s", table[: len(table) - len(table) % 12])
    return {tag: (n, raw) for tag, kind, n, raw in entries if kind in _ONE_BYTE_TYPES or tag == _EXIF_IFD}


def _number(raw: bytes, order: str) -> int:
    return int.from_bytes(raw, "little" if order == "<" else "big")
