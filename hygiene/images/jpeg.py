"""JPEG by libjpeg: luma reduced as it is decoded, RGB, or Y, Cb and Cr as stored.

Missing data is an error, not grey pixels: simplejpeg tells of it, Pillow does not where an end marker follows.
"""

import re
from dataclasses import dataclass

import numpy as np
import simplejpeg
from PIL import Image

from hygiene.errors import UnreadableImage
from hygiene.images.headers import Header, translated
from hygiene.images.opening import Bytes8, Still, opened

LUMA_SIDE = 256  # detection needs no more, so luma may be reduced down to it

TRUNCATED = "truncated: the JPEG data ends early"

_PIXELS_PER_SAMPLE = {"420": (2, 2), "422": (1, 2), "440": (2, 1)}
"""Of Cb and Cr, down and across. Those of other files are taken at the size of the picture."""

_MARKER = re.compile(rb"\xff+([^\0\xff])")
_APP0, _APP14, _SOS = 0xE0, 0xEE, 0xDA
_BARE = {0x01, *range(0xD0, 0xD8)}  # markers without a segment
_SAYS_RGB = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0"  # APP14 whose last byte, the transform, is none


@dataclass(frozen=True)
class Planes:
    """Y, Cb and Cr of a JPEG from one pass over it, in its stored raster.

    luma    uint8 [h, w]
    chroma  uint8 [h', w', 2]: Cb and Cr as stored, 128 = grey
    reduced  pixels per sample of luma, down as well as across: 1 or 2
    down, across  pixels per sample of Cb and Cr
    """

    luma: Bytes8
    chroma: Bytes8
    reduced: int
    down: int
    across: int

    def luma_at(self, reduction: int) -> Bytes8:
        """Luma with `reduction` pixels per sample, a multiple of `reduced`: means of what is there."""
        cells = reduction // self.reduced
        return np.asarray(Image.fromarray(self.luma).reduce(cells)) if cells > 1 else self.luma


def reduction_of(header: Header) -> int:
    """By how much detection may reduce luma: 1, 2, 4 or 8, the short side never below min(its own, LUMA_SIDE)."""
    short = min(header.width, header.height)
    return next((factor for factor in (8, 4, 2) if -(-short // factor) >= LUMA_SIDE), 1)


def jpeg_array(data: bytes, header: Header, colours: str, factor: int = 1) -> Bytes8:
    """Colours "GRAY" or "RGB", [h, w, channels], reduced by `factor`. Raises UnreadableImage where data is missing."""
    try:
        return _decoded(data, header, colours, factor)
    except ValueError:
        # The rest of libjpeg's warnings (stray bytes between segments) leave the picture whole: Pillow passes them.
        image = _loaded(data, header).convert("L" if colours == "GRAY" else "RGB")
        return np.atleast_3d(np.asarray(image))


def planes_of(still: Still, luma: bool) -> Planes | None:
    """The planes of a YCbCr JPEG; None for any other file. Raises UnreadableImage where data is missing, or broken.

    luma  whether `luma_at` the `reduction_of` the file will be asked for. Otherwise the pass is the cheapest for colour

    Asked for half the size, libjpeg halves the luma of 4:2:0 and leaves its Cb and Cr as they are.
    """
    data, header = still.data, still.header
    if header.colours != "YCbCr":
        return None
    down, across = _PIXELS_PER_SAMPLE.get(header.subsampling, (1, 1))
    factor = 2 if (down, across) == (2, 2) and (not luma or reduction_of(header) > 1) else 1
    with translated():
        samples = _components(data, header, factor)
    return Planes(samples[..., 0], samples[:: down // factor, :: across // factor, 1:], factor, down, across)


def _components(data: bytes, header: Header, factor: int) -> Bytes8:
    """Y, Cb and Cr [h, w, 3], reduced by `factor`; `fastupsample` enlarges smaller planes by repeating samples."""
    unconverted = _said_to_be_rgb(data)
    try:
        return _decoded(unconverted, header, "RGB", factor, fastupsample=True)
    except ValueError:
        _loaded(data, header)  # tells what is broken as it does for `jpeg_array`
        return _decoded(unconverted, header, "RGB", factor, fastupsample=True, strict=False)


def _decoded(data: bytes, header: Header, colours: str, factor: int, **options: bool) -> Bytes8:
    """ValueError for what libjpeg warns of, unless `strict` is off, but for missing data: an UnreadableImage."""
    try:
        array: Bytes8 = simplejpeg.decode_jpeg(
            data,
            colours,
            min_height=-(-header.height // factor),
            min_width=-(-header.width // factor),
            min_factor=factor,
            **options,
        )
        return array
    except ValueError as error:
        if "remature end" in str(error):
            raise UnreadableImage(TRUNCATED) from None
        raise


def _loaded(data: bytes, header: Header) -> Image.Image:
    """By Pillow, which passes what libjpeg only warns of."""
    image = opened(data, header)
    try:
        image.load()
    except OSError as error:
        if "truncated" in str(error):
            raise UnreadableImage(TRUNCATED) from None
        raise
    return image


def _said_to_be_rgb(data: bytes) -> bytes:
    """The same JPEG with a header that says it holds R, G and B: asked for RGB, libjpeg then converts nothing.

    JFIF's segment (APP0) and Adobe's (APP14) are what libjpeg goes by (jdapimin.c, default_decompress_parms). Stray
    bytes between segments, of which it would warn, are left out.
    """
    parts, at = [data[:2], _SAYS_RGB], 2
    while (found := _MARKER.search(data, at)) and (marker := found[1][0]) != _SOS:
        end = found.end()
        if marker not in _BARE:
            end += int.from_bytes(data[end : end + 2], "big")
        if marker not in (_APP0, _APP14):
            parts.append(data[found.start() : end])
        at = end
    return b"".join((*parts, data[found.start() if found else at :]))
