"""The experiment on the paper's diffusion model: its sizes, and that every row of its table reads its own arms."""

import re
from pathlib import Path

import numpy as np
import pytest

from evaluator.config import Choice
from evaluator.presets import make_preset

BIASES = (1.0, 0.8, 0.66, 0.5)
CLOSED = "fully_synthetic, λ = 1"


def test_the_papers_sizes():
    arms = make_preset("mad-mnist-ddpm", "paper", Path("/")).arms
    closed, augmented = arms["fully_synthetic, λ = 0.66"].config, arms["synthetic_augmentation, λ = 0.5"].config
    assert (closed.n_ini, closed.n_s, closed.sampling_bias, closed.generations) == (60_000, 60_000, 0.66, 20)
    assert (augmented.n_ini, augmented.n_r, augmented.n_s) == (60_000, 60_000, 60_000)
    fresh = [arms[f"{name}, λ = 0.8"].config for name in ("fresh_data", "fresh_data, n_ini = 1.5 n_r")]
    assert [(each.n_ini, each.n_r, each.n_s) for each in fresh] == [(2000, 2000, 2000), (3000, 2000, 2000)]
    assert all(fresh[1].n_ini + 19 * each.n_r <= 60_000 for each in fresh)  # no picture of MNIST comes twice
    model = closed.model.parameters
    assert (model["noise_levels"], model["sampling_steps"], model["eta"]) == (500, 500, 1.0)
    assert closed.source == Choice("idx", {"path": "/"})
    assert {arm.seeds for arm in arms.values()} == {3}


def test_the_small_scale_needs_no_pictures_and_has_the_papers_kind_of_network():
    preset = make_preset("mad-mnist-ddpm")
    assert not preset.lacks
    models = [make_preset("mad-mnist-ddpm", scale, Path("/")).arms[CLOSED].config.model for scale in ("small", "paper")]
    assert models[0].name == models[1].name == "ddpm_unet"
    assert models[0].parameters["labels"] == models[1].parameters["labels"] == 10
    assert preset.arms.keys() == make_preset("mad-mnist-ddpm", "paper", Path("/")).arms.keys()


def value(arm: str, metric: str, generation: int) -> float:
    """A number that tells arm, metric and generation."""
    arms = list(make_preset("mad-mnist-ddpm").arms)
    metrics = ("frechet_distance", "manifold_precision", "manifold_recall")
    return 1.0 + arms.index(arm) / 100 + metrics.index(metric) / 7 + generation**2 / 1000


def words(loop: str) -> str:
    return loop.replace("_", " ")


def test_unguided_loops_are_long_and_the_pool_of_one_of_them_grows():
    small, paper = (make_preset("mad-mnist-ddpm", scale, Path("/")).arms for scale in ("small", "paper"))
    growing = "synthetic_augmentation, growing pool, λ = 1"
    long = {CLOSED, "synthetic_augmentation, λ = 1", "fresh_data, λ = 1", growing}
    assert {arm for arm, each in small.items() if each.config.generations == 20} == long
    assert {each.config.generations for arm, each in small.items() if arm not in long} == {5}
    assert {each.config.generations for each in paper.values()} == {20}
    assert {arm for arm, each in small.items() if each.config.pool == "all"} == {growing}
    assert (small[growing].config.n_r, small[growing].config.n_s, small[growing].config.rows) == (900, 900, "float64")
    assert paper[growing].config.rows == "float16"  # 1.2 million rows at the end


def test_every_row_reads_its_own_arms():
    preset = make_preset("mad-mnist-ddpm")
    metrics = {"Fréchet distance": "frechet_distance", "manifold precision": "manifold_precision"}
    metrics |= {"manifold recall": "manifold_recall"}
    lengths = {arm: each.config.generations for arm, each in preset.arms.items()}
    measured = {
        arm: {name: np.tile([value(arm, name, t) for t in range(1, last + 1)], (3, 1)) for name in metrics.values()}
        for arm, last in lengths.items()
    }
    named = {words(arm): arm for arm in preset.arms}
    seen = set()
    for row in preset.comparisons:
        found = row.measure(measured).value
        if match := re.fullmatch(r"change of (.*?) from t = 3 to t = 5, (.*)", row.what):
            told, arm = match.groups()
            expected = value(named[arm], metrics[told], 5) - value(named[arm], metrics[told], 3)
        elif match := re.fullmatch(r"change of (.*?), (.*)", row.what):
            told, arm = match.groups()
            ends = (20, 19) if lengths[named[arm]] == 20 else (5,)  # the last tenth
            last = np.mean([value(named[arm], metrics[told], t) for t in ends])
            expected = last - value(named[arm], metrics[told], 1)
        elif match := re.fullmatch(r"loss of (.*) by t = 5, (.*)", row.what):
            expected = 0.0  # these series rise
        elif match := re.fullmatch(r"share of (.*) kept at t = 5, (.*) less (.*)", row.what):
            told, *arms = match.groups()
            expected = np.subtract(
                *(value(named[arm], metrics[told], 5) / value(named[arm], metrics[told], 1) for arm in arms)
            )
        elif match := re.fullmatch(r"(.*) at t = (\d+), (.*) less (.*)", row.what):
            told, t, *arms = match.groups()
            assert t == ("20" if arms[0].endswith("λ = 1") else "5")
            expected = np.subtract(*(value(named[arm], metrics[told], int(t)) for arm in arms))
        else:
            bias = re.fullmatch(r"Fréchet distance in the end from .*, fresh data, (λ = .*)", row.what).group(1)
            more, few = (f"{loop}, {bias}" for loop in ("fresh_data, n_ini = 1.5 n_r", "fresh_data"))
            expected = value(more, "frechet_distance", 5) / value(few, "frechet_distance", 5)
        assert found == pytest.approx(expected), row.what
        seen.add(row.what)
    assert len(seen) == len(preset.comparisons) == 70


def test_a_loop_keeps_its_colour_in_every_panel():
    preset = make_preset("mad-mnist-ddpm")
    metrics = ("frechet_distance", "manifold_precision", "manifold_recall")
    series = {
        arm: {name: np.ones((3, each.config.generations)) for name in metrics} for arm, each in preset.arms.items()
    }
    panels = preset.panels(series)
    assert [panel.title for panel in panels] == [f"λ = {bias:g}" for bias in BIASES] * 3
    loops = ["fully synthetic", "synthetic augmentation", "fresh data"]
    growing = "synthetic augmentation, growing pool"
    for panel in panels:
        assert [curve.label for curve in panel.curves] == [*loops, *[growing] * (panel.title == "λ = 1")]
