"""EXIF orientation: read, applied, and reset in metadata that goes back into a file."""

import re
from typing import Any

from PIL import Image

ORIENTATION = 0x0112  # the EXIF tag


def orientation_of(image: Image.Image) -> int:
    """EXIF orientation 1..8; 1 where there is none or it is nonsense."""
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except Exception:  # Pillow parses EXIF by hand; broken metadata does not make a picture unreadable
        return 1
    return value if value in range(1, 9) else 1


def upright(array: Any, orientation: int) -> Any:
    """The EXIF orientations: 5–8 swap the axes, then each is a flip of rows, of columns, or both."""
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array


def reset_xmp(xmp: bytes) -> bytes:
    return re.sub(rb'(tiff:Orientation(?:="|>))[2-8]', rb"\g<1>1", xmp)
