"""`hygiene evaluate`: from a file to a folder; stdout is data, stderr is talk, mistakes are one line."""

import json

import pytest
from click.testing import CliRunner

from cli.main import main

TOML = """
loop = "fully_synthetic"
n_ini = 50
n_s = 50
generations = 3
n_reference = 100
source = {name = "gaussian", dimension = 3}
model = "gaussian"
tagging = {mode = "informed"}
filter = {mode = "simulated", tpr = 0.5}
"""


@pytest.fixture
def call(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop.toml").write_text(TOML)
    return lambda *arguments: CliRunner().invoke(main, ["evaluate", *arguments])


def test_the_table_has_a_line_per_generation_and_the_floor(call):
    result = call("loop.toml", "--out", "run")
    assert result.exit_code == 0, result.output
    heading, *lines, legend = result.stdout.splitlines()
    columns = heading.split()
    assert columns[:3] == ["t", "n_real", "n_synthetic"]
    assert {"frechet_distance", "manifold_recall", "tpr", "raw_mark", "published_mark"} <= set(columns)
    assert [line.split()[0] for line in lines] == ["1", "2", "3", "real"]
    assert "k = 5" in legend
    assert "4 sd" in legend


def test_what_is_probably_not_meant_is_said_on_stderr(call):
    result = call("loop.toml", "--out", "run")
    assert "warning: a filter in a closed, fully synthetic pool" in result.stderr
    assert "warning" not in result.stdout


def test_json_is_the_run_and_going_on_gives_the_same(call, tmp_path):
    first = json.loads(call("loop.toml", "--out", "run", "--format", "json").stdout)
    lines = (tmp_path / "run" / "generations.jsonl").read_text().splitlines()
    assert first["generations"] == [json.loads(line) for line in lines]
    assert first["config"]["n_s"] == 50
    assert first["floors"]["frechet_distance"] > 0
    assert json.loads(call("loop.toml", "--out", "run", "--format", "json").stdout) == first


def test_the_example_runs(call, tmp_path):
    text = call("--example").stdout
    smaller = text.replace("900", "60").replace("generations = 12", "generations = 2").replace('"lenet"', '"identity"')
    (tmp_path / "tide.toml").write_text(smaller)
    result = call("tide.toml", "--out", "run")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""


def test_help_shows_the_example(call):
    result = call("--help")
    assert "hygiene evaluate --example > tide.toml" in result.stdout
    assert "hygiene evaluate tide.toml --out run" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give CONFIG.toml and --out RUN"),
        (("loop.toml",), "give CONFIG.toml and --out RUN"),
        (("absent.toml", "--out", "run"), "cannot read the configuration absent.toml"),
        (("wrong.toml", "--out", "run"), "no field n_synthetic"),
        (("loop.toml", "--out", "full"), "is not empty and no run folder"),
    ],
)
def test_mistakes_are_one_line_and_exit_with_two(call, tmp_path, arguments, message):
    (tmp_path / "wrong.toml").write_text(TOML + "\nn_synthetic = 3\n")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thing").touch()
    result = call(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
