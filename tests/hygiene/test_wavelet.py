import itertools

import numpy as np
import pytest

from hygiene.codecs.wavelet import Bands, from_yuv, haar, haar_low, inverse_haar, to_yuv, u_plane

STEPS = [*range(0, 256, 15)]
COLOURS = np.array(list(itertools.product(STEPS, repeat=3)), dtype=np.uint8).reshape(54, 108, 3)


def plane(dtype, shape=(3, 48, 80)):
    return (np.random.default_rng(5).random(shape) * 255).astype(dtype)


def test_one_cell_by_hand():
    assert [float(band.round(12)[0, 0]) for band in haar(np.array([[1, 2], [3, 4]]))] == [5, -2, -1, 0]


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_the_inverse_brings_every_plane_back(dtype):
    original = plane(dtype)
    bands = haar(original)
    assert bands.low.dtype == (np.float32 if dtype == "float32" else np.float64)
    np.testing.assert_allclose(inverse_haar(bands), original, atol=1e-4)
    assert sum(float((band**2).sum()) for band in bands) == pytest.approx(float((original.astype(float) ** 2).sum()))
    np.testing.assert_array_equal(haar_low(original), bands.low)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_bit_for_bit_what_pywavelets_computes(dtype):
    pywt = pytest.importorskip("pywt", reason="PyWavelets is not installed: pip install '.[test]'")
    for original in plane(dtype):
        low, details = pywt.dwt2(original, "haar")
        for ours, theirs in zip(haar(original), (low, *details), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        back = pywt.idwt2((low, details), "haar")
        np.testing.assert_allclose(inverse_haar(Bands(low, *details)), back, atol=1e-4)


def test_known_colours():
    """Primaries, white and grey, as `cv2.cvtColor(…, cv2.COLOR_RGB2YUV)` of OpenCV 5.0 gives them."""
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [90, 90, 90]]], dtype=np.uint8)
    expected = [[76, 91, 255], [150, 54, 0], [29, 239, 103], [255, 128, 128], [90, 128, 128]]
    np.testing.assert_array_equal(to_yuv(colours)[0], expected)
    exact = to_yuv(colours.astype(np.float32))[0]
    np.testing.assert_allclose(exact[0], [76.245, 0.5 - 0.492 * 76.245, 0.5 + 0.877 * 178.755], rtol=1e-6)
    np.testing.assert_allclose(exact[3:], [[255, 0.5, 0.5], [90, 0.5, 0.5]], atol=1e-4)


def test_u_alone_is_the_middle_of_yuv():
    np.testing.assert_array_equal(u_plane(COLOURS), to_yuv(COLOURS)[..., 1])
    np.testing.assert_array_equal(u_plane(COLOURS[..., ::-1]), to_yuv(COLOURS[..., ::-1])[..., 1])
    levels = COLOURS.astype(np.float32)
    np.testing.assert_allclose(u_plane(levels), to_yuv(levels)[..., 1], atol=1e-4)
    tall = np.tile(COLOURS, (20, 1, 1))
    np.testing.assert_array_equal(u_plane(tall), np.tile(u_plane(COLOURS), (20, 1)))


def test_u_of_every_colour_is_exact():
    """The one product with the rounded-up weights against integers, on all 2²⁴ colours."""
    rest = np.stack(np.meshgrid(*[np.arange(256, dtype=np.uint8)] * 2, indexing="ij"), axis=-1)
    for blue in range(256):
        colours = np.concatenate([rest, np.full((256, 256, 1), blue, dtype=np.uint8)], axis=-1)
        red, green = (rest[..., i].astype(np.int32) for i in range(2))
        less_blue = (4899 * red + 9617 * green + 1868 * blue + 8192 >> 14) - blue
        np.testing.assert_array_equal(u_plane(colours), (-8061 * less_blue + 8192 >> 14) + 128)


def test_yuv_and_back():
    levels = COLOURS.astype(np.float32)
    np.testing.assert_allclose(from_yuv(to_yuv(levels)), levels, atol=0.3)
    off = from_yuv(to_yuv(COLOURS)).astype(int) - COLOURS
    assert np.abs(off[1:-1]).mean() < 1.0  # whole numbers lose a little, saturated colours more


def test_bit_for_bit_what_opencv_computes():
    cv2 = pytest.importorskip("cv2", reason="OpenCV cannot be imported: pip install '.[test]'", exc_type=ImportError)
    np.testing.assert_array_equal(to_yuv(COLOURS), cv2.cvtColor(COLOURS, cv2.COLOR_RGB2YUV))
    np.testing.assert_array_equal(from_yuv(COLOURS), cv2.cvtColor(COLOURS, cv2.COLOR_YUV2RGB))
    levels = plane("float32", (40, 60, 3))
    yuv = cv2.cvtColor(levels, cv2.COLOR_RGB2YUV)
    np.testing.assert_allclose(to_yuv(levels), yuv, atol=1e-4)
    np.testing.assert_allclose(from_yuv(yuv), cv2.cvtColor(yuv, cv2.COLOR_YUV2RGB), atol=1e-4)
