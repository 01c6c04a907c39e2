"""The only decoding and encoding: encoded bytes to luma for detection, to a raster for tagging, and back.

Content decides the format, never a file's name. The pixel limit is checked on the header, before anything is
decoded. Whatever Pillow or libjpeg raise comes out as UnreadableImage.
"""

import contextlib
import io
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import PIL
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile, PngInfo
from PIL.WebPImagePlugin import WebPImageFile

from hygiene import png
from hygiene.errors import TagRefused, UnreadableImage

MAX_PIXELS = 1 << 27  # 134 million: the largest cameras pass, a decompression bomb does not
LUMA_SIDE = 256  # detection needs no more, so libjpeg may reduce down to it
JPEG_QUALITY = WEBP_QUALITY = 95
BACKEND = f"simplejpeg {simplejpeg.__version__}, pillow {PIL.__version__}"

Bytes8 = NDArray[np.uint8]
Pixels = NDArray[Any]  # uint8 or uint16, as many bits as the file has

_ORIENTATION = 0x0112
# Ancillary PNG chunks that describe the picture and stay true when its pixels change a little.
_PNG_CARRIED = {b"tEXt", b"zTXt", b"iTXt", b"cHRM", b"gAMA", b"sRGB", b"cICP", b"tIME"}
_OPENERS: dict[str, Callable[[io.BytesIO], ImageFile.ImageFile]] = {
    "jpeg": JpegImageFile,
    "png": PngImageFile,
    "webp": WebPImageFile,
}
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
class Picture:
    """What detection looks at.

    luma    uint8 [h, w], upright; libjpeg may have reduced it, never below min(native short side, 256)
    width, height  the native upright size in pixels
    format  "jpeg", "png" or "webp"
    """

    luma: Bytes8
    width: int
    height: int
    format: str


@dataclass(frozen=True)
class Raster:
    """A whole picture, upright, to be marked and written back in its own format.

    pixels   uint8 or uint16 (PNG of 16 bits per channel) [H, W] grey or [H, W, 3] RGB
    alpha    [H, W] of the same type, or None
    carried  what re-encoding must keep (ICC profile, EXIF with its orientation reset, XMP, PNG text, …), as
             options of Pillow's `save`
    """

    pixels: Pixels
    alpha: Pixels | None
    format: str
    carried: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Header:
    """What the first bytes tell, before anything is decoded. Sizes are as stored, not yet upright."""

    format: str
    width: int
    height: int
    colours: str = ""
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


@dataclass(frozen=True)
class Still:
    """One encoded picture whose header was looked at, to be decoded for whoever asks: once, where Pillow does it."""

    data: bytes
    header: Header

    @cached_property
    def image(self) -> ImageFile.ImageFile:
        return _opened(self.data, self.header)


def open_still(data: bytes, max_pixels: int = MAX_PIXELS) -> Still:
    """Raises UnreadableImage for what is no still PNG, JPEG or WebP, or exceeds `max_pixels`; decodes nothing yet."""
    with translated():
        header = _header(data, max_pixels)
        if header.animated:
            raise UnreadableImage("animated: not one still picture")
    return Still(data, header)


def decode_luma(data: bytes, max_pixels: int = MAX_PIXELS) -> Picture:
    """`luma_of` a file's bytes."""
    return luma_of(open_still(data, max_pixels))


def luma_of(still: Still) -> Picture:
    """The picture for detection, by the cheapest path, EXIF orientation applied; any depth and colour space.

    Raises UnreadableImage for what is truncated or corrupt.
    """
    data, header = still.data, still.header
    with translated():
        if header.format == "jpeg":
            luma, orientation = _jpeg_luma(data, header)
        else:
            luma, orientation = _as_luma(still.image), _orientation(still.image)
        upright = np.ascontiguousarray(_upright(luma, orientation))
    width, height = header.width, header.height
    if orientation >= 5:
        width, height = height, width
    return Picture(upright, width, height, header.format)


def decode_raster(data: bytes, max_pixels: int = MAX_PIXELS) -> Raster:
    """The whole picture for tagging, upright, in its own depth. Palettes become RGB, transparency becomes `alpha`.

    Raises UnreadableImage as `decode_luma` does, and TagRefused for pictures that re-encoding would rob of
    content: CMYK, animations, several pictures in one file.
    """
    with translated():
        header = _header(data, max_pixels)
        _refuse_lossy(header)
        image = _opened(data, header)
        if "mp" in image.info:
            raise TagRefused("holds several pictures (MPO), writing it back would keep only the first")
        orientation = _orientation(image)
        pixels, alpha = _planes(data, header, image)
        carried = _carried(data, header, image, orientation)
    return Raster(
        np.ascontiguousarray(_upright(pixels, orientation)),
        None if alpha is None else np.ascontiguousarray(_upright(alpha, orientation)),
        header.format,
        carried,
    )


def encode(raster: Raster, pixels: Pixels) -> bytes:
    """`pixels` (shape and type of raster.pixels) as a file of raster's format, with its alpha and metadata.

    PNG and lossless WebP are exact; JPEG is quality 95 without chroma subsampling; lossy WebP is quality 95.
    Raises TagRefused when the format cannot hold the picture.
    """
    if pixels.shape != raster.pixels.shape or pixels.dtype != raster.pixels.dtype:
        expected = f"expected {raster.pixels.dtype} {raster.pixels.shape}"
        raise ValueError(f"{expected}, got {pixels.dtype} {pixels.shape}")
    layers = np.dstack([pixels] if raster.alpha is None else [pixels, raster.alpha])
    try:
        if layers.dtype == np.uint8:
            return _saved(layers, raster)
        return png.write16(layers, _saved(np.zeros((1, 1, 3), np.uint8), raster))
    except (OSError, ValueError, struct.error) as error:
        raise TagRefused(f"cannot be written back as {raster.format}: {error}") from None


def _saved(layers: Bytes8, raster: Raster) -> bytes:
    out = io.BytesIO()
    image = Image.fromarray(layers[:, :, 0] if layers.shape[2] == 1 else layers)
    image.save(out, raster.format.upper(), **_SAVE[raster.format], **raster.carried)
    return out.getvalue()


def to_batch(pixels: Pixels) -> NDArray[Any]:
    """One picture as a codec takes it, [1, H, W] or [1, H, W, 3]: uint8, or for 16 bits float32 in 0..1.

    65535 is 1, as a viewer shows it: data that fills little of the range is marked as the dark or pale picture it is.
    """
    return (pixels if pixels.dtype == np.uint8 else pixels.astype(np.float32) / 65535)[None]


def from_batch(batch: NDArray[Any]) -> Pixels:
    """What `to_batch` was given, exactly so where the codec changed nothing."""
    pixels: Pixels = batch[0]
    return pixels if batch.dtype == np.uint8 else np.rint(pixels * 65535).astype(np.uint16)


def psnr(a: Pixels, b: Pixels) -> float:
    """Peak signal-to-noise ratio of two uint8 or two uint16 pictures of one shape, dB; infinite for equal ones."""
    error = float(np.mean(np.square(a.astype(np.float32) - b.astype(np.float32)), dtype=np.float64))
    return float(20 * np.log10(np.iinfo(a.dtype).max) - 10 * np.log10(error)) if error else float("inf")


def ssim(a: Bytes8, b: Bytes8) -> float:
    """Structural similarity (Wang et al. 2004) of two uint8 pictures [H, W] or [H, W, 3], −1..1, 1 = equal.

    Gaussian window of σ = 1.5 truncated at 5 pixels, K1 = .01, K2 = .03; the mean over pixels at least 5 from
    the border and over channels. Needs a short side of at least 11.
    """
    from scipy.ndimage import gaussian_filter

    if a.shape != b.shape or min(a.shape[:2]) < 11:
        raise ValueError(f"expected two pictures of one shape, at least 11 pixels wide, got {a.shape}, {b.shape}")

    def mean(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(gaussian_filter(x, (1.5, 1.5) + (0,) * (x.ndim - 2), truncate=3.5))

    x, y = a.astype(np.float64), b.astype(np.float64)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    index = (2 * mx * my + c1) * (2 * cov + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))
    return float(index[5:-5, 5:-5].mean())


_SAVE: dict[str, dict[str, Any]] = {
    "png": png.COMPRESSION,
    "jpeg": {"quality": JPEG_QUALITY, "subsampling": 0},
    # `exact` keeps the colour under transparent pixels, where a part of the mark lives.
    "webp": {"alpha_quality": 100, "exact": True},
}


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Pillow raises SyntaxError, struct.error, EOFError and more for bad bytes: one kind comes out."""
    try:
        yield
    except (UnreadableImage, TagRefused):
        raise
    except MemoryError:
        raise UnreadableImage("out of memory: decoding it takes more than there is") from None
    except Exception as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise UnreadableImage(f"cannot be decoded: {text[:200]}") from None


def _header(data: bytes, max_pixels: int) -> Header:
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
    height, width, colours, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    return Header("jpeg", width, height, colours=colours)


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


def _opened(data: bytes, header: Header) -> ImageFile.ImageFile:
    """Opened by its own plugin: `Image.open` would guess again and hold its own, global pixel limit."""
    if header.format == "png":
        png.check(data)
    image = _OPENERS[header.format](io.BytesIO(data))
    if image.width * image.height > header.width * header.height:
        raise UnreadableImage("its parts disagree on the size")
    return image


def _jpeg_luma(data: bytes, header: Header) -> tuple[Bytes8, int]:
    orientation = _orientation(_opened(data, header)) if b"Exif\0\0" in data else 1
    if header.colours not in ("YCbCr", "Gray"):
        return _as_luma(_opened(data, header)), orientation
    short = min(header.width, header.height)
    factor = next((f for f in (8, 4, 2) if -(-short // f) >= LUMA_SIDE), 1)
    return _jpeg_array(data, header, "GRAY", factor)[:, :, 0], orientation


def _jpeg_array(data: bytes, header: Header, colours: str, factor: int = 1) -> Bytes8:
    """Decoded by libjpeg, [h, w, channels], reduced by `factor`. Missing data is an error, not grey pixels."""
    try:
        array: Bytes8 = simplejpeg.decode_jpeg(
            data,
            colours,
            min_height=-(-header.height // factor),
            min_width=-(-header.width // factor),
            min_factor=factor,
        )
        return array
    except ValueError as error:
        if "remature end" in str(error):
            raise UnreadableImage("truncated: the JPEG data ends early") from None
    # The rest of libjpeg's warnings (stray bytes between segments) leave the picture whole: Pillow passes them.
    image = _opened(data, header).convert("L" if colours == "GRAY" else "RGB")
    return np.atleast_3d(np.asarray(image))


def _as_luma(image: Image.Image) -> Bytes8:
    """uint8 [h, w], ITU-R 601. Transparency is ignored: the mark is in the colours under it too."""
    if image.mode.startswith("I"):
        high: Bytes8 = np.clip(np.asarray(image, dtype=np.int64) >> 8, 0, 255).astype(np.uint8)
        return high
    if image.mode not in ("1", "L", "LA", "RGB"):
        # A palette goes by way of RGBA, or Pillow warns about its transparency.
        image = image.convert("RGBA" if image.mode == "P" else "RGB")
    return np.asarray(image.convert("L"))


def _orientation(image: Image.Image) -> int:
    """EXIF orientation 1..8; 1 where there is none or it is nonsense."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # Pillow parses EXIF by hand; broken metadata does not make a picture unreadable
        return 1
    return value if value in range(1, 9) else 1


def _upright(array: Any, orientation: int) -> Any:
    """The EXIF orientations: 5–8 swap the axes, then each is a flip of rows, of columns, or both."""
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array


def _refuse_lossy(header: Header) -> None:
    if header.animated:
        raise TagRefused("animated: tagging marks still pictures only")
    if header.colours in ("CMYK", "YCCK"):
        raise TagRefused("CMYK: tagging would change its inks; convert it to RGB first")


def _planes(data: bytes, header: Header, image: Image.Image) -> tuple[Pixels, Pixels | None]:
    """Pixels [H, W] or [H, W, 3] and alpha [H, W] or None, as stored (not upright)."""
    if header.deep:
        return _deep_planes(png.read16(data), image.info.get("transparency"))
    if header.format == "jpeg" and header.colours in ("YCbCr", "Gray", "RGB"):
        array = _jpeg_array(data, header, "GRAY" if header.colours == "Gray" else "RGB")
        return (array[:, :, 0] if array.shape[2] == 1 else array), None
    grey = image.mode in ("1", "L", "LA")
    if image.mode in ("LA", "RGBA", "PA", "La", "RGBa") or "transparency" in image.info:
        layers = np.asarray(image.convert("LA" if grey else "RGBA"))
        return (layers[:, :, 0] if grey else layers[:, :, :3]), layers[:, :, -1]
    return np.asarray(image.convert("L" if grey else "RGB")), None


def _deep_planes(samples: Pixels, transparent: int | tuple[int, ...] | None) -> tuple[Pixels, Pixels | None]:
    """As `_planes`. transparent: the one colour that is (PNG §11.3.1.1), where the picture has no alpha."""
    channels = samples.shape[2]
    pixels = samples[:, :, 0] if channels < 3 else samples[:, :, :3]
    if channels in (2, 4):
        return pixels, samples[:, :, -1]
    if transparent is None:
        return pixels, None
    shown = np.any(samples != np.array(transparent, np.uint16), axis=2)
    return pixels, np.where(shown, np.uint16(65535), np.uint16(0))


def _carried(data: bytes, header: Header, image: Image.Image, orientation: int) -> dict[str, Any]:
    """Pillow `save` options that write the metadata back. After `_planes`: PNG has metadata behind its pixels."""
    image.load()
    names = ("icc_profile", "exif", "xmp", "comment", "dpi", "progressive")
    options = {name: image.info[name] for name in names if image.info.get(name)}
    if header.format == "png":
        options["pnginfo"] = _png_metadata(data, orientation)
    if header.format == "webp":
        options |= {"lossless": True, "method": 0} if header.lossless else {"quality": WEBP_QUALITY}
    if orientation != 1:
        exif = image.getexif()
        exif[_ORIENTATION] = 1
        options["exif"] = exif.tobytes()
        if isinstance(options.get("xmp"), bytes):
            options["xmp"] = _reset_xmp(options["xmp"])
    return options


def _png_metadata(data: bytes, orientation: int) -> PngInfo:
    """The describing chunks, byte for byte. A rotated picture loses EXIF in text form: it comes back as a chunk."""
    info = PngInfo()
    for name, body in png.chunks(data):
        stale = orientation != 1 and body.startswith(b"Raw profile type exif")
        if name in _PNG_CARRIED and not stale:
            info.add(name, body if orientation == 1 else _reset_xmp(body))
    return info


def _reset_xmp(xmp: bytes) -> bytes:
    return re.sub(rb'(tiff:Orientation(?:="|>))[2-8]', rb"\g<1>1", xmp)
