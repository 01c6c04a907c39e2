"""Encoded bytes to luma for detection, by the cheapest path, and to a whole raster for tagging.

Whatever Pillow or libjpeg raise comes out as UnreadableImage.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import PIL
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from hygiene import png
from hygiene.errors import TagRefused, UnreadableImage
from hygiene.images.carrying import carried_metadata
from hygiene.images.headers import MAX_PIXELS, Header, read_header, translated
from hygiene.images.orientation import orientation_of, upright

LUMA_SIDE = 256  # detection needs no more, so libjpeg may reduce down to it
BACKEND = f"simplejpeg {simplejpeg.__version__}, pillow {PIL.__version__}"

Bytes8 = NDArray[np.uint8]
Pixels = NDArray[Any]  # uint8 or uint16, as many bits as the file has

_OPENERS: dict[str, Callable[[io.BytesIO], ImageFile.ImageFile]] = {
    "jpeg": JpegImageFile,
    "png": PngImageFile,
    "webp": WebPImageFile,
}


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
        header = read_header(data, max_pixels)
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
            luma, orientation = _as_luma(still.image), orientation_of(still.image)
        luma = np.ascontiguousarray(upright(luma, orientation))
    width, height = header.width, header.height
    if orientation >= 5:
        width, height = height, width
    return Picture(luma, width, height, header.format)


def decode_raster(data: bytes, max_pixels: int = MAX_PIXELS) -> Raster:
    """The whole picture for tagging, upright, in its own depth. Palettes become RGB, transparency becomes `alpha`.

    Raises UnreadableImage as `decode_luma` does, and TagRefused for pictures that re-encoding would rob of
    content: CMYK, animations, several pictures in one file.
    """
    with translated():
        header = read_header(data, max_pixels)
        _refuse_lossy(header)
        image = _opened(data, header)
        if "mp" in image.info:
            raise TagRefused("holds several pictures (MPO), writing it back would keep only the first")
        orientation = orientation_of(image)
        pixels, alpha = _planes(data, header, image)
        carried = carried_metadata(data, header, image, orientation)
    return Raster(
        np.ascontiguousarray(upright(pixels, orientation)),
        None if alpha is None else np.ascontiguousarray(upright(alpha, orientation)),
        header.format,
        carried,
    )


def _opened(data: bytes, header: Header) -> ImageFile.ImageFile:
    """Opened by its own plugin: `Image.open` would guess again and hold its own, global pixel limit."""
    if header.format == "png":
        png.check(data)
    image = _OPENERS[header.format](io.BytesIO(data))
    if image.width * image.height > header.width * header.height:
        raise UnreadableImage("its parts disagree on the size")
    return image


def _jpeg_luma(data: bytes, header: Header) -> tuple[Bytes8, int]:
    orientation = orientation_of(_opened(data, header)) if b"Exif\0\0" in data else 1
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
