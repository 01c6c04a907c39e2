"""One encoded picture whose header was looked at, to be decoded for whoever asks."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from hygiene import png
from hygiene.errors import UnreadableImage
from hygiene.images.headers import MAX_PIXELS, Header, read_header, translated

Bytes8 = NDArray[np.uint8]
Pixels = NDArray[Any]  # uint8 or uint16, as many bits as the file has

_OPENERS: dict[str, Callable[[io.BytesIO], ImageFile.ImageFile]] = {
    "jpeg": JpegImageFile,
    "png": PngImageFile,
    "webp": WebPImageFile,
}


@dataclass(frozen=True)
class Still:
    """An encoded picture and its header. Where Pillow decodes it, it does so once."""

    data: bytes
    header: Header

    @cached_property
    def image(self) -> ImageFile.ImageFile:
        return opened(self.data, self.header)


def open_still(data: bytes, max_pixels: int = MAX_PIXELS) -> Still:
    """Raises UnreadableImage for what is no still PNG, JPEG or WebP, or exceeds `max_pixels`; decodes nothing yet."""
    with translated():
        header = read_header(data, max_pixels)
        if header.animated:
            raise UnreadableImage("animated: not one still picture")
    return Still(data, header)


def opened(data: bytes, header: Header) -> ImageFile.ImageFile:
    """Opened by its own plugin: `Image.open` would guess again and hold its own, global pixel limit.

    A PNG is loaded too. Pillow does so when its EXIF is asked for, and what fails there loads as black afterwards.
    """
    if header.format == "png":
        png.check(data)
    image = _OPENERS[header.format](io.BytesIO(data))
    if image.width * image.height > header.width * header.height:
        raise UnreadableImage("its parts disagree on the size")
    if isinstance(image, PngImageFile):
        interlaced = bool(image.info.get("interlace"))
        image.load()
        if (interlaced or _ends_black(image)) and png.lacks_rows(data):
            raise UnreadableImage("truncated: its pixel data is shorter than its header says")
    return image


def _ends_black(image: ImageFile.ImageFile) -> bool:
    """Whether the last row is 0, as rows are that the file lacks."""
    width, height = image.size  # not by `crop`, which holds Pillow's own pixel limit
    return not np.asarray(image.transform((width, 1), Image.Transform.EXTENT, (0, height - 1, width, height))).any()
