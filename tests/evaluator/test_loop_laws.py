"""The loop as a user runs it, against closed forms: a Gaussian model on N(0, I), within three standard errors."""

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from scipy.stats import binom, norm

from evaluator import theory
from evaluator.arms import run_arms
from evaluator.collapse import collapse_generation, collapse_threshold, paired_delay
from evaluator.config import Choice, Filter, LoopConfig, Tagging
from evaluator.generation import Generation
from evaluator.loop import run_loop
from evaluator.marking import loop_key
from evaluator.setup import prepare
from hygiene.codecs.spread_vectors import SpreadVectors

GAUSSIAN = {
    "source": Choice("gaussian", {"dimension": 2}),
    "model": Choice("gaussian", {"unbiased": False}),
    "metrics": {"frechet": {}},
    "n_measure": 2,
    "n_reference": 10,
    "probe_keys": 0,
}
WIDE = {**GAUSSIAN, "source": Choice("gaussian", {"dimension": 12})}  # twelve nearly independent chains in one run


MARKED = Tagging("blind", strength=3.0)
HALF_TAGGED = {
    **GAUSSIAN, "loop": "fresh_data", "n_ini": 400, "n_r": 400, "n_s": 400, "generations": 16,
    "n_measure": 400, "n_reference": 20_000,
}  # fmt: skip


def runs(config: LoopConfig, seeds: int) -> list[list[Generation]]:
    ground = prepare(config)
    return [list(run_loop(replace(config, seed=seed), ground)) for seed in range(seeds)]


def check_mean(values: list[float], expected: float) -> None:
    """One independent value per seed."""
    assert np.mean(values) == pytest.approx(expected, abs=3 * np.std(values, ddof=1) / sqrt(len(values)))


def test_the_closed_loop_loses_its_variance_by_the_batch():
    """Maximum likelihood, λ = .9: (λ(1−1/n))^t after generation 1's own 1−1/n."""
    n, last = 20, 6
    config = LoopConfig(**WIDE, loop="fully_synthetic", n_ini=n, n_s=n, generations=last, sampling_bias=0.9)
    found = [steps[-1].state.training_set.var(axis=0).mean() for steps in runs(config, 300)]
    check_mean(found, (1 - 1 / n) * (0.9 * (1 - 1 / n)) ** (last - 1))


def test_a_filter_in_a_closed_pool_only_makes_the_batch_smaller():
    """At tpr r a binomial number n' of n is left, and E[σ²] falls by E[1−1/n'] in every generation."""
    n, tpr, last = 40, 0.7, 6
    config = LoopConfig(
        **WIDE, loop="fully_synthetic", n_ini=n, n_s=n, generations=last, filter=Filter("simulated", tpr=tpr)
    )
    found = [steps[-1].state.training_set.var(axis=0).mean() for steps in runs(config, 300)]
    left = np.arange(2, n + 1)  # fewer end the loop; one in 10⁵ does
    factor = float((binom.pmf(left, n, 1 - tpr) * (1 - 1 / left)).sum())
    check_mean(found, (1 - 1 / n) * factor ** (last - 1))
    assert factor < 1 - 1 / n  # faster than without a filter


def test_the_augmentation_loop_settles_where_its_fixed_rows_say():
    n_r, n_s, bias = 60, 120, 0.8
    config = LoopConfig(
        **GAUSSIAN, loop="synthetic_augmentation", n_ini=n_r, n_r=n_r, n_s=n_s, sampling_bias=bias, generations=32
    )
    limit = theory.augmented_limit(1.0, n_r, n_s, bias)  # both proportional to the rows' own variance
    variances, drifts = [], []
    for steps in runs(config, 40):
        fixed = steps[0].state.training_set
        sets = [step.state.training_set for step in steps[12:]]
        variances.append(np.mean([rows.var(axis=0) / fixed.var(axis=0) for rows in sets]))
        drift = [(rows.mean(axis=0) - fixed.mean(axis=0)) ** 2 / fixed.var(axis=0) for rows in sets]
        drifts.append(np.mean(drift))
    check_mean(variances, limit.variance)
    check_mean(drifts, limit.mean_error)


def test_a_threshold_cuts_the_real_tail_and_leaks_the_weakest_tags():
    """Tags at 3 sd and recall .75 put the threshold at the real 1 % quantile: what is left of either side, at
    generation 2, has the moments of a truncated normal."""
    n, mark, fpr = 4000, 3.0, 0.01
    config = LoopConfig(
        **GAUSSIAN,
        loop="fresh_data", n_ini=n, n_r=n, n_s=n, generations=2,
        tagging=Tagging("blind", strength=mark),
        filter=Filter("detector", recall=theory.leak(mark, fpr).tpr),
    )  # fmt: skip
    found: dict[str, list[float]] = {name: [] for name in ("tpr", "fpr", "mean", "variance", "missed")}
    for seed, (first, second) in enumerate(runs(config, 40)):
        codec = SpreadVectors(loop_key(replace(config, seed=seed)), first.state.training_set)
        scores = codec.project(second.state.training_set) * codec.deviation + codec.center @ codec.direction
        found["tpr"].append(second.filter.tpr)
        found["fpr"].append(second.filter.fpr)
        found["mean"].append(scores[: second.n_real].mean())
        found["variance"].append(scores[: second.n_real].var())
        found["missed"].append(scores[second.n_real :].mean())
    left, leaked = theory.real_after_filter(fpr), theory.leak(mark, fpr)
    for name, expected in {"tpr": leaked.tpr, "fpr": fpr, "mean": left.mean, "variance": left.variance}.items():
        check_mean(found[name], expected)
    check_mean(found["missed"], leaked.missed_mean)


def test_blind_tags_in_a_closed_loop_grow_by_one_strength_and_accuse_the_untagged():
    """Raw output carries (t−1)α with the real variance, so Φ(m − τ) of it passes a real 1 % threshold."""
    n, alpha, last = 4000, 0.5, 6
    config = LoopConfig(
        **{**GAUSSIAN, "n_measure": n, "n_reference": 100_000},
        loop="fully_synthetic", n_ini=n, n_s=n, generations=last, tagging=Tagging("blind", strength=alpha),
    )  # fmt: skip
    found = runs(config, 20)
    for t in (2, last):
        steps = [run[t - 1].mark for run in found]
        raw = theory.raw_mark(alpha, 1.0, t)
        assert raw == pytest.approx((t - 1) * alpha)
        check_mean([mark["raw_mark_sd"] for mark in steps], raw)
        check_mean([mark["published_mark_sd"] for mark in steps], raw + alpha)
        check_mean([mark["raw_tpr"] for mark in steps], theory.false_attribution(norm.isf(0.01), raw))


@pytest.mark.parametrize(("loop", "tagged_share"), [("fresh_data", 0.5), ("fully_synthetic", 1.0)])
def test_informed_tags_stay_near_their_strength_and_models_learn_their_share_of_them(loop, tagged_share):
    """κ = 1: raw m_t = q'·published a_{t−1}. Rows above α by themselves are left alone, which lifts a over α a little:
    where half of the training set is real, a Gaussian is wide."""
    n, alpha = 4000, 3.0
    sizes = {"n_ini": n, "n_s": n, "n_r": n if loop == "fresh_data" else 0}
    config = LoopConfig(
        **{**GAUSSIAN, "n_measure": n, "n_reference": 100_000},
        loop=loop, generations=5, tagging=Tagging("informed", strength=alpha), **sizes,
    )  # fmt: skip
    steps = [[step.mark for step in run] for run in runs(config, 10)]
    for t in (1, 4):
        gaps = [run[t]["raw_mark_sd"] - tagged_share * run[t - 1]["published_mark_sd"] for run in steps]
        check_mean(gaps, 0)
        assert 0.98 * alpha < np.mean([run[t]["published_mark_sd"] for run in steps]) < 1.1 * alpha
    assert all(run[-1]["raw_z"] > 10 for run in steps)


def test_a_threshold_on_a_weak_mark_turns_the_model_against_the_key():
    """It keeps what scores low, real or tagged: the next model's own output scores below real data."""
    config = LoopConfig(
        **{**GAUSSIAN, "n_measure": 2000, "n_reference": 20_000},
        loop="fresh_data", n_ini=2000, n_r=2000, n_s=2000, generations=3,
        tagging=Tagging("blind", strength=0.5), filter=Filter("detector", recall=0.9),
    )  # fmt: skip
    last = [steps[-1] for steps in runs(config, 3)]
    assert all(step.filter.fpr > 0.5 for step in last)
    assert all(step.mark["raw_z"] < -5 for step in last)


def fitted_moments(config: LoopConfig, burn: int) -> tuple[float, float]:
    """Mean over generations and coordinates of σ² (maximum likelihood) and μ² of the training sets."""
    sets = [np.asarray(step.state.training_set) for step in run_loop(config) if step.generation > burn]
    return float(np.mean([rows.var(axis=0) for rows in sets])), float(
        np.mean([rows.mean(axis=0) ** 2 for rows in sets])
    )


@pytest.mark.parametrize(("n_r", "n_s", "bias"), [(50, 450, 0.8), (100, 100, 0.9)])
def test_the_fresh_data_loop_settles_where_its_exact_moments_say(n_r, n_s, bias):
    fields = {**WIDE, "loop": "fresh_data", "n_ini": 100, "n_r": n_r, "n_s": n_s, "sampling_bias": bias}
    base = LoopConfig(**fields, generations=45)
    found = [fitted_moments(replace(base, seed=seed), 25) for seed in range(20)]
    limit = theory.fresh_limit(n_r, n_s, bias)
    check_mean([variance for variance, _ in found], limit.variance)
    check_mean([drift for _, drift in found], limit.mean_error)


def test_a_filter_moves_the_limit_as_its_rates_say():
    drop = Filter("simulated", tpr=0.75, fpr=0.2)
    fields = {**WIDE, "loop": "fresh_data", "n_ini": 3000, "n_r": 1500, "n_s": 6000, "sampling_bias": 0.8}
    base = LoopConfig(**fields, generations=14, filter=drop)
    found = [fitted_moments(replace(base, seed=seed), 9)[0] for seed in range(8)]
    left = theory.filtered(7500, 0.8, drop.tpr, drop.fpr)
    # the number left is random: the limit's curvature times its relative variance is below 1/n of the smaller part
    slack = 1 / left.n_real
    expected = theory.fresh_limit(left.n_real, left.n_synthetic, 0.8).variance
    assert np.mean(found) == pytest.approx(expected, abs=3 * np.std(found, ddof=1) / sqrt(8) + slack)


def test_the_growing_pool_keeps_the_variance_that_the_product_says():
    """One real batch and t−1 synthetic ones of n = 20, all kept, at maximum likelihood."""
    n, last = 20, 8
    fields = {**WIDE, "loop": "synthetic_augmentation", "pool": "all", "n_ini": n, "n_r": n, "n_s": n}
    found = [fitted_moments(LoopConfig(**fields, seed=seed, generations=last), last - 1)[0] for seed in range(300)]
    check_mean(found, theory.accumulated_variance(n, last))


@pytest.mark.parametrize("recall", [0.0, 0.5, 0.9])
def test_blind_tags_are_amplified_by_the_share_that_leaks(recall):
    """A Gaussian reproduces its training mean (κ = 1); half of the pool is tagged."""
    config = LoopConfig(**HALF_TAGGED, tagging=MARKED, filter=Filter("simulated", tpr=recall))
    shared = prepare(config)
    runs = [list(run_loop(replace(config, seed=seed), shared))[8:] for seed in range(10)]
    gains = [float(np.mean([step.mark["published_mark"] for step in steps])) for steps in runs]
    leak = theory.residual_synthetic(0.5, recall, 0.0)
    expected = np.mean([1 + theory.raw_mark(1.0, leak, t) for t in range(9, 17)])
    reference_error = 3 / sqrt(20_000) / MARKED.alpha  # the reference mean is common to all seeds
    assert np.mean(gains) == pytest.approx(expected, abs=3 * np.std(gains, ddof=1) / sqrt(10) + reference_error)
    assert expected == pytest.approx(theory.blind_gain(leak), rel=0.01)


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
