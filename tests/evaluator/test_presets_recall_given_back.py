"""recall-u-curve-given-back: its loops, and every figure read off series of which the answer is known."""

from dataclasses import replace

import numpy as np
import pytest

from evaluator.config import Filter
from evaluator.presets import make_preset
from evaluator.presets.recall_given_back import BIASES, WAYS

WORSE = {"": 1.0, "at random": 1.0, "by threshold": 2.0, "given back": 1.05, "found": 2.0}
LARGE = "mixture at 64 pixels"
FACTORS = {"mixture": 1, "vae": 2, LARGE: 3}
RECALLS = {"mixture": (0.5, 0.8, 0.9), "vae": (0.5, 0.8, 0.9), LARGE: (0.5, 0.9)}
TOLD = {"asked for 0.99": 0.99, "p ≤ 1e-6": 1.0}


def setting(label):
    """Of an arm's label: case, λ, recall, way."""
    case, bias, way = label.split(", ")
    bias = float(bias.removeprefix("λ = "))
    if way in TOLD:
        return case, bias, TOLD[way], "found"
    _, recall, *words = way.split(" ")
    return case, bias, float(recall), " ".join(words)


def distance(case, bias, recall, way):
    """Least at a recall of .9, at λ = 1 of 0; more by WORSE."""
    turn = 0.9 if bias < 1 else 0.0
    return (1 + 4 * abs(recall - turn)) * WORSE[way] * FACTORS[case]


def series(value):
    """[seeds, generations], equal over seeds; its last three generations have mean `value`, those before do not."""
    return np.tile([90.0] * 5 + [0.5 * value, value, 1.5 * value], (4, 1))


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    return make_preset("recall-u-curve-given-back", "paper", tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def measured(preset):
    return {
        label: {
            "frechet_distance": series(distance(*point)),
            "manifold_recall": series(point[2] / 2),
            "manifold_precision": series(point[2] / 4),
            "tpr": series(point[2]),
            "fpr": series(point[2] / 100),
        }
        for label, point in ((each, setting(each)) for each in preset.arms)
    }


def test_a_loop_is_what_its_label_says(preset):
    assert len(preset.arms) == len(BIASES) * (12 + 12 + 9)
    for label, arm in preset.arms.items():
        case, bias, recall, way = setting(label)
        config, large = arm.config, case == LARGE
        assert (config.model.name, config.sampling_bias) == (case.split(" ")[0], bias)
        assert (config.n_ini, config.n_r, config.n_s) == (1000, *((100, 900) if large else (50, 950)))
        assert (config.source.name, config.features.name) == (("crops", "pca") if large else ("idx", "lenet"))
        assert (config.tagging.mode, config.tagging.codec, config.tagging.verify) == ("blind", "spread", False)
        assert (config.processing.format, config.tagging.psnr) == ("png", None if large else 36)
        finds = Filter("detector", max_p=1e-6) if large else Filter("detector", recall=0.99)
        expected = {
            "": Filter(),
            "at random": Filter("simulated", tpr=recall),
            "by threshold": Filter("detector", recall=recall),
            "given back": replace(finds, give_back=round(1 - recall, 3)),
            "found": finds,
        }
        assert config.filter == expected[way]


def test_every_figure_is_read_off_its_own_loops(preset, measured):
    figures = {row.what: row.measure(measured) for row in preset.comparisons}
    for model, factor in FACTORS.items():
        there, unbiased = f"{model}, λ = 0.8", f"{model}, λ = 1"
        expected = {
            f"recall with the least distance, at random, {there}": 0.9,
            f"recall with the least distance, by threshold, {there}": 0.9,
            f"recall with the least distance, given back, {unbiased}": 0.0,
            f"distance, given back over at random, recall 0.5, {there}": 1.05,
            f"distance, by threshold over at random, recall 0.9, {unbiased}": 2.0,
            f"distance, {there}, recall 0.5 given back, less that of recall 0.5 by threshold": -0.95 * 2.6 * factor,
            f"distance, {there}, recall 0.9 given back, less that of recall 0": (1.05 - 4.6) * factor,
            f"distance, {there}, recall 0.9 given back, less that of recall 1 at random": (1.05 - 1.4) * factor,
            f"distance, {there}, recall 0.9 by threshold, less that of recall 0": (2.0 - 4.6) * factor,
            f"distance, {unbiased}, recall 1 at random, less that of recall 0": (5.0 - 1.0) * factor,
            f"realised recall in the end, {there}, recall 0.9 given back": 0.9,
        }
        found = "p ≤ 1e-6" if model == LARGE else "asked for 0.99"
        more = 2 * (1 + 4 * (TOLD[found] - 0.9)) - 1.4
        expected[f"distance, {there}, {found}, less that of recall 1 at random"] = more * factor
        excluded = f"realised share of real ones excluded in the end, {unbiased}, {found}"
        expected[excluded] = TOLD[found] / 100
        for what, value in expected.items():
            assert figures[what].value == pytest.approx(value), what
    held = {row.what: row.holds(figures[row.what]) for row in preset.comparisons}
    for what, holds in held.items():
        threshold = what.startswith("distance, by threshold over")
        assert holds in ((False,) if threshold else (True, None)), what


def test_its_panels_draw_each_filter_over_recall(preset, measured):
    panels = preset.panels(measured)
    drawn = [(case, bias) for case in FACTORS for bias in BIASES]
    assert [panel.title for panel in panels] == [f"{case}, λ = {bias:g}" for case, bias in drawn] * 3
    for panel, (case, _) in zip(panels, drawn * 3, strict=True):
        assert [curve.label for curve in panel.curves] == list(WAYS)
        found = 1.0 if case == LARGE else 0.99
        assert [curve.x[-1] for curve in panel.curves] == [1.0, found, found]
        assert all(tuple(curve.x[:-1]) == (0.0, *RECALLS[case]) for curve in panel.curves)
    random, threshold, _ = panels[0].curves
    assert random.median == pytest.approx([1 + 4 * abs(recall - 0.9) for recall in random.x])
    assert threshold.median[1] == pytest.approx(2 * 2.6)
