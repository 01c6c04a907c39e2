"""Sweeps: every combination once, stored where a wider grid finds it again, and compared with an interval."""

import csv
import json
from dataclasses import replace

import pytest

from evaluator.sweep_runs import run_sweep
from evaluator.sweeps import load_sweep, run_name, searched_field, sweep_of
from hygiene.errors import ConfigurationError, InfeasibleError
from hygiene.ledger import locked

BASE = {
    "loop": "fresh_data",
    "n_ini": 30,
    "n_r": 30,
    "n_s": 270,
    "generations": 4,
    "n_reference": 500,
    "n_measure": 500,
    "source": {"name": "gaussian", "dimension": 8},
    "model": "gaussian",
    "sampling_bias": 0.9,
    "metrics": {"frechet": {}},
    "filter": {"mode": "simulated", "tpr": [0.0, 0.8, 1.0]},
    "seeds": 2,
    "sweep": {"last": 2},
}


def test_every_combination_of_lists_however_deep_with_every_seed():
    sweep = sweep_of(BASE | {"sampling_bias": [0.9, 1.0], "seed": [3, 5], "seeds": None})
    assert sweep.fields == ["sampling_bias", "filter.tpr"]
    runs = list(sweep.runs())
    assert len(runs) == len({run_name(config) for _, config in runs}) == 12
    assert {(c.sampling_bias, c.filter.tpr, c.seed) for _, c in runs} == {
        (bias, tpr, seed) for bias in (0.9, 1.0) for tpr in (0.0, 0.8, 1.0) for seed in (3, 5)
    }


def test_progress_is_told_of_every_generation_and_begins_with_what_is_there(tmp_path):
    told = []
    sweep = sweep_of(BASE)
    run_sweep(sweep, tmp_path, progress=lambda *each: told.append(each))
    assert told == [("generations", done, 24) for done in range(1, 25)]
    told.clear()
    run_sweep(sweep, tmp_path, progress=lambda *each: told.append(each))
    assert told == [("generations", done, 24) for done in range(4, 25, 4)]


def test_arms_hold_what_belongs_together_and_lists_of_their_own():
    arms = [{"loop": "fully_synthetic", "n_r": 0, "filter": {"tpr": 0.5}}, {"filter": {"fpr": [0.0, 0.1]}}]
    sweep = sweep_of(BASE | {"arm": arms})
    assert [point.settings for point in sweep.points] == [
        {"loop": "fully_synthetic", "n_r": 0, "filter.tpr": 0.5, "filter.fpr": None},
        *(
            {"loop": "fresh_data", "n_r": 30, "filter.tpr": tpr, "filter.fpr": fpr}
            for tpr in (0.0, 0.8, 1.0)
            for fpr in (0.0, 0.1)
        ),
    ]


def test_models_and_their_parameters_are_fields_too():
    sweep = sweep_of(BASE | {"model": ["gaussian", {"name": "kde", "bandwidth": 0.1}]})
    assert [point.settings["model"] for point in sweep.points[::3]] == ["gaussian", "kde"]
    assert [point.settings["model.bandwidth"] for point in sweep.points[::3]] == [None, 0.1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"filter": {"mode": "simulated", "tpr": []}}, "filter.tpr is an empty list"),
        ({"n_s": [270, "many"]}, "n_s is 'many', expected int"),
        ({"n_synthetic": [1, 2]}, "no field n_synthetic"),
        ({"model": ["gaussian", "gan"]}, "there is no model 'gan'"),
        ({"n_s": [270, 270]}, r"two combinations of the sweep are the same loop \(filter.tpr = 0.0\): leave one"),
        ({"sweep": {"last": 5}}, "sweep.last is 5, a loop has 4 generations: expected no more"),
        ({"seeds": 0}, "seeds is 0"),
        ({"seeds": 2, "seed": 1}, "both seeds and seed"),
        ({"seeds": None, "seed": [1, 1]}, "expected different seeds"),
        ({"seeds": None, "seed": [1, -1]}, "seed is -1"),
        ({"seeds": "3"}, "seeds is '3', expected int"),
        ({"arm": 3}, "arm is 3"),
        ({"sweep": {"metrics": "x"}}, r"\[sweep\] has no field metrics"),
        ({"sweep": {"best": "worst"}}, "sweep.best is 'worst'"),
        ({"sweep": {"last": 0}}, "sweep.last is 0"),
        ({"sweep": {"over": "n_s"}}, "sweep.over is 'n_s', expected a field that varies: filter.tpr"),
        ({"sweep": {"over": "loop"}, "arm": [{}, {"loop": "synthetic_augmentation"}]}, "a value of it is 'fresh_data'"),
        ({"seeds": 50_000}, "more than 100000 runs"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_runs(changes, message):
    values = {name: value for name, value in (BASE | changes).items() if value is not None}
    with pytest.raises(ConfigurationError, match=message):
        sweep_of(values)


def test_a_file_that_is_not_there_or_no_toml(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot read"):
        load_sweep(tmp_path / "absent.toml")
    (tmp_path / "broken.toml").write_text("loop = ")
    with pytest.raises(ConfigurationError, match="is not TOML"):
        load_sweep(tmp_path / "broken.toml")


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    out = tmp_path_factory.mktemp("sweep")
    return out, run_sweep(sweep_of(BASE), out)


def test_the_summary_says_what_each_combination_came_to_and_which_recall_is_best(swept):
    _, summary = swept
    assert [point["settings"] for point in summary["points"]] == [{"filter.tpr": tpr} for tpr in (0.0, 0.8, 1.0)]
    distances = [point["values"]["frechet_distance"] for point in summary["points"]]
    assert all(each["ci_low"] <= each["mean"] <= each["ci_high"] for each in distances)
    (best,) = summary["best"]
    means = [each["mean"] for each in distances]
    assert best["value"] == pytest.approx(min(means))
    assert best["best"] == [0.0, 0.8, 1.0][means.index(min(means))] == 0.8  # U-shaped: neither end
    assert best["ci_low"] <= best["best"] <= best["ci_high"]


def test_averages_are_those_of_the_run_folders(swept):
    out, summary = swept
    point = summary["points"][1]
    values = []
    for name in point["runs"]:
        lines = [json.loads(line) for line in (out / "runs" / name / "generations.jsonl").read_text().splitlines()]
        values.append(sum(line["metrics"]["frechet_distance"] for line in lines[-2:]) / 2)
    assert point["values"]["frechet_distance"]["mean"] == pytest.approx(sum(values) / 2)


def test_tables_hold_every_generation_and_every_value(swept):
    out, summary = swept
    with (out / "generations.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 2 * 4
    assert {row["filter.tpr"] for row in rows} == {"0.0", "0.8", "1.0"}
    with (out / "summary.csv").open() as file:
        found = {(row["filter.tpr"], row["metric"]): row["mean"] for row in csv.DictReader(file)}
    assert float(found["0.8", "frechet_distance"]) == summary["points"][1]["values"]["frechet_distance"]["mean"]
    assert json.loads((out / "summary.json").read_text()) == summary


def test_a_wider_grid_runs_what_is_new_only(swept, monkeypatch):
    import evaluator.sweep_runs as module

    out, before = swept
    asked = []
    really = module.run_arms
    monkeypatch.setattr(module, "run_arms", lambda configs, *rest: asked.extend(configs) or really(configs, *rest))
    wider = sweep_of(BASE | {"filter": {"mode": "simulated", "tpr": [0.0, 0.6, 0.8, 1.0]}})
    summary = run_sweep(wider, out)
    assert [(config.filter.tpr, config.seed) for config in asked] == [(0.6, 0), (0.6, 1)]
    assert [point for point in summary["points"] if point["settings"]["filter.tpr"] != 0.6] == before["points"]


def test_a_run_that_was_stopped_goes_on(swept, tmp_path):
    _, before = swept
    sweep = sweep_of(BASE)
    stopped = tmp_path / "stopped"
    run_sweep(sweep, stopped)
    folder = stopped / "runs" / before["points"][1]["runs"][0]
    rows = (folder / "generations.jsonl").read_text()
    (folder / "generations.jsonl").write_text("".join(rows.splitlines(keepends=True)[:2]) + '{"torn')
    assert run_sweep(sweep, stopped) == before
    assert (folder / "generations.jsonl").read_text() == rows


def test_workers_change_nothing(swept, tmp_path):
    assert run_sweep(sweep_of(BASE), tmp_path / "spread", workers=2)["points"] == swept[1]["points"]


def test_a_loop_that_fails_costs_no_other_and_the_tables_are_written(tmp_path):
    values = BASE | {"loop": "fully_synthetic", "n_r": 0, "filter": {"mode": "simulated", "tpr": [0.1, 0.999]}}
    with pytest.raises(InfeasibleError, match="the filter left"):
        run_sweep(sweep_of(values), tmp_path / "out")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [point["seeds"] for point in summary["points"]] == [2, 0]
    assert summary["best"] == []


@pytest.mark.parametrize(
    ("goal", "fields", "complaint"),
    [
        ({"metric": "fid"}, {}, r"'fid', which the last generation .* choose one of frechet_distance, tpr, fpr, ppv"),
        ({"metric": "frechet"}, {}, "'frechet', which .* choose one of frechet_distance"),
        ({"metric": "manifold_recall"}, {}, r"'manifold_recall', which .*, or add \[metrics.manifold\]"),
        ({"metric": "raw_mark"}, {}, "'raw_mark', which the last generation of its loops will not have"),
        ({"metric": "tpr", "last": 4}, {}, "'tpr', which the last 4 generations of its loops will not have"),
        ({"metric": "fpr"}, {"loop": "fully_synthetic", "n_r": 0, "filter": {}}, "'fpr', which"),
    ],
)
def test_a_metric_that_no_loop_will_measure_is_refused_before_anything_runs(goal, fields, complaint):
    with pytest.raises(ConfigurationError, match=f"sweep.metric is {complaint}"):
        sweep_of(BASE | fields | {"sweep": goal})


@pytest.mark.parametrize("metric", ["raw_mark", "tpr", "kid_deviation", "label_agreement", "class_3", "wrong_key_z"])
def test_a_metric_that_one_kind_of_loop_will_measure_is_taken(metric):
    arms = [
        {},
        {"tagging": {"mode": "blind"}},
        {"metrics": {"kid": {}}},
        {"source": "digits", "model": {"name": "ddpm_mlp", "labels": 10}, "metrics": {"class_counts": {}}},
    ]
    values = BASE | {"arm": arms, "source": "digits_oracle", "sweep": {"metric": metric}}
    assert sweep_of(values).goal.metric == metric


def test_a_field_is_searched_where_only_some_loops_have_it(tmp_path):
    """As filter.tpr beside an arm without a filter; said by name it was refused for the value of that arm."""
    arms = [{"filter": {"mode": "none"}}, {"filter": {"mode": "simulated", "tpr": [0.0, 0.9]}}]
    values = {name: value for name, value in BASE.items() if name != "filter"}
    summaries = [
        run_sweep(sweep_of(values | {"arm": arms, "sweep": {"last": 2} | over}), tmp_path / str(len(over)))
        for over in ({}, {"over": "filter.tpr"})
    ]
    assert summaries[0]["best"] == summaries[1]["best"]
    (best,) = summaries[1]["best"]
    assert best["settings"]["filter.mode"] == "simulated"


def test_what_is_a_share_of_nothing_in_every_loop_is_told_after_one_of_them(tmp_path):
    values = BASE | {"filter": {"mode": "simulated", "tpr": 0.0}, "seeds": 3, "sweep": {"metric": "ppv"}}
    with pytest.raises(ConfigurationError, match=r"sweep.metric is 'ppv', which no loop measured: .*frechet_distance"):
        run_sweep(sweep_of(values), tmp_path / "out")
    assert len(list((tmp_path / "out" / "runs").iterdir())) == 1


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thing").touch()
    with pytest.raises(ConfigurationError, match="is not empty and no folder of a sweep"):
        run_sweep(sweep_of(BASE), tmp_path / "full")


def test_a_value_that_only_some_loops_have_is_compared_where_it_is_there(tmp_path):
    """The mark, for instance, where somebody tags; the first combination need not be one of those."""
    arms = [{}, {"tagging": {"mode": "blind"}}]
    goal = {"metric": "raw_mark", "over": "filter.tpr"}
    summary = run_sweep(sweep_of(BASE | {"arm": arms, "seeds": 1, "sweep": goal}), tmp_path)
    assert ["raw_mark" in point["values"] for point in summary["points"]] == [False] * 3 + [True] * 3
    (best,) = summary["best"]
    assert best["metric"] == "raw_mark"
    assert best["settings"]["tagging.mode"] == "blind"


def test_two_processes_do_not_run_one_sweep(tmp_path):
    """A second one would fail on the runs that the first one holds, and the first one on those of the second."""
    sweep = sweep_of(BASE)
    run_sweep(sweep, tmp_path / "out")
    before = (tmp_path / "out" / "summary.json").read_bytes()
    with (
        locked(tmp_path / "out", {}),
        pytest.raises(ConfigurationError, match=r"another run is writing to .*out: wait for its end"),
    ):
        run_sweep(replace(sweep, seeds=(7,)), tmp_path / "out")
    assert (tmp_path / "out" / "summary.json").read_bytes() == before
    run_sweep(sweep, tmp_path / "out")


def test_a_sweep_that_died_before_its_first_file_was_whole_begins_again(tmp_path):
    (tmp_path / ".hygiene").mkdir()
    (tmp_path / ".sweep.json.partial").write_text("{")
    run_sweep(sweep_of(BASE | {"seeds": 1, "filter": {"mode": "simulated", "tpr": 0.0}}), tmp_path)


def test_most_instead_of_least_looks_for_the_other_end(tmp_path):
    sweep = sweep_of(BASE)
    most = replace(sweep, goal=replace(sweep.goal, best="most"))
    summary = run_sweep(most, tmp_path / "out")
    (best,) = summary["best"]
    assert searched_field(sweep) == "filter.tpr"
    assert best["best"] in (0.0, 1.0)
    means = [point["values"]["frechet_distance"]["mean"] for point in summary["points"]]
    assert best["value"] == pytest.approx(max(means))
