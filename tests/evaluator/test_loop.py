"""The loop as a whole: shared draws, resuming, and what theory says it must come to."""

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest

from evaluator import theory
from evaluator.arms import run_arms
from evaluator.collapse import collapse_generation, collapse_threshold, paired_delay
from evaluator.config import Choice, Filter, LoopConfig, Tagging
from evaluator.loop import Generation, run_loop
from evaluator.setup import floors, prepare
from hygiene.errors import ConfigurationError, InfeasibleError

GAUSSIAN = {
    "source": Choice("gaussian", {"dimension": 4}),
    "model": Choice("gaussian", {"unbiased": False}),
    "metrics": {"frechet": {}},
    "n_reference": 200,
    "probe_keys": 2,
}
FRESH = {**GAUSSIAN, "loop": "fresh_data", "n_ini": 60, "n_r": 30, "n_s": 30, "generations": 5}
TIDE = {**GAUSSIAN, "loop": "rising_tide", "n_ini": 200, "n_s": 200, "generations": 6}
AUGMENTED = {**FRESH, "loop": "synthetic_augmentation"}
MARKED = Tagging("blind", strength=3.0)
MARKED_HALF = {**FRESH, "n_ini": 400, "n_r": 400, "n_s": 400, "n_reference": 20_000, "generations": 16}

EVERY_KIND = {
    "fully synthetic": LoopConfig(**{**FRESH, "loop": "fully_synthetic", "n_r": 0}),
    "augmentation": LoopConfig(**AUGMENTED),
    "fresh data, all": LoopConfig(**FRESH, pool="all"),
    "fresh data, simulated": LoopConfig(**FRESH, filter=Filter("simulated", tpr=0.5, fpr=0.1)),
    "fresh data, top-up": LoopConfig(**FRESH, top_up=True, filter=Filter("simulated", tpr=0.5)),
    "fresh data, detector": LoopConfig(**FRESH, filter=Filter("detector", recall=0.8), tagging=MARKED),
    "augmentation, detector, all": LoopConfig(
        **AUGMENTED, pool="all", filter=Filter("detector", max_p=0.05), tagging=Tagging("informed")
    ),
    "fresh data, a model that draws when it fits": LoopConfig(
        **{**FRESH, "model": Choice("mixture", {"components": 3, "dimensions": 4})}
    ),
    "tide": LoopConfig(**TIDE),
    "tide, detector": LoopConfig(**TIDE, filter=Filter("detector", recall=0.8), tagging=MARKED),
}


def rows_of(config: LoopConfig) -> list[Generation]:
    return list(run_loop(config))


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_resuming_behind_any_generation_equals_never_stopping(kind):
    config = EVERY_KIND[kind]
    whole = rows_of(config)
    assert [step.generation for step in whole] == list(range(1, config.generations + 1))
    for stop in (1, 3):
        assert list(run_loop(config, start=whole[stop - 1].state)) == whole[stop:]


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_generation_accounts_for_its_training_set(kind):
    config = EVERY_KIND[kind]
    first, *later = rows_of(config)
    assert (first.n_real, first.n_synthetic, first.filter) == (config.n_ini, 0, None)
    for step in later:
        assert step.state.training_set.shape == (step.n_real + step.n_synthetic, 4)
        assert step.n_real <= step.filter.real_seen - step.filter.real_excluded
        if config.tops_up:
            assert step.n_real + step.n_synthetic == config.size
        elif config.pool == "previous":
            assert step.n_synthetic == step.filter.tagged_seen - step.filter.tagged_excluded


def test_the_pools_grow_as_they_should():
    sizes = {
        pool: [step.n_synthetic for step in rows_of(LoopConfig(**FRESH, pool=pool))] for pool in ("previous", "all")
    }
    assert sizes == {"previous": [0, 30, 30, 30, 30], "all": [0, 30, 60, 90, 120]}


def test_a_fixed_real_set_gets_one_verdict():
    first, second, third = rows_of(LoopConfig(**AUGMENTED, filter=Filter("simulated", tpr=0.5, fpr=0.5)))[:3]
    kept = [step.state.training_set[: step.n_real] for step in (second, third)]
    assert 0 < second.n_real < 30
    np.testing.assert_array_equal(*kept)
    assert np.isin(kept[0], first.state.training_set).all()


def test_the_recall_threshold_is_calibrated_once():
    thresholds = [step.state.threshold for step in rows_of(EVERY_KIND["fresh data, detector"])]
    assert thresholds[0] is None
    assert len(set(thresholds[1:])) == 1


def test_the_detector_realises_its_recall_on_generation_one():
    """At generation 2, within the binomial error of calibrating and judging; later models carry the mark, so more."""
    n, recall = 900, 0.8
    config = LoopConfig(
        **{**FRESH, "n_ini": n, "n_r": n, "n_s": n, "generations": 6},
        filter=Filter("detector", recall=recall),
        tagging=MARKED,
    )
    steps = rows_of(config)
    assert steps[1].filter.tpr == pytest.approx(recall, abs=3 * sqrt(2 * recall * (1 - recall) / n))
    assert steps[5].filter.tpr > steps[1].filter.tpr


def test_equal_odds_are_equal_draw_for_draw():
    """tpr .9 with fpr .5 multiplies the odds by 5, as tpr .8 alone does: with shared draws nothing may differ."""
    arms = [
        LoopConfig(**TIDE, filter=Filter("simulated", tpr=r, fpr=f)) for r, f in ((0.9, 0.5), (0.8, 0.0), (0.5, 0.0))
    ]
    mixed, plain, other = (rows_of(config) for config in arms)
    for one, two, three in zip(mixed[1:], plain[1:], other[1:], strict=True):
        np.testing.assert_array_equal(one.state.training_set, two.state.training_set)
        assert one.metrics == two.metrics
        assert one.metrics != three.metrics


def test_arms_of_one_seed_share_generation_one_and_other_seeds_do_not():
    first = [next(run_loop(LoopConfig(**TIDE, seed=seed, filter=f))) for seed, f in (
        (0, Filter()), (0, Filter("simulated", tpr=0.9)), (1, Filter()),
    )]  # fmt: skip
    assert first[0].metrics == first[1].metrics
    assert first[0].metrics != first[2].metrics


def test_metrics_see_other_samples_than_those_fed_forward():
    steps = rows_of(LoopConfig(**FRESH, keep_samples=30))
    fed = steps[1].state.training_set[-30:]
    assert not np.isin(steps[0].samples, fed).any()


def test_a_generation_survives_its_json():
    for step in rows_of(EVERY_KIND["fresh data, detector"])[:2]:
        assert Generation.from_dict(step.to_dict()) == step


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": Choice("gan")}, "no model 'gan'"),
        ({"model": Choice("gaussian", {"width": 3})}, "no parameter width"),
        ({"metrics": {"fid": {}}}, "no metric 'fid'"),
        ({"metrics": {"manifold": {"neighbours": 3}}}, "no parameter neighbours: it takes k"),
        ({"source": Choice("faces")}, "no source 'faces'"),
        ({"source": Choice("gaussian", {"dimension": "4"})}, "dimension of the source 'gaussian' is '4', expected int"),
        ({"model": Choice("kde", {"bandwidth": True})}, "bandwidth of the model 'kde' is True, expected float"),
        ({"model": Choice("kde", {"name": "kde"})}, "no parameter name"),
        ({"metrics": {"manifold": {"k": 5.0}}}, "k of the metric 'manifold' is 5.0, expected int"),
        ({"features": Choice("lenet", {"labelled": 3})}, "no parameter labelled"),
        ({"features": Choice("lenet")}, "learns from labelled digits"),
        ({"reference": Choice("gaussian", {"dimension": 3})}, "rows of 3 numbers, the source of 4"),
    ],
)
def test_unknown_choices_are_refused_before_the_first_generation(change, message):
    with pytest.raises(ConfigurationError, match=message):
        next(run_loop(replace(LoopConfig(**FRESH), **change)))


def test_a_filter_that_leaves_nothing_is_an_error_with_the_generation():
    config = LoopConfig(**{**FRESH, "loop": "fully_synthetic", "n_r": 0}, filter=Filter("simulated", tpr=0.999))
    with pytest.raises(InfeasibleError, match=r"generation 2: the filter left [01] samples"):
        rows_of(config)


def test_a_pool_that_runs_dry_is_an_error_with_the_generation():
    """Informed tags above the threshold: nothing synthetic passes, and real samples get too rare to find."""
    config = LoopConfig(
        **{**TIDE, "generations": 12},
        max_scrape=3,
        filter=Filter("detector", recall=0.5),
        tagging=Tagging("informed", strength=6.0),
    )
    with pytest.raises(InfeasibleError, match=r"generation \d+: the filter accepted \d+ of 200 samples in 600 candid"):
        rows_of(config)


def test_a_simulated_filter_that_would_scrape_for_ever_is_an_error_with_the_generation():
    config = LoopConfig(**{**TIDE, "generations": 80, "n_s": 5}, n_measure=2, filter=Filter("simulated", tpr=1.0))
    with pytest.raises(InfeasibleError, match=r"generation 53: the filter passes 4e-16 of the pool"):
        rows_of(config)


def test_the_floor_is_real_data_against_the_reference():
    config = replace(LoopConfig(**FRESH), n_measure=100)
    distance = floors(config, prepare(config))["frechet_distance"]
    # two samples of n and m of N(0, I_4): about d(d+5)/4 · (1/n + 1/m) in mean; never near a unit shift
    assert 0 < distance < 5 * 9 * (1 / 100 + 1 / 200)


def fitted_moments(config: LoopConfig, burn: int) -> tuple[float, float]:
    """Mean over generations and coordinates of σ² (maximum likelihood) and μ² of the training sets."""
    sets = [step.state.training_set for step in run_loop(config) if step.generation > burn]
    return float(np.mean([rows.var(axis=0) for rows in sets])), float(
        np.mean([rows.mean(axis=0) ** 2 for rows in sets])
    )


def check_mean(values: list[float], expected: float) -> None:
    """Within three standard errors of the Monte-Carlo mean over seeds."""
    assert np.mean(values) == pytest.approx(expected, abs=3 * np.std(values, ddof=1) / sqrt(len(values)))


@pytest.mark.parametrize(("n_r", "n_s", "bias"), [(50, 450, 0.8), (100, 100, 0.9)])
def test_the_fresh_data_loop_settles_where_its_exact_moments_say(n_r, n_s, bias):
    fields = {**GAUSSIAN, "loop": "fresh_data", "n_ini": 100, "n_r": n_r, "n_s": n_s, "sampling_bias": bias}
    base = LoopConfig(**fields, generations=45, n_measure=2)
    found = [fitted_moments(replace(base, seed=seed), 25) for seed in range(20)]
    limit = theory.fresh_limit(n_r, n_s, bias)
    check_mean([variance for variance, _ in found], limit.variance)
    check_mean([drift for _, drift in found], limit.mean_error)


def test_a_filter_moves_the_limit_as_its_rates_say():
    drop = Filter("simulated", tpr=0.75, fpr=0.2)
    fields = {**GAUSSIAN, "loop": "fresh_data", "n_ini": 3000, "n_r": 1500, "n_s": 6000, "sampling_bias": 0.8}
    base = LoopConfig(**fields, generations=14, n_measure=2, filter=drop)
    found = [fitted_moments(replace(base, seed=seed), 9)[0] for seed in range(8)]
    left = theory.filtered(7500, 0.8, drop.tpr, drop.fpr)
    # the number left is random: the limit's curvature times its relative variance is below 1/n of the smaller part
    slack = 1 / left.n_real
    expected = theory.fresh_limit(left.n_real, left.n_synthetic, 0.8).variance
    assert np.mean(found) == pytest.approx(expected, abs=3 * np.std(found, ddof=1) / sqrt(8) + slack)


def test_the_growing_pool_keeps_the_variance_that_the_product_says():
    """One real batch and t−1 synthetic ones of n = 20, all kept, at maximum likelihood."""
    n, last = 20, 8
    fields = {**GAUSSIAN, "loop": "synthetic_augmentation", "pool": "all", "n_ini": n, "n_r": n, "n_s": n}
    found = [
        fitted_moments(LoopConfig(**fields, seed=seed, generations=last, n_measure=2), last - 1)[0]
        for seed in range(300)
    ]
    check_mean(found, theory.accumulated_variance(n, last))


@pytest.mark.parametrize("recall", [0.0, 0.5, 0.9])
def test_blind_tags_are_amplified_by_the_share_that_leaks(recall):
    """A Gaussian reproduces its training mean (κ = 1); half of the pool is tagged."""
    config = LoopConfig(**MARKED_HALF, tagging=MARKED, filter=Filter("simulated", tpr=recall))
    shared = prepare(config)
    runs = [list(run_loop(replace(config, seed=seed), shared))[8:] for seed in range(10)]
    gains = [float(np.mean([step.mark["published_mark"] for step in steps])) for steps in runs]
    leak = theory.residual_synthetic(0.5, recall, 0.0)
    expected = np.mean([1 + theory.raw_mark(1.0, leak, t) for t in range(9, 17)])
    reference_error = 3 / sqrt(20_000) / MARKED.alpha  # the reference mean is common to all seeds
    assert np.mean(gains) == pytest.approx(expected, abs=3 * np.std(gains, ddof=1) / sqrt(10) + reference_error)
    assert expected == pytest.approx(theory.blind_gain(leak), rel=0.01)


def test_informed_tags_are_not_amplified_and_the_model_still_carries_them():
    steps = rows_of(LoopConfig(**MARKED_HALF, tagging=Tagging("informed")))[8:]
    assert np.mean([step.mark["published_mark"] for step in steps]) == pytest.approx(1, abs=0.1)
    # half of the training set is at α, half at 0
    assert np.mean([step.mark["raw_mark"] for step in steps]) == pytest.approx(0.5, abs=0.1)
    assert np.mean([step.mark["raw_z"] for step in steps]) > 10


def test_a_filter_delays_the_collapse_by_the_halvings_of_what_leaks():
    """log2((1−f)/(1−r)) generations, within three standard errors of the paired mean over seeds."""
    arms, seeds = ((0.0, 0.0), (0.75, 0.0), (0.9, 0.2)), 12
    sizes = {"n_ini": 300, "n_s": 300, "n_reference": 600, "n_measure": 900}
    base = LoopConfig(loop="rising_tide", generations=12, metrics={"manifold": {}}, **sizes)
    configs = [
        replace(base, seed=seed, filter=Filter("simulated", tpr=r, fpr=f)) for r, f in arms for seed in range(seeds)
    ]
    found = dict(run_arms(configs))
    series = [[step.metrics["manifold_recall"] for step in found[i]] for i in range(len(configs))]
    groups = [series[a * seeds : (a + 1) * seeds] for a in range(len(arms))]
    threshold = collapse_threshold(groups[0], 0.8)
    times = [[collapse_generation(run, threshold) for run in group] for group in groups]
    for (r, f), group in zip(arms[1:], times[1:], strict=True):
        delay = paired_delay(group, times[0])
        differences = [arm.generation - plain.generation for arm, plain in zip(group, times[0], strict=True)]
        error = np.std(differences, ddof=1) / sqrt(seeds)
        assert delay.censored_share == 0
        assert error < 0.35  # else the check below could not fail
        assert delay.delay == pytest.approx(theory.delay(r, f), abs=3 * error)
