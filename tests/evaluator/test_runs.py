"""A run folder survives every kill, and belongs to one configuration."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evaluator.config import Choice, Filter, LoopConfig, Tagging
from evaluator.run_record import read_run
from evaluator.runs import run_in_folder
from hygiene.errors import ConfigurationError
from hygiene.keys import new_key, write_key

CONFIG = LoopConfig(
    loop="synthetic_augmentation",
    pool="all",
    n_ini=40,
    n_r=20,
    n_s=30,
    generations=6,
    n_reference=100,
    source=Choice("gaussian", {"dimension": 4}),
    model=Choice("gaussian"),
    filter=Filter("detector", recall=0.8),
    tagging=Tagging("blind", strength=3.0),
)


def finish(folder: Path, config: LoopConfig = CONFIG) -> bytes:
    list(run_in_folder(config, folder))
    return (folder / "generations.jsonl").read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    finish(folder)
    return folder


def test_a_folder_reads_back_as_what_was_yielded(whole, tmp_path):
    steps = list(run_in_folder(CONFIG, tmp_path / "run"))
    record = read_run(tmp_path / "run")
    assert record.config == CONFIG
    assert record.generations == steps
    assert len(record.key_digest) == 16
    assert set(record.floors) >= {"frechet_distance", "manifold_recall"}
    for step, stored in zip(steps, record.generations, strict=True):
        np.testing.assert_array_equal(step.samples, stored.samples)
    assert (tmp_path / "run" / "generations.jsonl").read_bytes() == (whole / "generations.jsonl").read_bytes()


def test_the_features_weights_stand_in_the_folder(tmp_path):
    digits = replace(CONFIG, source=Choice("digits"), features=Choice("pca", {"components": 3}), generations=2)
    finish(tmp_path / "run", digits)
    stored = read_run(tmp_path / "run").features
    assert stored["name"] == "pca"
    assert len(stored["weights_digest"]) == 64
    text = (tmp_path / "run" / "features.json").read_text()
    (tmp_path / "run" / "floors.json").unlink()  # what is missing is made again, with the same network only
    (tmp_path / "run" / "features.json").write_text(text.replace(stored["weights_digest"], "0" * 64))
    with pytest.raises(ConfigurationError, match="was measured with the features 'pca', weights 0000"):
        finish(tmp_path / "run", digits)
    (tmp_path / "run" / "features.json").write_text("{")
    finish(tmp_path / "run", digits)
    assert (tmp_path / "run" / "features.json").read_text() == text


def test_going_on_with_a_finished_run_changes_nothing(whole):
    before = {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()}
    assert [step.generation for step in run_in_folder(CONFIG, whole)] == list(range(1, 7))
    assert before == {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()}


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_a_stopped_run_goes_on_to_the_same_bytes(whole, tmp_path, stop):
    run = run_in_folder(CONFIG, tmp_path)
    for _ in range(stop):
        next(run)
    run.close()
    assert len(read_run(tmp_path).generations) == stop
    assert finish(tmp_path) == (whole / "generations.jsonl").read_bytes()


def stopped_before_the_state(folder: Path, tail: bytes) -> None:
    """A folder whose state stands at generation 2 while more than two rows are on disk."""
    run = run_in_folder(CONFIG, folder)
    next(run), next(run)
    state = (folder / "state.npz").read_bytes()
    next(run)
    run.close()
    (folder / "state.npz").write_bytes(state)
    with (folder / "generations.jsonl").open("ab") as file:
        file.write(tail)


@pytest.mark.parametrize("tail", [b"", b'{"generation": 4, "n_real": 2', b"\xff\xfe"])
def test_rows_beyond_the_state_and_torn_lines_are_computed_again(whole, tmp_path, tail):
    stopped_before_the_state(tmp_path, tail)
    assert len(read_run(tmp_path).generations) == 3
    computed = [step.seconds > 0 for step in run_in_folder(CONFIG, tmp_path)]
    assert computed == [False, False, True, True, True, True]
    assert (tmp_path / "generations.jsonl").read_bytes() == (whole / "generations.jsonl").read_bytes()


@pytest.mark.parametrize("lost", ["state.npz", "generations.jsonl", "floors.json"])
@pytest.mark.parametrize("how", ["deleted", "emptied"])
def test_a_lost_file_is_made_again(whole, tmp_path, lost, how):
    shutil.copytree(whole, tmp_path / "run")
    (tmp_path / "run" / lost).unlink() if how == "deleted" else (tmp_path / "run" / lost).write_bytes(b"")
    assert finish(tmp_path / "run") == (whole / "generations.jsonl").read_bytes()
    assert read_run(tmp_path / "run").floors == read_run(whole).floors


KILLED = """
import sys
from pathlib import Path
from evaluator.config import LoopConfig
from evaluator.runs import run_in_folder
import json
for step in run_in_folder(LoopConfig.from_dict(json.loads(sys.argv[1])), Path(sys.argv[2])):
    print(step.generation, flush=True)
"""


def test_a_run_killed_without_warning_goes_on_to_the_same_bytes(tmp_path):
    config = replace(CONFIG, generations=60)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", KILLED, json.dumps(config.to_dict()), str(tmp_path / "run")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=tmp_path)
    while process.stdout.readline().strip() != b"3":
        assert process.poll() is None
    time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert 3 <= len(read_run(tmp_path / "run").generations) < 60
    assert finish(tmp_path / "run", config) == finish(tmp_path / "whole", config)


def test_another_configuration_is_refused_with_what_differs(whole):
    with pytest.raises(ConfigurationError, match="a run with another seed, filter: choose a new folder"):
        next(run_in_folder(replace(CONFIG, seed=1, filter=Filter("detector", recall=0.5)), whole))


def test_another_key_in_the_key_file_is_refused(tmp_path):
    config = replace(CONFIG, generations=1, tagging=Tagging("blind", key_file=str(tmp_path / "key")))
    write_key(new_key(), tmp_path / "key")
    finish(tmp_path / "run", config)
    (tmp_path / "key").unlink()
    write_key(new_key(), tmp_path / "key")
    with pytest.raises(ConfigurationError, match="a run with another key"):
        next(run_in_folder(config, tmp_path / "run"))


def test_another_configuration_may_take_a_folder_without_a_generation(tmp_path):
    impossible = replace(CONFIG, model=Choice("mixture", {"components": 30}))
    with pytest.raises(ConfigurationError, match="generation 1 cannot fit the model 'mixture'"):
        finish(tmp_path / "run", impossible)
    finish(tmp_path / "run")
    assert read_run(tmp_path / "run").config == CONFIG


def damaged(path: Path, how: str) -> None:
    data = path.read_bytes()
    half = len(data) // 2
    path.write_bytes({"torn": data[:half], "other": b"[1]\n" * 9, "garbage": bytes(64) + data}[how])


@pytest.mark.parametrize("how", ["torn", "other", "garbage"])
@pytest.mark.parametrize("name", ["state.npz", "generations.jsonl", "floors.json", "samples/00002.npy"])
def test_a_damaged_file_is_refused_by_readers_and_made_again_by_runs(whole, tmp_path, name, how):
    shutil.copytree(whole, tmp_path / "run")
    damaged(tmp_path / "run" / name, how)
    if name == "samples/00002.npy":
        with pytest.raises(ConfigurationError, match="is damaged at generation 2: run its configuration again"):
            read_run(tmp_path / "run")
    if name == "generations.jsonl" and how == "other":
        with pytest.raises(ConfigurationError, match="is damaged at generation 1"):
            read_run(tmp_path / "run")
    assert finish(tmp_path / "run") == (whole / "generations.jsonl").read_bytes()
    assert read_run(tmp_path / "run").floors == read_run(whole).floors
    assert (tmp_path / "run" / "samples/00002.npy").read_bytes() == (whole / "samples/00002.npy").read_bytes()


def test_two_runs_do_not_write_to_one_folder(tmp_path):
    first = run_in_folder(CONFIG, tmp_path / "run")
    next(first)
    with pytest.raises(ConfigurationError, match="another run is writing to"):
        finish(tmp_path / "run")
    assert [step.generation for step in first] == [2, 3, 4, 5, 6]
    finish(tmp_path / "run")


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigurationError, match="is not empty and no run folder"):
        next(run_in_folder(CONFIG, tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_no_run_folder_and_a_damaged_one(tmp_path, whole):
    with pytest.raises(ConfigurationError, match="is no run folder"):
        read_run(tmp_path)
    shutil.copytree(whole, tmp_path / "run")
    (tmp_path / "run" / "config.json").write_text("{")
    with pytest.raises(ConfigurationError, match="is damaged"):
        read_run(tmp_path / "run")


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(ConfigurationError, match="cannot use"):
        next(run_in_folder(CONFIG, tmp_path / "run"))


def test_wrong_choices_leave_no_folder_behind(tmp_path):
    with pytest.raises(ConfigurationError, match="no model 'gan'"):
        next(run_in_folder(replace(CONFIG, model=Choice("gan")), tmp_path / "run"))
    assert not (tmp_path / "run").exists()
