"""Public marks: from a file's bytes to evidence about all of them, beside merely decoding it."""

import io
from functools import cache

import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from skimage import data

from hygiene.detectors.public_marks import PublicMarks
from hygiene.looks import Look

PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket")


@cache
def files(kind: str, side: int) -> tuple[bytes, ...]:
    """Square photographs of scikit-image; JPEG at quality 90 with 4:2:0."""
    return tuple(_encoded(Image.fromarray(getattr(data, name)()), kind, side) for name in PHOTOGRAPHS)


def _encoded(picture: Image.Image, kind: str, side: int) -> bytes:
    edge, out = min(picture.size), io.BytesIO()
    square = picture.crop((0, 0, edge, edge)).resize((side, side), Image.Resampling.LANCZOS)
    square.save(out, kind, quality=90) if kind == "jpeg" else square.save(out, kind)
    return out.getvalue()


def decoded(file: bytes) -> int:
    return int(np.asarray(Image.open(io.BytesIO(file)).convert("RGB")).sum(dtype=np.int64))


@pytest.mark.parametrize("side", [512, 1024])
@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_public_marks(compare, kind, side):
    ours, _ = compare(
        lambda: [PublicMarks().detect("x", Look(file)).log10_p for file in files(kind, side)],
        lambda: [decoded(file) for file in files(kind, side)],
        "other work: Pillow's full decode to RGB, nothing scored",
        len(PHOTOGRAPHS),
        "images",
    )
    assert min(ours) > -3


def at_half_size(file: bytes) -> np.ndarray:
    """One pass of libjpeg that holds the colour as stored and a luma that keyed marks could be read from."""
    image = JpegImageFile(io.BytesIO(file))
    image.draft("YCbCr", (image.width // 2, image.height // 2))
    return np.asarray(image)


@pytest.mark.parametrize("side", [512, 1024])
def test_two_reduced_decodings(compare, side):
    (ours, single) = compare(
        lambda: [(Look(file).picture.luma, Look(file).chroma) for file in files("jpeg", side)],
        lambda: [at_half_size(file) for file in files("jpeg", side)],
        "less: one pass of libjpeg at half the size, which tells no missing data and whose luma is none that keyed "
        "marks are read from at 1024 pixels",
        len(PHOTOGRAPHS),
        "images",
    )
    for (luma, chroma), planes in zip(ours, single, strict=True):
        assert np.array_equal(chroma.samples, planes[..., 1:])
        assert np.array_equal(luma, planes[..., 0]) == (side == 512)
