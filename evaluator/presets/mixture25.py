"""The paper's 25 modes in the plane, in its three loops, with and without sampling bias.

Alemohammad et al. 2023 (arXiv:2307.01850): 2000 generations. The generator here is a mixture of 25 Gaussians fitted by
EM from scratch in every generation.
"""

from functools import partial

import numpy as np

from evaluator.config import Choice, LoopConfig
from evaluator.presets.base import Comparison, Estimate, LoopArm, Measured, Preset, Series
from evaluator.presets.three_loops import (
    COVERAGE,
    DISTANCE,
    LOOPS,
    PRECISION,
    RECALL,
    Signs,
    change,
    changes,
    halves,
    label,
    panels,
    signed,
    told,
)

SAMPLES = 1000
MEASURED = 500


def gmm25(scale: str) -> Preset:
    """mad-gmm25."""
    seeds, unbiased, biased = (3, 2000, 100) if scale == "paper" else (3, 40, 12)
    lengths = {1.0: unbiased, 0.8: biased}
    arms = {
        label(loop, bias): LoopArm(_config(loop, bias, generations), seeds)
        for bias, generations in lengths.items()
        for loop in LOOPS
    }
    return Preset(
        "mad-gmm25",
        f"25 modes in the plane, {SAMPLES} samples per generation, half of them real in the loops with real data; "
        f"{unbiased} generations at λ = 1, {biased} at λ = 0.8.",
        arms,
        [_on_the_way(), *changes(SIGNS_OF), *_slower()],
        partial(panels, (DISTANCE, PRECISION, RECALL, COVERAGE), (1.0, 0.8)),
    )


def _config(loop: str, bias: float, generations: int) -> LoopConfig:
    return LoopConfig(
        loop=loop,
        n_ini=SAMPLES,
        generations=generations,
        sampling_bias=bias,
        n_measure=MEASURED,
        n_reference=MEASURED,
        keep_samples=MEASURED,
        source=Choice("mixture25"),
        model=Choice("mixture", {"components": 25, "dimensions": 2}),
        metrics={"frechet": {}, "manifold": {}},
        **halves(loop, SAMPLES),  # type: ignore[arg-type]
    )


def fall_on_the_way(series: Series) -> Series:
    """Mean of all later generations less the first one, per seed [seeds]."""
    difference: Series = series[:, 1:].mean(axis=1) - series[:, 0]
    return difference


SIGNS_OF: Signs = {
    ("fully_synthetic", 1.0): {DISTANCE: 1, PRECISION: None, RECALL: -1, COVERAGE: -1},
    ("fully_synthetic", 0.8): {DISTANCE: 1, PRECISION: 1, RECALL: -1, COVERAGE: -1},
    ("synthetic_augmentation", 1.0): {DISTANCE: None, PRECISION: None, RECALL: -1, COVERAGE: None},
    ("synthetic_augmentation", 0.8): {DISTANCE: None, PRECISION: None, RECALL: -1, COVERAGE: None},
    ("fresh_data", 1.0): {DISTANCE: None, PRECISION: None, RECALL: None, COVERAGE: None},
    ("fresh_data", 0.8): {DISTANCE: None, PRECISION: None, RECALL: None, COVERAGE: None},
}


def _on_the_way() -> Comparison:
    def measure(measured: Measured) -> Estimate:
        return Estimate.of(fall_on_the_way(measured[label("fully_synthetic", 1.0)][PRECISION]))

    return signed(
        "mean manifold precision after generation 1 less that of generation 1, fully synthetic, λ = 1", measure, -1
    )


def _slower() -> list[Comparison]:
    """What real data keeps: coverage of the loops with real data over that of the closed loop, in the end.

    Modes lost are counted by coverage: a few stray samples between the modes have balls so large that manifold recall
    rises while modes die.
    """

    def measure(loop: str, bias: float, measured: Measured) -> Estimate:
        ends = [measured[label(each, bias)][COVERAGE] for each in (loop, "fully_synthetic")]
        return Estimate.of(np.subtract(*(change(each) for each in ends)))

    return [
        signed(
            f"coverage kept beyond the fully synthetic loop, {told(label(loop, bias))}", partial(measure, loop, bias), 1
        )
        for bias in (1.0, 0.8)
        for loop in LOOPS[1:]
    ]
