"""Seeds trained side by side come to what they come to alone, byte for byte, whatever stops, fails or differs."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evaluator import side_by_side
from evaluator.arms import run_arms
from evaluator.config import Choice, Filter, LoopConfig, Tagging
from evaluator.generation import State
from evaluator.loop import LoopRun
from evaluator.models import make_model
from evaluator.models.base import Rows, Weights
from evaluator.models.members import Member, fit_side_by_side
from evaluator.models.stacked import generators
from evaluator.models.vae import Vae
from evaluator.row_parts import RowParts
from evaluator.runs import run_in_folder
from evaluator.setup import prepare
from evaluator.side_by_side import Job, exact, fitted, grouped, run_side_by_side
from hygiene.errors import ConfigurationError, InfeasibleError

SMALL = {"steps": 30, "width": 32, "depth": 1, "batch": 32, "sampling_steps": 8}
CONFIG = LoopConfig(
    loop="synthetic_augmentation",
    n_ini=60,
    n_r=40,
    n_s=40,
    generations=3,
    n_reference=100,
    source=Choice("digits"),
    model=Choice("ddpm_mlp", SMALL),
    metrics={"frechet": {}},
)
SEEDS = [replace(CONFIG, seed=seed) for seed in range(3)]

TINY: dict[str, dict[str, Any]] = {
    "ddpm_mlp": {"steps": 15, "width": 16, "depth": 1, "batch": 16, "sampling_steps": 4},
    "flow": {"steps": 10, "layers": 2, "width": 16, "depth": 1, "batch": 16},
    "vae": {"steps": 15, "latent": 3, "width": 16, "depth": 1, "batch": 16},
    "vae, mixture": {"steps": 15, "latent": 3, "width": 16, "depth": 1, "batch": 16, "components": 3},
    "wgan_gp": {"steps": 8, "critic_steps": 1, "latent": 3, "width": 16, "depth": 1, "batch": 16},
}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Each seed in its folder, by `run_in_folder`."""
    folders = [tmp_path_factory.mktemp("alone") / str(config.seed) for config in SEEDS]
    for config, folder in zip(SEEDS, folders, strict=True):
        list(run_in_folder(config, folder))
    return folders


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many members each batch had that was trained side by side, trials apart."""
    seen: list[int] = []

    def counted(models, samples, rngs, starts=None):
        if models[0].steps != side_by_side.TRIED[0]:
            seen.append(len(models))
        fit_side_by_side(models, samples, rngs, starts)

    monkeypatch.setattr(side_by_side, "fit_side_by_side", counted)
    return seen


def content(folder: Path) -> dict[str, bytes]:
    """All files of a run, by name."""
    files = (path for path in folder.rglob("*") if path.is_file() and ".hygiene" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def assert_same_runs(found: list[Path], expected: list[Path]) -> None:
    for one, other in zip(found, expected, strict=True):
        mine, theirs = content(one), content(other)
        assert mine.keys() == theirs.keys()
        assert [name for name in mine if mine[name] != theirs[name]] == []


def test_every_file_is_that_of_the_single_run(alone: list[Path], tmp_path: Path, batches: list[int]) -> None:
    folders = [tmp_path / str(config.seed) for config in SEEDS]
    done = dict(run_arms(SEEDS, folders=folders))
    assert batches == [3, 3, 3]
    assert_same_runs(folders, alone)
    assert done == {i: list(run_in_folder(config, alone[i])) for i, config in enumerate(SEEDS)}


def test_a_group_that_was_stopped_goes_on_to_the_same(alone: list[Path], tmp_path: Path, batches: list[int]) -> None:
    folders = [tmp_path / str(config.seed) for config in SEEDS]
    for stop, config, folder in zip((2, 1, 0), SEEDS, folders, strict=True):
        steps = run_in_folder(config, folder)
        for _ in range(stop):
            next(steps)
        steps.close()
    run_side_by_side(SEEDS, folders, prepare(CONFIG))
    assert batches == [3, 2]  # each at its own generation, and of its own number of rows
    assert_same_runs(folders, alone)


def test_a_warm_start_goes_side_by_side_too(tmp_path: Path, batches: list[int]) -> None:
    warm = [replace(config, warm_start=True, warm_parameters={"steps": 10}, generations=2) for config in SEEDS]
    steps = [list(run_in_folder(config, tmp_path / str(config.seed))) for config in warm]
    assert run_side_by_side(warm, [None] * 3, prepare(CONFIG)) == steps
    assert batches == [3, 3]


@pytest.mark.parametrize("name", TINY)
def test_a_warm_start_goes_on_with_the_numbers_that_a_first_fit_leaves(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream that training reads has drawn first weights before, in `ddpm_mlp`; in no other model."""
    model, rows = make_model(chosen(name).name, **TINY[name]), np.random.default_rng(2).normal(size=(40, 6))
    model.fit(rows, np.random.default_rng(0))
    untouched = generators([np.random.default_rng(1)])[0].get_state()
    positions: list[bool] = []
    learn = type(model).learn

    def watched(self, networks, rows, sources):
        positions.append(torch.equal(sources[0].get_state(), untouched))
        learn(self, networks, rows, sources)

    monkeypatch.setattr(type(model), "learn", watched)
    model.fit(rows, np.random.default_rng(1), model.weights())
    assert positions == [name != "ddpm_mlp"]


def test_loops_with_other_filters_sizes_and_lengths_go_side_by_side_too(tmp_path: Path, batches: list[int]) -> None:
    """As the loops of a sweep over recalls."""
    arms = [
        replace(CONFIG, filter=Filter("simulated", tpr=0.9, fpr=0.1)),
        replace(CONFIG, loop="fresh_data", n_s=30, sampling_bias=0.8),
        replace(CONFIG, generations=2, tagging=Tagging("blind", 4.0)),
    ]
    configs = [replace(arm, seed=seed) for seed in range(2) for arm in arms]
    together, alone = ([tmp_path / kind / str(index) for index in range(6)] for kind in ("together", "alone"))
    for each, folder in zip(configs, alone, strict=True):
        list(run_in_folder(each, folder))
    assert len(dict(run_arms(configs, folders=together))) == 6
    assert batches == [6, 6, 4]
    assert_same_runs(together, alone)


def test_a_loop_that_fails_costs_no_other(tmp_path: Path) -> None:
    """A filter that leaves one sample or none to some seeds."""
    closed = replace(CONFIG, loop="fully_synthetic", n_r=0, n_s=10, filter=Filter("simulated", tpr=0.8))
    configs = [replace(closed, seed=seed) for seed in range(4)]
    outcomes = run_side_by_side(configs, [None] * 4, prepare(CONFIG))
    failed = [outcome for outcome in outcomes if isinstance(outcome, InfeasibleError)]
    assert 0 < len(failed) < 4
    for config, outcome in zip(configs, outcomes, strict=True):
        if isinstance(outcome, InfeasibleError):
            with pytest.raises(InfeasibleError, match=f"^{re.escape(str(outcome))}$"):
                list(run_in_folder(config, tmp_path / str(config.seed)))
        else:
            assert outcome == list(run_in_folder(config, tmp_path / str(config.seed)))


def test_a_folder_that_cannot_be_used_costs_no_other(alone: list[Path], tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "letter.txt").write_text("mine")
    folders = [tmp_path / str(config.seed) for config in SEEDS]
    outcomes = run_side_by_side(SEEDS, folders, prepare(CONFIG))
    assert "is not empty and no run folder" in str(outcomes[1])
    assert_same_runs([folders[0], folders[2]], [alone[0], alone[2]])


def test_what_is_not_exact_is_trained_alone(batches: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    counted = side_by_side.fit_side_by_side

    def off_by_a_bit(models, samples, rngs, starts=None):
        counted(models, samples, rngs, starts)
        scale = models[-1]._scale
        scale.mean = np.nextafter(scale.mean, np.inf)

    monkeypatch.setattr(side_by_side, "fit_side_by_side", off_by_a_bit)
    exact.cache_clear()
    setup, configs = prepare(CONFIG), [replace(config, generations=1) for config in SEEDS]
    outcomes = run_side_by_side(configs, [None] * 3, setup)
    exact.cache_clear()
    assert batches == []
    runs = [LoopRun(config, setup) for config in configs]
    steps = [run.next_step(None, None) for run in runs]
    expected = [[run.measured(step, run.fitted(step[2]), 0)] for run, step in zip(runs, steps, strict=True)]
    assert [[replace(each, state=None) for each in steps] for steps in expected] == outcomes


def test_groups_are_of_equal_models_and_spread_over_workers() -> None:
    arms = [CONFIG, replace(CONFIG, n_s=50), replace(CONFIG, filter=Filter("simulated", tpr=0.5), sampling_bias=0.8)]
    longer = replace(CONFIG, model=Choice("ddpm_mlp", SMALL | {"steps": 31}))
    others = [longer, replace(CONFIG, n_reference=90), replace(CONFIG, warm_start=True)]
    kde = replace(CONFIG, model=Choice("kde"))
    configs = [replace(each, seed=seed) for seed in range(3) for each in (*arms, *others, kde)]
    groups = grouped(configs, workers=2)
    assert sorted(index for group in groups for index in group) == list(range(21))
    together = [[index % 7 for index in group] for group in groups]
    assert together == [[0, 1, 2, 0, 1], [2, 0, 1, 2], [3, 3], [3], [4, 4], [4], [5, 5], [5], [6], [6], [6]]
    assert max(map(len, grouped([replace(CONFIG, seed=seed) for seed in range(40)], 1))) == side_by_side.MOST


def chosen(title: str) -> Choice:
    return Choice(title.split(",")[0], TINY[title])


def made(name: str, members: int, **changes: Any) -> list[Member[Any]]:
    return [side_by_side.SIDE_BY_SIDE[chosen(name).name](**TINY[name], **changes) for _ in range(members)]


def rows_of(members: int, d: int, first: int = 0) -> list[Rows]:
    """For each, of its own number, mean and deviations."""
    rngs = [(40 - 7 * index, np.random.default_rng([d, first + index])) for index in range(members)]
    return [rng.normal(rng.normal(size=d), rng.uniform(0.2, 2, size=d), size=(n, d)) for n, rng in rngs]


def streams(members: int) -> list[np.random.Generator]:
    return [np.random.default_rng(index) for index in range(members)]


def assert_learned_the_same(one: Member[Any], other: Member[Any]) -> None:
    mine, theirs = one.weights(), other.weights()
    assert list(mine) == list(theirs)
    for name in mine:
        np.testing.assert_array_equal(mine[name], theirs[name], err_msg=name)


def test_the_table_is_walked() -> None:
    assert {chosen(title).name for title in TINY} == side_by_side.SIDE_BY_SIDE.keys()


@pytest.mark.parametrize("d", [2, 11])
@pytest.mark.parametrize("name", TINY)
def test_side_by_side_is_alone_to_the_last_bit(name: str, d: int) -> None:
    """Cold, and then on from there, on other rows."""
    together, alone = made(name, 4), made(name, 4)
    starts: list[Weights] | None = None
    for first in (0, 4):
        rows = rows_of(4, d, first)
        fit_side_by_side(together, rows, streams(4), starts)
        begun = [None] * 4 if starts is None else starts
        for model, own, rng, start in zip(alone, rows, streams(4), begun, strict=True):
            model.fit(own, rng, start)
        for one, other in zip(together, alone, strict=True):
            assert_learned_the_same(one, other)
            assert np.array_equal(one.sample(9, 0.8, streams(1)[0]), other.sample(9, 0.8, streams(1)[0]))
        starts = [model.weights() for model in together]


@pytest.mark.parametrize("name", TINY)
def test_members_hold_nothing_of_each_other(name: str) -> None:
    """Their weights are those of one model, not views of what all of them learned."""
    together = made(name, 3)
    fit_side_by_side(together, rows_of(3, 4), streams(3))
    before = together[1].weights()
    for tensor in together[0].networks.state_dict().values():
        tensor.zero_()
    after = together[1].weights()
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert all(tensor.untyped_storage().nbytes() == 4 * tensor.numel() for tensor in together[1].networks.parameters())


@pytest.mark.parametrize("name", ["flow", "vae", "vae, mixture", "wgan_gp"])
def test_run_folders_of_every_model_are_those_of_single_runs(name: str, tmp_path: Path, batches: list[int]) -> None:
    config = replace(CONFIG, model=chosen(name), warm_start=True, generations=2)
    configs = [replace(config, seed=seed) for seed in range(3)]
    together, alone = ([tmp_path / kind / str(seed) for seed in range(3)] for kind in ("together", "alone"))
    for each, folder in zip(configs, alone, strict=True):
        list(run_in_folder(each, folder))
    assert len(dict(run_arms(configs, folders=together))) == 3
    assert batches == [3, 3]
    assert_same_runs(together, alone)


@pytest.mark.parametrize("name", ["flow", "vae", "wgan_gp"])
def test_a_member_that_fails_costs_no_other(name: str) -> None:
    """A start of another size: of the batch, and then of that member alone."""
    setup = prepare(CONFIG)
    config = replace(CONFIG, model=chosen(name), warm_start=True)
    runs = [LoopRun(replace(config, seed=seed), setup) for seed in range(3)]
    rows = runs[0].initial
    last = made(name, 3)
    last[1] = side_by_side.SIDE_BY_SIDE[chosen(name).name](**{**TINY[name], "width": 24})
    for model, rng in zip(last, streams(3), strict=True):
        model.fit(rows, rng)
    jobs = [Job(run, State(2, rows, RowParts((rows[:0],))), model) for run, model in zip(runs, last, strict=True)]
    found = fitted(jobs)
    assert "not of this model's sizes" in str(found[1])
    for index in (0, 2):
        expected = runs[index].fitted(jobs[index].state, last[index])
        assert_learned_the_same(found[index], expected)


def test_rows_of_fewer_dimensions_are_no_flows_of_one_batch() -> None:
    """Its trial has all of them: of sums of other sizes it tells nothing."""
    rows = [np.repeat(each, 2, axis=1) for each in rows_of(2, 3)]
    with pytest.raises(ConfigurationError, match="all of their components"):
        fit_side_by_side(made("flow", 2), rows, streams(2))
    made("flow", 1)[0].fit(rows[0], streams(1)[0])


def test_models_that_differ_are_no_members_of_one_batch() -> None:
    for models, rows in (
        ([Vae(latent=2), Vae(latent=3)], rows_of(2, 4)),
        (made("vae", 2), [rows_of(1, 4)[0], rows_of(1, 5)[0]]),
    ):
        with pytest.raises(ConfigurationError, match="equal parameters on samples of equal width"):
            fit_side_by_side(models, rows, streams(2))


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_model_that_fits_and_cannot_sample_costs_no_other(seeds: int) -> None:
    """Guidance refuses a sampling bias so small when it samples; alone, and in a batch."""
    model = Choice("ddpm_mlp", SMALL | {"clusters": 2})
    bad = replace(CONFIG, model=model, sampling_bias=0.01)
    good = replace(CONFIG, model=Choice("gaussian"))
    arms = run_arms([*(replace(bad, seed=seed) for seed in range(seeds)), good])
    index, steps = next(arms)
    assert (index, len(steps)) == (seeds, 3)
    with pytest.raises(InfeasibleError, match=r"sampling_bias is 0\.01, guidance takes"):
        next(arms)
