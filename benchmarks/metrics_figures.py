"""The figures of docs/metrics.md that no test makes: `python -m benchmarks.metrics_figures`.

LeNet on Fashion-MNIST (Debian's dataset-fashion-mnist), and the manifold metrics of 50,000 × 50,000 rows of 84
numbers, and of 10,000 × 10,000 beside prdc's; processor time of one thread, and memory beyond the rows.
"""

import os
import resource
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import plain
from evaluator.features import LeNet
from evaluator.metrics import METRICS
from evaluator.sources import make_source
from evaluator.threads import one_thread

FASHION = "/usr/share/datasets/fashion-mnist"
ROWS, WIDTH = 50_000, 84


def lenet() -> None:
    source = make_source("idx", path=FASHION)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HYGIENE_CACHE"] = folder
        network, trained = timed(lambda: LeNet(source.labelled, shape=source.shape))
        again, read = timed(lambda: LeNet(source.labelled, shape=source.shape))
    assert again.weights_digest == network.weights_digest
    accuracy = network.accuracy(source.held_out.labelled)
    print(f"LeNet on Fashion-MNIST: {trained:.0f} s to train, {read:.1f} s to read again, accuracy {accuracy:.1%}")


def against_prdc(n: int = 10_000) -> None:
    rng = np.random.default_rng(0)
    real, synthetic = (rng.standard_normal((n, WIDTH)) for _ in range(2))
    ours, seconds = timed(lambda: METRICS["manifold"](real, synthetic))
    theirs, reference = timed(lambda: plain.METRICS["manifold"](real, synthetic))
    assert np.allclose(list(ours.values()), list(theirs.values()), rtol=1e-6)
    print(f"manifold, {n:,} × {n:,} rows of {WIDTH}: {seconds:.2f} s, prdc {reference:.2f} s")


def manifold() -> None:
    rng = np.random.default_rng(0)
    real, synthetic = (rng.standard_normal((ROWS, WIDTH)) for _ in range(2))
    METRICS["manifold"](real[:100], synthetic[:100])  # what is imported is not counted
    before = peak()
    _, seconds = timed(lambda: METRICS["manifold"](real, synthetic))
    print(f"manifold, {ROWS:,} × {ROWS:,} rows of {WIDTH}: {seconds:.0f} s, {peak() - before:.2f} GB more")


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it made, and processor seconds."""
    began = time.process_time()
    made = work()
    return made, time.process_time() - began


def peak() -> float:
    """The most memory so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    with one_thread():
        manifold()  # first, for the peak is that of the whole process
        against_prdc()
        lenet()
