"""How long a generation of the paper's diffusion model takes, and how busy the GPU is meanwhile.

    python -m benchmarks.minutes_per_generation                      # mad-mnist-ddpm at the paper's size, on CUDA
    python -m benchmarks.minutes_per_generation --device cpu --steps 2 --pictures 20 --sampling-steps 5

The loop's own code runs generation 1: it trains the U-Net, publishes the next training set, and measures a second set
of samples. Wall time, compiling included; the share of time in which the GPU worked is nvidia-smi's. With fewer steps
or pictures than the paper's the last line says so, and nothing is extrapolated.
"""

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import diffusers
import numpy as np
import torch

from evaluator.config import Choice, LoopConfig
from evaluator.loop import LoopRun
from evaluator.models.pictures import check_machine
from evaluator.presets.mnist_ddpm import CLOSED, PAPER, mnist_ddpm
from evaluator.presets.three_loops import label
from evaluator.setup import prepare
from hygiene.errors import ConfigurationError

SAMPLED_EVERY = "500"  # milliseconds
QUERY = ("nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", f"--loop-ms={SAMPLED_EVERY}")
T = TypeVar("T")


@contextmanager
def busy_shares(device: str) -> Iterator[list[float]]:
    """Fills the list with the GPU's utilisation in percent when the block ends; empty on a CPU."""
    found: list[float] = []
    if device != "cuda":
        yield found
        return
    with tempfile.TemporaryFile("w+") as told:
        watch = subprocess.Popen(QUERY, stdout=told)
        try:
            yield found
        finally:
            watch.terminate()
            watch.wait()
            told.seek(0)
            found += [float(line) for line in told if line.strip().isdigit()]


@dataclass
class Stages:
    """Rows of the table, one per stage of a generation."""

    device: str
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self, stage: str, work: Callable[[], T]) -> T:
        begun, processor = time.perf_counter(), time.process_time()
        with busy_shares(self.device) as shares:
            made = work()
            if self.device == "cuda":
                torch.cuda.synchronize()
        took = self.seconds[stage] = time.perf_counter() - begun
        gpu = f"{np.mean(shares):.0f} %" if shares else "–"
        print(f"| {stage} | {took / 60:.2f} | {gpu} | {(time.process_time() - processor) / took:.0%} |", flush=True)
        return made


def configuration(options: argparse.Namespace) -> LoopConfig:
    arms = mnist_ddpm("paper", options.data).arms
    config = arms[label(CLOSED, options.bias)].config
    given = {"device": options.device, "steps": options.steps, "sampling_steps": options.sampling_steps}
    model = Choice(config.model.name, config.model.parameters | given)
    n, measured = options.pictures, min(options.pictures, config.measured)
    return replace(config, model=model, n_ini=n, n_s=n, n_measure=measured, n_reference=measured)


def about(device: str) -> str:
    card = torch.cuda.get_device_name() if device == "cuda" else f"{os.cpu_count()} CPU cores"
    return f"{card}, torch {torch.__version__}, diffusers {diffusers.__version__}"


def main() -> None:
    told = PAPER.model.parameters
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with MNIST's IDX files; default: Debian's Fashion-MNIST")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--bias", type=float, default=0.5, help="λ, guidance when below 1 (default 0.5)")
    parser.add_argument("--steps", type=int, default=told["steps"], help="of training")
    parser.add_argument("--pictures", type=int, default=PAPER.pictures, help="to learn from and to publish")
    parser.add_argument("--sampling-steps", type=int, default=told["sampling_steps"])
    options = parser.parse_args()
    config, stages = configuration(options), Stages(options.device)
    try:
        check_machine(options.device)
    except ConfigurationError as error:
        parser.error(str(error))
    print("| stage | minutes | GPU busy | processor |\n| --- | ---: | ---: | ---: |", flush=True)
    setup = stages.run("once: data, LeNet, reference", lambda: prepare(config))
    run = LoopRun(config, setup)
    step = run.next_step(None, None)
    model = stages.run("training", lambda: run.fitted(step[2]))
    stages.run(f"{config.n_s} samples, published", lambda: run.next_step(step[2], model))
    stages.run(f"{config.measured} samples, measured", lambda: run.measured(step, model, 0.0))
    generation = list(stages.seconds.values())[1:]
    print(f"\nA generation: {sum(generation) / 60:.2f} minutes. {about(options.device)}.")
    if options.device == "cuda":
        print(f"Most memory of the GPU: {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB.")
    if (options.steps, options.pictures, options.sampling_steps) != (
        told["steps"],
        PAPER.pictures,
        told["sampling_steps"],
    ):
        print("Smaller than the paper's size.")


if __name__ == "__main__":
    main()
