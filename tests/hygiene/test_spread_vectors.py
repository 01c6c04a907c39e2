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


@pytest.mark.parametrize(
    ("reference", "complaint"),
    [
        (
            np.zeros((10, 4)),
            "a deviation of 0 along the key, which is no scale to mark in: give real samples that differ",
        ),
        (np.full((10, 4), 0.1), "no scale to mark in"),
        (DIGITS * 1e-170, "no scale to mark in"),
        (DIGITS * 1e170, "a deviation of inf along the key"),
        (np.zeros(10), r"the reference has the shape \(10,\), expected \[n, d\]: a flat row for each sample"),
        (np.zeros((10, 8, 8)), r"the shape \(10, 8, 8\), expected \[n, d\]: a flat row"),
        (np.zeros((1, 4)), "the reference holds 1 sample: expected 2 or more"),
        (np.arange(10.0)[:, None], "rows of 1 number: expected 2 or more, the mark is a secret direction among them"),
        (np.where(DIGITS == 1, np.nan, DIGITS), "the reference holds numbers that are not finite"),
        ([["a", "b"], ["c", "d"]], "the reference holds other things than numbers"),
        ([[1.0, 2.0], [3.0]], "the reference holds other things than numbers"),
    ],
)
def test_a_reference_without_a_scale_is_refused(reference, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        SpreadVectors(KEY, reference)


@pytest.mark.parametrize("scale", [1e-140, 1e140])
def test_the_unit_of_the_data_is_free(scale):
    mark, scaled = SpreadVectors(KEY, DIGITS), SpreadVectors(KEY, DIGITS * scale)
    np.testing.assert_allclose(scaled.score(DIGITS * scale).log10_p, mark.score(DIGITS).log10_p, rtol=1e-9)


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (DIGITS[0], r"what is marked or read has the shape \(64,\), expected \[n, d\]: a flat row for each sample"),
        (DIGITS[:, :1], "the rows hold 1 numbers, those of the reference 64"),
        (DIGITS[:, :63], "the rows hold 63 numbers, those of the reference 64"),
        (np.full((2, 64), np.nan), "not finite"),
    ],
)
def test_rows_that_are_none_of_the_references_kind_are_refused_by_every_method(rows, complaint):
    mark = SpreadVectors(KEY, DIGITS)
    for method in (mark.project, mark.score, lambda each: mark.embed(each, 4.0)):
        with pytest.raises(ConfigurationError, match=complaint):
            method(rows)


@pytest.mark.parametrize("strength", [0.0, -4.0, np.nan, np.inf])
def test_a_strength_that_marks_nothing_is_refused(strength):
    with pytest.raises(ConfigurationError, match=f"strength is {strength}, expected more than 0"):
        SpreadVectors(KEY, DIGITS).embed(DIGITS, strength)


def test_no_rows_are_no_rows():
    mark, none = SpreadVectors(KEY, DIGITS), DIGITS[:0]
    assert mark.embed(none, 4.0).shape == (0, 64)
    assert len(mark.score(none).log10_p) == len(mark.project(none)) == 0
