"""A run goes on with the generator and the data that it began with, or not at all."""

import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest

from evaluator.config import Choice, LoopConfig
from evaluator.run_inputs import check_generator, claim_generator
from evaluator.runs import run_in_folder
from evaluator.sweep_runs import run_sweep
from evaluator.sweeps import Goal, Point, Sweep
from hygiene.errors import ConfigurationError

CONFIG = LoopConfig(
    loop="fully_synthetic",
    n_ini=40,
    n_s=40,
    generations=3,
    n_reference=40,
    source=Choice("gaussian", {"dimension": 2}),
    model=Choice("callable", {"entry": "mine:sample"}),
)
MODULE = "def sample(n, rng):\n    return rng.standard_normal((n, 2))\n"
ANOTHER = "was made with another generator: module mine changed since"


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The file of a module with a generator, which Python can import."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mine.py").write_text(MODULE)
    yield tmp_path / "mine.py"
    sys.modules.pop("mine", None)


def stop(folder, config):
    """After generation 1."""
    run = run_in_folder(config, folder)
    next(run)
    run.close()


def test_a_stopped_run_refuses_another_module_and_goes_on_with_its_own(mine, tmp_path):
    stop(tmp_path / "run", CONFIG)
    mine.write_text(MODULE + "# longer\n")
    with pytest.raises(ConfigurationError, match=ANOTHER):
        list(run_in_folder(CONFIG, tmp_path / "run"))
    mine.write_text(MODULE)
    assert len(list(run_in_folder(CONFIG, tmp_path / "run"))) == 3


def test_the_module_that_a_generator_was_written_in_counts_too(mine, tmp_path):
    (tmp_path / "shown.py").write_text("from mine import sample\n")
    stop(tmp_path / "run", replace(CONFIG, model=Choice("callable", {"entry": "shown:sample"})))
    assert set(json.loads((tmp_path / "run" / "generator.json").read_text())) == {"module mine", "module shown"}
    sys.modules.pop("shown")


def test_figures_of_a_finished_run_are_not_told_as_those_of_another_generator(mine, tmp_path):
    sweep = Sweep((Point({}, CONFIG),), (0,), Goal())
    run_sweep(sweep, tmp_path / "sweep")
    list(run_in_folder(CONFIG, tmp_path / "run"))
    mine.write_text(MODULE.replace("2", "2 "))
    with pytest.raises(ConfigurationError, match=ANOTHER):
        list(run_in_folder(CONFIG, tmp_path / "run"))
    with pytest.raises(ConfigurationError, match=ANOTHER):
        run_sweep(sweep, tmp_path / "sweep")


def test_a_folder_of_an_earlier_version_goes_on(mine, tmp_path):
    stop(tmp_path / "run", CONFIG)
    (tmp_path / "run" / "generator.json").unlink()
    assert len(list(run_in_folder(CONFIG, tmp_path / "run"))) == 3
    assert (tmp_path / "run" / "generator.json").is_file()


def test_what_a_run_without_a_generation_stored_is_forgotten(mine, tmp_path):
    """Another configuration may take the folder over, of a generator and a source that are made of no files."""
    (tmp_path / "run").mkdir()
    claim_generator(tmp_path / "run", CONFIG, False)
    (tmp_path / "run" / "config.json").write_text(json.dumps({"config": CONFIG.to_dict(), "key_digest": None}))
    (tmp_path / "run" / "data.json").write_text('{"rows": "0"}')
    stop(tmp_path / "run", replace(CONFIG, model=Choice("gaussian")))
    assert not (tmp_path / "run" / "generator.json").exists()
    assert len(list(run_in_folder(replace(CONFIG, model=Choice("gaussian")), tmp_path / "run"))) == 3


def real(folder, n):
    np.savez(folder / "real.npz", samples=np.random.default_rng(n).standard_normal((n, 2)))


def test_a_stopped_run_refuses_other_data_and_goes_on_with_its_own(mine, tmp_path):
    real(tmp_path, 60)
    source = Choice("npz", {"path": str(tmp_path / "real.npz")})
    config = replace(CONFIG, source=source, reference=CONFIG.source)
    stop(tmp_path / "run", config)
    real(tmp_path, 61)
    with pytest.raises(ConfigurationError, match="was made with other real data than its source holds now"):
        list(run_in_folder(config, tmp_path / "run"))
    real(tmp_path, 60)
    assert len(list(run_in_folder(config, tmp_path / "run"))) == 3


def test_a_pipelines_parts_and_its_prompts_are_what_it_is_made_of(stable_diffusion, tmp_path):
    folder, prompts = shutil.copytree(stable_diffusion, tmp_path / "sd"), tmp_path / "prompts.txt"
    prompts.write_text("a cat\na dog\n")
    model = Choice("pipeline", {"path": str(folder), "labels": 2, "prompts": str(prompts), "size": 8})
    config = replace(CONFIG, model=model, source=Choice("digits"))
    claim_generator(tmp_path, config, False)
    check_generator(tmp_path, config)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    for file in (prompts, folder / "scheduler" / "scheduler_config.json", weights):
        before = file.read_bytes()
        file.write_bytes(before + b"\n")
        with pytest.raises(ConfigurationError, match=f"another generator: {file} changed since"):
            check_generator(tmp_path, config)
        file.write_bytes(before)
    check_generator(tmp_path, config)
