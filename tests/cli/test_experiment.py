"""`hygiene experiment`: by name into a folder, with a verdict beside every figure."""

import json

import pytest
from click.testing import CliRunner

from cli.main import main
from evaluator.presets import PRESETS


@pytest.fixture
def call(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, ["experiment", *arguments])


def test_every_experiment_is_listed(call):
    heading, *lines = call("--list").stdout.splitlines()
    assert heading.split()[0] == "name"
    assert [line.split()[0] for line in lines] == list(PRESETS)


def test_the_table_says_what_was_measured_and_whether_it_holds(call, tmp_path):
    result = call("recall-u-curve", "--out", "curve")
    assert result.exit_code == 0, result.output
    heading, *lines = result.stdout.splitlines()
    assert heading.split() == ["figure", "measured", "95", "%", "interval", "expected", "rule", "holds"]
    assert all(line.endswith("yes") for line in lines)
    assert "plot: curve/plot.svg" in result.stderr
    stored = json.loads((tmp_path / "curve" / "results.json").read_text())
    assert len(stored["rows"]) == len(lines) == 7
    again = call("recall-u-curve", "--out", "curve", "--format", "json")
    assert json.loads(again.stdout)["rows"] == stored["rows"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give NAME and --out DIR; NAME is one of mad-gaussian-fresh"),
        (("recall-u-curve",), "give NAME and --out DIR"),
        (("fid", "--out", "run"), "there is no experiment 'fid': choose one of mad-gaussian-fresh"),
        (("recall-u-curve", "--out", "run", "--scale", "huge"), "there is no scale 'huge': choose one of small, paper"),
        (("mad-ffhq-stylegan2", "--scale", "paper", "--out", "run"), "needs pictures: give --data FOLDER with images/"),
        (("mad-mnist-wgan", "--data", "nowhere", "--out", "run"), "there is no nowhere: expected a folder"),
        (("recall-u-curve", "--data", "full", "--out", "run"), "recall-u-curve reads no pictures: leave out"),
        (("recall-u-curve", "--seeds", "1", "--out", "run"), "1 is not in the range x>=2"),
        (("recall-u-curve", "--out", "full"), "is not empty and no folder of an experiment"),
        (("recall-u-curve", "--out", "other"), "other holds another experiment or scale"),
    ],
)
def test_mistakes_are_one_line_and_exit_with_two(call, tmp_path, arguments, message):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thing").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "experiment.json").write_text('{"experiment": "mad-gmm25", "scale": "small"}')
    result = call(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
