"""What the first bytes of a file tell, before anything is decoded.

Content decides the format, never a file's name, and the pixel limit is checked on the header.
"""

import contextlib
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import simplejpeg

from hygiene import png
from hygiene.errors import TagRefused, UnreadableImage

MAX_PIXELS = 1 << 27  # 134 million: the largest cameras pass, a decompression bomb does not

_FOREIGN = (
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"8BPS", "PSD"),
    (b"%PDF", "PDF"),
)


@dataclass(frozen=True)
class Header:
    """What the first bytes tell, before anything is decoded. Sizes are as stored, not yet upright.

    colours, subsampling  of a JPEG: its colour space ("YCbCr", "Gray", …), and that of its colour ("420", "444", …)
    """

    format: str
    width: int
    height: int
    colours: str = ""
    subsampling: str = ""
    deep: bool = False
    animated: bool = False
    lossless: bool = False


def sniff(data: bytes) -> str:
    """The format's name, "jpeg", "png" or "webp", by content. Anything else is an UnreadableImage that says what."""
    if not data:
        raise UnreadableImage("empty file")
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(png.SIGNATURE):
        return "png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    name = next((name for magic, name in _FOREIGN if data.startswith(magic)), None)
    if data[4:8] == b"ftyp":
        name = "AVIF, HEIC or a video"
    if name:
        raise UnreadableImage(f"not a supported format ({name}): expected PNG, JPEG or WebP")
    raise UnreadableImage("not an image: no PNG, JPEG or WebP signature")


def read_header(data: bytes, max_pixels: int) -> Header:
    format = sniff(data)
    header = {"jpeg": _jpeg_header, "png": _png_header, "webp": _webp_header}[format](data)
    if header.width < 1 or header.height < 1:
        raise UnreadableImage(f"no pixels: its header claims {header.width} × {header.height}")
    if header.width * header.height > max_pixels:
        raise UnreadableImage(
            f"too many pixels: {header.width} × {header.height}, the limit is {max_pixels} (--max-pixels)"
        )
    return header


def _jpeg_header(data: bytes) -> Header:
    try:
        height, width, colours, subsampling = simplejpeg.decode_jpeg_header(data, strict=False)
    except KeyError:  # libjpeg found no colour space, which simplejpeg looks up
        raise UnreadableImage("cannot be decoded: its JPEG header is cut off or broken") from None
    return Header("jpeg", width, height, colours=colours, subsampling=subsampling)


def _png_header(data: bytes) -> Header:
    if data[12:16] != b"IHDR" or len(data) < 33:
        raise UnreadableImage("truncated: the PNG header is incomplete")
    width, height, depth = struct.unpack(">IIB", data[16:25])
    frames = next((body for name, body in png.chunks(data) if name == b"acTL"), b"\0\0\0\0")
    animated = len(frames) >= 4 and struct.unpack(">I", frames[:4])[0] > 1
    return Header("png", width, height, deep=depth == 16, animated=animated)


def _webp_header(data: bytes) -> Header:
    """Size and kind from the first chunk: RFC 9649 §2.5–2.7."""
    if len(data) < 30:
        raise UnreadableImage("truncated: the WebP header is incomplete")
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
        return Header("webp", width, height, animated=bool(data[20] & 2), lossless=b"VP8L" in data)
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return Header("webp", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), lossless=True)
    width, height = (size & 0x3FFF for size in struct.unpack("<HH", data[26:30]))
    return Header("webp", width, height)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Pillow raises SyntaxError, struct.error, EOFError and more for bad bytes: one kind comes out.

    What it merely warns of (broken EXIF, a torn APNG) names no file, so nobody could act on it: it is not shown.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")
            yield
    except (UnreadableImage, TagRefused):
        raise
    except MemoryError:
        raise UnreadableImage("out of memory: decoding it takes more than there is") from None
    except Exception as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise UnreadableImage(f"cannot be decoded: {text[:200]}") from None
