"""The memory of a loop whose pool grows, generation by generation: python -m benchmarks.loop_memory [--rows float16]

Squares of scikit-learn's two photographs, a StyleGAN2 that hardly trains, and a run folder, which is deleted: rows are
what fills the memory. Peaks are of the whole process, less what it held before generation 1 (Linux only).
"""

import argparse
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from evaluator.config import Choice, LoopConfig
from evaluator.features import Identity
from evaluator.geometry import Rows
from evaluator.loop import run_loop
from evaluator.models.base import checked_rows
from evaluator.runs import run_in_folder
from evaluator.setup import prepare
from evaluator.threads import one_thread

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
MEASURED = 50  # samples: they stay the same however long the loop is
MODEL = {"channels": 3, "width": 4, "full": 4, "latent": 8, "depth": 1, "steps": 1, "batch": 4}


class Peak(NamedTuple):
    """One generation: numbers that its model learnt from, bytes at the worst moment until it was stored."""

    generation: int
    numbers: int
    bytes: int


class Averages:
    """Sixteen numbers of each row, for metrics that take no memory."""

    name = "averages"

    def __call__(self, rows: Rows) -> Rows:
        return Identity()(checked_rows(rows[:, :16], at_least=1))


def wide_loop(rows: str, size: int, samples: int, generations: int) -> LoopConfig:
    """Pictures of `size` pixels, as many samples as real ones, every generation's kept."""
    return LoopConfig(
        loop="synthetic_augmentation",
        pool="all",
        n_ini=samples,
        n_r=samples,
        n_s=samples,
        n_measure=MEASURED,
        n_reference=MEASURED,
        generations=generations,
        source=Choice("crops", {"size": size, "count": samples}),
        model=Choice("stylegan2", MODEL),
        rows=rows,
    )


def peaks(config: LoopConfig) -> Iterator[Peak]:
    """What the loop takes, one generation after another."""
    with TemporaryDirectory() as folder, one_thread():
        setup = prepare(config, Averages())
        list(run_loop(replace(config, n_ini=2, n_r=1, n_s=1, generations=2), setup))  # what is imported is not counted
        before = resident("VmRSS")
        RESET.write_text("5")  # the peak so far is forgotten (proc_pid_clear_refs(5))
        for step in run_in_folder(config, Path(folder) / "run", setup):
            numbers = (step.n_real + step.n_synthetic) * setup.source.dimension
            yield Peak(step.generation, numbers, resident("VmHWM") - before)
            RESET.write_text("5")


def resident(entry: str) -> int:
    """Bytes of VmRSS, in memory now, or VmHWM, the most so far."""
    found = re.search(rf"{entry}:\s+(\d+) kB", STATUS.read_text())
    return 1024 * int(found[1]) if found else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="float64", help="float64, float32 or float16")
    parser.add_argument("--size", type=int, default=64, help="pixels of a side")
    parser.add_argument("--samples", type=int, default=1000, help="per generation")
    parser.add_argument("--generations", type=int, default=6)
    chosen = parser.parse_args()
    print("| generation | numbers in the training set | peak, MB | bytes per number |\n| ---: | ---: | ---: | ---: |")
    for each in peaks(wide_loop(chosen.rows, chosen.size, chosen.samples, chosen.generations)):
        mega, ratio = each.bytes / 1e6, each.bytes / each.numbers
        print(f"| {each.generation} | {each.numbers} | {mega:.0f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
