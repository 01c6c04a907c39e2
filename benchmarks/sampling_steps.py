"""What a diffusion network's steps back do to the spread of its samples, and what they cost: docs/models.md.

    python -m benchmarks.sampling_steps

The network of mad-mnist-ddpm's small scale learns its real rows once per seed, and samples in several ways. The spread
is the variance of the samples over that of these rows: in all, and along their 32 leading principal components
(geometric mean). Means of the seeds; seconds are processor seconds of one thread.
"""

import argparse
import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evaluator.loop import LoopRun
from evaluator.models import make_model
from evaluator.models.labels import parted
from evaluator.presets import make_preset
from evaluator.presets.base import LoopArm
from evaluator.setup import measure, prepare
from evaluator.threads import one_thread
from evaluator.warm_start import trainable

Rows = NDArray[np.float64]
ARM = "fully_synthetic, λ = 1"
WAYS: tuple[dict[str, float], ...] = (
    *({"order": 2, "sampling_steps": steps} for steps in (15, 50)),
    *({"order": 1, "sampling_steps": steps} for steps in (15, 25, 50, 100)),
    *({"order": 1, "eta": 1.0, "sampling_steps": steps} for steps in (25, 100, 400)),
)
METRICS = ("frechet_distance", "manifold_precision", "manifold_recall")
HEADER = ("order", "eta", "steps", "variance", "along 32 components", *METRICS, "900 samples, s")
COMPONENTS = 32


def spreads(samples: Rows, rows: Rows) -> tuple[float, float]:
    """Variance of samples [m, d] over that of rows [n, d]: of all columns together, and along leading components."""
    ours, theirs = (np.cov(each, rowvar=False) for each in (samples, rows))
    variances, directions = np.linalg.eigh(theirs)
    leading = directions[:, -COMPONENTS:]
    along = np.diag(leading.T @ ours @ leading) / variances[-COMPONENTS:]
    return float(np.trace(ours) / np.trace(theirs)), float(np.exp(np.log(along).mean()))


def found(seed: int) -> list[list[float]]:
    """Of every way: both spreads, the metrics, and the seconds, of one trained network."""
    arm = make_preset("mad-mnist-ddpm").arms[ARM]
    assert isinstance(arm, LoopArm)
    config = replace(arm.config, seed=seed)
    run = LoopRun(config, prepare(config))
    state = run.next_step(None, None)[2]
    weights = trainable(run.fitted(state)).weights()
    rows = []
    for way in WAYS:
        model = make_model(config.model.name, **{**config.model.parameters, **way})
        trainable(model).restore(weights)
        began = time.process_time()
        samples = model.sample(config.n_s, 1.0, np.random.default_rng(seed))
        seconds = time.process_time() - began
        metrics = measure(config, run.setup, samples)
        kept = spreads(*(parted(each, config.labels)[0] for each in (samples, run.initial)))
        rows.append([*kept, *(metrics[name] for name in METRICS), seconds])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    with one_thread():
        means = np.mean([found(seed) for seed in range(options.seeds)], axis=0)
    print(f"| {' | '.join(HEADER)} |\n| {' | '.join(['---:'] * len(HEADER))} |")
    for way, values in zip(WAYS, means, strict=True):
        told = (f"{way.get(name, 0):g}" for name in ("order", "eta", "sampling_steps"))
        print(f"| {' | '.join([*told, *(f'{value:.3g}' for value in values)])} |")


if __name__ == "__main__":
    main()
