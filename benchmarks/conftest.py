"""Each benchmark is timed against a reference in the same run, round by round, so that a busy machine slows both.

`ratio` = seconds of the reference / seconds of ours, medians: above 1 ours is faster. One thread on both sides.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import joblib
import pytest
import torch

from evaluator.features import LeNet
from evaluator.sources import Labelled, load_digits_halves
from evaluator.threads import one_thread

SECONDS = 1.5  # about what one side of one benchmark is timed for
ROUNDS = (5, 100)

MEASURED = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session", autouse=True)
def single_thread() -> Iterator[None]:
    """Linear algebra, torch and joblib (prdc asks it for eight workers) on one thread."""
    with one_thread(), joblib.parallel_config(backend="sequential"):
        torch.set_num_threads(1)
        yield


@dataclass(frozen=True)
class Arrays:
    """A library and device that arrays live on: how NumPy arrays get there, and how to wait for the device."""

    send: Callable[[Any], Any]
    wait: Callable[[], None] = lambda: None


@pytest.fixture(params=["numpy-cpu", "torch-cpu", "torch-cuda"])
def arrays(request: pytest.FixtureRequest) -> Arrays:
    if request.param == "numpy-cpu":
        return Arrays(lambda array: array)
    if request.param == "torch-cpu":
        return Arrays(torch.from_numpy)
    if not torch.cuda.is_available():
        pytest.skip(f"torch sees no CUDA device: torch {torch.__version__}")
    return Arrays(lambda array: torch.from_numpy(array).cuda(), torch.cuda.synchronize)


@pytest.fixture
def compare(benchmark: Any, request: pytest.FixtureRequest) -> Callable[..., tuple[Any, Any]]:
    """compare(ours, reference, what, count, unit) -> the results of both, to be checked against each other.

    what   names the reference
    count  how many `unit`s one call handles; the rate goes into extra_info
    wait   waits for a device, inside the time of ours
    """

    def run(
        ours: Callable[[], Any],
        reference: Callable[[], Any],
        what: str,
        count: int,
        unit: str,
        wait: Callable[[], None] = lambda: None,
    ) -> tuple[Any, Any]:
        def finished() -> Any:
            result = ours()
            wait()
            return result

        _, slowest = max((timed(side) for side in (finished, reference)), key=lambda each: each[1])
        rounds = min(max(round(SECONDS / slowest), ROUNDS[0]), ROUNDS[1])
        references: list[float] = []
        latest: list[Any] = [None]  # all of them would grow the memory, and one side pay for what the other keeps

        def referenced() -> None:
            latest[0], seconds = timed(reference)
            references.append(seconds)

        result = benchmark.pedantic(finished, setup=referenced, rounds=rounds)
        if benchmark.stats is not None:  # None under --benchmark-disable
            seconds = benchmark.stats.stats.median
            expected = statistics.median(references)
            benchmark.extra_info |= {"ratio": expected / seconds, unit + "/s": count / seconds}
            benchmark.extra_info["reference"] = {"what": what, "seconds": expected}
            cells = (
                f"{expected / seconds:.2g}",
                request.node.name.removeprefix("test_"),
                f"{figure(count / seconds)} {unit}/s",
                f"{figure(1e3 * seconds)} ms",
                f"{figure(1e3 * expected)} ms",
                what,
            )
            request.config.stash.setdefault(MEASURED, []).append(f"| {' | '.join(cells)} |")
        return result, latest[0]

    return run


def figure(value: float) -> str:
    """Three digits: 17.7, 22,300,000."""
    return f"{float(f'{value:.3g}'):,.10g}"


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The rows of docs/benchmarks.md."""
    for row in config.stash.get(MEASURED, []):
        terminalreporter.write_line(row)


@dataclass(frozen=True)
class Digits:
    """Both halves of the digits, and the network that has seen the training half only."""

    training: Labelled
    reference: Labelled
    network: LeNet


@pytest.fixture(scope="session")
def digits() -> Digits:
    training, reference = load_digits_halves()
    return Digits(training, reference, LeNet(training))
