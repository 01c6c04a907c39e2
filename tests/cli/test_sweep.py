"""`hygiene sweep`: from a file with lists to a folder of runs; stdout is data, mistakes are one line."""

import json

import pytest
from click.testing import CliRunner

from cli.main import main

TOML = """
seeds = 2
loop = "fresh_data"
n_ini = 30
n_r = 30
n_s = 270
generations = 3
n_reference = 300
n_measure = 300
sampling_bias = 0.9
source = {name = "gaussian", dimension = 8}
model = "gaussian"
filter = {mode = "simulated", tpr = [0.0, 0.8, 1.0]}
[metrics.frechet]
"""


@pytest.fixture
def call(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grid.toml").write_text(TOML)
    return lambda *arguments: CliRunner().invoke(main, ["sweep", *arguments])


def test_the_table_has_a_line_per_combination_and_tells_the_best_recall(call):
    result = call("grid.toml", "--out", "grid", "--workers", "1")
    assert result.exit_code == 0, result.output
    heading, *lines, best = result.stdout.splitlines()
    assert heading.split() == ["filter.tpr", "frechet_distance", "95", "%", "interval", "seeds"]
    assert [line.split()[0] for line in lines] == ["0", "0.8", "1"]
    assert best.startswith("frechet_distance is least (")
    assert "at filter.tpr = 0.8 (95 % interval 0 to 0.8, 2 seeds); at 1 it is 0." in best
    assert result.stderr == ""


def test_what_a_combination_does_not_measure_stays_empty(call, tmp_path):
    arms = '[[arm]]\n[[arm]]\ntagging = {mode = "blind"}\n[sweep]\nmetric = "raw_mark"\n'
    (tmp_path / "grid.toml").write_text(TOML.replace("[0.0, 0.8, 1.0]", "0.5").replace("seeds = 2", "") + arms)
    result = call("grid.toml", "--out", "grid", "--workers", "1")
    heading, untagged, tagged = (line.split() for line in result.stdout.splitlines())
    assert heading[:2] == ["tagging.mode", "raw_mark"]
    assert untagged == ["none", "-", "-", "1"]
    assert float(tagged[1]) > 0.1


def test_json_is_the_summary_and_going_on_gives_the_same(call, tmp_path):
    first = call("grid.toml", "--out", "grid", "--workers", "1", "--format", "json").stdout
    assert json.loads(first) == json.loads((tmp_path / "grid" / "summary.json").read_text())
    assert call("grid.toml", "--out", "grid", "--workers", "1", "--format", "json").stdout == first


def smaller(text):
    return text.replace("2000", "100").replace("generations = 12", "generations = 4").replace("seeds = 5", "seeds = 1")


def test_the_example_runs(call, tmp_path):
    (tmp_path / "example.toml").write_text(smaller(call("--example").stdout))
    result = call("example.toml", "--out", "run", "--workers", "1")
    assert result.exit_code == 0, result.output
    assert result.stdout.count("\n") == 1 + 10 + 2
    assert "sampling_bias = 0.8: frechet_distance is least" in result.stdout


def test_the_examples_arms_are_a_configuration_too(call, tmp_path):
    text = call("--example").stdout.replace("# [[arm]]", "[[arm]]").replace("# loop = ", "loop = ")
    (tmp_path / "arms.toml").write_text(smaller(text))
    result = call("arms.toml", "--out", "run", "--workers", "1", "--format", "json")
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)["points"]) == 20


def test_what_is_probably_not_meant_is_said_once(call, tmp_path):
    closed = TOML.replace("fresh_data", "fully_synthetic").replace("n_r = 30\n", "").replace(", 1.0", "")
    (tmp_path / "closed.toml").write_text(closed)
    result = call("closed.toml", "--out", "run", "--workers", "1")
    assert result.exit_code == 0, result.output
    assert result.stderr.count("a filter in a closed, fully synthetic pool") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give CONFIG.toml and --out DIR"),
        (("grid.toml",), "give CONFIG.toml and --out DIR"),
        (("absent.toml", "--out", "run"), "cannot read the configuration absent.toml"),
        (("wrong.toml", "--out", "run"), "n_s is 'many', expected int"),
        (("grid.toml", "--out", "full"), "is not empty and no folder of a sweep"),
        (("grid.toml", "--out", "grid.toml"), "cannot use grid.toml as the folder of a sweep"),
    ],
)
def test_mistakes_are_one_line_and_exit_with_two(call, tmp_path, arguments, message):
    (tmp_path / "wrong.toml").write_text(TOML.replace("n_s = 270", 'n_s = [270, "many"]'))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thing").touch()
    result = call(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
