"""Marks on real photographs: reading them, putting them in, and the whole way from JPEG bytes to evidence."""

import io
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from benchmarks import plain
from hygiene.codecs import Spread
from hygiene.codecs.spread import REQUIRED_LOG10_P
from hygiene.detectors import KeyedDetector
from hygiene.images import Raster, encode
from hygiene.keys import Key
from hygiene.looks import Look

KEY = Key(b"k" * 32)
PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket")
BATCH = {64: 64, 512: 8, 1024: 4}  # side in pixels: pictures


@cache
def photographs(side: int) -> NDArray[np.uint8]:
    """A batch of square RGB photographs [B, side, side, 3]: different crops of four, Lanczos-resampled."""
    return np.stack([_crop(index, side) for index in range(BATCH[side])])


def _crop(index: int, side: int) -> NDArray[np.uint8]:
    tightness, photograph = divmod(index, len(PHOTOGRAPHS))
    picture = Image.fromarray(getattr(data, PHOTOGRAPHS[photograph])())
    edge = min(picture.size) - 8 * tightness
    corner = picture.crop((0, 0, edge, edge))
    return np.asarray(corner.resize((side, side), Image.Resampling.LANCZOS))


@cache
def grey(side: int) -> NDArray[np.uint8]:
    return np.stack([np.asarray(Image.fromarray(picture).convert("L")) for picture in photographs(side)])


@pytest.mark.parametrize("side", BATCH)
def test_score(compare, arrays, side):
    batch = arrays.send(grey(side))
    ours, expected = compare(
        lambda: Spread().score(batch, KEY).log10_p,
        lambda: [plain.spread_log10_p(picture, KEY) for picture in grey(side)],
        "Pillow, scipy.ndimage and numpy.fft, picture by picture",
        len(batch),
        "images",
        arrays.wait,
    )
    np.testing.assert_allclose(ours, expected, rtol=0.01, atol=0.05)


@pytest.mark.parametrize("side", BATCH)
def test_embed(compare, arrays, side):
    batch = arrays.send(photographs(side))
    marked, _ = compare(
        lambda: Spread().embed(batch, KEY),
        lambda: [encode(Raster(picture, None, "png"), picture) for picture in photographs(side)],
        "other work: writing the pictures as PNG",
        len(batch),
        "images",
        arrays.wait,
    )
    assert (Spread().score(marked, KEY).log10_p <= REQUIRED_LOG10_P).mean() > 0.9


@pytest.mark.parametrize("side", BATCH)
def test_detect_from_bytes(compare, side):
    files = [_jpeg(picture) for picture in Spread().embed(photographs(side), KEY)]
    detector = KeyedDetector(Spread(), KEY)
    found, _ = compare(
        lambda: [detector.detect("", Look(file)).log10_p for file in files],
        lambda: [plain.grey_levels(file) for file in files],
        "other work: Pillow's full decode to grey, nothing scored",
        len(files),
        "images",
    )
    assert np.mean(np.array(found) <= REQUIRED_LOG10_P) > 0.9


@pytest.mark.parametrize("search", ["deep", "exhaustive"])
@pytest.mark.parametrize("side", [512, 1024])
def test_search_from_bytes(compare, side, search):
    """Clean pictures, on which a search runs to its end."""
    files = [_jpeg(picture) for picture in photographs(side)[:4]]
    fast, searching = (KeyedDetector(Spread(search=each), KEY) for each in ("fast", search))
    found, _ = compare(
        lambda: [searching.detect("", Look(file)).log10_p for file in files],
        lambda: [fast.detect("", Look(file)).log10_p for file in files],
        "other work: the fast search",
        len(files),
        "images",
    )
    assert max(found) <= 0
    assert min(found) > REQUIRED_LOG10_P


def _jpeg(picture: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=90)
    return file.getvalue()
