"""Published pictures as their files: what Pillow makes of the same bytes, and nothing where nothing is asked."""

import io

import numpy as np
import pytest
from PIL import Image

from evaluator.config import Processing
from evaluator.processing import processor_of

RNG = np.random.default_rng(0)
SMOOTH = np.cumsum(RNG.normal(size=(5, 12, 10, 3)), axis=1)
ROWS = (0.5 + SMOOTH / 8).reshape(5, -1)  # some of it outside 0..1
BYTES = np.rint(np.clip(ROWS, 0, 1) * 255).astype(np.uint8).reshape(5, 12, 10, 3)
REAL = np.clip(ROWS, 0, 1)


def processed(shape=(12, 10, 3), rows=ROWS, **settings):
    return processor_of(Processing(**settings), shape, REAL)(rows)


def decoded(image, quality):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)


def test_png_is_eight_bits_and_cuts_what_a_file_cannot_hold():
    assert ROWS.min() < 0
    assert ROWS.max() > 1
    np.testing.assert_array_equal(processed(format="png"), BYTES.reshape(5, -1) / 255)


@pytest.mark.parametrize("quality", [30, 75])
def test_jpeg_is_pillows_of_the_same_bytes(quality):
    expected = [np.asarray(decoded(Image.fromarray(picture), quality)) for picture in BYTES]
    np.testing.assert_array_equal(processed(format="jpeg", quality=quality), np.stack(expected).reshape(5, -1) / 255)


def test_jpeg_without_a_quality_is_75():
    np.testing.assert_array_equal(processed(format="jpeg"), processed(format="jpeg", quality=75))


def test_grey_pictures_are_stored_in_grey():
    grey = BYTES[..., 0]
    expected = [np.asarray(decoded(Image.fromarray(picture), 50)) for picture in grey]
    made = processed((12, 10), grey.reshape(5, -1) / 255, format="jpeg", quality=50)
    np.testing.assert_array_equal(made, np.stack(expected).reshape(5, -1) / 255)


def test_a_resize_comes_before_the_jpeg_and_gives_the_size_back():
    lanczos = Image.Resampling.LANCZOS
    smaller = [Image.fromarray(each).resize((5, 6), lanczos).resize((10, 12), lanczos) for each in BYTES]
    expected = np.stack([np.asarray(each) for each in smaller]).reshape(5, -1) / 255
    np.testing.assert_array_equal(processed(format="png", resize=0.5), expected)
    stored = np.stack([np.asarray(decoded(each, 40)) for each in smaller]).reshape(5, -1) / 255
    np.testing.assert_array_equal(processed(format="jpeg", quality=40, resize=0.5), stored)


def test_no_rows_stay_no_rows():
    assert processed(rows=ROWS[:0], format="jpeg").shape == (0, 360)


def test_without_a_format_nothing_is_done():
    assert processor_of(Processing(), (12, 10, 3), REAL) is None
