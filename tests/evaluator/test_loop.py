"""The loop as a whole: shared draws, resuming, and what theory says it must come to."""

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest

from evaluator.config import Choice, Filter, LoopConfig, Tagging
from evaluator.generation import Generation
from evaluator.loop import run_loop
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
        state = whole[stop - 1].state
        assert list(run_loop(config, start=state)) == whole[stop:]
        assert list(run_loop(config, start=replace(state, model=None))) == whole[stop:]  # fitted again


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
        ({"features": Choice("lenet")}, "learns from labelled pictures"),
        ({"reference": Choice("gaussian", {"dimension": 3})}, "rows of 3 numbers, the source of 4"),
    ],
)
def test_unknown_choices_are_refused_before_the_first_generation(change, message):
    with pytest.raises(ConfigurationError, match=message):
        next(run_loop(replace(LoopConfig(**FRESH), **change)))


def test_a_filter_that_leaves_nothing_is_an_error_with_the_generation():
    config = LoopConfig(**{**FRESH, "loop": "fully_synthetic", "n_r": 0}, filter=Filter("simulated", tpr=0.999))
    with pytest.raises(
        InfeasibleError,
        match=r"generation 2: the filter left [01] of 30 samples, expected 2 or more: let it exclude less",
    ):
        rows_of(config)


def test_a_pool_that_runs_dry_is_an_error_with_the_generation():
    """Informed tags above the threshold: nothing synthetic passes, and real samples get too rare to find."""
    config = LoopConfig(
        **{**TIDE, "generations": 12},
        max_scrape=3,
        filter=Filter("detector", recall=0.5),
        tagging=Tagging("informed", strength=6.0),
    )
    with pytest.raises(InfeasibleError, match=r"generation \d+: the filter kept \d+ of 200 samples in 600 candid"):
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


def test_a_training_that_fell_apart_is_told_as_the_models():
    """And not as rows of the user's that hold numbers that are not finite."""
    model = Choice("vae", {"steps": 20, "latent": 2, "width": 8, "depth": 1, "rate": 1e9})
    with pytest.raises(ConfigurationError, match="generation 1 cannot fit the model 'vae': training fell apart: "):
        rows_of(LoopConfig(**{**FRESH, "model": model}))
