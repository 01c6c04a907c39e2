"""Marks of public generators: files made by their own code, every row of the table, and pictures without a mark."""

import io
import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from PIL import Image
from skimage import data

from hygiene.chroma import Chroma
from hygiene.codecs import wavelet
from hygiene.detectors import mark_crops, mark_evidence, mark_votes
from hygiene.detectors.mark_table import DOMAINS, MARKS, ORDERS
from hygiene.detectors.public_marks import PublicMarks
from hygiene.errors import ConfigurationError, UnreadableImage
from hygiene.looks import Look

MADE = Path(__file__).parent / "marked"
"""sdxl.webp: diffusers 0.42's StableDiffusionXLWatermarker. flux.jpg: FLUX's WatermarkEmbedder and its JPEG options."""

READINGS = [(name, domain, order) for name in MARKS for domain in DOMAINS for order in ORDERS]


def photograph(name="astronaut", side=512):
    return np.ascontiguousarray(getattr(data, name)()[:side, :side])


def as_generators_do(pixels, mark, domain, order):
    """RGB uint8 with the mark: `invisible-watermark`'s dwtDct, its exchange of two bands included."""
    seen = pixels if order == "bgr" else pixels[..., ::-1]
    yuv = wavelet.to_yuv(seen.astype(domain))
    bands = wavelet.haar(yuv[..., 1].astype(np.float64))
    low = bands.low.copy()
    height, width = low.shape
    corners = itertools.product(range(0, height - 3, 4), range(0, width - 3, 4))
    for (y, x), bit in zip(corners, itertools.cycle(mark.bits), strict=False):
        block = low[y : y + 4, x : x + 4]
        at = np.unravel_index(np.argmax(np.abs(block).ravel()[1:]) + 1, (4, 4))
        size = np.abs(block[at]) // 36 * 36 + (9 if bit == "0" else 27)
        block[at] = size if block[at] >= 0 else -size
    yuv[..., 1] = wavelet.inverse_haar(wavelet.Bands(low, bands.vertical, bands.horizontal, bands.diagonal))
    marked = np.clip(np.round(wavelet.from_yuv(yuv)), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(marked if order == "bgr" else marked[..., ::-1])


def saved(image, format, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def stored(pixels, format, **options):
    return saved(Image.fromarray(pixels), format, **options)


def plain(pixels):
    return Chroma(pixels, 1, pixels.shape[1], pixels.shape[0])


@pytest.mark.parametrize("file", sorted(MADE.iterdir()), ids=lambda path: path.stem)
def test_files_made_by_the_generators_own_code_are_found_and_named(file):
    found = PublicMarks().detect(file.name, Look(file.read_bytes()))
    assert found.log10_p < -9
    assert (found.finding["mark"], found.finding["order"]) == (file.stem, "bgr")
    assert found.finding["domain"] == "float32"


@pytest.mark.parametrize(("name", "domain", "order"), READINGS)
def test_every_mark_is_found_in_every_domain_and_order(name, domain, order):
    marked = as_generators_do(photograph(), MARKS[name], domain, order)
    found = PublicMarks().judge("x", plain(marked))
    assert found.log10_p < -6
    assert (found.finding["mark"], found.finding["order"]) == (name, order)


@pytest.mark.parametrize("subsampling", [0, 1, 2], ids=["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("name", MARKS)
def test_marks_outlive_a_jpeg_of_quality_95(name, subsampling):
    mark = MARKS[name]
    marked = as_generators_do(photograph(), mark, mark.domain, mark.orders[0])
    found = PublicMarks().detect("x", Look(stored(marked, "JPEG", quality=95, subsampling=subsampling)))
    assert found.log10_p < -6
    assert found.finding["mark"] == name


def test_the_stored_plane_says_more_than_the_enlarged_one():
    mark = MARKS["sdxl"]
    marked = as_generators_do(photograph("coffee", 384), mark, "float32", "bgr")
    file = stored(marked, "JPEG", quality=95, subsampling=2)
    as_stored = PublicMarks().detect("x", Look(file))
    enlarged = PublicMarks().judge("x", plain(np.asarray(Image.open(io.BytesIO(file)))))
    assert as_stored.statistic > enlarged.statistic + 0.5


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "rocket", "retina"])
def test_photographs_without_a_mark_give_no_evidence(name):
    picture = getattr(data, name)()[:600, :600]
    for file in (stored(picture, "PNG", compress_level=1), stored(picture, "JPEG", quality=90)):
        assert PublicMarks().detect("x", Look(file)).log10_p > -3


@pytest.mark.parametrize("level", [0, 1, 9, 27, 100, 128, 254, 255])
def test_grey_and_flat_pictures_give_none_at_all(level):
    grey = np.full((264, 264, 3), level, dtype=np.uint8)
    ramp = np.broadcast_to(np.arange(264, dtype=np.uint16)[:, None, None] % 256, (264, 264, 3)).astype(np.uint8)
    tinted = grey.copy()
    tinted[..., 2] = 255 - level
    for picture in (grey, ramp, tinted):
        for file in (stored(picture, "PNG"), stored(picture, "JPEG"), stored(picture, "WEBP", lossless=True)):
            assert PublicMarks().detect("x", Look(file)).log10_p == 0
        assert PublicMarks().detect("x", Look(stored(picture, "WEBP"))).log10_p > -2  # lossy WebP dithers


@pytest.mark.parametrize("period", [2, 8, 16, 24, 32, 64, 96, 128])
def test_stripes_and_squares_are_no_marks(period):
    rng = np.random.default_rng(period)
    y, x = np.mgrid[:512, :512] // (period // 2 or 1)
    for squares in (x % 2, (x + y) % 2):
        colours = rng.integers(0, 256, (2, 3), dtype=np.uint8)
        assert PublicMarks().judge("x", plain(colours[squares])).log10_p > -6


def test_a_small_or_colourless_picture_says_so():
    small = stored(photograph(side=248), "PNG")
    assert PublicMarks().detect("x", Look(small)).finding == {"note": "smaller than 256 × 256 pixels"}
    assert PublicMarks().detect("x", Look(stored(photograph()[..., 0], "JPEG"))).finding == {"note": "no colour"}


def test_fewer_marks_cost_less_and_unknown_readings_cost_more():
    marked = as_generators_do(photograph(), MARKS["sdxl"], "float32", "bgr")
    p = {names: PublicMarks(names).judge("x", plain(marked)).log10_p for names in (("sdxl",), tuple(MARKS))}
    assert p["sdxl",] == pytest.approx(p[tuple(MARKS)] - math.log10(7 / 2))
    swapped = as_generators_do(photograph(), MARKS["flux"], "float32", "rgb")
    known = as_generators_do(photograph(), MARKS["flux"], "float32", "bgr")
    assert PublicMarks().judge("x", plain(swapped)).log10_p > PublicMarks().judge("x", plain(known)).log10_p + 1


@pytest.mark.parametrize("names", [("sdxl", "sdxxl"), ()])
def test_unknown_marks_are_refused(names):
    with pytest.raises(ConfigurationError, match="choose from sdxl, flux"):
        PublicMarks(names)


# The votes


@pytest.mark.parametrize("order", ORDERS)
def test_the_band_is_that_of_opencvs_u(order):
    pixels = photograph("coffee", 384)
    seen = pixels if order == "bgr" else pixels[..., ::-1]
    u = wavelet.to_yuv(seen.astype(np.float32))[..., 1].astype(np.float64)
    band = mark_votes.u_band(*plain(pixels).low_band(), order) + DOMAINS["float32"]
    np.testing.assert_allclose(band, wavelet.haar(u).low, atol=0.01)


def test_a_vote_is_cast_by_the_largest_and_half_by_the_smallest_but_never_by_the_first():
    band = np.full((4, 8), 18.0, dtype=np.float32) - 256
    band[2, 1] += 9  # 27: a 1
    band[3, 6] -= 9  # 9: a 0
    expected = [[1.0, -0.5]]
    np.testing.assert_allclose(mark_votes.votes(band, "uint8"), expected, atol=1e-5)
    band[0, [0, 4]] = [500, -200]
    np.testing.assert_allclose(mark_votes.votes(band, "uint8"), expected, atol=1e-5)


def test_what_changes_slowly_is_not_the_message():
    rng = np.random.default_rng(7)
    message = rng.choice([-1.0, 1.0], (64, 64)).astype(np.float32)
    slow = (np.mgrid[:64, :64].sum(axis=0) / 4).astype(np.float32)
    with_slow, _ = mark_votes.cleaned(message + slow)
    without, weights = mark_votes.cleaned(message)
    np.testing.assert_allclose(with_slow[1:-1, 1:-1], without[1:-1, 1:-1], atol=1e-4)
    assert np.corrcoef(without.ravel(), message.ravel())[0, 1] > 0.9
    half = np.where(np.arange(64) < 32, 1, 30) * message
    _, weights = mark_votes.cleaned(half.astype(np.float32))
    assert weights[:, :24].min() > 20 * weights[:, 40:].max()


@pytest.mark.parametrize("name", ["sd1", "sd1-inpainting", "invokeai"])
def test_what_repeats_every_64_pixels_is_no_evidence_for_ascii(name):
    """The repeated pattern is the one that agrees best with the message: every 8th bit's mean."""
    mark = MARKS[name]
    whole, even = replace(mark, period=1, shared=()), np.ones((64, 64), np.float32)
    repeats = np.tile(mark.signs.reshape(-1, 8).sum(axis=0), (64, 8)).astype(np.float32)
    assert mark_evidence.log10_p(mark_votes.per_bit(repeats, even, whole), mark.signs) < -6
    assert mark_evidence.log10_p(mark_votes.per_bit(repeats, even, mark), mark.signs) > -2.5
    larger = np.tile(repeats, (4, 4))[: len(mark.bits), : len(mark.bits)]
    before, after = (mark_crops._best_place(larger, each, 0, 0).agreement for each in (whole, mark))
    assert before > 4.5
    assert after < 3


def test_bits_that_all_letters_share_count_for_nothing():
    mark = MARKS["invokeai"]
    letters = {f"{byte:08b}"[:2] for byte in b"InvokeAI"}
    assert letters == {"01"}
    assert mark.counts.sum() == 48
    message = np.resize(mark.signs, (64, 64)).astype(np.float32)
    shared = np.where(np.resize(mark.counts, (64, 64)), 0, message)
    even = np.ones((64, 64), np.float32)
    assert not mark_votes.per_bit(shared, even, mark).any()
    both = [mark_votes.per_bit(votes, even, mark) for votes in (message, message - 2 * shared)]
    np.testing.assert_array_equal(*both)
    assert abs(both[0].sum()) < 1e-6


# The law


def test_the_law_is_that_of_all_signs_tried_one_by_one():
    rng = np.random.default_rng(1)
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=14)))
    for votes in (rng.normal(size=14), rng.exponential(size=14) ** 3, np.ones(14), np.eye(14)[0] + 0.01):
        sums = signs @ votes
        for total in np.quantile(sums, [0.5, 0.9, 0.99, 0.999, 1]):
            exact = np.mean(sums >= total - 1e-9)
            upper = 10 ** mark_evidence.counted(votes, total)
            slack = np.mean(sums >= total - 1e-9 - 16 * np.abs(votes).sum() / mark_evidence.CELLS)
            assert exact - 1e-12 <= upper <= slack + 1e-12


def test_the_cheap_bound_is_above_the_law():
    rng = np.random.default_rng(2)
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=12)))
    for votes in (rng.normal(size=12), np.ones(12), np.eye(12)[0] * 9 + 1):
        for each in signs[:: len(signs) // 64]:
            exact = np.mean(signs @ votes >= votes @ each - 1e-9)
            assert 10 ** mark_evidence.log10_p(votes, each) >= exact * (1 - 1e-9)


def test_random_messages_are_found_no_more_often_than_p_says():
    rng = np.random.default_rng(3)
    votes = rng.normal(size=48) + np.sin(np.arange(48) / 4)
    p = [mark_evidence.log10_p(votes, rng.choice([-1.0, 1.0], 48)) for _ in range(4000)]
    for level in (-1, -2, -3):
        allowed = 4000 * 10.0**level
        assert sum(each <= level for each in p) <= allowed + 4 * math.sqrt(allowed)
    assert sum(each <= -2 for each in p) >= 4000 * 1e-3  # it is no empty promise either


@pytest.mark.parametrize("crop", [False, True])
@pytest.mark.parametrize("name", ["astronaut", "coffee", "camera"])
def test_a_grey_photograph_is_rounding_and_no_evidence(name, crop):
    grey = np.asarray(Image.fromarray(getattr(data, name)()[:304, :304]).convert("L").convert("RGB"))
    assert PublicMarks(crop=crop).judge("x", plain(grey)).log10_p == 0


def test_votes_that_are_rounding_are_no_evidence():
    assert mark_evidence.log10_p(1e-9 * MARKS["sdxl"].signs, MARKS["sdxl"].signs) == 0


# Crops


@pytest.mark.parametrize(
    ("name", "side", "left", "top"),
    [("sdxl", 512, 37, 50), ("flux", 512, 8, 16), ("sd1", 512, 61, 3), ("invokeai", 400, 21, 30)],
)
def test_a_crop_is_found_where_it_was_cut(name, side, left, top):
    mark = MARKS[name]
    marked = as_generators_do(photograph("astronaut" if side == 512 else "coffee", side), mark, mark.domain, "bgr")
    part = plain(np.ascontiguousarray(marked[top : top + 400, left : left + 360]))
    assert PublicMarks((name,)).judge("x", part).log10_p > -3
    found = PublicMarks((name,), crop=True).judge("x", part)
    across, down = -left % 8, -top % 8
    first = ((top + down) // 8 * (side // 8) + (left + across) // 8) % len(mark.bits)
    columns = side // 8 % len(mark.bits)
    assert found.log10_p < -6
    expected = f"grid at {across},{down}, bit {first}, native columns {columns} mod {len(mark.bits)}"
    assert found.finding["crop"] == expected


@pytest.mark.parametrize("name", MARKS)
def test_the_best_place_is_the_one_where_the_votes_agree_best(name):
    mark, rng = MARKS[name], np.random.default_rng(11)
    weighted = rng.normal(size=(40, 50)).astype(np.float32)
    place = mark_crops._best_place(weighted, mark, 0, 0)
    signs = np.roll(mark.signs, -place.first)
    assert place.agreement == pytest.approx(mark_evidence.agreement(place.of_bits, signs))
    assert np.count_nonzero(place.of_bits) == np.count_nonzero(mark.counts)
    chances = rng.integers(0, len(mark.bits), (200, 2))
    for columns, first in chances:
        at = (np.arange(40)[:, None] * columns + np.arange(50) + first) % len(mark.bits)
        sums = np.bincount(at.ravel(), weighted.ravel(), len(mark.bits)).reshape(-1, mark.period)
        counts = mark.counts.reshape(sums.shape)
        of_bits = np.where(counts, sums - (sums * counts).sum(axis=0) / np.maximum(counts.sum(axis=0), 1), 0)
        assert mark_evidence.agreement(of_bits.ravel(), mark.signs) <= place.agreement + 1e-6


def test_searching_crops_pays_for_every_place():
    marked = as_generators_do(photograph(), MARKS["sdxl"], "float32", "bgr")
    whole = PublicMarks(("sdxl",)).judge("x", plain(marked))
    both = PublicMarks(("sdxl",), crop=True).judge("x", plain(marked))
    assert both.log10_p == pytest.approx(whole.log10_p + math.log10(2))
    assert "crop" not in both.finding
    assert PublicMarks(("sdxl",), crop=True).judge("x", plain(photograph("chelsea", 300))).log10_p > -3


def test_lines_through_the_transform_are_sums_along_rows():
    rng = np.random.default_rng(4)
    votes = rng.normal(size=(9, 13))
    spectra = mark_crops.line_spectra(mark_crops.folded(votes, 6), 6)
    for columns in range(6):
        at = (np.arange(9)[:, None] * columns + np.arange(13)) % 6
        sums = np.bincount(at.ravel(), votes.ravel(), 6)
        np.testing.assert_allclose(np.fft.ifft(spectra[columns]).real, sums, atol=1e-12)


# The planes


def test_chroma_of_420_is_the_planes_as_stored():
    rng = np.random.default_rng(5)
    luma = np.full((64, 96), 128, dtype=np.uint8)
    cb, cr = rng.integers(60, 190, (2, 32, 48), dtype=np.uint8)
    file = simplejpeg.encode_jpeg_yuv_planes(luma, cb, cr, quality=100)
    chroma = Look(file).chroma
    assert chroma.reduction == 2
    assert np.abs(chroma.samples.astype(int) - np.dstack([cb, cr])).max() <= 2
    blue, red = chroma.low_band()
    np.testing.assert_allclose(blue, (chroma.samples[..., 0] - 128.0) * 2 * 1.772, rtol=1e-5)
    np.testing.assert_allclose(red, (chroma.samples[..., 1] - 128.0) * 2 * 1.402, rtol=1e-5)


def test_chroma_of_422_comes_back_from_the_enlarged_rows():
    cells = np.random.default_rng(6).integers(80, 170, (64, 64, 3), dtype=np.uint8)
    pixels = cells.repeat(2, axis=0).repeat(2, axis=1)
    exact = np.asarray(Image.fromarray(cells).convert("YCbCr"))[..., 1:].astype(int)
    file = stored(pixels, "JPEG", quality=100, subsampling=1)
    enlarged = np.asarray(Image.open(io.BytesIO(file)).convert("YCbCr"))[::2, ::2, 1:].astype(int)
    chroma = Look(file).chroma
    assert chroma.reduction == 2
    assert np.abs(chroma.samples - exact).max() < 3
    assert np.abs(enlarged - exact).mean() > 4


@pytest.mark.parametrize(
    ("format", "options"),
    [("PNG", {}), ("WEBP", {"lossless": True}), ("JPEG", {"quality": 100, "subsampling": 0})],
    ids=["png", "webp", "jpeg"],
)
def test_every_format_gives_the_same_low_band(format, options):
    pixels = photograph("chelsea", 300)[:, :297]
    bands = Look(stored(pixels, format, **options)).chroma.low_band(3, 1)
    for band, exact in zip(bands, plain(pixels).low_band(3, 1), strict=True):
        assert band.shape == exact.shape == (148, 148)
        assert np.abs(band - exact).mean() < (1.5 if format == "JPEG" else 1e-6)


@pytest.mark.parametrize(
    "convert",
    [
        lambda image: stored(np.dstack([image, image[..., 0]]), "PNG"),
        lambda image: stored(image, "JPEG", progressive=True),
        lambda image: stored(image[:-1, :-3], "JPEG"),
        lambda image: saved(Image.fromarray(image).convert("CMYK"), "JPEG"),
        lambda image: saved(Image.fromarray(image).quantize(256), "PNG"),
    ],
    ids=["alpha", "progressive", "odd sizes", "ink", "palette"],
)
def test_unusual_files_are_read(convert):
    pixels = photograph("chelsea", 300)
    blue, _ = Look(convert(pixels)).chroma.low_band()
    exact, _ = plain(pixels).low_band()
    height, width = blue.shape
    assert np.corrcoef(blue.ravel(), exact[:height, :width].ravel())[0, 1] > 0.95


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_a_truncated_file_is_unreadable(format):
    file = stored(photograph(side=300), format)
    with pytest.raises(UnreadableImage):
        _ = Look(file[: len(file) // 2]).chroma


def test_the_pixel_limit_holds_before_decoding():
    with pytest.raises(UnreadableImage, match="too many pixels"):
        _ = Look(stored(photograph(side=300), "JPEG"), max_pixels=1000).chroma
