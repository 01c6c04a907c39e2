"""Experiments by name: what a comparison's verdict is worth, what the runner writes, and that the small ones hold."""

import csv
import itertools
import json
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from evaluator.config import Choice, LoopConfig
from evaluator.models.chains import Chains
from evaluator.presets import PRESETS, SCALES, make_preset
from evaluator.presets.base import (
    DRAWN,
    ChainArm,
    Comparison,
    Curve,
    Estimate,
    LoopArm,
    Panel,
    Preset,
    median_curve,
    quotient,
    settled,
)
from evaluator.presets.gaussian import ratio
from evaluator.presets.plots import COLOURS, write_plot
from evaluator.presets.runner import run_preset
from evaluator.presets.three_loops import change
from hygiene.errors import ConfigurationError

QUICK = ("mad-gaussian-fresh", "mad-gaussian-admissible", "recall-u-curve")


def comparison(**fields):
    return Comparison("figure", lambda measured: Estimate(1.0, 0.9, 1.1), **fields)


@pytest.mark.parametrize(
    ("fields", "found", "verdict"),
    [
        ({"expected": 10.0, "tolerance": 0.03}, 10.29, True),
        ({"expected": 10.0, "tolerance": 0.03}, 10.31, False),
        ({"expected": 0.0, "tolerance": 0.05, "absolute": True}, 0.04, True),
        ({"expected": 0.0, "tolerance": 0.05, "absolute": True}, -0.06, False),
        ({"expected": 10.0}, 10.0, None),
        ({}, 10.0, None),
        ({"sign": 1}, 0.11, True),
        ({"sign": 1}, 0.09, False),
        ({"sign": -1}, -0.11, True),
        ({"sign": -1}, 0.0, False),
    ],
)
def test_a_verdict_is_about_the_tolerance_or_the_whole_interval(fields, found, verdict):
    assert comparison(**fields).holds(Estimate(found, found - 0.1, found + 0.1)) is verdict


def test_rules_in_words():
    assert comparison(expected=1.0, tolerance=0.03).rule == "within 3 %"
    assert comparison(expected=1.0, tolerance=0.03, absolute=True).rule == "within 0.03"
    assert [comparison(sign=sign).rule for sign in (1, -1)] == ["interval above 0", "interval below 0"]
    assert comparison().rule == ""


def test_ratios_of_independent_samples_and_changes():
    rng = np.random.default_rng(0)
    found = ratio(6 + rng.normal(0, 0.1, 50), 3 + rng.normal(0, 0.1, 50))
    assert found.low < 2 < found.high
    assert found.high - found.low < 0.1
    np.testing.assert_allclose(change(np.tile(np.arange(20.0), (2, 1))), 18.5)  # the last two, less the first


def test_a_figure_that_cannot_be_had_is_told_as_such_and_warns_of_nothing(tmp_path, recwarn):
    """0/0, as of a mark that no picture had room for."""

    def measure(measured):
        found = measured["chains"]["frechet_distance"][:, -1]
        return Estimate.of(quotient(found - found, found - found), "nothing was learned")

    preset = toy()
    rows = [*preset.comparisons, Comparison("share", measure, sign=1), Comparison("share kept", measure)]
    results = run_preset(replace(preset, comparisons=rows), "small", tmp_path / "out")
    assert [str(each.message) for each in recwarn] == []
    row = results["rows"][3]
    assert (row["measured"], row["ci_low"], row["ci_high"], row["holds"]) == (None, None, None, None)
    assert row["undefined"] == "nothing was learned"
    assert results["rows"][2]["undefined"] == ""
    assert json.loads((tmp_path / "out" / "results.json").read_text()) == results
    table = (tmp_path / "out" / "results.md").read_text()
    assert "| share | not defined: nothing was learned |  |  | interval above 0 |  |  |" in table
    with (tmp_path / "out" / "results.csv").open() as file:
        told = list(csv.DictReader(file))[3]
    assert (told["measured"], told["undefined"]) == ("", "nothing was learned")


def test_a_quotient_is_undefined_over_zero_alone():
    np.testing.assert_array_equal(quotient(np.array([1.0, 0.0, 3.0]), np.array([0.0, 0.0, 2.0])), [np.nan, np.nan, 1.5])
    assert Estimate.of([1.0, np.nan]).undefined
    assert Estimate.of([1.0, np.inf]).undefined
    assert not Estimate.of([1.0, 2.0]).undefined


def test_a_curve_that_no_generation_has_is_empty():
    assert median_curve("none", np.full((2, 5), np.nan), 1.0) == Curve("none", [], [], [], [], 1.0)


def test_curves_leave_out_what_a_seed_lacks_and_take_few_points_of_long_runs():
    series = np.tile(np.arange(1000.0), (3, 1))
    series[1, 0] = np.nan
    curve = median_curve("long", series)
    assert curve.x[0] == 2
    assert curve.x[-1] == 1000
    assert len(curve.x) == DRAWN
    np.testing.assert_array_equal(curve.median, np.array(curve.x) - 1.0)


def loop_config(**changes):
    base = {"loop": "fully_synthetic", "n_ini": 40, "n_s": 40, "generations": 3, "n_reference": 50}
    base |= {"source": Choice("gaussian", {"dimension": 2}), "model": Choice("gaussian"), "metrics": {"frechet": {}}}
    return LoopConfig(**(base | changes))


def toy(**changes):
    """An experiment of one chain arm and one loop arm, with one row for each and one that has no expectation."""

    def measure(arm, measured):
        return Estimate.of(settled(measured, arm, "frechet_distance", 2))

    arms = {
        "chains": ChainArm(Chains(3, 20, 20, 20, dimension=2, unbiased=True), 4),
        "loop": LoopArm(loop_config(**changes), seeds=2),
    }
    return Preset(
        "toy",
        "Two arms.",
        arms,
        [
            Comparison("settled chains", partial(measure, "chains"), sign=1, source="a distance"),
            Comparison("settled loop", partial(measure, "loop"), expected=100.0, tolerance=0.1),
            Comparison("reported", partial(measure, "loop")),
        ],
        lambda measured: [Panel("toy", "t", "y", [median_curve("loop", measured["loop"]["frechet_distance"], 1.0)])],
    )


def test_the_runner_leaves_run_folders_tables_and_a_plot(tmp_path):
    results = run_preset(toy(), "small", tmp_path / "out")
    assert [row["holds"] for row in results["rows"]] == [True, False, None]
    assert all(row["ci_low"] < row["measured"] < row["ci_high"] for row in results["rows"])
    runs = sorted((tmp_path / "out" / "runs").iterdir())
    ends = [json.loads((run / "generations.jsonl").read_text().splitlines()[-1]) for run in runs]
    last_two = [
        [json.loads(line)["metrics"]["frechet_distance"] for line in (run / "generations.jsonl").open()][-2:]
        for run in runs
    ]
    assert len(ends) == 2
    assert results["rows"][1]["measured"] == pytest.approx(np.mean(last_two))
    assert json.loads((tmp_path / "out" / "results.json").read_text()) == results
    with (tmp_path / "out" / "series.csv").open() as file:
        assert {(row["arm"], row["generation"]) for row in csv.DictReader(file)} == {
            *(("chains", str(t)) for t in range(1, 5)),
            *(("loop", str(t)) for t in range(1, 4)),
        }
    table = (tmp_path / "out" / "results.md").read_text().splitlines()
    assert len(table) == 2 + 3
    assert table[3].startswith("| settled loop |")
    assert "| 100 | within 10 % | no |" in table[3]
    assert (tmp_path / "out" / "plot.svg").read_text().startswith("<?xml")


def test_the_runner_goes_on_with_the_runs_that_are_there(tmp_path, monkeypatch):
    first = run_preset(toy(), "small", tmp_path / "out")
    monkeypatch.setattr("evaluator.sweep_runs.run_arms", lambda *_: pytest.fail("a finished run was run again"))
    assert run_preset(toy(), "small", tmp_path / "out")["rows"] == first["rows"]


def test_more_seeds_are_added_to_those_that_are_there(tmp_path):
    run_preset(toy(), "small", tmp_path / "out")
    before = {path.name for path in (tmp_path / "out/runs").iterdir()}
    more = toy().with_seeds(4)
    assert (more.arms["loop"].seeds, more.arms["chains"]) == (4, toy().arms["chains"])
    run_preset(more, "small", tmp_path / "out")
    after = {path.name for path in (tmp_path / "out/runs").iterdir()}
    assert (len(before), len(after), before < after) == (2, 4, True)


def test_the_folder_of_another_scale_is_refused(tmp_path):
    run_preset(toy(), "small", tmp_path / "out")
    with pytest.raises(ConfigurationError, match="holds another experiment or scale"):
        run_preset(toy(), "paper", tmp_path / "out")


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", PRESETS)
def test_every_experiment_can_be_made_and_knows_its_name(name, scale):
    preset = make_preset(name, scale)
    assert preset.name == name
    assert len({row.what for row in preset.comparisons}) == len(preset.comparisons)
    assert all(row.source for row in preset.comparisons if row.expected is not None)


def test_the_papers_sizes():
    fresh = make_preset("mad-gaussian-fresh", "paper").arms["λ = 0.8, n_ini = 1000"]
    assert (fresh.chains.n_real, fresh.chains.n_synthetic, fresh.chains.dimension) == (100, 900, 100)
    modes = make_preset("mad-gmm25", "paper").arms["fully_synthetic, λ = 1"]
    assert (modes.config.generations, modes.config.model.parameters["components"]) == (2000, 25)
    flow = make_preset("mad-rosenbrock-flow", "paper").arms["fully_synthetic, λ = 0.75"].config
    assert (flow.n_ini, flow.n_s, flow.generations, flow.sampling_bias) == (10_000, 10_000, 16, 0.75)


def test_the_flows_table_reads_its_own_arms():
    """Series with one number per arm and metric, from 0 at generation 1: each row must find its own number."""
    preset = make_preset("mad-rosenbrock-flow", "paper")
    metrics = {"frechet_distance": "Fréchet distance", "manifold_precision": "manifold precision"}
    metrics |= {"manifold_recall": "manifold recall", "log_det": "log-determinant"}
    ends = {(arm, metric): 1.0 + k for k, (arm, metric) in enumerate(itertools.product(preset.arms, metrics))}
    measured = {
        arm: {metric: np.linspace([0.0] * 3, [ends[arm, metric]] * 3, 16).T for metric in metrics}
        for arm in preset.arms
    }
    found = {row.what: row.measure(measured).value for row in preset.comparisons}
    for (arm, metric), end in ends.items():
        assert found.pop(f"change of {metrics[metric]}, {arm.replace('_', ' ')}") == pytest.approx(end)
    assert len(found) == 8
    for what, value in found.items():
        told, loop, bias = re.fullmatch(r"(.*) in the end, (.*) less fully synthetic, (.*)", what).groups()
        metric = next(name for name in metrics if metrics[name] == told)
        own, closed = (ends[f"{each.replace(' ', '_')}, {bias}", metric] for each in (loop, "fully synthetic"))
        assert value == pytest.approx(own - closed)


@pytest.mark.parametrize("name", QUICK)
def test_what_is_quick_holds_at_the_small_scale(name, tmp_path):
    results = run_preset(make_preset(name, "small"), "small", tmp_path / "out")
    assert [row["what"] for row in results["rows"] if not row["holds"]] == []


def test_a_logarithmic_axis_is_labelled_in_plain_numbers(tmp_path):
    median = np.array([0.5, 0.7, 0.9])
    curve = Curve("", [1, 2, 3], median, median - 0.1, median + 0.1)
    write_plot(tmp_path / "plot.svg", [Panel("title", "generation", "distance", [curve], log_y=True)])
    labels = re.findall(r">([^<>]+)</text>", (tmp_path / "plot.svg").read_text())
    assert {"0.4", "0.6"} <= set(labels)
    assert not [each for each in labels if "e" in each and each[0].isdigit()]


def test_the_labels_of_a_plot_keep_their_digits_and_generations_are_whole(tmp_path):
    median = np.array([0.971, 0.974, 0.977, 0.98])
    curve = Curve("", [1, 2, 3, 4], median, median - 0.001, median + 0.001)
    write_plot(tmp_path / "plot.svg", [Panel("title", "generation", "precision", [curve])])
    text = (tmp_path / "plot.svg").read_text()
    labels = [float(each) for each in re.findall(r">([0-9.]+)</text>", text)]
    generations, rest = [each for each in labels if each >= 1], [each for each in labels if each < 1]
    assert generations == [1, 2, 3, 4]
    assert len(rest) > 3
    np.testing.assert_allclose(np.diff(rest), rest[1] - rest[0])
    assert max(len(digits) for digits in re.findall(r'="[0-9]+[.]([0-9]+)"', text)) == 2


def test_long_titles_and_labels_take_two_lines(tmp_path):
    """In a row of three a panel is narrow: one line was cut at the edge."""
    curve = Curve("", *(np.arange(1.0, 4.0) for _ in range(4)))
    title, label = "rotating keys, blind fully synthetic, r = 0", "last key's raw mark / embedded mark"
    panel = Panel(title, "generation", label, [curve])
    write_plot(tmp_path / "plot.svg", [panel] * 3)
    texts = re.findall(r">([^<>\n]+)</text>", (tmp_path / "plot.svg").read_text("utf-8"))
    assert texts.count("rotating keys, blind fully synthetic,") == texts.count("r = 0") == 3
    assert max(len(text) for text in texts if "mark" in text) <= 30


@pytest.mark.parametrize(("more", "colour"), [(0, 1), (6, 1), (7, 0)])
def test_a_label_has_one_colour_in_all_panels_if_there_are_enough(tmp_path, more, colour):
    """The second panel lacks the first panel's first label; the third has `more` labels that no other has."""
    labels = ["closed", "fresh"], ["fresh"], [str(number) for number in range(more)]
    panels = [
        Panel("title", "generation", "distance", [Curve(label, *[[0.1, 0.2]] * 4) for label in each]) for each in labels
    ]
    write_plot(tmp_path / "plot.svg", panels)
    parts = re.split('id="axes_[123]"', (tmp_path / "plot.svg").read_text())[1:]
    drawn = [set(re.findall(r"stroke: (#[0-9a-f]{6})", part)) & set(COLOURS) for part in parts]
    assert drawn[:2] == [set(COLOURS[:2]), {COLOURS[colour]}]
    assert len(drawn[2]) == more
