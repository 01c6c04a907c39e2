"""NovelAI's stealth metadata: the lowest bits of alpha hold the settings. The one place that takes pixels.

Source: NovelAI novelai-image-metadata `nai_meta.py`; sd-webui-stealth-pnginfo. Column by column, the most
significant bit of each byte first: "stealth_pngcomp" (gzip) or "stealth_pnginfo" (plain), the length in bits as 32
bits big-endian, the text.
"""

import numpy as np

from hygiene.images import Bytes8, Still, translated
from hygiene.png import SIGNATURE
from hygiene.provenance import generators
from hygiene.provenance.bounded import inflate, load_object
from hygiene.provenance.declaration import Declaration

_PNG = SIGNATURE + b"\0\0\0\rIHDR"
_COMPRESSED, _PLAIN = b"stealth_pngcomp", b"stealth_pnginfo"
_HEADER = len(_PLAIN) + 4  # bytes
_GZIP = 31
_WHERE = "alpha, lowest bits"


def has_place(data: bytes) -> bool:
    """Whether this is a PNG with 8 bits of alpha. Lossy formats keep no lowest bits, and the scheme knows no others.

    Colour types 4 and 6: transparency by palette or by one colour (tRNS) has no bits to spare.
    """
    return data[: len(_PNG)] == _PNG and data[24:25] == b"\x08" and data[25:26] in (b"\4", b"\6")


def declaration_of_still(still: Still) -> Declaration | None:
    """What the alpha of a picture that `has_place` declares, from the one time that it is decoded."""
    with translated():
        alpha = np.asarray(still.image.getchannel("A"))
    return declaration_of_alpha(alpha)


def declaration_of_alpha(alpha: Bytes8) -> Declaration | None:
    """What alpha [H, W] declares. A text that cannot be read, after the magic, is a finding."""
    header = _bytes(alpha, 0, _HEADER)
    magic, length = header[: len(_PLAIN)], int.from_bytes(header[len(_PLAIN) :], "big") // 8
    if magic not in (_COMPRESSED, _PLAIN):
        return None
    raw = _bytes(alpha, _HEADER, length)
    text = (inflate(raw, _GZIP) if magic == _COMPRESSED else raw).decode("utf-8", "replace")
    return _declaration(text)


def _declaration(text: str) -> Declaration:
    infotext = generators.automatic1111(text, _WHERE)
    if infotext:
        return infotext
    fields = load_object(text)
    if not fields:
        return Declaration("other", "stealth alpha", "its magic, followed by nothing that can be read", _WHERE)
    software = str(fields.get("Software", "stealth alpha"))
    settings = generators.automatic1111(str(fields.get("parameters", "")), _WHERE)
    detail = settings.detail if settings else f"{software}: {', '.join(sorted(fields))}"
    return Declaration("generated", software, detail, _WHERE, generative=True)


def _bytes(alpha: Bytes8, start: int, count: int) -> bytes:
    """`count` bytes from byte `start` on, fewer where the picture ends."""
    height = alpha.shape[0]
    first, last = 8 * start // height, -(-8 * (start + count) // height)
    bits = (alpha[:, first:last] & 1).T.reshape(-1)[8 * start - first * height :][: 8 * count]
    return np.packbits(bits[: bits.size // 8 * 8]).tobytes()
