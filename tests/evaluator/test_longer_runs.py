"""A finished run that is asked for more generations goes on to what it would have come to in one go, or not at all."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evaluator.config import Choice, Filter, LoopConfig, Tagging
from evaluator.loop import LoopRun
from evaluator.run_record import read_run
from evaluator.runs import run_in_folder
from evaluator.sweep_runs import run_sweep, stored_arms
from evaluator.sweeps import run_name, sweep_of
from hygiene.errors import ConfigurationError

TINY = {"steps": 3, "width": 8, "sampling_steps": 3}
CLOSED = LoopConfig(
    loop="fully_synthetic",
    n_ini=60,
    n_s=60,
    generations=5,
    n_reference=100,
    source=Choice("gaussian", {"dimension": 4}),
    model=Choice("ddpm_mlp", TINY),
    metrics={"frechet": {}},
)
FRESH = replace(CLOSED, loop="fresh_data", n_r=40)
TAGGED = Tagging("blind", strength=4.0)
GROWING = replace(CLOSED, loop="synthetic_augmentation", pool="all", n_r=60)
KINDS = {
    "closed": CLOSED,
    "real rows, none twice": replace(FRESH, n_ini=80, source=Choice("digits"), features=Choice("pca"), n_reference=300),
    "augmentation": replace(CLOSED, loop="synthetic_augmentation", n_r=40),
    "a calibrated detector": replace(FRESH, tagging=TAGGED, filter=Filter("detector", recall=0.8)),
    "rotating keys": replace(FRESH, tagging=replace(TAGGED, rotate=True), filter=Filter("simulated", tpr=0.5)),
    "a tide": replace(CLOSED, loop="rising_tide", filter=Filter("simulated", tpr=0.5)),
    "a warm start": replace(CLOSED, warm_start=True),
    "half precision": replace(CLOSED, rows="float16"),
    "a growing pool": GROWING,
    "a model without weights": replace(FRESH, model=Choice("kde")),
    "labels": replace(
        CLOSED,
        source=Choice("digits_oracle"),
        features=Choice("pca"),
        model=Choice("ddpm_mlp", {**TINY, "labels": 10}),
    ),
}


def finish(config: LoopConfig, folder: Path) -> list[float]:
    """Run it; the seconds of every generation, 0 for what was there."""
    return [step.seconds for step in run_in_folder(config, folder)]


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("config", KINDS.values(), ids=KINDS)
def test_a_finished_run_goes_on_to_the_same_files(config: LoopConfig, tmp_path: Path) -> None:
    finish(config, tmp_path / "whole")
    finish(replace(config, generations=2), tmp_path / "longer")
    computed = [seconds > 0 for seconds in finish(config, tmp_path / "longer")]
    assert computed == [False, False, True, True, True]
    assert content(tmp_path / "longer") == content(tmp_path / "whole")
    rows = config.pool == "all" or config.model.name == "kde"
    assert ((tmp_path / "longer/state.npz").stat().st_size > 2000) == rows  # nothing is kept that is not needed


def test_a_run_may_be_asked_for_fewer_generations_down_to_what_is_there(tmp_path: Path) -> None:
    run = run_in_folder(CLOSED, tmp_path)
    next(run), next(run)
    run.close()
    with pytest.raises(
        ConfigurationError, match="holds 2 generations, and 1 are asked for: choose a new folder, or at"
    ):
        finish(replace(CLOSED, generations=1), tmp_path)
    assert finish(replace(CLOSED, generations=2), tmp_path) == [0, 0]
    assert [seconds > 0 for seconds in finish(CLOSED, tmp_path)] == [False, False, True, True, True]


@pytest.mark.parametrize(
    ("config", "lost"),
    [
        (GROWING, "the pool, which grows,"),
        (CLOSED, "the last model, 'ddpm_mlp',"),
        (replace(CLOSED, model=Choice("kde")), "the last model, 'kde',"),
    ],
    ids=["growing pool", "weights", "no weights"],
)
def test_what_cannot_go_on_is_refused_and_nothing_of_it_is_lost(config: LoopConfig, lost: str, tmp_path: Path) -> None:
    list(run_in_folder(replace(config, generations=2), tmp_path, checkpoints="none"))
    before = content(tmp_path)
    with pytest.raises(
        ConfigurationError, match=f"was finished at generation 2, and {lost} is not kept behind the end"
    ):
        finish(config, tmp_path)
    assert content(tmp_path) == before
    assert finish(replace(config, generations=2), tmp_path) == [0, 0]


def test_a_damaged_last_model_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    finish(replace(CLOSED, generations=2), tmp_path)
    (model,) = (tmp_path / "models").iterdir()
    model.write_bytes(model.read_bytes()[:-1])
    before = content(tmp_path)
    with pytest.raises(ConfigurationError, match="damaged"):
        finish(CLOSED, tmp_path)
    assert content(tmp_path) == before


def test_another_configuration_is_refused_as_before(tmp_path: Path) -> None:
    finish(replace(CLOSED, generations=2), tmp_path)
    with pytest.raises(ConfigurationError, match="a run with another generations, seed"):
        finish(replace(CLOSED, seed=1), tmp_path)
    assert read_run(tmp_path).config.generations == 2


GRID = {
    "loop": "fresh_data",
    "n_ini": 60,
    "n_r": 30,
    "n_s": 30,
    "n_reference": 100,
    "source": {"name": "gaussian", "dimension": 4},
    "metrics": {"frechet": {}},
    "model": {"name": "ddpm_mlp", **TINY},
    "seeds": 2,
    "filter": {"mode": "simulated", "tpr": [0.0, 0.9]},
}


class TestASweep:
    def test_of_more_generations_goes_on_from_its_runs(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        short, long = (sweep_of({**GRID, "generations": generations}) for generations in (2, 4))
        run_sweep(long, tmp_path / "whole")
        run_sweep(short, tmp_path / "grown")
        made: list[int] = []
        measured = LoopRun.measured
        monkeypatch.setattr(LoopRun, "measured", lambda *given: (made.append(1), measured(*given))[1])
        run_sweep(long, tmp_path / "grown")
        assert len(made) == 4 * 2  # of four loops the two generations that were not there
        assert content(tmp_path / "grown/runs").items() >= content(tmp_path / "whole/runs").items()
        for name in ("summary.json", "summary.csv", "generations.csv"):
            assert (tmp_path / "grown" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
        assert run_sweep(short, tmp_path / "grown")["points"]  # the shorter runs are still there
        assert len(made) == 4 * 2

    def test_goes_on_where_a_kill_left_copies_of_the_shorter_runs(self, tmp_path: Path) -> None:
        short = replace(CLOSED, generations=2)
        list(stored_arms([short], tmp_path, 1))
        shutil.copytree(tmp_path / run_name(short), tmp_path / run_name(CLOSED))
        (tmp_path / f".tmp-{run_name(CLOSED)}").mkdir()
        (tmp_path / f".tmp-{run_name(CLOSED)}" / "state.npz").touch()
        ((_, steps),) = stored_arms([CLOSED], tmp_path, 1)
        assert [step.seconds > 0 for step in steps] == [False] * 2 + [True] * 3
        assert not list(tmp_path.glob(".tmp-*"))

    @pytest.mark.parametrize("config", [GROWING, replace(GROWING, tagging=TAGGED, filter=Filter("simulated", tpr=0.5))])
    def test_goes_on_from_a_small_pool(self, config: LoopConfig, tmp_path: Path) -> None:
        list(stored_arms([config], tmp_path / "whole", 1))
        list(stored_arms([replace(config, generations=2)], tmp_path / "grown", 1))
        ((_, steps),) = stored_arms([config], tmp_path / "grown", 1)
        assert [step.seconds > 0 for step in steps] == [False] * 2 + [True] * 3
        assert content(tmp_path / "grown").items() >= content(tmp_path / "whole").items()

    @pytest.mark.parametrize("model", [Choice("kde"), Choice("gaussian")])
    def test_keeps_no_rows_where_models_are_soon_fitted(self, model: Choice, tmp_path: Path) -> None:
        config = replace(GROWING, model=model, generations=2)
        list(stored_arms([config], tmp_path, 1))
        assert not (tmp_path / run_name(config) / "pool").exists()
        assert (tmp_path / run_name(config) / "state.npz").stat().st_size < 2000

    def test_begins_anew_where_a_run_cannot_go_on(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A sweep keeps no large pool of a finished run, as it may have many; an unfinished one still has it."""
        monkeypatch.setattr("evaluator.runs.SMALL", 2 * 60 * 4 * 8 - 1)  # real rows, and one generation's
        short = replace(GROWING, generations=2)
        list(stored_arms([short], tmp_path, 1))
        assert not (tmp_path / run_name(short) / "pool").exists()
        ((_, steps),) = stored_arms([GROWING], tmp_path, 1)
        assert [step.generation for step in steps] == [1, 2, 3, 4, 5]
        assert all(step.seconds > 0 for step in steps)
        other = replace(GROWING, seed=1, generations=7)
        run = run_in_folder(other, tmp_path / run_name(other))
        next(run), next(run)
        run.close()
        ((_, stopped),) = stored_arms([replace(other, generations=9)], tmp_path, 1)
        assert [step.seconds > 0 for step in stopped] == [False] * 2 + [True] * 7
        np.testing.assert_equal(
            [step.metrics for step in stopped],
            [step.metrics for step in run_in_folder(replace(other, generations=9), tmp_path / "one go")],
        )
