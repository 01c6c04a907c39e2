"""Probes against the closed forms of two unit Gaussians m deviations apart."""

from math import sqrt

import numpy as np
import pytest
from scipy.stats import norm

from evaluator.probes import auc, mark_probes, set_z
from hygiene.codecs.spread_vectors import SpreadVectors
from hygiene.keys import Key

N, D, M, STRENGTH = 20_000, 8, 1.5, 4.0
RNG = np.random.default_rng(0)
REAL = RNG.standard_normal((N, D))
CODEC = SpreadVectors(Key(bytes(32)), REAL)
WRONG = [SpreadVectors(Key(bytes([i]) * 32), REAL) for i in range(1, 21)]
RAW = CODEC.embed(RNG.standard_normal((N, D)), M)
PROBES = mark_probes(RAW, CODEC.embed(RAW, STRENGTH), REAL, CODEC, STRENGTH, WRONG)
ERROR = 3 * sqrt(2 / N)  # of a difference of two means, in deviations


def test_the_mark_is_measured_in_deviations_and_in_strengths():
    assert PROBES["raw_mark_sd"] == pytest.approx(M, abs=ERROR)
    assert PROBES["raw_mark"] == pytest.approx(M / STRENGTH, abs=ERROR / STRENGTH)
    assert PROBES["published_mark"] - PROBES["raw_mark"] == pytest.approx(1, abs=1e-9)


def test_the_auc_is_that_of_shifted_gaussians():
    # the largest standard deviation an AUC of n against n can have is √(A(1−A)/n)
    for name, shift in (("raw", M), ("published", M + STRENGTH)):
        area = norm.cdf(shift / sqrt(2))
        assert PROBES[f"{name}_auc"] == pytest.approx(area, abs=3 * sqrt(area * (1 - area) / N))


def test_the_tpr_at_one_percent_is_that_of_shifted_gaussians():
    # the error of the real quantile, √(.01·.99/N)/φ(z), moves the share by φ(z−M) each
    z = norm.ppf(0.99)
    share = norm.sf(z - M)
    error = sqrt(share * (1 - share) / N + (norm.pdf(z - M) / norm.pdf(z)) ** 2 * 0.0099 / N)
    assert PROBES["raw_tpr"] == pytest.approx(share, abs=3 * error)


def test_a_set_of_a_hundred_shows_what_one_row_does_not():
    expected = M / sqrt(1 / 100 + 1 / N)
    assert PROBES["raw_z"] == pytest.approx(expected, abs=3)  # z has standard deviation 1


def test_wrong_keys_give_the_null():
    # wrong directions in 8 dimensions are not orthogonal to the mark: they see M·cos, with E cos² = 1/8
    clean = mark_probes(REAL[:100], REAL, REAL[100:], CODEC, STRENGTH, WRONG)
    assert clean["wrong_key_z"] < 2.5
    assert clean["wrong_key_auc"] == pytest.approx(0.5, abs=0.1)
    assert abs(clean["raw_z"]) < 3


def test_no_wrong_keys_no_null():
    assert "wrong_key_z" not in mark_probes(RAW, RAW, REAL, CODEC, STRENGTH, [])


def test_auc_counts_ties_half_and_has_a_direction():
    assert auc(np.array([1.0, 2.0]), np.array([1.0, 2.0])) == 0.5
    assert auc(np.array([3.0]), np.array([1.0, 2.0])) == 1
    assert auc(np.array([0.0]), np.array([1.0, 2.0])) == 0


def test_z_is_standard_normal_under_the_null():
    rng = np.random.default_rng(4)
    values = [set_z(rng.standard_normal(100), rng.standard_normal(900)) for _ in range(400)]
    assert np.mean(values) == pytest.approx(0, abs=3 / sqrt(400))
    assert np.std(values) == pytest.approx(1, abs=3 / sqrt(800))
