"""The metadata that a picture keeps when it is marked and written back."""

from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from hygiene import png
from hygiene.images.headers import Header
from hygiene.images.orientation import ORIENTATION, reset_xmp

WEBP_QUALITY = 95

# Ancillary PNG chunks that describe the picture and stay true when its pixels change a little.
_PNG_CARRIED = {b"tEXt", b"zTXt", b"iTXt", b"cHRM", b"gAMA", b"sRGB", b"cICP", b"tIME"}


def carried_metadata(data: bytes, header: Header, image: Image.Image, orientation: int) -> dict[str, Any]:
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
        exif[ORIENTATION] = 1
        options["exif"] = exif.tobytes()
        if isinstance(options.get("xmp"), bytes):
            options["xmp"] = reset_xmp(options["xmp"])
    return options


def _png_metadata(data: bytes, orientation: int) -> PngInfo:
    """The describing chunks, byte for byte. A rotated picture loses EXIF in text form: it comes back as a chunk."""
    info = PngInfo()
    for name, body in png.chunks(data):
        stale = orientation != 1 and body.startswith(b"Raw profile type exif")
        if name in _PNG_CARRIED and not stale:
            info.add(name, body if orientation == 1 else reset_xmp(body))
    return info
