"""Geometry that the fast path does not cover: what is found, what it is called, and that every try is paid for."""

import math

import numpy as np
import pytest
from PIL import Image
from scipy import stats
from skimage import data

from hygiene.codecs import Spread, geometry
from hygiene.codecs import search as searches
from hygiene.codecs.layouts import LAYOUTS
from hygiene.codecs.planes import canonical, evidence, whiten
from hygiene.detectors.keyed import KeyedDetector
from hygiene.errors import ConfigurationError
from hygiene.images import Raster, encode
from hygiene.keys import Key
from hygiene.looks import Look
from hygiene.statistics import cosine_log10_p

KEY = Key(b"g" * 32)
PHOTOS = ("camera", "coffee", "rocket", "moon")


def photo(name, short=512):
    picture = Image.fromarray(getattr(data, name)()).convert("L")
    scale = short / min(picture.size)
    return np.asarray(picture.resize([round(side * scale) for side in picture.size], Image.Resampling.LANCZOS))


def resized(pixels, width, height):
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))


def cropped(pixels, area):
    height, width = (round(side * math.sqrt(area)) for side in pixels.shape)
    top, left = (pixels.shape[0] - height) // 3, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]


def rotated(pixels, degrees):
    """Turned, and cropped to the largest upright part of the same aspect."""
    height, width = pixels.shape
    s, c = abs(math.sin(math.radians(degrees))), math.cos(math.radians(degrees))
    share = min(width / (width * c + height * s), height / (width * s + height * c))
    turned = np.asarray(Image.fromarray(pixels).rotate(degrees, Image.Resampling.BICUBIC))
    high, wide = int(height * share), int(width * share)
    top, left = (height - high) // 2, (width - wide) // 2
    return turned[top : top + high, left : left + wide]


DEEP = {
    "mirrored": lambda p: p[:, ::-1],
    "mirrored, turned by 180": lambda p: p[::-1],
    "turned by": lambda p: np.rot90(p),
    "scaled 1.05": lambda p: resized(cropped(p, 0.9), p.shape[1], p.shape[0]),
    "scaled 1.1": lambda p: cropped(p, 0.75),  # 1.1547: told as 1.15 or 1.16
    "scaled 1.4": lambda p: cropped(p, 0.5),
    "scaled 0.8": lambda p: resized(p, round(p.shape[1] * 0.8), p.shape[0]),
    "scaled 1.2": lambda p: resized(p, round(p.shape[1] * 1.2), p.shape[0]),
}


@pytest.fixture(scope="module")
def marked():
    return {name: Spread(psnr=45).embed(photo(name)[None], KEY)[0] for name in PHOTOS}


@pytest.mark.parametrize("words", DEEP)
def test_the_deep_search_finds_and_names_the_geometry(marked, words):
    for name, picture in marked.items():
        changed = np.ascontiguousarray(DEEP[words](picture))
        scores = Spread(search="deep").score(changed[None], KEY)
        assert scores.log10_p[0] < -9, name
        # of a square picture the squeezed side becomes the short one, so it is the other period that grew
        square = words == "scaled 0.8" and picture.shape[0] == picture.shape[1]
        assert ("× 1.25" if square else words) in scores.search[0], (name, scores.search)


def test_the_deep_search_finds_portraits_and_squeezed_heights(marked):
    portrait = np.ascontiguousarray(np.rot90(photo("coffee")))
    picture = Spread(psnr=45).embed(portrait[None], KEY)[0]
    for width, height in ((0.85, 1.0), (1.0, 0.85), (1.0, 1.2)):
        changed = resized(picture, round(picture.shape[1] * width), round(picture.shape[0] * height))
        assert Spread(search="deep").score(changed[None], KEY).log10_p[0] < -9
    squeezed = resized(marked["camera"], 512, 420)
    assert Spread(search="deep").score(squeezed[None], KEY).log10_p[0] < -9


@pytest.mark.parametrize("name", ["coffee", "rocket"])
def test_the_deep_search_finds_pictures_squashed_to_a_square(marked, name):
    squashed = resized(marked[name], 512, 512)
    scores = Spread(search="deep").score(squashed[None], KEY)
    assert scores.log10_p[0] < -9
    assert "deep: scaled 0.67 × 1.00" in scores.search[0]


@pytest.mark.parametrize("degrees", [-10, 3, 7.3])
def test_only_the_exhaustive_search_finds_rotations(marked, degrees):
    changed = np.ascontiguousarray(rotated(marked["coffee"], degrees))[None]
    scores = Spread(search="exhaustive").score(changed, KEY)
    assert scores.log10_p[0] < -9
    assert f"turned by {degrees:.0f}"[:-1] in scores.search[0]
    assert Spread(search="deep").score(changed, KEY).log10_p[0] > -6


@pytest.mark.parametrize(("name", "short", "degrees"), [("grass", 400, 3), ("grass", 256, 10), ("astronaut", 256, 10)])
def test_rotations_are_found_in_fine_texture_too(name, short, degrees):
    """The low waves alone point elsewhere in these."""
    marked = Spread().embed(photo(name, short)[None], KEY)[0]
    changed = np.ascontiguousarray(rotated(marked, degrees))[None]
    assert Spread(search="exhaustive").score(changed, KEY).log10_p[0] < -15


def test_auto_spends_the_deep_search_only_where_fast_found_nothing(marked):
    auto = Spread(search="auto")
    here, mirrored = marked["moon"][None], np.ascontiguousarray(marked["moon"][:, ::-1])[None]
    assert auto.score(here, KEY).search == ("fast",)
    assert auto.score(here, Key(b"n" * 32)).search == ("deep",)
    assert auto.score(mirrored, KEY).search == ("deep: mirrored",)
    fast = Spread().score(here, KEY).log10_p[0]
    assert auto.score(here, KEY).log10_p[0] == pytest.approx(fast + math.log10(2))


def test_a_hypothesis_at_the_identity_is_the_fast_path(marked):
    plane = canonical(marked["coffee"][None].astype(np.float32), LAYOUTS[3])
    found = searches.deep(plane, LAYOUTS[3], KEY, *marked["coffee"].shape)
    fast = Spread().score(marked["coffee"][None], KEY).log10_p[0]
    uncorrected = float(cosine_log10_p(found.cosine, LAYOUTS[3].dimension))
    assert geometry.describe(found.matrix) == ""
    assert uncorrected == pytest.approx(fast - math.log10(2 * 4096), abs=0.05 * abs(fast))


def test_a_mirror_image_is_a_hypothesis_of_its_own(marked):
    layout = LAYOUTS[3]
    spectrum = searches._transform(canonical(marked["rocket"][None].astype(np.float32), layout))
    template, turned = searches._template(layout, KEY), geometry.coarse()[::300]
    both = searches._cosines(spectrum, turned, template, searches._between)
    alone = searches._cosines(spectrum, turned @ geometry.MIRROR, template.upright, searches._between)
    np.testing.assert_allclose(both[:, 1:], alone, atol=1e-5)
    assert np.abs(both[:, 0] - both[:, 1]).min() > 1e-4


def test_evidence_is_phase_and_little_of_it_where_a_bin_is_faint():
    rng = np.random.default_rng(3)
    values = (rng.normal(size=(2, 50)) + 1j * rng.normal(size=(2, 50))).astype(np.complex64)
    values[:, 0], values[:, 1] = 1000, 1e-3
    band = (np.arange(50) < 40).astype(np.float32)
    vectors = evidence(values, band, 0.5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(evidence(7 * values, band, 0.5), vectors, atol=1e-4)
    assert not vectors[:, 40:].any()
    assert np.abs(vectors[:, 0]).max() == np.abs(vectors).max()
    assert np.abs(vectors[:, 1]).max() < 1e-4 * np.abs(vectors[:, 0]).min()
    used = np.abs(values) * band > 0
    np.testing.assert_allclose(np.angle(vectors[used]), np.angle(values[used]), atol=1e-5)
    assert not evidence(np.zeros((1, 50), np.complex64), band, 0.5).any()


@pytest.mark.parametrize("shape", [(256, 256), (200, 255), (129, 64)])
def test_the_transform_is_read_as_a_sum_over_the_picture_would_be(shape):
    """Phases e^{-2πi f·x} about the centre: exact at the samples, nearly so between them, none beyond Nyquist."""
    plane = np.random.default_rng(0).normal(100, 20, (1, *shape)).astype(np.float32)
    whitened = whiten(plane)[0][0]
    spectrum = searches._transform(plane)
    samples = np.array([[3, -17, 40], [25, 8, -30]]) / np.array(spectrum.shape)[:, None]
    x, y = (np.arange(side) - side // 2 for side in reversed(shape))

    def summed(frequencies):
        values = [np.exp(-2j * np.pi * f * y) @ whitened @ np.exp(-2j * np.pi * g * x) for f, g in frequencies.T]
        return np.array(values)

    read = searches._nearest(spectrum, samples[None].astype(np.float32))[0]
    np.testing.assert_allclose(read, summed(samples), rtol=1e-3)
    some = np.random.default_rng(1).uniform(-0.4, 0.4, (2, 300))
    between, exact = searches._between(spectrum, some[None].astype(np.float32))[0], summed(some)
    assert np.real(np.vdot(between, exact)) > 0.95 * np.linalg.norm(between) * np.linalg.norm(exact)
    outside = np.array([[0.6, 0.1, -0.7], [0.1, -0.5, 0.9]], dtype=np.float32)[None]
    assert not np.any(searches._between(spectrum, outside))


def test_every_hypothesis_that_could_be_chosen_is_counted(marked):
    layout, shape = LAYOUTS[3], marked["coffee"].shape
    plane = canonical(marked["coffee"][None].astype(np.float32), layout)
    assert searches.deep(plane, layout, KEY, *shape).hypotheses == 2 * 9 * len(geometry.deep(*shape))
    assert searches.exhaustive(plane, layout, KEY).hypotheses == 2 * 27 * 27 * len(geometry.coarse())


def test_every_search_pays_for_its_tries():
    hosts = [photo(name, 128)[:128, :128][None] for name in PHOTOS]
    rng = np.random.default_rng(5)
    for search, keys, levels in (("deep", 16, (0.3, 0.1, 0.03)), ("exhaustive", 4, (0.5, 0.3, 0.1))):
        codec = Spread(search=search)
        scores = np.array([codec.score(host, Key(rng.bytes(32))).log10_p[0] for host in hosts for _ in range(keys)])
        for level in levels:
            seen = int(np.sum(scores <= math.log10(level)))
            assert stats.binom.sf(seen - 1, scores.size, level) > 1e-3


def test_torch_finds_what_numpy_finds(marked):
    torch = pytest.importorskip("torch")
    mirrored = np.ascontiguousarray(cropped(marked["rocket"], 0.8)[:, ::-1])[None]
    here = Spread(search="deep").score(mirrored, KEY)
    there = Spread(search="deep").score(torch.from_numpy(mirrored), KEY)
    assert there.search == here.search
    assert there.log10_p[0] == pytest.approx(here.log10_p[0], rel=0.01)


def test_the_detector_tells_the_search_and_its_name_does_too(marked):
    picture = np.ascontiguousarray(marked["moon"][:, ::-1])
    detector = KeyedDetector(Spread(search="deep"), KEY)
    detection = detector.detect("a", Look(encode(Raster(picture, None, "png"), picture)))
    assert detector.name == f"spread-deep:{KEY.digest}"
    assert detection.finding == {"search": "deep: mirrored"}


def test_the_search_changes_nothing_of_what_is_embedded():
    host = photo("coffee", 128)[None]
    np.testing.assert_array_equal(Spread(search="deep").embed(host, KEY), Spread().embed(host, KEY))


def test_unknown_searches_are_refused():
    with pytest.raises(ConfigurationError, match="fast, deep, exhaustive, auto"):
        Spread(search="wide")


def test_descriptions_and_grids():
    assert geometry.describe(np.eye(2)) == ""
    assert geometry.describe(geometry.MIRROR) == "mirrored"
    assert geometry.describe(np.diag([1 / 1.5, 1 / 1.25])) == "scaled 1.25 × 1.50"
    grid = geometry.scales(0.9, 2.0, 0.01)
    assert grid.min() <= 0.9
    assert grid.max() >= 2.0
    assert np.abs(grid - 1).min() < 1e-12
    for height, width in ((512, 512), (512, 768), (768, 512)):
        matrices = geometry.deep(height, width)
        assert np.abs(matrices - np.eye(2)).max(axis=(1, 2)).min() < 1e-9


@pytest.mark.parametrize("side", [28, 32, 48, 64, 100, 200, 300])
def test_small_pictures_are_searched_too(side):
    marked = Spread(psnr=40).embed(photo("moon", side)[None], KEY)
    mirrored = np.ascontiguousarray(marked[:, :, ::-1])
    scores = Spread(search="deep").score(mirrored, KEY)
    assert scores.log10_p[0] < -6
