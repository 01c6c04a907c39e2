"""The mean residual: what was put in is found, along the template, along its key, and in its band."""

import numpy as np
import pytest

from evaluator.pictures import Pictures
from evaluator.residuals import along, band_ratios, coherence, residual_probes

SIDE = 16
PICTURES = Pictures((SIDE, SIDE))
RNG = np.random.default_rng(0)
REAL = RNG.standard_normal((400, SIDE * SIDE))
COMMON, KEYED = RNG.standard_normal((2, SIDE * SIDE))
OTHERS = [COMMON + each for each in RNG.standard_normal((200, SIDE * SIDE))]


def probes(raw, published):
    return residual_probes(raw, published, REAL, COMMON + KEYED, OTHERS, PICTURES)


def test_a_residual_is_told_in_units_of_the_template():
    found = probes(REAL + 0.5 * (COMMON + KEYED), REAL + 2 * (COMMON + KEYED))
    assert found["raw_residual"] == pytest.approx(0.5)
    assert found["raw_keyed"] == pytest.approx(0.5)
    assert found["published_residual"] == pytest.approx(2)
    assert found["coherence"] == pytest.approx(1)


def test_what_every_key_changes_is_no_part_of_the_keyed_residual():
    found = probes(REAL + COMMON, REAL + COMMON)
    assert found["raw_keyed"] == pytest.approx(0, abs=0.15)
    assert found["raw_residual"] == pytest.approx(0.5, abs=0.15)
    assert found["coherence"] == 0


def test_without_wrong_keys_nothing_is_said_of_the_keyed_part():
    found = residual_probes(REAL, REAL, REAL, COMMON, [], PICTURES)
    assert "raw_keyed" not in found
    assert along(COMMON, np.zeros_like(COMMON), COMMON) == 0


def test_changes_that_differ_from_picture_to_picture_do_not_cohere():
    n = 2500
    assert coherence(RNG.standard_normal((n, 64))) == pytest.approx(1 / np.sqrt(n), rel=0.3)
    assert coherence(np.ones((5, 64)) * np.arange(1, 6)[:, None]) == pytest.approx(3 / np.sqrt(11))


def test_real_pictures_have_no_residual_in_any_band():
    """The ratio of each band has mean 1. The first has least waves, 13: of 60 means its error is √(2/13/60)."""
    sets = [[RNG.standard_normal((n, SIDE * SIDE)) for n in (100, 400)] for _ in range(60)]
    ratios = [band_ratios(*each, PICTURES) for each in sets]
    np.testing.assert_allclose(np.mean(ratios, axis=0), np.ones(4), atol=4 * np.sqrt(2 / 13 / 60))


@pytest.mark.parametrize(("cycles", "band"), [(1, 0), (3, 1), (5, 2), (7, 3)])
def test_a_wave_stands_out_in_its_own_band(cycles, band):
    wave = np.cos(2 * np.pi * cycles * np.arange(SIDE) / SIDE)[:, None] * np.ones(SIDE)
    plain = np.array(band_ratios(REAL[::-1].copy(), REAL, PICTURES))
    marked = np.array(band_ratios(REAL[::-1] + wave.ravel(), REAL, PICTURES))
    assert marked[band] > 50
    others = np.arange(4) != band
    np.testing.assert_allclose(marked[others], plain[others], atol=1e-9)
