"""The experiments on the paper's GANs: their sizes, and that every row of their tables reads its own arms."""

from pathlib import Path

import numpy as np
import pytest

from evaluator.presets import make_preset, trends
from evaluator.presets.three_loops import label

CLOSED, BIASED = label("fully_synthetic", 1.0), label("fully_synthetic", 0.7)
AUGMENTED = label("synthetic_augmentation", 1.0)


def measured(**series):
    """One metric of the arms a and b: two seeds, three generations."""
    return {arm: {"manifold_recall": np.array(values)} for arm, values in series.items()}


class TestTrends:
    FOUND = measured(a=[[0.8, 0.5, 0.4], [0.8, 0.6, 0.2]], b=[[0.5, 0.4, 0.3], [0.5, 0.4, 0.1]])

    def test_the_nearer_one(self):
        row = trends.better("a", "b", "manifold_recall", 2)
        assert row.measure(self.FOUND).value == pytest.approx(np.mean([0.1, 0.2]))
        assert (row.sign, trends.better("a", "b", "frechet_distance", 2).sign) == (1, -1)
        assert row.holds(row.measure(self.FOUND))

    def test_what_falls_faster_keeps_a_smaller_share(self):
        row = trends.falls_faster("a", "b", "manifold_recall", 3)
        assert row.measure(self.FOUND).value == pytest.approx(np.mean([0.4 / 0.8 - 0.3 / 0.5, 0.2 / 0.8 - 0.1 / 0.5]))
        assert row.sign == -1

    def test_a_rise_is_no_loss(self):
        found = measured(a=[[0.8, 0.9], [0.8, 0.7]])
        row = trends.not_lost("a", "manifold_recall", 2, 0.04)
        assert row.measure(found).value == pytest.approx(0.05)
        assert not row.holds(row.measure(found))
        assert trends.not_lost("a", "manifold_recall", 2, 0.06).holds(row.measure(found))


def test_the_papers_sizes_of_the_wgan():
    arms = make_preset("mad-mnist-wgan", "paper", Path("/")).arms
    closed, fresh = arms[CLOSED].config, arms[label("fresh_data", 1.0)].config
    assert (closed.n_ini, closed.n_s, closed.generations) == (60_000, 60_000, 100)
    assert (fresh.n_r, fresh.n_s, fresh.source.parameters["repeats"]) == (30_000, 30_000, True)
    assert closed.model.parameters["width"] == 64
    grown = arms["synthetic_augmentation, growing pool, λ = 1"].config
    assert (grown.loop, grown.pool, grown.n_r, grown.n_s) == ("synthetic_augmentation", "all", 60_000, 60_000)
    assert (grown.rows, closed.rows) == ("float16", "float64")
    assert all(arm.seeds >= 3 for arm in arms.values())


def test_the_papers_sizes_of_stylegan2():
    preset = make_preset("mad-ffhq-stylegan2", "paper", Path("/"))
    arms = preset.arms
    assert {name: (arm.config.generations, arm.config.sampling_bias) for name, arm in arms.items()} == {
        CLOSED: (9, 1.0),
        BIASED: (5, 0.7),
        AUGMENTED: (6, 1.0),
    }
    grown = arms[AUGMENTED].config
    assert (grown.pool, grown.n_r, grown.n_s) == ("all", 60_000, 60_000)
    assert {arm.config.rows for arm in arms.values()} == {"float16"}
    assert (grown.source.parameters["path"], grown.source.parameters["size"]) == ("/images", 128)
    assert not preset.lacks
    assert "inception.safetensors" in make_preset("mad-ffhq-stylegan2", "paper").lacks


@pytest.mark.parametrize("name", ["mad-mnist-wgan", "mad-ffhq-stylegan2"])
def test_a_row_moves_with_the_arms_that_it_names_and_no_other(name):
    preset = make_preset(name, "small")
    lengths = {arm: each.config.generations for arm, each in preset.arms.items()}
    metrics = ("frechet_distance", "manifold_precision", "manifold_recall")
    plain = {arm: {metric: np.linspace(0.9, 0.5, n)[None] for metric in metrics} for arm, n in lengths.items()}
    for row in preset.comparisons:
        for arm in preset.arms:
            moved = plain | {arm: {metric: series * 0.7 for metric, series in plain[arm].items()}}
            touched = row.measure(moved).value != pytest.approx(row.measure(plain).value)
            named = arm.replace("_", " ") in row.what
            assert touched == (named and "share of" not in row.what), (row.what, arm)
    assert {panel.y_label for panel in preset.panels(plain)} == {
        "Fréchet distance", "manifold precision", "manifold recall",
    }  # fmt: skip


def test_small_pictures_of_a_folder(tmp_path):
    config = make_preset("mad-ffhq-stylegan2", "small", tmp_path).arms[CLOSED].config
    assert config.source.parameters == {"path": str(tmp_path), "size": 8, "colour": "grey"}
    assert config.features.name == "identity"
