"""Encoded bytes to luma for detection, by the cheapest path, and to a whole raster for tagging.

Whatever Pillow or libjpeg raise comes out as UnreadableImage.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import PIL
import simplejpeg
from PIL import Image

from hygiene import png
from hygiene.errors import TagRefused
from hygiene.images.carrying import carried_metadata
from hygiene.images.headers import MAX_PIXELS, Header, read_header, translated
from hygiene.images.jpeg import Planes, jpeg_array, reduction_of
from hygiene.images.opening import Bytes8, Pixels, Still, open_still, opened
from hygiene.images.orientation import orientation_of, upright

BACKEND = f"simplejpeg {simplejpeg.__version__}, pillow {PIL.__version__}"


@dataclass(frozen=True)
class Picture:
    """What detection looks at.

    luma    uint8 [h, w], upright; of a JPEG it may be reduced, never below min(native short side, 256)
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


def decode_luma(data: bytes, max_pixels: int = MAX_PIXELS) -> Picture:
    """`luma_of` a file's bytes."""
    return luma_of(open_still(data, max_pixels))


def luma_of(still: Still, planes: Planes | None = None) -> Picture:
    """The picture for detection, EXIF orientation applied; any depth and colour space.

    planes  of the same file, if they are decoded for its colour anyway: luma is then taken from them, reduced by means
    of cells. Without, by the cheapest path: libjpeg reduces as it decodes. Where the two reductions are not the same
    they differ slightly, and so do scores. Raises UnreadableImage for what is truncated or corrupt.
    """
    header = still.header
    with translated():
        orientation = _orientation(still)
        luma = np.ascontiguousarray(upright(_luma(still, planes), orientation))
    width, height = header.width, header.height
    if orientation >= 5:
        width, height = height, width
    return Picture(luma, width, height, header.format)


def _luma(still: Still, planes: Planes | None) -> Bytes8:
    """As stored, not upright."""
    header = still.header
    if planes:
        return planes.luma_at(reduction_of(header))
    if header.colours in ("YCbCr", "Gray"):
        return jpeg_array(still.data, header, "GRAY", reduction_of(header))[:, :, 0]
    return _as_luma(still.image)


def _orientation(still: Still) -> int:
    if still.header.format == "jpeg" and b"Exif\0\0" not in still.data:
        return 1
    return orientation_of(still.image)


def decode_raster(data: bytes, max_pixels: int = MAX_PIXELS) -> Raster:
    """The whole picture for tagging, upright, in its own depth. Palettes become RGB, transparency becomes `alpha`.

    Raises UnreadableImage as `decode_luma` does, and TagRefused for pictures that re-encoding would rob of
    content: CMYK, animations, several pictures in one file.
    """
    with translated():
        header = read_header(data, max_pixels)
        _refuse_lossy(header)
        image = opened(data, header)
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
        array = jpeg_array(data, header, "GRAY" if header.colours == "Gray" else "RGB")
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
