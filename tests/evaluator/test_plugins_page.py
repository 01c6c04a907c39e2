"""docs/plugins.md runs: its module, its configurations and its Python, in the order given."""

import re
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import main
from evaluator.config import LoopConfig
from evaluator.models import make_model
from evaluator.sources import SOURCES
from evaluator.sweeps import sweep_of
from evaluator.tables import check_parameters

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text("utf-8")
RESTORING, MODULE, HANDING_OVER, WEIGHED = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
WARM, COMPARED, CALLABLE, PIPELINE, PROMPTS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("mine", None)


def evaluate(folder, text):
    (folder / "loop.toml").write_text(text)
    result = CliRunner().invoke(main, ["evaluate", "loop.toml", "--out", "run"])
    assert result.exit_code == 0, result.output
    return result


def test_a_warm_run_and_its_last_model(folder):
    evaluate(folder, WARM)
    found = {}
    exec(RESTORING, found)
    assert found["model"]._scale.mean.shape == (4,)


def test_the_sweep_over_warm_starts_is_one():
    runs = [config for _, config in sweep_of(tomllib.loads(COMPARED)).runs()]
    assert len(runs) == 24
    assert sum(config.warm_start for config in runs) == 12


def test_a_callable_from_a_configuration_and_from_python(folder, capsys):
    evaluate(folder, CALLABLE)
    exec(HANDING_OVER, {})
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["1", "2", "3"]


def test_what_flux_weighs(capsys):
    exec(WEIGHED, {})
    billions, *sizes = capsys.readouterr().out.strip().split(", ")
    assert f"{billions}, {sizes[0]};" in PAGE
    assert f"the running mean: {sizes[1]}." in PAGE


def test_pipelines_configurations_are_some(folder, tiny_pipelines):
    """The one with prompts takes a pipeline's folder as it is there."""
    assert LoopConfig.from_dict(tomllib.loads(PIPELINE)).model.parameters == {"path": "my-ddpm", "steps": 50}
    config = LoopConfig.from_dict(tomllib.loads(PROMPTS))
    check_parameters(SOURCES, "source", config.source.name, config.source.parameters)
    tiny_pipelines.stable_diffusion(folder / "my-sd")
    model = make_model("pipeline", **config.model.parameters)
    assert model._prompts == ["a cat", "a dog", "a horse"]
