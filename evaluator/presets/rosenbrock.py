"""The paper's normalizing flow on a Rosenbrock density, in its three loops, with and without sampling bias.

Alemohammad et al. 2023 (arXiv:2307.01850): 10 000 samples, 16 generations, λ = 1 and .75, the latent drawn from
N(0, λI).
"""

from functools import partial

import numpy as np

from evaluator.config import Choice, LoopConfig
from evaluator.presets.base import Comparison, Estimate, LoopArm, Measured, Preset, Series
from evaluator.presets.three_loops import (
    DISTANCE,
    LOG_DET,
    LOOPS,
    PRECISION,
    RECALL,
    Signs,
    changes,
    halves,
    label,
    panels,
    signed,
    told,
)

BIASES = (1.0, 0.75)
MEASURED = 2000
STAYS = 0.05  # how far precision and recall may move where they are said to stay


def rosenbrock_flow(scale: str) -> Preset:
    """mad-rosenbrock-flow."""
    seeds, samples, generations, steps = (10, 10_000, 16, 500) if scale == "paper" else (3, 2000, 4, 100)
    arms = {
        label(loop, bias): LoopArm(_config(loop, bias, samples, generations, steps), seeds)
        for bias in BIASES
        for loop in LOOPS
    }
    return Preset(
        "mad-rosenbrock-flow",
        f"A normalizing flow on a Rosenbrock density in the plane, {samples} samples per generation, half of them real "
        f"in the loops with real data; {generations} generations.",
        arms,
        [*changes(CHANGES, STAYS), *_kept()],
        partial(panels, (DISTANCE, PRECISION, RECALL, LOG_DET), BIASES),
    )


def _config(loop: str, bias: float, samples: int, generations: int, steps: int) -> LoopConfig:
    flow = {"dimensions": 2, "layers": 6, "width": 32, "depth": 1, "steps": steps, "batch": 256, "rate": 3e-3}
    return LoopConfig(
        loop=loop,
        n_ini=samples,
        generations=generations,
        sampling_bias=bias,
        n_measure=MEASURED,
        n_reference=MEASURED,
        source=Choice("rosenbrock"),
        model=Choice("flow", flow),
        metrics={"frechet": {}, "manifold": {}, "diversity": {}},
        **halves(loop, samples),  # type: ignore[arg-type]
    )


CHANGES: Signs = {
    ("fully_synthetic", 1.0): {DISTANCE: 1, PRECISION: -1, RECALL: -1, LOG_DET: None},
    ("fully_synthetic", 0.75): {DISTANCE: 1, PRECISION: 0, RECALL: -1, LOG_DET: -1},
    ("synthetic_augmentation", 1.0): {DISTANCE: None, PRECISION: -1, RECALL: -1, LOG_DET: None},
    ("synthetic_augmentation", 0.75): {DISTANCE: None, PRECISION: 0, RECALL: -1, LOG_DET: -1},
    ("fresh_data", 1.0): {DISTANCE: None, PRECISION: 0, RECALL: 0, LOG_DET: None},
    ("fresh_data", 0.75): {DISTANCE: None, PRECISION: 0, RECALL: 0, LOG_DET: None},
}


def _kept() -> list[Comparison]:
    """What real data is worth: how much nearer to the truth the loops with real data end than the closed one."""

    def measure(loop: str, bias: float, metric: str, measured: Measured) -> Estimate:
        return Estimate.of(np.subtract(*(_end(measured[label(each, bias)][metric]) for each in (loop, LOOPS[0]))))

    return [
        signed(
            f"{told(metric)} in the end, {told(loop)} less fully synthetic, λ = {bias:g}",
            partial(measure, loop, bias, metric),
            -1 if metric == DISTANCE else 1,
        )
        for bias in BIASES
        for loop in LOOPS[1:]
        for metric in (DISTANCE, RECALL)
    ]


def _end(series: Series) -> Series:
    """The last generation, per seed [seeds]."""
    end: Series = series[:, -1]
    return end
