"""The colour of a picture as the file stores it: RGB, or a JPEG's Cb and Cr planes before they are enlarged.

A 4:2:0 JPEG keeps one Cb sample for every 2 × 2 pixels. Enlarging blurs the samples into each other; the marks of
`mark_table` lie in sums over 2 × 2 pixels, which are these samples. Orientation in EXIF is left alone: marks were
embedded in the stored raster.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hygiene.images import Planes, Still, translated

Plane = NDArray[np.float32]

BLUE_OF_CB, RED_OF_CR = np.float32(1.772), np.float32(1.402)
"""Blue − luma and red − luma are these times Cb − 128 and Cr − 128 (JFIF 1.02, ITU-R 601)."""

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


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


def chroma_of(still: Still, planes: Planes | None) -> Chroma | None:
    """The colour of a PNG, JPEG or WebP, not enlarged; None for a JPEG without colour.

    planes  of a YCbCr JPEG, which its colour is taken from. Raises UnreadableImage for what is truncated or corrupt.
    """
    header = still.header
    if planes:
        return Chroma(*_as_420(planes), header.width, header.height)
    if header.colours == "Gray":
        return None
    with translated():
        image = still.image
        pixels = image.convert("RGBA") if image.mode == "P" else image
        return Chroma(np.asarray(pixels.convert("RGB")), 1, header.width, header.height)


def _as_420(planes: Planes) -> tuple[NDArray[np.uint8] | Plane, int]:
    """Samples and pixels per sample. Of planes subsampled in one direction, means of pairs in the other one."""
    if planes.down == planes.across:
        return planes.chroma, planes.down
    pairs = planes.chroma if planes.across == 2 else planes.chroma.swapaxes(0, 1)
    pairs = pairs[: len(pairs) // 2 * 2].astype(np.float32)
    means = (pairs[0::2] + pairs[1::2]) * np.float32(0.5)
    return means if planes.across == 2 else means.swapaxes(0, 1), 2


def _cell_sums(samples: NDArray[np.uint8] | Plane) -> Plane:
    """Sums over cells of 2 × 2, halved: [h, w, channels] to float32 [h/2, w/2, channels]."""
    rows = np.add(samples[0::2], samples[1::2], dtype=np.int16 if samples.dtype == np.uint8 else np.float32)
    return np.asarray((rows[:, 0::2] + rows[:, 1::2]) * np.float32(0.5))
