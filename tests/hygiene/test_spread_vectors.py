import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import load_digits

from hygiene.codecs.spread_vectors import SpreadVectors
from hygiene.errors import ConfigurationError
from hygiene.keys import Key

DIGITS = load_digits().data / 16.0
KEY = Key(b"v" * 32)


def test_strength_is_in_deviations_of_the_real_projection():
    mark = SpreadVectors(KEY, DIGITS)
    assert mark.project(DIGITS).mean() == pytest.approx(0, abs=1e-9)
    assert mark.project(DIGITS).std(ddof=1) == pytest.approx(1)
    np.testing.assert_allclose(mark.project(mark.embed(DIGITS, 4.0)) - mark.project(DIGITS), 4.0)


def test_informed_tagging_adds_only_what_is_missing():
    mark = SpreadVectors(KEY, DIGITS)
    once = mark.embed(DIGITS, 2.0, informed=True)
    assert mark.project(once).min() == pytest.approx(2.0)
    there = mark.project(DIGITS) >= 2.0
    assert there.any()
    np.testing.assert_array_equal(once[there], DIGITS[there])
    np.testing.assert_allclose(mark.embed(once, 2.0, informed=True), once, atol=1e-12)


def test_p_is_exact_over_the_key():
    rng = np.random.default_rng(1)
    p = np.concatenate([10 ** SpreadVectors(Key(rng.bytes(32)), DIGITS).score(DIGITS[:1]).log10_p for _ in range(4000)])
    assert stats.kstest(p, "uniform").pvalue > 0.001


def test_the_key_decides():
    mark, other = SpreadVectors(KEY, DIGITS), SpreadVectors(Key(b"w" * 32), DIGITS)
    tagged = mark.embed(DIGITS, 6.0)
    assert np.median(mark.score(tagged).log10_p) < -2
    assert abs(other.project(tagged).mean()) < 6 * 5 / np.sqrt(64)


@pytest.mark.parametrize("reference", [np.zeros((10, 4)), np.zeros(10), np.zeros((1, 4)), np.zeros((10, 1))])
def test_a_reference_without_a_scale_is_refused(reference):
    with pytest.raises(ConfigurationError, match=r"expected|no scale"):
        SpreadVectors(KEY, reference)
