"""A declaration put into an encoded picture: the IPTC field, and a C2PA manifest when there is a signer.

The IPTC Photo Metadata User Guide asks generators for Digital Source Type = trainedAlgorithmicMedia in XMP. Pixels
and all other metadata stay byte for byte. Places: XMP Specification Part 3 §1.1.3 (JPEG), §1.1.5 (PNG); RFC 9649
§2.7 (WebP).
"""

import zlib

from hygiene.errors import TagRefused, UnreadableImage
from hygiene.images import sniff
from hygiene.provenance import png_text
from hygiene.provenance.containers import EXIF, XMP, Block, blocks, jpeg_segments, png_chunks, webp_chunks
from hygiene.provenance.signing import Signer, sign
from hygiene.provenance.vocabulary import GENERATED
from hygiene.provenance.xmp_writing import with_source_type

_SEGMENT = 65533  # payload of a JPEG segment
_XMP_FLAG, _ALPHA_FLAG = 0x04, 0x10  # of VP8X: RFC 9649 §2.7


def declare(data: bytes, signer: Signer | None = None) -> bytes:
    """The file with its picture declared as made by generative AI; merged with the XMP packet that it has.

    Raises UnreadableImage for what is no PNG, JPEG or WebP, and TagRefused where a declaration would break what is
    there: a C2PA manifest, an XMP packet that cannot be read or has no room.
    """
    format = sniff(data)
    if any(block.kind == "jumbf" for block in blocks(data)):
        raise TagRefused("holds a C2PA manifest, which any change would break: declare before others sign")
    written = {"jpeg": _jpeg, "png": _png, "webp": _webp}[format](data)
    return sign(written, format, signer) if signer else written


def _jpeg(data: bytes) -> bytes:
    place = 2
    for marker, start, end in jpeg_segments(data):
        if marker == 0xE1 and data.startswith(XMP, start):
            segment = _jpeg_segment(with_source_type(data[start + len(XMP) : end], GENERATED))
            return data[: start - 4] + segment + data[end:]
        if marker == 0xE0 or (marker == 0xE1 and data.startswith(EXIF, start)):
            place = end  # JFIF and EXIF come first
    return data[:place] + _jpeg_segment(with_source_type(None, GENERATED)) + data[place:]


def _jpeg_segment(packet: bytes) -> bytes:
    body = XMP + packet
    if len(body) > _SEGMENT:
        raise TagRefused(f"no room: its XMP packet would take {len(packet)} bytes, a JPEG segment holds {_SEGMENT}")
    return b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body


def _png(data: bytes) -> bytes:
    header = next(png_chunks(data), (b"", 0, len(data)))
    after = header[2] + 4
    if header[0] != b"IHDR" or after > len(data):
        raise UnreadableImage("truncated: the PNG header is incomplete")
    for name, start, end in png_chunks(data):
        block = Block("text", f"PNG {name.decode('latin-1')}", data[start:end])
        if name == b"iTXt" and png_text.keyword(block) == png_text.XMP_KEYWORD:
            chunk = _png_chunk(with_source_type(png_text.content(block), GENERATED))
            return data[: start - 8] + chunk + data[end + 4 :]
    return data[:after] + _png_chunk(with_source_type(None, GENERATED)) + data[after:]


def _png_chunk(packet: bytes) -> bytes:
    """Uncompressed, so that readers find it without inflating: keyword, two flags, no language, no translation."""
    body = b"iTXt" + png_text.XMP_KEYWORD.encode() + b"\0\0\0\0\0" + packet
    return (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")


def _webp(data: bytes) -> bytes:
    """The extended format, with the packet as the last chunk."""
    chunks = [(name, data[start:end]) for name, start, end in webp_chunks(data)]
    if not chunks or len(chunks[0][1]) < 10:
        raise UnreadableImage("truncated: the WebP header is incomplete")
    if chunks[0][0] != b"VP8X":
        chunks.insert(0, (b"VP8X", _extended_header(*chunks[0])))
    packet = next((body for name, body in chunks if name == b"XMP "), None)
    header = chunks[0][1]
    kept = [(name, body) for name, body in chunks[1:] if name != b"XMP "]
    chunks = [(b"VP8X", bytes([header[0] | _XMP_FLAG]) + header[1:]), *kept]
    chunks.append((b"XMP ", with_source_type(packet, GENERATED)))
    form = b"WEBP" + b"".join(
        name + len(body).to_bytes(4, "little") + body + bytes(len(body) & 1) for name, body in chunks
    )
    return b"RIFF" + len(form).to_bytes(4, "little") + form


def _extended_header(name: bytes, body: bytes) -> bytes:
    """VP8X of a simple file: flags, three reserved bytes, width − 1 and height − 1 in 24 bits each."""
    if name == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        width, height, alpha = bits & 0x3FFF, bits >> 14 & 0x3FFF, bits >> 28 & 1
    elif name == b"VP8 ":
        width, height = ((int.from_bytes(body[at : at + 2], "little") & 0x3FFF) - 1 for at in (6, 8))
        alpha = 0
    else:
        raise UnreadableImage("no WebP picture: its first chunk is none")
    flags = _ALPHA_FLAG if alpha else 0
    return bytes([flags, 0, 0, 0]) + width.to_bytes(3, "little") + height.to_bytes(3, "little")
