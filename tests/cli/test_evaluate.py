"""`hygiene evaluate`: from a file to a folder; stdout is data, stderr is talk, mistakes are one line."""

import json
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from cli.evaluate import EXAMPLE, _progress, _short
from cli.main import main
from evaluator.config_files import load_config
from evaluator.features import FEATURES
from evaluator.generation import Generation
from evaluator.models import MODELS, PLUGGED
from evaluator.runs import run_in_folder
from evaluator.sources import SOURCES

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
    assert legend.endswith("marks in units of the strength (4 sd)")


def test_the_unit_of_marks_in_pictures_is_their_own(call, tmp_path):
    source, model, tagging = '"crops", size = 28, count = 100', '"kde"', '{mode = "blind", codec = "spread"}'
    text = TOML.replace('"gaussian", dimension = 3', source).replace('"gaussian"', model)
    (tmp_path / "loop.toml").write_text(text.replace('{mode = "informed"}', tagging))
    legend = call("loop.toml", "--out", "run").stdout.splitlines()[-1]
    assert legend.endswith("marks in units of what tagging adds to real pictures")


def test_shares_of_a_filter_are_no_columns_where_there_is_none(call, tmp_path):
    (tmp_path / "loop.toml").write_text("\n".join(line for line in TOML.splitlines() if "filter" not in line))
    columns = call("loop.toml", "--out", "run").stdout.splitlines()[0].split()
    assert "raw_mark" in columns
    assert not {"tpr", "fpr"} & set(columns)


def test_small_and_large_values_keep_their_digits(call, tmp_path):
    np.savez(tmp_path / "small.npz", samples=1e-4 * np.random.default_rng(0).standard_normal((300, 2)))
    np.savez(tmp_path / "held.npz", samples=1e-4 * np.random.default_rng(1).standard_normal((300, 2)))
    source = 'source = {name = "npz", path = "small.npz"}\nreference = {name = "npz", path = "held.npz"}'
    (tmp_path / "loop.toml").write_text(TOML.replace('source = {name = "gaussian", dimension = 3}', source))
    heading, first, *_ = call("loop.toml", "--out", "run").stdout.splitlines()
    told = dict(zip(heading.split(), first.split(), strict=False))["frechet_distance"]
    stored = json.loads((tmp_path / "run/generations.jsonl").read_text().splitlines()[0])["metrics"]["frechet_distance"]
    assert 0 < stored < 1e-7
    assert float(told) == pytest.approx(stored, rel=0.01)
    assert [_short(value) for value in (None, 0.0, 0.5, -12.3456, 0.00012345, -3e7)] == [
        "-", "0.000", "0.500", "-12.346", "0.000123", "-3e+07"
    ]  # fmt: skip


def test_a_byte_order_mark_is_no_mistake_and_a_sweep_is_told_as_one(call, tmp_path):
    (tmp_path / "loop.toml").write_text(TOML, "utf-8-sig")  # as editors of Windows write
    assert call("loop.toml", "--out", "run").exit_code == 0
    (tmp_path / "sweep.toml").write_text(f"seeds = 3\n{TOML}")
    result = call("sweep.toml", "--out", "grid")
    assert result.exit_code == 2
    assert "sweep.toml has seeds, as a sweep does: run it with `hygiene sweep`" in result.stderr
    (tmp_path / "sweep.toml").write_text(f"seed = [1, 2]\n{TOML}".replace("tpr = 0.5", "tpr = [0.0, 0.5]"))
    told = call("sweep.toml", "--out", "grid").stderr
    assert "sweep.toml has a list as seed, a list as filter.tpr, as a sweep does: run it with `hygiene sweep`" in told


def test_progress_says_how_long_the_rest_takes(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    step = Generation(3, 10, 10, {"frechet_distance": 1.234}, seconds=100.2)
    _progress(step, 9)
    assert capsys.readouterr().err.endswith("generation 3/9  frechet_distance 1.23  100.2 s, about 0:10:01 left")
    _progress(replace(step, seconds=0.0), 9)  # stored, and read
    assert "left" not in capsys.readouterr().err


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


def test_models_with_weights_stay_in_the_folder_and_a_damaged_one_is_told_of(call, tmp_path):
    vae = '{name = "vae", latent = 2, steps = 5, width = 8, depth = 1}'
    (tmp_path / "vae.toml").write_text(TOML.replace('model = "gaussian"', f"model = {vae}"))
    assert call("vae.toml", "--out", "run", "--checkpoints", "all").exit_code == 0
    names = [path.name for path in sorted((tmp_path / "run" / "models").iterdir())]
    assert names == [f"generation-000{t}.safetensors" for t in (1, 2, 3)]
    config = load_config(tmp_path / "vae.toml")
    stopped = run_in_folder(config, tmp_path / "stopped")
    next(stopped)
    stopped.close()
    (tmp_path / "stopped" / "models" / names[0]).write_bytes(b"")
    result = call("vae.toml", "--out", "stopped")
    assert result.exit_code == 0, result.output
    (line,) = (line for line in result.stderr.splitlines() if names[0] in line)
    assert line.startswith("warning: stopped/models/")
    assert line.endswith(": generation 1 is fitted again")


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


SLIPS = {
    "a number as text": ("n_s = 50", 'n_s = "50"', "n_s is '50', expected int"),
    "a slip of the finger": ("n_s = 50", "n_s = 50000000000", "n_s is 50000000000, expected at most 1000000000"),
    "a source's number as text": (
        "dimension = 3",
        'dimension = "3"',
        "dimension of the source 'gaussian' is '3', expect",
    ),
    "more than memory": ("dimension = 3", "dimension = 1000000000000", "out of memory (Unable to allocate"),
    "no number": ('"informed"', '"informed", strength = inf', "tagging.strength is inf, expected a finite number"),
    "a setting of a wrong type": (
        "generations = 3",
        "metrics = {manifold = {k = 5.0}}",
        "'manifold' is 5.0, expected int",
    ),
    "no table of settings": ("generations = 3", "metrics = {frechet = 3}", "metrics.frechet is 3, expected a table"),
    "no table of parameters": (
        "dimension = 3",
        "parameters = 3",
        "parameters is 3, expected a table, { name = value }",
    ),
    "a name twice": ("dimension = 3", 'parameters = {name = "x"}', "the source 'gaussian' has no parameter name"),
    "too few samples": (
        '"gaussian"\ntag',
        '"mixture"\ntag',
        "generation 2 cannot fit the model 'mixture': got samples",
    ),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_slips_in_the_file_are_one_line(call, tmp_path, slip):
    old, new, message = SLIPS[slip]
    (tmp_path / "slip.toml").write_text(TOML.replace(old, new))
    result = call("slip.toml", "--out", "run")
    assert result.exit_code == 2, result.output
    *warnings, line = result.stderr.splitlines()
    assert message in line
    assert all(text.startswith("warning: ") for text in warnings)
    assert result.stdout == ""


def test_a_corrected_configuration_may_take_the_folder_of_one_that_never_ran(call, tmp_path):
    (tmp_path / "slip.toml").write_text(TOML.replace("dimension = 3", "dimension = 1"))
    assert "rows of 1 number: expected 2 or more" in call("slip.toml", "--out", "run").stderr
    assert call("loop.toml", "--out", "run").exit_code == 0


@pytest.mark.parametrize("package", ["threadpoolctl", "sklearn.mixture"])
def test_a_missing_extra_is_named_with_the_command_that_installs_it(call, tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / "mixture.toml").write_text(
        TOML.replace('model = "gaussian"', 'model = {name = "mixture", components = 3}')
    )
    result = call("mixture.toml", "--out", "run")
    assert result.exit_code == 2
    name = package.partition(".")[0]
    assert (
        result.stderr.splitlines()[-1] == f"hygiene: {name} is not installed: pip install 'hygiene-toolkit[evaluate]'"
    )


def test_pictures_are_drawn_and_what_cannot_be_is_said_before_the_run(call, tmp_path):
    (tmp_path / "loop.toml").write_text(TOML + "[metrics.frechet]\n")
    result = call("loop.toml", "--out", "run", "--pictures")
    assert result.exit_code == 0, result.output
    assert "warning: no tsne.svg: the run keeps 16 samples per generation, set keep_samples = 300" in result.stderr
    assert "drawn: nothing" in result.stderr
    kept = "keep_samples = 100\n" + TOML.replace("n_s = 50", "n_s = 100")
    (tmp_path / "loop.toml").write_text(kept + "[metrics.frechet]\n")
    result = call("loop.toml", "--out", "other", "--pictures")
    assert "drawn: other/tsne.svg" in result.stderr
    assert (tmp_path / "other" / "tsne.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize("name", [*SOURCES, *MODELS, *PLUGGED, *FEATURES])
def test_the_example_names_whatever_can_be_chosen(name):
    assert re.search(rf"\b{name}\b", EXAMPLE)
