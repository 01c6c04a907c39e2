"""recall-u-curve-learned: its loops, and every figure read off series of which the answer is known."""

import numpy as np
import pytest

from evaluator.presets import make_preset
from evaluator.presets.recall_learned import MODELS, MORE_REAL, RECALLS

SEEDS, GENERATIONS = 3, 8
PARTS = ("n_r = ", "r = ", "f = ")


def setting(label):
    """Of an arm's label: model, λ, n_r, r, f."""
    model, bias, *rest = label.split(", ")
    found = {name: float(part.removeprefix(name)) for part in rest for name in PARTS if part.startswith(name)}
    return model, float(bias.removeprefix("λ = ")), *(found.get(name, 0.0) for name in PARTS)


def distance(model, bias, n_real, recall, fpr):
    """Least at a recall of .8, at λ = 1 of 0; twice as much with false positives, half as much with four times n_r."""
    turn = 0.8 if bias < 1 else 0.0
    return (1 + 4 * abs(recall - turn)) * (1 + 10 * fpr) * (100 / n_real) ** 0.5 * (1 + list(MODELS).index(model))


def series(value):
    """[seeds, generations], equal over seeds; its last three generations have mean `value`, those before do not."""
    return np.tile([90.0] * (GENERATIONS - 3) + [0.5 * value, value, 1.5 * value], (SEEDS, 1))


@pytest.fixture(scope="module")
def preset():
    return make_preset("recall-u-curve-learned", "paper")


@pytest.fixture(scope="module")
def measured(preset):
    found = {}
    for label in preset.arms:
        point = setting(label)
        recall = 1 - abs(point[3] - 0.5) / 10
        found[label] = {
            "frechet_distance": series(distance(*point)),
            "manifold_recall": series(recall),
            "manifold_precision": series(recall / 2),
        }
    return found


def test_a_loop_is_what_its_label_says(preset):
    assert len(preset.arms) == len(MODELS) * (2 * len(RECALLS) + 2 + len(MORE_REAL))
    for label, arm in preset.arms.items():
        model, bias, n_real, recall, fpr = setting(label)
        config = arm.config
        assert (config.model.name, config.sampling_bias) == (model, bias)
        assert (config.n_r, config.n_s, config.generations) == (n_real, 900, GENERATIONS)
        assert (config.filter.tpr or 0, config.filter.fpr or 0) == (recall, fpr)


def test_every_figure_is_read_off_its_own_loops(preset, measured):
    figures = {row.what: row.measure(measured) for row in preset.comparisons}
    for factor, model in enumerate(MODELS, start=1):
        there = f"{model}, λ = 0.8"
        expected = {
            f"recall with the least distance, {there}": 0.8,
            f"recall with the most manifold recall, {there}": 0.5,
            f"distance at recall 0.9 less that at 0, {there}": factor * (1.4 - 4.2),
            f"distance at recall 1 less that at 0.9, {there}": factor * (1.8 - 1.4),
            f"distance at f = 0.1 over that at 0, {there}, r = 0.9": 2.0,
            f"distance at f = 0.1 over that at 0, {there}, r = 1": 2.0,
            f"recall with the least distance, {model}, λ = 1": 0.0,
            f"distance at recall 1 less that at 0, {model}, λ = 1": factor * 4.0,
        }
        worth = f"real samples per generation that do without a filter what one of recall 0.9 does, {there}"
        expected[worth] = 100 * (4.2 / 1.4) ** 2
        for what, value in expected.items():
            assert figures[what].value == pytest.approx(value), what
    assert {row.holds(figures[row.what]) for row in preset.comparisons} == {True, None}


@pytest.mark.parametrize(
    ("level", "told"), [(0.01, "with 1600 a seed has still more"), (9.0, "with 100 a seed has less")]
)
def test_what_real_data_cannot_make_up_is_told(preset, measured, level, told):
    behind = "kde, λ = 0.8, n_r = 100, r = 0.9"
    other = dict(measured[behind], frechet_distance=series(level * 2))
    (row,) = [each for each in preset.comparisons if each.what.startswith("real samples") and "kde" in each.what]
    assert told in row.measure({**measured, behind: other}).undefined


def test_its_panels_draw_every_model_over_recall(preset, measured):
    panels = preset.panels(measured)
    assert [panel.title for panel in panels] == ["λ = 0.8", "λ = 1"] * 3
    for panel in panels:
        assert [curve.label for curve in panel.curves] == list(MODELS)
        assert all(tuple(curve.x) == RECALLS for curve in panel.curves)
    (curve,) = [each for each in panels[0].curves if each.label == "kde"]
    assert curve.median == pytest.approx([2 * (1 + 4 * abs(recall - 0.8)) for recall in RECALLS])
