"""Stored models: a run goes on with what it learned, to the same bytes, and believes no file that is not its own."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from evaluator.config import Choice, LoopConfig
from evaluator.loop import run_loop
from evaluator.models.pictures import check_machine
from evaluator.models.vae import Vae
from evaluator.runs import run_in_folder
from hygiene.errors import ConfigurationError

VAE = {"latent": 2, "steps": 20, "width": 8, "depth": 1, "batch": 16}
COLD = LoopConfig(
    loop="fresh_data",
    n_ini=40,
    n_r=20,
    n_s=20,
    generations=4,
    n_reference=60,
    source=Choice("gaussian", {"dimension": 3}),
    model=Choice("vae", VAE),
    metrics={"frechet": {}},
)
WARM = replace(COLD, warm_start=True, warm_parameters={"steps": 5})


@pytest.fixture
def fits(monkeypatch) -> list[int]:
    """How many steps each training took, in order."""
    steps, fit = [], Vae.fit

    def counted(self, *arguments):
        steps.append(self.steps)
        fit(self, *arguments)

    monkeypatch.setattr(Vae, "fit", counted)
    return steps


def finish(folder: Path, config: LoopConfig, **options) -> bytes:
    list(run_in_folder(config, folder, **options))
    return (folder / "generations.jsonl").read_bytes()


def stop(folder: Path, config: LoopConfig, after: int = 2, **options) -> Path:
    """The last model of a run that was stopped."""
    run = run_in_folder(config, folder, **options)
    for _ in range(after):
        next(run)
    run.close()
    return folder / "models" / f"generation-{after:04d}.safetensors"


def models(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "models").glob("*"))


def test_the_last_model_stays_or_all_or_none(tmp_path):
    rows = {kept: finish(tmp_path / kept, COLD, checkpoints=kept) for kept in ("last", "all", "none")}
    assert models(tmp_path / "last") == ["generation-0004.safetensors"]
    assert models(tmp_path / "all") == [f"generation-{t:04d}.safetensors" for t in range(1, 5)]
    assert models(tmp_path / "none") == []
    assert len(set(rows.values())) == 1
    assert finish(tmp_path / "default", COLD) == rows["last"]
    assert models(tmp_path / "default") == models(tmp_path / "last")
    with pytest.raises(ConfigurationError, match="checkpoints is 'some': choose one of none, last, all"):
        finish(tmp_path / "some", COLD, checkpoints="some")
    assert not (tmp_path / "some").exists()


def test_the_header_says_what_it_is(tmp_path):
    path = stop(tmp_path, COLD)
    with safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["hygiene"])
    assert (header["model"], header["parameters"]) == ("vae", VAE)
    assert (header["generation"], header["seed"]) == (2, 0)
    model = Vae(**VAE)
    model.restore(load_file(path))
    assert model.sample(5, 1.0, np.random.default_rng(0)).shape == (5, 3)


def test_equal_runs_store_equal_bytes(tmp_path):
    paths = [stop(tmp_path / name, COLD) for name in "ab"]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_models_that_are_fitted_in_a_moment_are_not_stored(tmp_path):
    finish(tmp_path, replace(COLD, model=Choice("gaussian")))
    assert models(tmp_path) == []


@pytest.mark.parametrize("config", [COLD, WARM], ids=["cold", "warm"])
@pytest.mark.parametrize("kept", ["last", "none"])
def test_a_stopped_run_goes_on_to_the_same_bytes_without_fitting_again(tmp_path, fits, config, kept):
    whole = finish(tmp_path / "whole", config, checkpoints=kept)
    assert fits == [20, *[5 if config.warm_start else 20] * 3]
    stop(tmp_path / "run", config, checkpoints=kept)
    fits.clear()
    assert finish(tmp_path / "run", config, checkpoints=kept) == whole
    assert len(fits) == (3 if config is COLD and kept == "none" else 2)  # without its model, generation 2 again
    for name in models(tmp_path / "whole"):
        files = [(tmp_path / run / "models" / name).read_bytes() for run in ("whole", "run")]
        assert files[0] == files[1]


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 0x40
    path.write_bytes(content)


def plain(path: Path) -> None:
    save_file({"weight": np.zeros(3, dtype=np.float32)}, path)


def text(path: Path) -> None:
    path.write_text("no weights")


def another(path: Path) -> None:
    """The same model of another seed."""
    other = stop(path.parent.parent / "other", replace(COLD, seed=1))
    shutil.copy(other, path)


DAMAGE = {
    torn: "is damaged",
    flipped: r"is damaged \(its weights are not those that were stored\)",
    plain: "is no checkpoint of this run: it has another model, parameters",
    text: "is damaged",
    another: "is no checkpoint of this run: it has another seed, training_set",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_file_that_is_damaged_or_foreign_is_told_of_and_made_again(tmp_path, fits, damage):
    whole, told = finish(tmp_path / "whole", COLD), []
    path = stop(tmp_path / "run", COLD)
    damage(path)
    fits.clear()
    assert finish(tmp_path / "run", COLD, tell=told.append) == whole
    assert len(fits) == 3
    (line,) = told
    assert re.search(DAMAGE[damage], line)
    assert line.endswith(": generation 2 is fitted again")
    assert "\n" not in line
    assert models(tmp_path / "run") == ["generation-0004.safetensors"]


@pytest.mark.parametrize("lost", [torn, Path.unlink])
def test_a_warm_start_without_its_model_runs_again_from_the_start(tmp_path, fits, lost):
    whole, told = finish(tmp_path / "whole", WARM), []
    lost(stop(tmp_path / "run", WARM))
    fits.clear()
    assert finish(tmp_path / "run", WARM, tell=told.append) == whole
    assert fits == [20, 5, 5, 5]
    assert told[0].endswith(": the run starts again")


def test_a_finished_warm_run_without_floors_needs_no_model(tmp_path):
    rows = finish(tmp_path, WARM)
    (tmp_path / "floors.json").unlink()
    shutil.rmtree(tmp_path / "models")
    assert finish(tmp_path, WARM) == rows
    assert (tmp_path / "floors.json").exists()


def test_a_warm_start_goes_on_from_the_last_weights():
    """Without learning in it, every generation is the first model; from scratch it is an untrained one."""
    still = replace(WARM, warm_parameters={"steps": 1, "rate": 1e-12}, generations=3)
    first, *later = (step.state.model for step in run_loop(still))
    expected = first.sample(50, 1.0, np.random.default_rng(0))
    for model in later:
        np.testing.assert_allclose(model.sample(50, 1.0, np.random.default_rng(0)), expected, atol=1e-5)
    warm, cold = ([step.metrics["frechet_distance"] for step in run_loop(config)] for config in (WARM, COLD))
    assert warm[0] == cold[0]
    assert (np.array(warm[1:]) != np.array(cold[1:])).all()


def test_a_warm_start_that_cannot_be_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(ConfigurationError, match="warm_start: the model 'kde' has no weights to go on from"):
        finish(tmp_path / "run", replace(WARM, model=Choice("kde"), warm_parameters={}))
    with pytest.raises(ConfigurationError, match="the model 'vae' has no parameter step"):
        finish(tmp_path / "run", replace(WARM, warm_parameters={"step": 5}))
    with pytest.raises(ConfigurationError, match="warm_parameters count in a warm start only"):
        finish(tmp_path / "run", replace(WARM, warm_start=False))
    assert not (tmp_path / "run").exists()
    wider = replace(WARM, warm_parameters={"width": 16})
    with pytest.raises(ConfigurationError, match="generation 2 cannot fit the model 'vae': these weights are not of"):
        list(run_loop(wider))
    state = next(run_loop(WARM)).state
    second = next(run_loop(WARM, start=state)).state
    with pytest.raises(ConfigurationError, match="needs the model of generation 1"):
        next(run_loop(WARM, start=replace(second, model=None)))


@pytest.mark.parametrize("config", [COLD, WARM], ids=["cold", "warm"])
def test_a_whole_model_that_this_machine_cannot_take_costs_no_generation(tmp_path, monkeypatch, config):
    whole = finish(tmp_path / "whole", config)
    path = stop(tmp_path / "run", config)
    stored = (tmp_path / "run" / "generations.jsonl").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(Vae, "restore", lambda *_: check_machine("cuda"))
        patch.setattr("torch.cuda.is_available", lambda: False)
        with pytest.raises(ConfigurationError, match=f"^{path} cannot be used here: device is cuda, but torch sees no"):
            finish(tmp_path / "run", config)
    assert (tmp_path / "run" / "generations.jsonl").read_bytes() == stored
    assert finish(tmp_path / "run", config) == whole
