import math

import numpy as np
import pytest
from scipy import special, stats

from hygiene import statistics


@pytest.mark.parametrize("dimension", [2, 3, 64, 1444])
def test_cosine_p_is_the_student_tail(dimension):
    cosine = np.array([-0.9, -0.1, 0.0, 0.05, 0.3, 0.6])
    t = cosine * np.sqrt((dimension - 1) / (1 - cosine**2))
    expected = stats.t.logsf(t, dimension - 1) / math.log(10)
    np.testing.assert_allclose(statistics.cosine_log10_p(cosine, dimension), expected, rtol=1e-9, atol=1e-12)


def test_cosine_p_does_not_underflow():
    # reference values by 60-digit arithmetic: log10(I_{1-c²}((d-1)/2, 1/2) / 2)
    for cosine, dimension, expected in [
        (0.9, 1448, -523.7554817297421),
        (0.99, 1024, -872.0364290970625),
        (0.95, 600, -304.55890383904114),
    ]:
        assert statistics.cosine_log10_p(cosine, dimension) == pytest.approx(expected, rel=1e-12)


def test_cosine_p_is_monotone_across_the_change_of_method():
    values = statistics.cosine_log10_p(np.linspace(0.5, 0.8, 400), 1444)
    assert np.all(np.diff(values) < 0)
    assert values.max() > -250 > values.min()
    steps = np.diff(values)
    assert np.abs(np.diff(steps)).max() < 0.02 * np.abs(steps).max()


def test_cosine_p_of_random_keys_is_uniform():
    rng = np.random.default_rng(1)
    host = rng.exponential(size=24)
    keys = rng.standard_normal((100_000, 24))
    cosine = keys @ host / np.linalg.norm(keys, axis=1) / np.linalg.norm(host)
    assert stats.kstest(10 ** statistics.cosine_log10_p(cosine, 24), "uniform").pvalue > 0.001


def test_search_correction_against_the_formula_and_the_bound():
    p = np.array([0.5, 1e-3, 1e-8, 1e-11])
    np.testing.assert_allclose(
        statistics.search_log10_p(np.log10(p), 4096), np.log10(-np.expm1(4096 * np.log1p(-p))), rtol=1e-12
    )
    far = statistics.search_log10_p([-300.0, -12.5], 4096)
    np.testing.assert_allclose(far, np.array([-300.0, -12.5]) + math.log10(4096), rtol=1e-9)
    assert np.all(
        statistics.bonferroni_log10_p(np.log10(p), 4096) >= statistics.search_log10_p(np.log10(p), 4096) - 1e-12
    )
    assert statistics.bonferroni_log10_p(0.0, 10) == 0.0


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (3, 10), (10, 10), (0, 0), (17, 400)])
def test_clopper_pearson_against_scipy(hits, n):
    if n == 0:
        assert statistics.clopper_pearson(0, 0) == (0.0, 1.0)
        return
    interval = stats.binomtest(hits, n).proportion_ci(0.95, "exact")
    assert statistics.clopper_pearson(hits, n) == pytest.approx((interval.low, interval.high))


def test_one_sided_bounds():
    assert statistics.proportion_upper(0, 3_000) == pytest.approx(3 / 3_000, rel=0.01)
    assert statistics.proportion_lower(3_000, 3_000) == pytest.approx(1 - 3 / 3_000, rel=1e-4)
    low = stats.binomtest(80, 100, alternative="greater").proportion_ci(0.95, "exact").low
    assert statistics.proportion_lower(80, 100) == pytest.approx(low)


@pytest.mark.parametrize(("recall", "n"), [(0.9, 29), (0.95, 59), (0.99, 299), (0.999, 2995)])
def test_smallest_calibration_is_the_published_one_and_sharp(recall, n):
    assert statistics.smallest_calibration(1 - recall, 0.95) == n
    assert statistics.allowed_misses(n, 1 - recall, 0.95) == 0
    assert statistics.allowed_misses(n - 1, 1 - recall, 0.95) == -1


def test_allowed_misses_is_the_largest_that_keeps_the_promise():
    for n, rate in [(100, 0.5), (400, 0.1), (1000, 0.01)]:
        j = statistics.allowed_misses(n, rate, 0.95)
        assert special.bdtr(j, n, rate) <= 0.05 < special.bdtr(j + 1, n, rate)


def test_benjamini_hochberg_against_scipy():
    rng = np.random.default_rng(2)
    p = np.concatenate([rng.uniform(size=900), rng.uniform(size=100) * 1e-4])
    rejected = stats.false_discovery_control(p) <= 0.05
    threshold = statistics.benjamini_hochberg(np.log10(p), 0.05)
    np.testing.assert_array_equal(np.log10(p) <= threshold, rejected)
    assert 80 < rejected.sum() < 130
    assert statistics.benjamini_hochberg(np.zeros(5), 0.05) == -math.inf
    assert statistics.benjamini_hochberg([], 0.05) == -math.inf
