"""D^t is put together as each loop says, and its randomness is shared between arms."""

from math import inf, sqrt

import numpy as np
import pytest

from evaluator.config import Choice, LoopConfig
from evaluator.sources import GaussianSource
from evaluator.streams import PURPOSES, stream
from evaluator.training_sets import initial_set, kept_odds, real_part, topped_up

SOURCE = GaussianSource(3)


def config(loop: str, **fields) -> LoopConfig:
    return LoopConfig(loop=loop, source=Choice("gaussian", {"dimension": 3}), **fields)


def test_streams_are_reproducible_and_different_for_every_seed_generation_and_purpose():
    keys = [(seed, t, purpose) for seed in (0, 1) for t in (1, 2) for purpose in PURPOSES]
    firsts = [stream(*key).random() for key in keys]
    assert len(set(firsts)) == len(keys)
    assert firsts == [stream(*key).random() for key in keys]


def test_generation_one_learns_from_n_ini_real_samples():
    first = initial_set(config("fresh_data", n_ini=30, n_r=10, n_s=20), SOURCE)
    assert first.rows.shape == (30, 3)
    assert (first.n_real, first.n_synthetic) == (30, 0)


@pytest.mark.parametrize("n_ini", [10, 40])
def test_augmentation_keeps_one_real_set_that_generation_one_knew(n_ini):
    settings = config("synthetic_augmentation", n_ini=n_ini, n_r=25, n_s=5)
    second, third = (real_part(settings, SOURCE, t) for t in (2, 3))
    shared = min(n_ini, 25)
    assert second.shape == (25, 3)
    np.testing.assert_array_equal(second, third)
    np.testing.assert_array_equal(initial_set(settings, SOURCE).rows[:shared], second[:shared])


def test_fresh_data_is_drawn_anew_at_every_generation():
    settings = config("fresh_data", n_ini=25, n_r=25, n_s=5)
    draws = [initial_set(settings, SOURCE).rows, *(real_part(settings, SOURCE, t) for t in (2, 3))]
    assert len({draw[0, 0] for draw in draws}) == 3


def test_accepted_odds_follow_bayes():
    assert kept_odds(0.25, 0.9, 0.5) == pytest.approx(0.25 * 0.5 / 0.1)
    assert kept_odds(0.25, 0.9, 0.5) == pytest.approx(kept_odds(0.25, 0.8, 0.0))
    assert kept_odds(0.25, 1.0, 0.0) == inf


def test_topped_up_takes_each_position_from_one_side_and_holds_the_odds():
    n, odds = 20_000, 0.25
    real, synthetic = np.zeros((n, 1)), np.ones((n, 1))
    made = topped_up(real, synthetic, odds, np.random.default_rng(1))
    share = odds / (1 + odds)
    assert made.n_real + made.n_synthetic == n
    assert int(made.rows.sum()) == made.n_synthetic
    assert made.n_real / n == pytest.approx(share, abs=3 * sqrt(share * (1 - share) / n))


def test_arms_that_share_origins_hold_nested_real_sets():
    real, synthetic = np.zeros((500, 1)), np.ones((500, 1))
    low, high = (topped_up(real, synthetic, odds, np.random.default_rng(2)).rows == 0 for odds in (0.2, 2.0))
    assert low.sum() < high.sum()
    assert not (low & ~high).any()


def test_infinite_odds_are_all_real():
    made = topped_up(np.zeros((9, 1)), np.ones((9, 1)), inf, np.random.default_rng(0))
    assert (made.n_real, made.n_synthetic, made.rows.sum()) == (9, 0, 0)
