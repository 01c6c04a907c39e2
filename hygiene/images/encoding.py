"""A marked picture back to a file of its own format, and to and from what a codec takes."""

import io
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hygiene import png
from hygiene.errors import TagRefused
from hygiene.images.decoding import Raster
from hygiene.images.opening import Bytes8, Pixels

JPEG_QUALITY = 95

_SAVE: dict[str, dict[str, Any]] = {
    "png": png.COMPRESSION,
    "jpeg": {"quality": JPEG_QUALITY, "subsampling": 0},
    # `exact` keeps the colour under transparent pixels, where a part of the mark lives.
    "webp": {"alpha_quality": 100, "exact": True},
}


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
