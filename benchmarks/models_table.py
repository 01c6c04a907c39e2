"""What every generator's first generation is worth on digits, beside other real digits: docs/models.md.

    python -m benchmarks.models_table                      # all of MODELS, λ = 1 and .7
    python -m benchmarks.models_table flow vae --seeds 5

One thread. Metrics are medians over seeds, times processor seconds. `--banana` takes the plane instead: 10 000
points of a Rosenbrock density, no feature network.
"""

import argparse
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from evaluator.features.lenet import LeNet
from evaluator.metrics import Reference, measure
from evaluator.models import MODELS, make_model
from evaluator.models.labels import parted, with_labels
from evaluator.sources import Labelled, make_source
from evaluator.sources.digits import load_digits_halves
from evaluator.threads import one_thread

Rows = NDArray[np.float64]

SETTINGS = {
    "ddpm_mlp, 10 clusters": ("ddpm_mlp", {"clusters": 10}),
    "ddpm_mlp, labels": ("ddpm_mlp", {"labels": 10}),
    "ddpm_unet, labels": ("ddpm_unet", {"labels": 10}),
}
"""Title: model and parameters that are not its defaults; every name of MODELS is a title of its own."""

METRICS = ("frechet_distance", "manifold_precision", "manifold_recall", "density", "coverage", "vendi")
HEADER = ("model", "λ", *METRICS, "fit, s", "900 samples, s")


class Sampled(NamedTuple):
    rows: Rows
    fitting: float
    sampling: float


def row(title: str, bias: str, values: dict[str, float], times: tuple[str, str] = ("", "")) -> str:
    cells = (title, bias, *(f"{values[name]:.3g}" for name in METRICS), *times)
    return f"| {' | '.join(cells)} |"


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.median([run[name] for run in runs])) for name in METRICS}


def generation(
    name: str, parameters: dict[str, int], training: Labelled, biases: list[float], seed: int
) -> list[Sampled]:
    """900 samples at every bias, with the processor seconds of fitting (once) and of sampling."""
    rng, model, labels = np.random.default_rng([51, seed]), make_model(name, **parameters), parameters.get("labels", 0)
    rows = with_labels(*training) if labels else training.rows
    begun = time.process_time()
    model.fit(rows, rng)
    fitting, found = time.process_time() - begun, []
    for bias in biases:
        begun = time.process_time()
        drawn = model.sample(900, bias, rng)
        found.append(Sampled(parted(drawn, labels)[0], fitting, time.process_time() - begun))
    return found


def rosenbrock(n: int, seed: int) -> Rows:
    return make_source("rosenbrock").draw(n, np.random.default_rng([52, seed]))


def worlds(banana: bool) -> tuple[Labelled, Reference, Rows, Callable[[Rows], Rows]]:
    """Training rows, the reference, other real rows, and the features."""
    if banana:
        training = Labelled(rosenbrock(10_000, 0), np.zeros(10_000, dtype=np.int64))
        return training, Reference(rosenbrock(900, 1)), rosenbrock(900, 2), lambda rows: rows
    training, held_out = load_digits_halves()
    network = LeNet(training)
    return training, Reference(network(held_out.rows)), network(training.rows), network


def main() -> None:
    torch.set_num_threads(1)
    titles = {name: (name, {}) for name in MODELS} | SETTINGS
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("titles", nargs="*", metavar="MODEL", help=f"{', '.join(titles)}; all when none is given")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--biases", type=float, nargs="+", default=[1.0, 0.7])
    parser.add_argument("--banana", action="store_true")
    options = parser.parse_args()
    unknown = set(options.titles) - set(titles)
    if unknown or options.seeds < 1:
        parser.error(f"unknown: {', '.join(unknown)}" if unknown else "seeds must be at least 1")
    with one_thread():
        training, reference, other, features = worlds(options.banana)
        print(f"| {' | '.join(HEADER)} |", "| --- |" + " ---: |" * (len(HEADER) - 1), sep="\n")
        print(row("other real rows", "", measure(reference, other)), flush=True)
        for title in options.titles or titles:
            runs = [generation(*titles[title], training, options.biases, seed) for seed in range(options.seeds)]
            for bias, each in zip(options.biases, zip(*runs, strict=True), strict=True):
                found = medians([measure(reference, features(run.rows)) for run in each])
                fitting, sampling = (
                    f"{np.median([getattr(run, at) for run in each]):.2g}" for at in Sampled._fields[1:]
                )
                print(row(title, f"{bias:g}", found, (fitting, sampling)), flush=True)


if __name__ == "__main__":
    main()
