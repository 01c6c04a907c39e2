"""dwt_dct and dwt_dct_svd against the package that they are compatible with: the same pictures, the same bits."""

from collections import deque
from collections.abc import Iterable
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage import data

from benchmarks.compatible import METHODS, codec, levels
from hygiene.keys import Key

KEY = Key(b"k" * 32)
SIDES = (512, 1024)
DTYPES = ("uint8", "float32")
cases = pytest.mark.parametrize("dtype", DTYPES)
sides = pytest.mark.parametrize("side", SIDES)
names = pytest.mark.parametrize("name", ["dwt_dct", "dwt_dct_svd"])


@pytest.fixture
def package():
    """The package, its OpenCV on one thread."""
    try:
        import_module("cv2").setNumThreads(1)
        return import_module("imwatermark")
    except ImportError as error:
        pytest.skip(f"cannot import invisible-watermark ({error}): pip install '.[rivagan]'")


def batch(side, dtype):
    """[4, side, side, 3]: photographs of scikit-image."""
    pictures = [Image.fromarray(getattr(data, name)()) for name in ("astronaut", "coffee", "chelsea", "rocket")]
    squares = np.stack([np.asarray(each.resize((side, side), Image.Resampling.LANCZOS)) for each in pictures])
    return squares if dtype == "uint8" else squares / np.float32(255)


def last(results: Iterable[Any]) -> Any:
    """One after another, and all but the last forgotten: neither side pays for memory that the other keeps."""
    return deque(results, maxlen=1)[0]


@names
@sides
@cases
def test_decode(compare, package, name, side, dtype):
    pictures, ours = batch(side, dtype), codec(name)
    given = [levels(picture) for picture in pictures]
    decoder = package.WatermarkDecoder("bits", ours.bits)
    bits, expected = compare(
        lambda: [ours.decode(picture[None])[0] for picture in pictures],
        lambda: [decoder.decode(picture, METHODS[name]) for picture in given],
        "invisible-watermark",
        len(pictures),
        "images",
    )
    np.testing.assert_array_equal(bits, expected)


@names
@sides
@cases
def test_embed(compare, package, name, side, dtype):
    pictures, ours = batch(side, dtype), codec(name)
    payload = ours.payload(KEY)
    given = [levels(picture) for picture in pictures]
    encoder = package.WatermarkEncoder()
    encoder.set_watermark("bits", [int(bit) for bit in payload])
    marked, expected = compare(
        lambda: last(ours.embed_payload(picture[None], payload) for picture in pictures),
        lambda: last(encoder.encode(picture, METHODS[name]) for picture in given),
        "invisible-watermark",
        len(pictures),
        "images",
    )
    theirs = expected[None, ..., ::-1] if dtype == "uint8" else expected[None, ..., ::-1] / np.float32(255)
    right, stock = ((ours.decode(each) == payload).mean() for each in (marked, theirs))
    assert right >= stock - 0.02
