"""Filters in the loop: rates, counts, thresholds, and scraping until the training set is full."""

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest

from evaluator.cleaning import (
    FilterCounts,
    MarkDetector,
    RandomDrop,
    filtered,
    recall_threshold,
    scraped,
    scraped_counts,
)
from evaluator.training_sets import TrainingSet
from hygiene.codecs.spread_vectors import SpreadVectors
from hygiene.errors import InfeasibleError
from hygiene.keys import Key

REAL = np.random.default_rng(0).standard_normal((4000, 16))
CODEC = SpreadVectors(Key(bytes(32)), REAL)


def share_error(share: float, n: int) -> float:
    """Three standard errors of a proportion."""
    return 3 * sqrt(share * (1 - share) / n)


def test_counts_add_and_give_the_four_shares():
    counts = FilterCounts(60, 45, 20, 5) + FilterCounts(40, 35, 80, 5)
    assert counts == FilterCounts(100, 80, 100, 10)
    assert (counts.tpr, counts.fpr) == (0.8, 0.1)
    assert counts.ppv == 80 / 90
    assert counts.residual_synthetic == 20 / 110


def test_a_share_of_nothing_is_no_number():
    shares = FilterCounts().to_dict()
    assert [shares[name] for name in ("tpr", "fpr", "ppv", "residual_synthetic")] == [None] * 4


def test_random_drop_has_its_rates_and_accounts_for_every_row():
    real, tagged = np.zeros((20_000, 2)), np.ones((10_000, 2))
    streams = (np.random.default_rng(seed) for seed in (3, 4))
    kept, counts = filtered(real, tagged, RandomDrop(tpr=0.7, fpr=0.2), *streams)
    assert counts.tpr == pytest.approx(0.7, abs=share_error(0.7, 10_000))
    assert counts.fpr == pytest.approx(0.2, abs=share_error(0.2, 20_000))
    assert (kept.n_real, kept.n_synthetic) == (20_000 - counts.real_excluded, 10_000 - counts.tagged_excluded)
    assert kept.rows[: kept.n_real].sum() == 0
    assert kept.rows[kept.n_real :].all()


def test_a_higher_recall_drops_what_a_lower_one_drops_and_more():
    rows = np.zeros((500, 2))
    low, high = (RandomDrop(tpr=tpr).excludes(rows, True, np.random.default_rng(5)) for tpr in (0.5, 0.9))
    assert low.sum() < high.sum()
    assert not (low & ~high).any()


@pytest.mark.parametrize("recall", [0.5, 0.9, 0.99])
def test_the_recall_threshold_keeps_its_promise_on_other_samples(recall):
    n = 2000
    tagged = CODEC.embed(np.random.default_rng(6).standard_normal((2 * n, 16)), 4.0)
    detector = MarkDetector(CODEC, recall_threshold(CODEC, tagged[:n], recall))
    found = detector.excludes(tagged[n:], True, np.random.default_rng(0)).mean()
    # both the calibration and the check are samples of n
    assert found == pytest.approx(recall, abs=sqrt(2) * share_error(recall, n) + 1 / n)


def test_a_recall_beyond_the_calibration_is_refused():
    with pytest.raises(InfeasibleError, match=r"0\.99 cannot be calibrated on 50"):
        recall_threshold(CODEC, REAL[:50], 0.99)


def test_informed_tags_share_one_score_so_rounding_does_not_decide():
    tagged = CODEC.embed(REAL, 6.0, informed=True)
    detector = MarkDetector(CODEC, recall_threshold(CODEC, tagged, 0.5))
    assert detector.excludes(tagged, True, np.random.default_rng(0)).all()


def test_max_p_is_the_false_positive_rate_over_keys():
    rows, max_p, keys = np.random.default_rng(7).standard_normal((50, 16)), 0.05, 400
    codecs = [SpreadVectors(Key(i.to_bytes(32, "big")), REAL[:100]) for i in range(keys)]
    rng = np.random.default_rng(0)
    shares = [MarkDetector(c, max_log10_p=np.log10(max_p)).excludes(rows, False, rng).mean() for c in codecs]
    assert np.mean(shares) == pytest.approx(max_p, abs=3 * np.std(shares, ddof=1) / sqrt(keys))


def test_the_detector_ignores_the_truth():
    detector = MarkDetector(CODEC, least_statistic=0.5)
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(detector.excludes(REAL, True, rng), detector.excludes(REAL, False, rng))


def test_what_is_given_back_is_a_random_share_of_what_was_found():
    rows = np.random.default_rng(8).standard_normal((40_000, 16))
    plain = MarkDetector(CODEC, least_statistic=0.5)
    found, left = (
        replace(plain, give_back=share).excludes(rows, True, np.random.default_rng(9)) for share in (0.0, 0.3)
    )
    assert not (left & ~found).any()
    assert left[found].mean() == pytest.approx(0.7, abs=share_error(0.7, found.sum()))
    scores = CODEC.project(rows)
    spread = scores[found].std() / sqrt((found & ~left).sum())
    assert scores[found & ~left].mean() == pytest.approx(scores[found].mean(), abs=4 * spread)


def test_with_nothing_given_back_a_detector_draws_nothing():
    rng = np.random.default_rng(10)
    MarkDetector(CODEC, least_statistic=0.5).excludes(REAL, True, rng)
    assert rng.random() == np.random.default_rng(10).random()


def scrape(seed: int, drop: RandomDrop, odds: float, size: int) -> tuple[TrainingSet, FilterCounts]:
    return scraped(
        lambda n: np.zeros((n, 1)), lambda n: np.ones((n, 1)), odds, drop, size, 100, np.random.default_rng(seed)
    )


def test_scraping_fills_the_set_with_the_odds_behind_the_filter():
    drop, odds, size, runs = RandomDrop(tpr=0.9, fpr=0.5), 0.5, 100, 200
    results = [scrape(seed, drop, odds, size) for seed in range(runs)]
    assert all(len(made.rows) == size == made.n_real + made.n_synthetic for made, _ in results)
    assert all(made.rows.sum() == made.n_synthetic for made, _ in results)
    passed = 0.5 * 0.5 / 0.1
    share = passed / (1 + passed)
    found = sum(made.n_real for made, _ in results) / (size * runs)
    assert found == pytest.approx(share, abs=share_error(share, size * runs))


def test_simulated_counts_are_those_of_a_real_scrape():
    """Per kept sample, (tagged, real) candidates seen: negative binomial against drawn one by one."""
    drop, odds, size, runs = RandomDrop(tpr=0.9, fpr=0.5), 0.5, 100, 200
    kept = TrainingSet(np.zeros((size, 1)), 71, 29)
    rng = np.random.default_rng(8)
    counted = [scraped_counts(kept, odds, drop, rng) for _ in range(runs)]
    # 1/a candidates per kept one, with a = (1·.5 + 2·.1)/3
    expected = size / ((0.5 * 1 + 0.1 * 2) / 3)
    seen = np.array([c.tagged_seen + c.real_seen for c in counted])
    assert seen.mean() == pytest.approx(expected, abs=3 * seen.std(ddof=1) / sqrt(runs))
    excluded = np.array([[c.tagged_excluded, c.real_excluded] for c in counted])
    tagged_share = excluded[:, 0].sum() / excluded.sum()
    assert tagged_share == pytest.approx(1.8 / 2.3, abs=share_error(1.8 / 2.3, int(excluded.sum())))
    assert all(c.tagged_seen - c.tagged_excluded == 29 for c in counted)
    assert all(c.real_seen - c.real_excluded == 71 for c in counted)
    drawn = np.array([c.tpr for _, c in (scrape(seed, drop, odds, size) for seed in range(50))])
    assert drawn.mean() == pytest.approx(0.9, abs=3 * drawn.std(ddof=1) / sqrt(50))


def test_an_exhausted_pool_is_an_error_with_the_numbers():
    drop = RandomDrop(tpr=1.0)
    with pytest.raises(InfeasibleError, match="of 10 samples in 30 candidates"):
        scraped(lambda n: np.zeros((n, 1)), lambda n: np.ones((n, 1)), 1e-9, drop, 10, 3, np.random.default_rng(0))
