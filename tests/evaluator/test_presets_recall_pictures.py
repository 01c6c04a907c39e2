"""recall-u-curve-pictures: its loops, and every figure read off series of which the answer is known."""

from typing import NamedTuple

import numpy as np
import pytest

from evaluator.presets import make_preset
from evaluator.presets.recall_pictures import MODELS, SIZES

SEEDS, GENERATIONS = 3, 8
KINDS = ("detector", "simulated")


class Look(NamedTuple):
    format: str
    psnr: float
    worse: float


LOOKS = {
    "": Look("png", 36, 1),
    "JPEG": Look("jpeg", 36, 2),
    "floats": Look("none", 36, 3),
    "30 dB": Look("png", 30, 0.5),
    "verified": Look("png", 36, 1.05),
}
NONE, TAIL = "no filter", "p ≤ 1e-6"
DRIFT = 0.02  # of a detector's recall, which is what its distance goes by
USUAL_P = 0.6  # the recall of p ≤ 1e-6, but for verified tags, all of which are found


def setting(label):
    """Of an arm's label: model, λ, which of LOOKS, kind of filter, recall asked for, n_r."""
    model, bias, *rest = label.split(", ")
    look = rest.pop(0) if rest[0] in LOOKS else ""
    way, *more = rest
    kind, _, recall = ("", "", "") if way in (NONE, TAIL) else way.partition(" ")
    n_real = int(more[0].removeprefix("n_r = ")) if more else 200
    recall = 1 if look == "verified" else recall
    return model, float(bias.removeprefix("λ = ")), look, kind or way, float(recall or 0), n_real


def realised(kind, recall):
    return {NONE: 0.0, TAIL: recall or USUAL_P, "detector": recall + DRIFT, "simulated": recall}[kind]


def distance(model, bias, look, kind, recall, n_real):
    """Least at a recall of .9, at λ = 1 of 0; more by LOOKS, half as much with four times n_r."""
    turn = 0.9 if bias < 1 else 0.0
    return (
        (1 + 4 * abs(realised(kind, recall) - turn))
        * LOOKS[look].worse
        * (200 / n_real) ** 0.5
        * (1 + list(MODELS).index(model))
    )


def series(value):
    """[seeds, generations], equal over seeds; its last three generations have mean `value`, those before do not."""
    return np.tile([90.0] * (GENERATIONS - 3) + [0.5 * value, value, 1.5 * value], (SEEDS, 1))


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    return make_preset("recall-u-curve-pictures", "paper", tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def measured(preset):
    found = {}
    for label in preset.arms:
        point = setting(label)
        recall = realised(*point[3:5])
        found[label] = {
            "frechet_distance": series(distance(*point)),
            "manifold_recall": series(recall / 2),
            "manifold_precision": series(recall / 4),
            "tpr": series(recall),
            "fpr": series(recall / 100),
            "withheld": series(0.3 if point[1] < 1 else 0.2),
        }
    return found


def test_a_loop_is_what_its_label_says(preset):
    size = SIZES["paper"]
    assert len(preset.arms) == len(MODELS) * (2 * (6 + 2 * len(size.recalls)) + 3 + len(size.more_real))
    for label, arm in preset.arms.items():
        model, bias, look, kind, recall, n_real = setting(label)
        config, chosen = arm.config, arm.config.filter
        assert (config.model.name, config.sampling_bias) == (model, bias)
        assert (config.n_r, config.n_s, config.generations) == (n_real, 1800, GENERATIONS)
        assert (config.processing.format, config.tagging.psnr) == LOOKS[look][:2]
        assert (config.tagging.mode, config.tagging.codec, config.tagging.adoption) == ("blind", "spread", 1)
        assert config.tagging.verify == (look == "verified")
        asked = {NONE: ("none", None, None, None), TAIL: ("detector", None, None, 1e-6)}
        asked |= {"detector": ("detector", recall, None, None), "simulated": ("simulated", None, recall, None)}
        assert (chosen.mode, chosen.recall, chosen.tpr, chosen.max_p, chosen.fpr) == (*asked[kind], None)


def test_every_figure_is_read_off_its_own_loops(preset, measured):
    figures = {row.what: row.measure(measured) for row in preset.comparisons}
    for factor, model in enumerate(MODELS, start=1):
        check(figures, model, factor)
    assert {row.holds(figures[row.what]) for row in preset.comparisons} == {True, None}


def check(figures, model, factor):
    there, unbiased = f"{model}, λ = 0.8", f"{model}, λ = 1"
    expected = {
        f"asked recall with the least distance, detector, {there}": 0.9,
        f"recall with the least distance, simulated, {there}": 0.9,
        f"recall with the least distance, simulated, {unbiased}": 0.0,
        f"distance, {there}, detector 0.5, less that of {NONE}": 2.52 - 4.6,
        f"distance, {there}, simulated 0.5, less that of {NONE}": 2.6 - 4.6,
        f"distance, {there}, detector 0.9, less that of {NONE}": 1.08 - 4.6,
        f"distance, {there}, {TAIL}, less that of {NONE}": 2.2 - 4.6,
        f"distance, {there}, simulated 1, less that of simulated 0.9": 0.4,
        f"distance, {there}, simulated 1, less that of {NONE}": 1.4 - 4.6,
        f"distance, {unbiased}, simulated 1, less that of {NONE}": 4.0,
        f"distance, {there}, JPEG, detector 0.9, less that of JPEG, {NONE}": 2 * (1.08 - 4.6),
        f"distance, {there}, JPEG, {TAIL}, less that of JPEG, {NONE}": 2 * (2.2 - 4.6),
        f"distance, {there}, 30 dB, {TAIL}, less that of {NONE}": 0.5 * 2.2 - 4.6,
        f"distance, {there}, verified, {TAIL}, less that of {NONE}": 1.05 * 1.4 - 4.6,
        f"distance, verified over simulated, recall 1, {there}": 1.05,
        f"share of samples withheld in the end, {unbiased}": 0.2,
        f"distance, {unbiased}, floats, detector 0.9, less that of {NONE}": 3 * 4.68 - 1.0,
        f"distance, detector over simulated, recall 0.9, {there}": 1.08,
        f"distance, detector over simulated, recall 0.5, {there}": 2.52 / 2.6,
        f"distance, detector over simulated, recall 0.5, {unbiased}": 3.08 / 3.0,
        f"realised recall in the end, {there}, detector 0.8": 0.82,
        f"realised recall in the end, {unbiased}, {TAIL}": USUAL_P,
        f"realised recall in the end, {there}, JPEG, detector 0.9": 0.92,
        f"realised share of real ones excluded in the end, {there}, {TAIL}": USUAL_P / 100,
    }
    worth = "real samples per generation that do without a filter what it does, "
    expected[f"{worth}{there}, detector 0.9"] = 200 * (4.6 / 1.08) ** 2
    expected[f"{worth}{there}, {TAIL}"] = 200 * (4.6 / 2.2) ** 2
    for what, value in expected.items():
        found = figures[what]
        if found.undefined:  # worth more real data than any loop has
            assert (value > 1600, found.undefined) == (True, "with 1600 a seed has still more"), what
        else:
            grows = what.startswith("distance") and " less that of " in what
            assert found.value == pytest.approx(value * (factor if grows else 1)), what


def test_its_panels_draw_both_filters_over_recall_and_what_the_detector_came_to(preset, measured):
    panels = preset.panels(measured)
    assert [panel.title for panel in panels[:6]] == ["λ = 0.8", "λ = 1"] * 3
    for panel in panels[:6]:
        assert [each.label for each in panel.curves] == [f"{model}, {kind}" for model in MODELS for kind in KINDS]
        detector, simulated = panel.curves[:2]
        assert tuple(simulated.x) == (*detector.x, 1.0) == (0.0, *SIZES["paper"].recalls, 1.0)
    assert panels[0].curves[1].median == pytest.approx([1 + 4 * abs(r - 0.9) for r in panels[0].curves[1].x])
    asked, tail = panels[6].curves[0], panels[6].curves[-1]
    assert (asked.label, asked.dotted, tail.label, tail.dotted) == ("asked 0.5", 0.5, TAIL, None)
    assert asked.median[-1] == pytest.approx(1.5 * 0.52)


def test_without_pictures_it_says_where_to_get_some(monkeypatch, tmp_path):
    monkeypatch.setattr("evaluator.presets.data.FASHION_MNIST", tmp_path / "none")
    assert "dataset-fashion-mnist" in make_preset("recall-u-curve-pictures").lacks
