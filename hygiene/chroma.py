"""The colour of a picture as the file stores it: RGB, or a JPEG's Cb and Cr planes before they are enlarged.

A 4:2:0 JPEG keeps one Cb sample for every 2 × 2 pixels. Enlarging blurs the samples into each other; the marks of
`mark_table` lie in sums over 2 × 2 pixels, which are these samples. Orientation in EXIF is left alone: marks were
embedded in the stored raster.
"""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL.JpegImagePlugin import JpegImageFile
from scipy.ndimage import convolve1d

from hygiene.images import Still, translated

Plane = NDArray[np.float32]

BLUE_OF_CB, RED_OF_CR = np.float32(1.772), np.float32(1.402)
"""Blue − luma and red − luma are these times Cb − 128 and Cr − 128 (JFIF 1.02, ITU-R 601)."""

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)

# libjpeg enlarges 4:2:2 rows by (3 near + far) / 4, so that the two pixels of a sample average to (l + 6 s + r) / 8.
# This undoes it: the geometric series of the inverse, whose ratio is 2√2 − 3, cut where a level is no longer moved.
_SHARPEN = np.sqrt(2) * (2 * np.sqrt(2) - 3) ** np.abs(np.arange(-5, 6))


@dataclass(frozen=True)
class Chroma:
    """Colour differences of one picture, in its stored raster.

    samples    uint8 RGB [H, W, 3], or float32 or uint8 [h, w, 2]: Cb and Cr, 128 = grey
    reduction  pixels per sample, down and across: 1, or 2 where the planes are subsampled
    width, height  of the raster, in pixels
    """

    samples: NDArray[np.uint8] | Plane
    reduction: int
    width: int
    height: int

    @property
    def phases(self) -> int:
        """How many places a grid of 8 × 8 pixels can start at, across as well as down: 8, or 4 if subsampled."""
        return 8 // self.reduction

    def low_band(self, down: int = 0, across: int = 0) -> tuple[Plane, Plane]:
        """Haar's low band (sums of 2 × 2 pixels, halved) of blue − luma and of red − luma, float32 [h, w] each.

        The grid starts `down` and `across` samples from the corner; h and w are cut to multiples of 4, so that the
        planes are whole blocks of 8 × 8 pixels.
        """
        cell = 2 // self.reduction
        height, width = (side // (4 * cell) * 4 * cell for side in self.samples[down:, across:].shape[:2])
        part = self.samples[down : down + height, across : across + width]
        sums = _cell_sums(part) if cell == 2 else 2 * part.astype(np.float32)
        if sums.shape[2] == 3:
            luma: Plane = sums @ LUMA
            return sums[..., 2] - luma, sums[..., 0] - luma
        sums -= np.float32(256)
        return sums[..., 0] * BLUE_OF_CB, sums[..., 1] * RED_OF_CR


def chroma_of(still: Still) -> Chroma | None:
    """The colour of a PNG, JPEG or WebP, not enlarged; None for a JPEG without colour.

    Raises UnreadableImage for what is truncated or corrupt.
    """
    with translated():
        if still.header.colours == "Gray":
            return None
        if still.header.colours == "YCbCr":
            return _jpeg_chroma(JpegImageFile(io.BytesIO(still.data)))
        image = still.image
        pixels = image.convert("RGBA") if image.mode == "P" else image
        return Chroma(np.asarray(pixels.convert("RGB")), 1, still.header.width, still.header.height)


def _jpeg_chroma(image: JpegImageFile) -> Chroma:
    """Asked for half the size, libjpeg gives the planes of 4:2:0 at full scale and leaves their samples alone."""
    width, height = image.size
    sampling = [component[1:3] for component in image.layer]
    if sampling == [(2, 2), (1, 1), (1, 1)] and min(width, height) > 1:
        image.draft("YCbCr", (width // 2, height // 2))
        return Chroma(np.asarray(image)[..., 1:], 2, width, height)
    image.draft("YCbCr", (width, height))
    planes = np.asarray(image)[..., 1:]
    if sampling == [(2, 1), (1, 1), (1, 1)]:
        return Chroma(_halved(planes), 2, width, height)
    return Chroma(planes, 1, width, height)


def _halved(planes: NDArray[np.uint8]) -> Plane:
    """4:2:2: the stored samples back from the enlarged rows, and means of two rows of them: the samples of 4:2:0."""
    height, width = (side // 2 * 2 for side in planes.shape[:2])
    rows = _cell_sums(planes[:height, :width]) / np.float32(2)
    return np.asarray(convolve1d(rows, _SHARPEN.astype(np.float32), axis=1, mode="nearest"))


def _cell_sums(samples: NDArray[np.uint8] | Plane) -> Plane:
    """Sums over cells of 2 × 2, halved: [h, w, channels] to float32 [h/2, w/2, channels]."""
    rows = np.add(samples[0::2], samples[1::2], dtype=np.int16 if samples.dtype == np.uint8 else np.float32)
    return np.asarray((rows[:, 0::2] + rows[:, 1::2]) * np.float32(0.5))
