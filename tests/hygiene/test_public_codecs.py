"""dwt_dct and dwt_dct_svd against invisible-watermark: its stored vectors, and itself where it is installed."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats
from skimage import data

from hygiene.codecs.bits import MARKED_LOG10_P, matches_log10_p
from hygiene.codecs.blocks import is_one
from hygiene.codecs.dwt_dct import DwtDct
from hygiene.codecs.dwt_dct_svd import DwtDctSvd, largest, rounded_dct
from hygiene.codecs.low_band import low_band, rounded_blocks
from hygiene.codecs.wavelet import haar, to_yuv, u_plane
from hygiene.errors import ConfigurationError
from hygiene.keys import Key

KEY, OTHER = Key(b"k" * 32), Key(b"o" * 32)
CODECS = {"dwt_dct": DwtDct, "dwt_dct_svd": DwtDctSvd}
STOCK = {"dwt_dct": "dwtDct", "dwt_dct_svd": "dwtDctSvd"}
NAMES = pytest.mark.parametrize("name", CODECS)
VECTORS = np.load(Path(__file__).with_name("public_vectors.npz"), allow_pickle=False)


@pytest.fixture(scope="session")
def package():
    return pytest.importorskip(
        "imwatermark", reason="invisible-watermark cannot be imported: pip install '.[test]'", exc_type=ImportError
    )


def photographs(count=4, height=260, width=300):
    """[count, height, width, 3]: sizes that are no multiples of 8, and at least the package's 256 × 256 pixels."""
    names = ("astronaut", "coffee", "chelsea", "rocket")[:count]
    return np.stack([getattr(data, name)()[20 : 20 + height, 60 : 60 + width] for name in names])


def stored(picture, quality, subsampling=0):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file))


def psnr(a, b):
    return 10 * math.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


def levels(batch):
    """What the package is given: BGR, float32 in 0..255 or uint8."""
    whole = batch.dtype == np.uint8
    return np.ascontiguousarray((batch if whole else batch.astype(np.float32) * np.float32(255))[..., ::-1])


def stock_decode(package, batch, name, bits):
    decoder = package.WatermarkDecoder("bits", bits)
    return np.stack([decoder.decode(picture, STOCK[name]) for picture in levels(np.asarray(batch))])


def stock_embed(package, batch, name, payload):
    encoder = package.WatermarkEncoder()
    encoder.set_watermark("bits", payload)
    marked = np.stack([encoder.encode(picture, STOCK[name]) for picture in levels(batch)])[..., ::-1]
    return marked if batch.dtype == np.uint8 else marked / np.float32(255)


@NAMES
def test_every_block_of_the_vectors_is_read_as_the_package_reads_it(name):
    codec = CODECS[name](12)
    for picture, expected in zip(VECTORS["pictures"], VECTORS[f"{name}_blocks"], strict=True):
        np.testing.assert_array_equal(codec.ones(picture), expected)
    np.testing.assert_array_equal(codec.decode(VECTORS[f"{name}_marked"]), VECTORS[f"{name}_bits"])


def test_the_vectors_hold_coefficients_that_only_rounding_decides():
    peaks = np.stack([2 * low_band(picture) for picture in VECTORS["pictures"]])
    assert (peaks % 36 == 0).mean() > 0.01
    picture, every = VECTORS["pictures"][1], np.ones((8, 12), dtype=bool)
    exact = haar(u_plane(picture).astype(np.float64)).low.reshape(8, 4, 12, 4).swapaxes(1, 2).reshape(-1, 4, 4)
    np.testing.assert_array_equal(rounded_blocks(picture, every), exact)
    naive = low_band(picture).astype(np.float64).reshape(8, 4, 12, 4).swapaxes(1, 2).reshape(-1, 4, 4)
    assert (naive != exact).any()
    np.testing.assert_allclose(naive, exact, rtol=1e-12)


def test_flat_blocks_are_read_by_the_rounding_of_a_dct():
    """All lie on a multiple of 36: the singular values of the block itself would make ones of some."""
    picture = VECTORS["pictures"][4]
    blocks = rounded_blocks(picture, np.ones((8, 12), dtype=bool))
    without, rounded = (np.linalg.svd(each)[1][:, 0] for each in (blocks, rounded_dct(blocks)))
    np.testing.assert_allclose(np.mod(rounded + 1, 36), 1, atol=1e-9)
    np.testing.assert_array_equal(np.mod(rounded, 36) > 18, VECTORS["dwt_dct_svd_blocks"][4].ravel())
    assert ((np.mod(without, 36) > 18) != (np.mod(rounded, 36) > 18)).mean() > 0.1


def test_the_dct_is_a_rotation_and_opencvs_bit_for_bit():
    blocks = np.random.default_rng(2).random((50, 4, 4)) * 500
    angles = np.pi / 8 * np.outer(np.arange(4), 2 * np.arange(4) + 1)
    matrix = np.cos(angles) * np.where(np.arange(4) == 0, 0.5, math.sqrt(0.5))[:, None]
    np.testing.assert_allclose(rounded_dct(blocks), matrix @ blocks @ matrix.T, atol=1e-10)
    cv2 = pytest.importorskip("cv2", reason="OpenCV cannot be imported: pip install '.[test]'", exc_type=ImportError)
    np.testing.assert_array_equal(rounded_dct(blocks), [cv2.dct(block) for block in blocks])


@NAMES
def test_what_we_embed_is_what_the_package_embeds_with_less_harm(name):
    hosts, theirs = VECTORS["pictures"], VECTORS[f"{name}_marked"]
    ours = CODECS[name](12).embed_payload(hosts, VECTORS["payload"])
    blocks = np.resize(VECTORS["payload"], (8, 12)).astype(bool)
    agree = {
        side: np.mean([CODECS[name](12).ones(picture) == blocks for picture in marked])
        for side, marked in {"ours": ours, "theirs": theirs}.items()
    }
    assert agree["ours"] >= agree["theirs"] - 0.01
    assert agree["ours"] > 0.65
    assert psnr(ours, hosts) >= psnr(theirs, hosts) + 1


@NAMES
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_either_side_reads_the_other(package, name, dtype):
    batch = photographs() if dtype == np.uint8 else photographs() / np.float32(255)
    codec = CODECS[name](32)
    payload = codec.payload(KEY)
    ours = codec.embed_payload(batch, payload)
    theirs = stock_embed(package, batch, name, [int(bit) for bit in payload])
    for marked in (batch, ours, theirs):
        np.testing.assert_array_equal(codec.decode(marked), stock_decode(package, marked, name, 32))
    right = (codec.decode(ours) == payload).mean(axis=1)
    assert right.mean() >= (codec.decode(theirs) == payload).mean() - 0.02
    assert right.mean() > (0.99 if name == "dwt_dct_svd" else 0.7)


@NAMES
def test_a_thousand_blocks_of_photographs_their_jpegs_and_posters(package, name):
    """With as many bits as fit every block decides one, so that no majority hides a difference."""
    batch = photographs()
    pictures = [*batch, *(stored(each, 90) for each in batch), *(stored(each, 60, 2) for each in batch)]
    pictures += [each // 16 * 16 for each in batch]
    ours, theirs = CODECS[name](1000).decode(np.stack(pictures)), stock_decode(package, pictures, name, 1000)
    np.testing.assert_array_equal(ours, theirs)


@NAMES
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_a_keyed_mark(name, dtype):
    batch = photographs() if dtype == "uint8" else (photographs() / 255).astype(dtype)
    before = batch.copy()
    codec = CODECS[name](48)
    marked = codec.embed(batch, KEY)
    np.testing.assert_array_equal(batch, before)
    assert (marked.dtype, marked.shape) == (batch.dtype, batch.shape)
    scores, clean = codec.score(marked, KEY), codec.score(batch, KEY)
    carried = scores.log10_p <= MARKED_LOG10_P
    assert carried.sum() >= (4 if name == "dwt_dct_svd" else 2)
    np.testing.assert_array_equal(marked[~carried], batch[~carried])
    assert (scores.statistic[carried] > clean.statistic[carried]).all()
    assert clean.log10_p.min() > -4
    assert codec.score(marked, OTHER).log10_p.min() > -4
    np.testing.assert_array_equal(codec.embed(marked, KEY), marked)


@NAMES
@pytest.mark.parametrize("strip", [32768, 2424])
def test_pixels_outside_whole_blocks_stay_and_few_others_change(name, strip, monkeypatch):
    monkeypatch.setattr("hygiene.codecs.wavelet.STRIP", strip)
    batch = photographs(1, 269, 303)
    marked = CODECS[name]().embed_payload(batch, CODECS[name]().payload(KEY))
    np.testing.assert_array_equal(marked[:, 264:], batch[:, 264:])
    np.testing.assert_array_equal(marked[:, :, 296:], batch[:, :, 296:])
    np.testing.assert_array_equal(marked[..., 0], batch[..., 0])  # red holds no U
    share = (marked != batch).any(axis=3).mean()
    assert share < (1 / 16 if name == "dwt_dct" else 1)


@NAMES
def test_only_the_low_band_of_u_changes(name):
    """On floats, away from black and white: nothing is rounded or cut off."""
    host = photographs(1, 256, 304)[0] / np.float32(510) + np.float32(0.25)
    codec = CODECS[name]()
    marked = codec.embed_payload(host[None], codec.payload(KEY))[0]
    before, after = (to_yuv(picture * np.float32(255)) for picture in (host, marked))
    change = after - before
    assert np.abs(change[..., [0, 2]]).max() < 0.05
    bands = haar(change[..., 1])
    assert np.abs(bands.low).max() > 8
    for detail in (bands.horizontal, bands.vertical, bands.diagonal):
        np.testing.assert_allclose(detail, 0, atol=1e-3)


@NAMES
def test_a_batch_is_its_pictures_one_by_one(name):
    batch = photographs()
    codec = CODECS[name]()
    np.testing.assert_array_equal(codec.shares(batch), np.concatenate([codec.shares(each[None]) for each in batch]))
    assert codec.shares(batch).min() >= 0
    assert codec.shares(batch).max() <= 1
    assert codec.decode(batch[:0]).shape == (0, 64)
    assert codec.embed(batch[:0], KEY).shape == (0, 260, 300, 3)


@NAMES
def test_a_picture_of_several_parts_is_read_as_a_whole(name, monkeypatch):
    batch = photographs()
    codec = CODECS[name](1000)
    payload = codec.payload(KEY)
    whole = codec.shares(batch), codec.embed_payload(batch, payload)
    monkeypatch.setattr("hygiene.codecs.blocks.PART", 3000)
    monkeypatch.setattr("hygiene.codecs.wavelet.STRIP", 5000)
    np.testing.assert_array_equal(codec.shares(batch), whole[0])
    np.testing.assert_array_equal(codec.embed_payload(batch, payload), whole[1])


@NAMES
@pytest.mark.parametrize("picture", ["grey", "black", "flat"])
def test_pictures_without_colour_are_no_evidence(name, picture):
    pixels = {"grey": photographs(1).mean(axis=3, keepdims=True).repeat(3, axis=3), "black": 0, "flat": (200, 90, 31)}
    batch = np.broadcast_to(pixels[picture], (1, 260, 300, 3)).astype(np.uint8)
    keys = [Key(bytes([i]) * 32) for i in range(200)]
    log10_p = np.array([CODECS[name]().score(batch, key).log10_p[0] for key in keys])
    assert (log10_p <= -1).sum() <= stats.binom.isf(1e-6, 200, 0.1)
    assert log10_p.min() > -5


def test_the_tail_of_the_matches_is_binomial():
    k = np.arange(65)
    expected = stats.binom.logsf(k - 1, 64, 0.5) / np.log(10)
    np.testing.assert_allclose(matches_log10_p(k, 64), expected, atol=1e-9)
    assert matches_log10_p(64, 64) == pytest.approx(-64 * math.log10(2))
    least = [next(k for k in range(49) if matches_log10_p(k, 48) <= log10_p) for log10_p in (-6, -9, -12)]
    assert least == [41, 44, 47]


def test_the_largest_singular_value_is_lapacks_or_says_that_it_may_not_be():
    rng = np.random.default_rng(1)
    scales = rng.choice([0.0, 1e-3, 1, 300], (1, 1, 4000))
    blocks = rng.standard_normal((4, 4, 4000)) * scales + rng.choice([0, 1, 256], (1, 1, 4000))
    found = largest(blocks)
    u, s, vt = np.linalg.svd(np.moveaxis(blocks, -1, 0))
    sure = np.isfinite(found.error)
    assert sure.mean() > 0.5
    assert (np.abs(found.s - s[:, 0])[sure] <= found.error[sure] + 1e-9 * s[sure, 0]).all()
    settled = found.error < 1e-9 * found.s
    rank_one = found.s * found.u[:, None] * found.v
    expected = s[:, 0] * u[:, :, 0].T[:, None] * vt[:, 0].T
    np.testing.assert_allclose(rank_one[..., settled], expected[..., settled], atol=1e-5)


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        (np.zeros((2, 64, 64), np.uint8), "no colour"),
        (np.zeros((64, 64, 3), np.uint8), "shape"),
        (np.zeros((1, 64, 64, 3), np.int32), "int32"),
        (np.zeros((1, 56, 64, 3), np.uint8), "64×56 pixels hold 56 bits"),
        ([[1]], "type list"),
        (np.full((1, 64, 64, 3), np.nan, np.float32), "not finite"),
        (np.full((1, 64, 64, 3), np.inf), "not finite"),
        (np.full((1, 64, 64, 3), -1.0), "from -1 to -1: .* in 0..1"),
        (np.full((1, 64, 64, 3), 255.0), "from 255 to 255: .* in 0..1"),
    ],
)
def test_batches_that_cannot_be_marked(batch, words):
    for codec in (DwtDct(), DwtDctSvd()):
        for call in (codec.decode, lambda given, codec=codec: codec.embed_payload(given, [0] * 64)):
            with pytest.raises(ConfigurationError, match=words):
                call(batch)


def test_payloads_that_make_no_sense():
    batch = photographs(1)
    with pytest.raises(ConfigurationError, match="expected 64 zeros and ones"):
        DwtDct().embed_payload(batch, [0, 1])
    with pytest.raises(ConfigurationError, match="zeros and ones"):
        DwtDct(3).embed_payload(batch, [0, 1, 2])
    with pytest.raises(ConfigurationError, match="1 to 1000"):
        DwtDct(0)
    with pytest.raises(ConfigurationError, match="20 or more"):
        DwtDct(12).embed(batch, KEY)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_one_is_what_mod_says_down_to_the_last_digit(dtype):
    steps = np.arange(130, dtype=dtype) * 18
    below, above, near = steps, steps, [steps]
    for _ in range(20):
        below, above = np.nextafter(below, dtype(0)), np.nextafter(above, dtype(np.inf))
        near += [below, above]
    values = np.concatenate([*near, np.random.default_rng(2).uniform(0, 2200, 100_000).astype(dtype)])
    np.testing.assert_array_equal(is_one(values), np.mod(values, dtype(36)) > 18)
