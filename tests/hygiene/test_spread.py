import io
import math

import numpy as np
import pytest
from PIL import Image
from scipy import stats
from skimage import data

from hygiene.codecs import CODECS, Spread
from hygiene.codecs.layouts import LAYOUTS, own_layout, searched_layouts
from hygiene.codecs.planes import canonical, correlation, phases, spectrum
from hygiene.codecs.spread import HIGHEST_PSNR, LOWEST_PSNR, PRESENT_LOG10_P, REQUIRED_LOG10_P, TARGET_LOG10_P
from hygiene.errors import ConfigurationError
from hygiene.keys import Key
from hygiene.statistics import cosine_log10_p

KEY, OTHER = Key(b"k" * 32), Key(b"o" * 32)
PHOTOS = ("camera", "coffee", "chelsea", "rocket", "grass", "coins", "moon", "brick")


def photo(name, short=512, grey=True):
    picture = Image.fromarray(getattr(data, name)()).convert("L" if grey else "RGB")
    scale = short / min(picture.size)
    size = tuple(round(side * scale) for side in picture.size)
    return np.asarray(picture.resize(size, Image.Resampling.LANCZOS))


def psnr(a, b):
    return 10 * math.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


def stored(pixels, form="JPEG", **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **options)
    return np.asarray(Image.open(file).convert("L"))


def resized(pixels, factor):
    height, width = pixels.shape[:2]
    size = (round(width * factor), round(height * factor))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def log10_p(pixels, key=KEY):
    return float(Spread().score(pixels[None], key).log10_p[0])


@pytest.mark.parametrize("name", PHOTOS)
def test_the_mark_survives_what_pipelines_do_at_45_db(name):
    host = photo(name)
    marked = Spread(psnr=45).embed(host[None], KEY)[0]
    assert psnr(host, marked) == pytest.approx(45, abs=0.3)
    assert log10_p(host) > -6
    assert log10_p(marked, OTHER) > -6
    for processed in (
        marked,
        stored(marked, quality=75),
        stored(marked, quality=30),
        stored(marked, "WEBP", quality=80),
        resized(marked, 0.5),
        resized(marked, 1.5),
        stored(resized(marked, 0.5), quality=75),
    ):
        assert log10_p(processed) < -9


@pytest.mark.parametrize("name", PHOTOS)
def test_adaptive_strength_is_as_weak_as_the_target_allows(name):
    host = photo(name)
    marked = Spread().embed(host[None], KEY)[0]
    assert LOWEST_PSNR - 0.5 <= psnr(host, marked) <= HIGHEST_PSNR + 0.6  # rounding swallows the faintest changes
    reached = log10_p(marked)
    if psnr(host, marked) > LOWEST_PSNR + 0.5:
        assert reached < TARGET_LOG10_P + 8
    if psnr(host, marked) < HIGHEST_PSNR - 1:
        assert reached > TARGET_LOG10_P - 25


@pytest.mark.parametrize("size", [(28, 28), (32, 32), (64, 64), (96, 130), (200, 150), (333, 517)])
def test_small_and_odd_sizes(size):
    height, width = size
    host = np.asarray(Image.fromarray(photo("chelsea")).resize((width, height), Image.Resampling.LANCZOS))
    marked = Spread().embed(host[None], KEY)[0]
    assert marked.shape == host.shape
    assert log10_p(marked) <= REQUIRED_LOG10_P
    assert psnr(host, marked) > 39.5
    assert log10_p(marked, OTHER) > -6


@pytest.mark.parametrize(("short", "factor"), [(64, 1.5), (64, 2), (128, 1.5), (128, 4), (256, 0.5), (128, 0.6)])
def test_a_small_picture_keeps_its_mark_when_its_size_changes(short, factor):
    for name in ("coffee", "chelsea", "rocket"):
        marked = Spread().embed(photo(name, short)[None], KEY)[0]
        assert log10_p(resized(marked, factor)) <= REQUIRED_LOG10_P


def test_colour_is_marked_in_luma_and_read_from_grey():
    host = photo("coffee", 256, grey=False)
    marked = Spread(psnr=45).embed(host[None], KEY)[0]
    assert marked.shape == host.shape
    assert log10_p(marked) < -20
    assert log10_p(np.asarray(Image.fromarray(marked).convert("L"))) < -20
    change = marked.astype(int) - host
    inner = (host > 10).all(axis=2) & (host < 245).all(axis=2)
    assert np.abs(np.diff(change[inner], axis=1)).max() <= 1


def test_batches_equal_single_pictures_and_the_input_is_untouched():
    batch = np.stack([photo(name, 128)[:128, :128] for name in PHOTOS])
    before = batch.copy()
    together = Spread().embed(batch, KEY)
    np.testing.assert_array_equal(batch, before)
    for one, host in zip(together, batch, strict=True):
        alone = Spread().embed(host[None], KEY)[0]
        assert np.abs(one.astype(int) - alone).max() <= 1
    np.testing.assert_allclose(
        Spread().score(together, KEY).log10_p, [log10_p(one) for one in together], rtol=1e-3, atol=1e-3
    )


def test_floating_point_pictures_stay_floating_point():
    host = photo("moon", 256).astype(np.float32) / 255
    marked = Spread(psnr=45).embed(host[None], KEY)
    assert marked.dtype == np.float32
    assert 0 <= marked.min() <= marked.max() <= 1
    assert 20 * math.log10(1 / np.sqrt(np.mean((marked[0] - host) ** 2))) == pytest.approx(45, abs=0.3)
    assert Spread().score(marked, KEY).log10_p[0] < -20


def test_torch_tensors_give_what_arrays_give():
    torch = pytest.importorskip("torch")
    batch = np.stack([photo(name, 256)[:256, :256] for name in PHOTOS[:4]])
    tensor = torch.from_numpy(batch.copy())
    expected, marked = Spread().embed(batch, KEY), Spread().embed(tensor, KEY)
    assert isinstance(marked, torch.Tensor)
    assert marked.dtype == torch.uint8
    assert np.abs(expected.astype(int) - marked.numpy()).max() <= 1
    np.testing.assert_allclose(
        Spread().score(tensor, KEY).log10_p, Spread().score(batch, KEY).log10_p, rtol=1e-2, atol=0.02
    )


def test_a_marked_picture_is_returned_unchanged_and_two_keys_live_side_by_side():
    host = photo("coffee", 256)
    once = Spread().embed(host[None], KEY)
    np.testing.assert_array_equal(Spread().embed(once, KEY), once)
    again = np.asarray(stored(once[0], quality=75))[None]
    assert log10_p(again[0]) < PRESENT_LOG10_P
    np.testing.assert_array_equal(Spread().embed(again, KEY), again)
    both = Spread().embed(once, OTHER)
    assert not np.array_equal(both, once)
    assert log10_p(both[0]) < -20
    assert log10_p(both[0], OTHER) < -20


@pytest.mark.parametrize("level", [0, 128, 255])
def test_flat_pictures_give_no_evidence_and_are_changed_by_less_than_shows(level):
    flat = np.full((1, 256, 256), level, np.uint8)
    assert Spread().score(flat, KEY).log10_p[0] == 0
    change = Spread(psnr=40).embed(flat, KEY).astype(int) - flat
    assert np.sqrt(np.mean(change**2)) < 0.85
    assert np.abs(change).max() <= 4


def test_a_picture_that_cannot_carry_the_mark_comes_back_unchanged():
    noise = np.random.default_rng(3).integers(0, 256, (1, 28, 28), np.uint8)
    np.testing.assert_array_equal(Spread(psnr=55).embed(noise, KEY), noise)


def test_batches_that_are_not_pictures_are_refused():
    for batch in (
        np.zeros((5, 5), np.uint8),
        np.zeros((1, 64, 64, 4), np.uint8),
        np.zeros((1, 64, 64), np.int32),
        np.zeros((1, 27, 64), np.uint8),
        np.full((1, 64, 64), np.nan, np.float32),
        np.full((1, 64, 64), np.inf),
    ):
        for call in (Spread().score, Spread().embed):
            with pytest.raises(ConfigurationError, match=r"expected|must be"):
                call(batch, KEY)
    with pytest.raises(ConfigurationError, match="out of range"):
        Spread(psnr=20)


def test_the_aligned_statistic_is_exact_over_the_key():
    # one fixed picture, 4000 keys, the cosine at shift 0 only: uniform p-values
    layout = own_layout(64)
    half, _ = spectrum(canonical(photo("brick", 64)[None].astype(np.float32), layout), layout)
    vector = phases(half, layout)
    rng = np.random.default_rng(7)
    patterns = np.stack([layout.pattern(Key(rng.bytes(32)))[layout.bins] for _ in range(4000)])
    cosines = np.real(np.conj(patterns) @ vector[0][layout.bins])
    assert stats.kstest(10 ** cosine_log10_p(cosines, layout.dimension), "uniform").pvalue > 0.001
    searched = correlation(vector, layout.pattern(KEY), layout)
    direct = float(np.real(np.vdot(layout.pattern(KEY), vector[0])))
    assert searched[0, 0, 0] == pytest.approx(direct, abs=1e-5)


def test_a_shifted_tile_is_found_at_its_shift():
    layout = own_layout(256)
    half = layout.pattern(KEY)[None]
    tile = planes_of(half, layout)
    moved = np.fft.rfft2(np.roll(tile, (5, 11), axis=(1, 2))).astype(np.complex64)
    unit = np.where(layout.bins, moved / np.linalg.norm(moved[0][layout.bins]), 0)
    found = correlation(unit, layout.pattern(KEY), layout)[0]
    assert np.unravel_index(found.argmax(), found.shape) == (5, 11)
    assert found.max() == pytest.approx(1, abs=1e-4)


def planes_of(half, layout):
    doubled = half.copy()
    doubled[:, :, 0] *= 2  # only half of column 0 is used
    return np.fft.irfft2(doubled, s=(layout.tile, layout.tile))


def test_the_searched_p_never_promises_too_much():
    hosts = np.stack([photo(name, 64)[:64, :64] for name in PHOTOS])
    rng = np.random.default_rng(8)
    scores = np.concatenate([Spread().score(hosts, Key(rng.bytes(32))).log10_p for _ in range(150)])
    for level in (0.3, 0.1, 0.03, 0.01):
        seen = int(np.sum(scores <= math.log10(level)))
        assert stats.binom.sf(seen - 1, scores.size, level) > 1e-4


def test_layouts_use_independent_bins_and_cover_every_size():
    for layout in LAYOUTS:
        rng = np.random.default_rng(9)
        plane = rng.standard_normal((2000, layout.tile, layout.tile))
        half = np.fft.rfft2(plane)[:, layout.bins]
        stacked = np.concatenate([half.real, half.imag], axis=1)
        assert stacked.shape[1] == layout.dimension
        spread = stacked.var(axis=0) / (layout.tile**2 / 2)
        assert abs(spread.mean() - 1) < 0.01
    assert [own_layout(side).short for side in (28, 48, 64, 96, 191, 192, 4000)] == [
        32,
        64,
        64,
        128,
        128,
        256,
        256,
    ]
    assert [[each.short for each in searched_layouts(side)] for side in (28, 128, 1024)] == [
        [32, 64],
        [64, 128, 256],
        [128, 256],
    ]
    assert CODECS["spread"] is Spread
