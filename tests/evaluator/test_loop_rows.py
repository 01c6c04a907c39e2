"""Loops that keep their rows in single or half precision: the same run, less memory, and it goes on after a stop."""

import re
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from evaluator.config import Choice, Filter, LoopConfig, Processing, Tagging
from evaluator.generation import State
from evaluator.loop import run_loop
from evaluator.models.labels import parted
from evaluator.models.stylegan2 import StyleGan2
from evaluator.row_parts import RowParts
from evaluator.run_record import read_run
from evaluator.run_state import read_state
from evaluator.runs import run_in_folder
from evaluator.sweeps import run_name, sweep_of
from hygiene.errors import ConfigurationError

NARROW = ("float32", "float16")
DIGITS = {"source": Choice("digits"), "features": Choice("pca", {"components": 8}), "n_reference": 300}
GROWING = LoopConfig(
    **DIGITS,
    loop="synthetic_augmentation",
    pool="all",
    n_ini=90,
    n_r=60,
    n_s=80,
    generations=4,
    model=Choice("gaussian"),
    metrics={"frechet": {}},
)
GAN = {"steps": 2, "latent": 4, "width": 4, "batch": 4}
DROP = Filter("simulated", tpr=0.5, fpr=0.2)
KINDS = {
    "growing pool": GROWING,
    "growing pool, filter": replace(GROWING, filter=DROP),
    "more real rows later": replace(GROWING, n_r=100),
    "closed": replace(GROWING, loop="fully_synthetic", pool="previous", n_r=0),
    "fresh data, pool": replace(GROWING, loop="fresh_data"),
    "top-up": replace(GROWING, loop="fresh_data", pool="previous", top_up=True, filter=DROP),
    "labels": replace(GROWING, model=Choice("ddpm_unet", {"steps": 2, "width": 8, "sampling_steps": 2, "labels": 10})),
    "a detector": replace(
        GROWING, filter=Filter("detector", recall=0.8), tagging=Tagging("blind", strength=6.0, adoption=0.5)
    ),
    "a detector, top-up": replace(
        GROWING,
        loop="fresh_data",
        pool="previous",
        top_up=True,
        source=Choice("digits_oracle"),
        filter=Filter("detector", max_p=0.01),
        tagging=Tagging("informed", strength=6.0),
    ),
    "tide": replace(
        GROWING, loop="rising_tide", pool="previous", n_r=0, source=Choice("digits", {"repeats": True}), filter=DROP
    ),
    "processing": replace(GROWING, processing=Processing("png")),
}  # fmt: skip


class TestTheField:
    def test_a_run_that_does_not_use_it_keeps_its_name(self) -> None:
        """The name that this configuration had before there was a choice."""
        config = LoopConfig(
            loop="synthetic_augmentation", pool="all", n_ini=40, n_r=20, n_s=30,
            source=Choice("gaussian", {"dimension": 4}),
        )  # fmt: skip
        assert run_name(config) == "synthetic_augmentation-seed0-138a246e6492"
        assert "rows" not in config.to_dict()
        assert len({run_name(replace(config, rows=kind)) for kind in ("float64", *NARROW)}) == 3

    @pytest.mark.parametrize("kind", ["float64", *NARROW])
    def test_reads_back(self, kind: str) -> None:
        assert LoopConfig.from_dict(replace(GROWING, rows=kind).to_dict()) == replace(GROWING, rows=kind)

    def test_unknown_types_are_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="rows is 'float8': choose one of float64, float32, float16"):
            replace(GROWING, rows="float8")

    def test_a_sweep_over_it_names_every_point(self) -> None:
        values = GROWING.to_dict() | {"rows": ["float64", "float16"], "seeds": 1}
        del values["seed"]
        assert [point.settings for point in sweep_of(values).points] == [{"rows": "float64"}, {"rows": "float16"}]

    def test_a_folder_of_another_type_is_refused(self, tmp_path: Path) -> None:
        next(run_in_folder(GROWING, tmp_path))
        with pytest.raises(ConfigurationError, match="holds a run with another rows: choose a new folder"):
            next(run_in_folder(replace(GROWING, rows="float16"), tmp_path))

    def test_rows_that_it_is_too_coarse_for(self) -> None:
        tiny = Choice("mixture25", {"spacing": 1e-6, "deviation": 1e-8})
        with pytest.raises(ConfigurationError, match="rows = float16 rounds the source's rows"):
            next(run_loop(replace(GROWING, rows="float16", source=tiny, features=Choice("identity"))))
        many = Choice("ddpm_mlp", {"labels": 3000})
        with pytest.raises(ConfigurationError, match=r"labels = 3000.* rows = float16 tells 2048 apart"):
            next(run_loop(replace(GROWING, rows="float16", model=many)))


class TestALoop:
    @pytest.mark.parametrize("kind", NARROW)
    @pytest.mark.parametrize("name", KINDS)
    def test_is_nearly_the_one_in_double_precision(self, name: str, kind: str) -> None:
        config = KINDS[name]
        wide, narrow = (list(run_loop(each)) for each in (config, replace(config, rows=kind)))
        for one, other in zip(wide, narrow, strict=True):
            assert other.state is not None
            assert other.state.training_set.dtype == other.state.pool.dtype == kind
            assert (other.n_real, other.n_synthetic) == (one.n_real, one.n_synthetic)
            assert other.filter == one.filter
            assert other.samples.dtype == np.float64
            assert other.metrics == pytest.approx(one.metrics, rel=0.01)
            assert other.mark == pytest.approx(one.mark, rel=0.02, abs=0.02)
            assert one.state is not None
            rows = (np.asarray(each.training_set, dtype=np.float64) for each in (one.state, other.state))
            np.testing.assert_allclose(*rows, atol=0.02)
        assert narrow != wide

    def test_keeps_labels_whole(self) -> None:
        for step in run_loop(replace(KINDS["labels"], rows="float16")):
            assert step.state is not None
            parted(np.asarray(step.state.training_set), 10)  # refuses others

    @pytest.mark.parametrize("kind", ["float64", *NARROW])
    def test_shares_its_pool_between_generations(self, kind: str) -> None:
        """What a generation added is held once, in every training set behind it, and the real rows once as well."""
        _, *states = [step.state for step in run_loop(replace(GROWING, rows=kind))]
        for t, (state, later) in enumerate(pairwise(states), start=1):
            assert isinstance(state, State)
            assert isinstance(later, State)
            assert isinstance(state.training_set, RowParts)
            assert isinstance(later.training_set, RowParts)
            assert len(state.pool.parts) == t
            assert all(a is b for a, b in zip(state.pool.parts, later.pool.parts, strict=False))
            assert all(a is b for a, b in zip(state.training_set.parts[1:], state.pool.parts, strict=True))
            assert np.shares_memory(state.training_set.parts[0], later.training_set.parts[0])

    def test_ends_where_a_model_leaves_what_the_type_can_hold(self) -> None:
        class Loud:
            def fit(self, rows, rng):
                self.d = rows.shape[1]

            def sample(self, n, sampling_bias, rng):
                return np.full((n, self.d), 1e6)

        assert len(list(run_loop(replace(GROWING, generations=1), model=Loud))) == 1
        with pytest.raises(ConfigurationError, match="not finite"):
            list(run_loop(replace(GROWING, generations=1, rows="float16"), model=Loud))


def lines(config: LoopConfig, folder: Path) -> bytes:
    list(run_in_folder(config, folder))
    return (folder / "generations.jsonl").read_bytes()


def stopped(config: LoopConfig, folder: Path, generation: int) -> Path:
    run = run_in_folder(config, folder)
    for _ in range(generation):
        next(run)
    run.close()
    return folder


@pytest.fixture(scope="module", params=["gaussian", "stylegan2"])
def config(request: pytest.FixtureRequest) -> LoopConfig:
    model = Choice("stylegan2", GAN) if request.param == "stylegan2" else Choice(request.param)
    return replace(GROWING, rows="float16", model=model)


@pytest.fixture(scope="module")
def whole(config: LoopConfig, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return lines(config, tmp_path_factory.mktemp("rows") / "whole")


class TestARunFolder:
    @pytest.mark.parametrize("stop", [1, 2, 3])
    def test_goes_on_to_the_same_lines(
        self, config: LoopConfig, whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
    ) -> None:
        stopped(config, tmp_path, stop)
        state = read_state(tmp_path)
        assert state is not None
        assert (state.generation, state.training_set.dtype) == (stop, np.float16)
        assert len(list((tmp_path / "pool").glob("*"))) == len(state.pool.parts) * (stop > 1) == stop - 1
        fit, fits = StyleGan2.fit, []
        monkeypatch.setattr(StyleGan2, "fit", lambda *given: (fits.append(1), fit(*given)))
        assert lines(config, tmp_path) == whole
        assert len(fits) in (0, config.generations - stop)  # the stored model is taken: its training set is the same

    def test_writes_every_part_of_the_pool_once(self, config: LoopConfig, tmp_path: Path) -> None:
        stopped(config, tmp_path, 2)
        first = (tmp_path / "pool/0000.npz").stat().st_mtime_ns
        run = run_in_folder(config, tmp_path / "other")
        next(run), next(run)
        before = (tmp_path / "other/pool/0000.npz").stat().st_mtime_ns
        next(run)
        assert (tmp_path / "other/pool/0000.npz").stat().st_mtime_ns == before
        assert (tmp_path / "other/pool/0001.npz").exists()
        assert first < before

    @pytest.mark.parametrize("how", ["deleted", "torn", "changed"])
    def test_begins_again_without_its_pool(self, config: LoopConfig, whole: bytes, tmp_path: Path, how: str) -> None:
        part = stopped(config, tmp_path, 3) / "pool/0001.npz"
        data = bytearray(part.read_bytes())
        data[len(data) // 2] ^= 1
        part.unlink() if how == "deleted" else part.write_bytes(data if how == "changed" else data[:-100])
        assert read_state(tmp_path) is None
        assert lines(config, tmp_path) == whole

    def test_keeps_no_rows_of_a_finished_run_where_no_checkpoints_are_wanted(
        self, config: LoopConfig, whole: bytes, tmp_path: Path
    ) -> None:
        list(run_in_folder(config, stopped(config, tmp_path, 3), checkpoints="none"))
        assert (tmp_path / "generations.jsonl").read_bytes() == whole
        assert not (tmp_path / "pool").exists()
        assert (tmp_path / "state.npz").stat().st_size < 2000
        (tmp_path / "floors.json").unlink()
        assert lines(config, tmp_path) == whole
        assert read_run(tmp_path).floors

    def test_of_an_earlier_version_goes_on(self, tmp_path: Path) -> None:
        """state.npz then held the whole training set, and the whole pool beside it."""
        expected = lines(GROWING, tmp_path / "whole")
        state = read_state(stopped(GROWING, tmp_path / "run", 3))
        assert state is not None
        old = {"generation": 3, "training_set": state.training_set, "pool": state.pool, "threshold": np.nan}
        np.savez(tmp_path / "run/state.npz", **{name: np.asarray(value) for name, value in old.items()})
        for path in (tmp_path / "run/pool").iterdir():
            path.unlink()
        computed = [step.seconds > 0 for step in run_in_folder(GROWING, tmp_path / "run")]
        assert computed == [False, False, False, True]
        assert (tmp_path / "run/generations.jsonl").read_bytes() == expected


MEMORY_OF = ("--rows", "float16", "--samples", "800", "--generations", "4")
MEMORY = re.compile(r"\| \d+ \| (\d+) \| (\d+) \|")


def test_the_memory_of_a_growing_pool_is_that_of_its_rows() -> None:
    """Two bytes per number, and what does not grow; it was fifty in double precision, before rows were kept in parts
    and read in blocks."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "benchmarks.loop_memory", *MEMORY_OF]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=280)
    found = [(int(numbers), int(mega)) for numbers, mega in MEMORY.findall(done.stdout)]
    assert len(found) == 4
    numbers, growth = found[3][0] - found[1][0], found[3][1] - found[1][1]
    assert growth * 1e6 < 4 * numbers
    assert max(mega for _, mega in found) < 450
