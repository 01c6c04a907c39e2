"""Public marks: from a file's bytes to evidence about all of them, beside merely decoding it."""

import io
from functools import cache
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage import data

from hygiene.detectors.public_marks import PublicMarks
from hygiene.looks import Look

PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket")


@cache
def files(kind: str, side: int, subsampling: str = "4:2:0") -> tuple[bytes, ...]:
    """Square photographs of scikit-image; JPEG at quality 90."""
    options = {"quality": 90, "subsampling": subsampling} if kind == "jpeg" else {}
    return tuple(_encoded(Image.fromarray(getattr(data, name)()), kind, side, options) for name in PHOTOGRAPHS)


def _encoded(picture: Image.Image, kind: str, side: int, options: dict[str, Any]) -> bytes:
    edge, out = min(picture.size), io.BytesIO()
    square = picture.crop((0, 0, edge, edge)).resize((side, side), Image.Resampling.LANCZOS)
    square.save(out, kind, **options)
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


def alone(file: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Luma and colour, as a run for keyed marks and a run for public ones decode them, each for itself."""
    return Look(file).picture.luma, Look(file).chroma.samples


def together(file: bytes) -> tuple[np.ndarray, np.ndarray]:
    look = Look(file, both=True)
    return look.picture.luma, look.chroma.samples


@pytest.mark.parametrize("side", [512, 1024, 2048])
@pytest.mark.parametrize("kind", ["4:2:0", "4:4:4"])
def test_luma_and_colour(compare, kind, side):
    ours, twice = compare(
        lambda: [together(file) for file in files("jpeg", side, kind)],
        lambda: [alone(file) for file in files("jpeg", side, kind)],
        "the same in two passes over the file, each reduced as far as may be",
        len(PHOTOGRAPHS),
        "images",
    )
    for (luma, chroma), (smaller, same) in zip(ours, twice, strict=True):
        assert np.array_equal(chroma, same)
        assert luma.shape == smaller.shape
