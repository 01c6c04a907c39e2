"""Crossing times, censoring, and the paired delay."""

import numpy as np
import pytest

from evaluator.collapse import (
    Collapse,
    bootstrap_interval,
    collapse_generation,
    collapse_threshold,
    paired_delay,
)
from hygiene.errors import ConfigurationError


def test_the_crossing_is_interpolated():
    assert collapse_generation([1.0, 0.9, 0.5, 0.4], 0.8) == Collapse(2.25, False)


def test_a_run_that_does_not_fall_is_censored_at_its_end():
    assert collapse_generation([1.0, 0.9, 0.95], 0.8) == Collapse(3.0, True)


def test_a_run_that_starts_under_the_threshold_collapsed_at_one():
    assert collapse_generation([0.7, 0.6, 0.5], 0.8) == Collapse(1.0, False)


def test_a_dip_that_recovers_is_no_collapse():
    # After the dip at generation 2 five of nine stay under: too few. From generation 6 on all do.
    series = [1, 0.7, 0.9, 0.9, 0.9, 0.7, 0.7, 0.7, 0.7, 0.7]
    assert collapse_generation(series, 0.8).generation == pytest.approx(5.5)


def test_a_single_recovery_in_a_long_fall_does_not_postpone_it():
    series = [1, 0.7, 0.9, 0.7, 0.7, 0.7, 0.7]
    assert collapse_generation(series, 0.8).generation == pytest.approx(1 + 2 / 3)


def test_the_threshold_is_a_share_of_the_unfiltered_first_generation():
    assert collapse_threshold([[0.8, 0.1], [1.0, 0.2]], 0.5) == pytest.approx(0.45)
    with pytest.raises(ConfigurationError, match=r"q is 1\.5"):
        collapse_threshold([[1.0]], 1.5)


@pytest.mark.parametrize("shift", [0, 1, 3])
def test_a_series_shifted_by_whole_generations_is_delayed_by_them(shift):
    rng = np.random.default_rng(0)
    falls = [np.concatenate([np.full(4, 1.0), 1 / (1 + np.exp(np.arange(12) - 5 - rng.random()))]) for _ in range(6)]
    shifted = [np.concatenate([np.full(shift, 1.0), fall]) for fall in falls]
    base, arm = ([collapse_generation(s, 0.6) for s in group] for group in (falls, shifted))
    delay = paired_delay(arm, base)
    assert delay.delay == pytest.approx(shift, abs=1e-12)
    assert (delay.ci_low, delay.ci_high) == pytest.approx((shift, shift), abs=1e-9)
    assert (delay.censored_share, delay.seeds) == (0, 6)


def test_censored_runs_enter_the_restricted_mean_and_are_counted():
    delay = paired_delay([Collapse(20, True), Collapse(12, False)], [Collapse(9, False), Collapse(10, False)])
    assert (delay.t_star, delay.censored_share, delay.delay) == (16, 0.5, 6.5)


def test_pairs_need_the_same_seeds():
    with pytest.raises(ConfigurationError, match="1 runs against 2"):
        paired_delay([Collapse(1, False)], [Collapse(1, False)] * 2)


def test_the_interval_covers_the_true_mean_as_often_as_it_says():
    """200 samples of 20 exponential values: BCa at 90 % undercovers a little at this size, never below 80 %."""
    rng = np.random.default_rng(1)
    samples = rng.exponential(1.0, (200, 20))
    intervals = [bootstrap_interval(sample, 0.9) for sample in samples]
    coverage = np.mean([low <= 1 <= high for low, high in intervals])
    assert 0.80 <= coverage <= 0.9 + 3 * np.sqrt(0.09 / 200)


def test_the_interval_is_reproducible_and_holds_the_mean():
    values = np.random.default_rng(2).normal(size=10)
    low, high = bootstrap_interval(values)
    assert (low, high) == bootstrap_interval(values)
    assert low < values.mean() < high
