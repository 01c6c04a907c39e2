"""Arms over processes: the same results for any number, and no death, failure or Ctrl-C goes unnoticed."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from functools import partial

import pytest

from evaluator import arms
from evaluator.arms import run_arms
from evaluator.config import Choice, Filter, LoopConfig
from hygiene.engines import WorkerLost
from hygiene.errors import ConfigurationError, InfeasibleError

TIDE = LoopConfig(
    loop="rising_tide",
    n_ini=200,
    n_s=200,
    generations=3,
    source=Choice("gaussian", {"dimension": 4}),
    model=Choice("gaussian"),
    metrics={"frechet": {}},
    n_reference=3000,  # 94 kB: more than a pipe holds
)
FAILS = replace(
    TIDE, loop="fully_synthetic", initial_odds=None, seed=7, filter=Filter("simulated", tpr=0.999), generations=5
)
LONG = replace(TIDE, generations=10_000)


def test_results_do_not_depend_on_the_number_of_workers():
    configs = [replace(TIDE, seed=seed) for seed in (0, 1, 2)]
    alone, spread = (dict(run_arms(configs, workers)) for workers in (1, 2))
    assert alone == spread
    assert alone[0] != alone[1]
    assert all(step.state is None for step in alone[0])


@pytest.mark.parametrize("workers", [1, 2])
def test_generations_are_counted_as_they_are_done_and_those_that_are_there(workers, tmp_path):
    """Side by side too, of which no loop is done before the last generation."""
    vae = Choice("vae", {"steps": 2, "width": 16, "depth": 1, "latent": 2, "batch": 16})
    configs = [replace(TIDE, model=model, seed=seed) for model in (TIDE.model, vae) for seed in (0, 1)]
    folders, counts = [tmp_path / str(index) for index in range(4)], []
    arms = run_arms(configs, workers, folders, counts.append)
    next(arms)
    assert 3 <= sum(counts) < 12
    assert len(list(arms)) == 3
    assert sum(counts) == 12
    assert max(counts) <= 2
    counts.clear()
    longer = [replace(config, generations=5) for config in configs[2:]]
    assert len(list(run_arms(longer, workers, folders[2:], counts.append))) == 2
    assert sorted(counts) == ([3, 3, 1, 1, 1, 1] if workers == 2 else [6, 2, 2])[::-1]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_arm_that_fails_costs_no_other_arm_and_is_named(workers):
    finished = []
    with pytest.raises(InfeasibleError, match=r"arm 0 \(fully_synthetic, seed 7\) .*generation 2.*; 2 of 4 arms fail"):
        finished.extend(index for index, _ in run_arms([FAILS, TIDE, TIDE, replace(FAILS, seed=8)], workers))
    assert sorted(finished) == [1, 2]


def test_a_wrong_number_of_workers_and_a_wrong_choice_are_refused_at_once():
    with pytest.raises(ConfigurationError, match="workers is 0"):
        next(run_arms([TIDE], 0))
    with pytest.raises(ConfigurationError, match="no model 'gan'"):
        next(run_arms([TIDE, replace(TIDE, model=Choice("gan"))], 2))


def killed_when_there(count: int) -> None:
    while len(children := multiprocessing.active_children()) < count:
        time.sleep(0.01)
    time.sleep(0.5)
    children[0].kill()


def test_a_worker_killed_at_work_is_an_error_and_takes_the_others_along():
    killer = threading.Thread(target=killed_when_there, args=(2,))
    killer.start()
    with pytest.raises(WorkerLost, match=r"a worker process died \(exit code -9"):
        list(run_arms([LONG, replace(LONG, seed=1)], 2))
    killer.join()
    assert multiprocessing.active_children() == []


SCRIPT = """
import json, multiprocessing, os, sys
from evaluator import arms
from evaluator.arms import run_arms
from evaluator.config import LoopConfig
if __name__ == "__main__":
    config = LoopConfig.from_dict(json.loads(sys.argv[1]))
    try:
        for index, _ in run_arms([config] * 4, 2):
            print(index)
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
else:
    DEATH
"""


def start(tmp_path, config: LoopConfig, death: str = "pass") -> subprocess.Popen:
    (tmp_path / "script.py").write_text(SCRIPT.replace("DEATH", death))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # else deaf to it in a background job
    return subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py"), json.dumps(config.to_dict())],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True,
        preexec_fn=heard,
    )  # fmt: skip


@pytest.mark.parametrize("death", ["os._exit(3)", "raise SyntaxError('broken')"])
def test_a_worker_that_dies_while_it_starts_is_an_error_soon(tmp_path, death):
    process = start(tmp_path, TIDE, death)
    try:
        out, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert out.startswith("WorkerLost: a worker process died")


def test_ctrl_c_while_workers_start_is_the_parents_business(monkeypatch):
    """It reaches the whole process group; workers would end with a traceback each, in the middle of an import."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # else deaf to it in a background job
    send = arms._send

    def interrupted(line, process, group):
        os.kill(process.pid, signal.SIGINT)
        send(line, process, group)

    monkeypatch.setattr(arms, "_send", interrupted)
    try:
        configs = [replace(TIDE, seed=seed) for seed in range(2)]
        assert sorted(index for index, _ in run_arms(configs, workers=2)) == [0, 1]
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_a_parent_that_is_stopped(tmp_path, number):
    """The signal goes to the parent alone, and the loops are longer than anybody would wait for them."""
    process = start(tmp_path, LONG, r"os.write(1, b'worker\n')")
    assert [process.stdout.readline() for _ in range(2)] == ["worker\n"] * 2
    time.sleep(0.5)
    process.send_signal(number)
    process.communicate(timeout=20)  # ends when nobody holds the output any more, the workers included
