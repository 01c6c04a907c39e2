"""The only decoding and encoding: encoded bytes to luma for detection, to a raster for tagging, and back."""

from hygiene.images.decoding import BACKEND, Picture, Raster, decode_luma, decode_raster, luma_of
from hygiene.images.encoding import encode, from_batch, to_batch
from hygiene.images.headers import MAX_PIXELS, sniff, translated
from hygiene.images.jpeg import Planes, planes_of
from hygiene.images.opening import Bytes8, Pixels, Still, open_still
from hygiene.images.quality import psnr, ssim

__all__ = [
    "BACKEND",
    "MAX_PIXELS",
    "Bytes8",
    "Picture",
    "Pixels",
    "Planes",
    "Raster",
    "Still",
    "decode_luma",
    "decode_raster",
    "encode",
    "from_batch",
    "luma_of",
    "open_still",
    "planes_of",
    "psnr",
    "sniff",
    "ssim",
    "to_batch",
    "translated",
]
