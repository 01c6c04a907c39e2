"""The paper's normalizing flow on a Rosenbrock density, in its three loops, with and without sampling bias.

Alemohammad et al. 2023 (arXiv:2307.01850): 10 000 samples, 16 generations, λ = 1 and .75, the latent drawn from
N(0, λI).
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from evaluator.config import Choice, LoopConfig
from evaluator.presets.base import Comparison, Estimate, LoopArm, Measured, Panel, Preset, Series, median_curve
from evaluator.presets.mixture25 import change

LOOPS = ("fully_synthetic", "synthetic_augmentation", "fresh_data")
BIASES = (1.0, 0.75)
MEASURED = 2000
STAYS = 0.05  # how far precision and recall may move where they are said to stay
SIGNS = "signs of MAD, §3 to §5"

DISTANCE, PRECISION, RECALL, LOG_DET = "frechet_distance", "manifold_precision", "manifold_recall", "log_det"


def rosenbrock_flow(scale: str) -> Preset:
    """mad-rosenbrock-flow."""
    seeds, samples, generations, steps = (3, 10_000, 16, 500) if scale == "paper" else (3, 2000, 4, 100)
    arms = {
        _label(loop, bias): LoopArm(_config(loop, bias, samples, generations, steps), seeds)
        for bias in BIASES
        for loop in LOOPS
    }
    return Preset(
        "mad-rosenbrock-flow",
        f"A normalizing flow on a Rosenbrock density in the plane, {samples} samples per generation, half of them real "
        f"in the loops with real data; {generations} generations.",
        arms,
        [*_changes(), *_kept()],
        _panels,
    )


def _label(loop: str, bias: float) -> str:
    return f"{loop}, λ = {bias:g}"


def _config(loop: str, bias: float, samples: int, generations: int, steps: int) -> LoopConfig:
    half = samples // 2
    sizes = {"n_s": samples} if loop == "fully_synthetic" else {"n_s": half, "n_r": half}
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
        **sizes,  # type: ignore[arg-type]
    )


# (loop, λ) -> metric -> sign of its change from the first generation to the last ones; 0: it stays; None: reported only
CHANGES: dict[tuple[str, float], dict[str, int | None]] = {
    ("fully_synthetic", 1.0): {DISTANCE: 1, PRECISION: -1, RECALL: -1, LOG_DET: None},
    ("fully_synthetic", 0.75): {DISTANCE: 1, PRECISION: 0, RECALL: -1, LOG_DET: -1},
    ("synthetic_augmentation", 1.0): {DISTANCE: None, PRECISION: -1, RECALL: -1, LOG_DET: None},
    ("synthetic_augmentation", 0.75): {DISTANCE: None, PRECISION: 0, RECALL: -1, LOG_DET: -1},
    ("fresh_data", 1.0): {DISTANCE: None, PRECISION: 0, RECALL: 0, LOG_DET: None},
    ("fresh_data", 0.75): {DISTANCE: None, PRECISION: 0, RECALL: 0, LOG_DET: None},
}


def _changes() -> list[Comparison]:
    def measure(loop: str, bias: float, metric: str, measured: Measured) -> Estimate:
        return Estimate.of(change(measured[_label(loop, bias)][metric]))

    return [
        _comparison(
            f"change of {_told(metric)}, {_label(loop, bias).replace('_', ' ')}",
            partial(measure, loop, bias, metric),
            expected,
        )
        for (loop, bias), changes in CHANGES.items()
        for metric, expected in changes.items()
    ]


def _comparison(what: str, measure: Callable[[Measured], Estimate], expected: int | None) -> Comparison:
    if expected is None:
        return Comparison(what, measure)
    if expected == 0:
        return Comparison(what, measure, expected=0.0, tolerance=STAYS, absolute=True, source=SIGNS)
    return Comparison(what, measure, sign=expected, source=SIGNS)


def _kept() -> list[Comparison]:
    """What real data is worth: how much nearer to the truth the loops with real data end than the closed one."""

    def measure(loop: str, bias: float, metric: str, measured: Measured) -> Estimate:
        return Estimate.of(np.subtract(*(_end(measured[_label(each, bias)][metric]) for each in (loop, LOOPS[0]))))

    return [
        Comparison(
            f"{_told(metric)} in the end, {loop.replace('_', ' ')} less fully synthetic, λ = {bias:g}",
            partial(measure, loop, bias, metric),
            sign=-1 if metric == DISTANCE else 1,
            source=SIGNS,
        )
        for bias in BIASES
        for loop in LOOPS[1:]
        for metric in (DISTANCE, RECALL)
    ]


def _end(series: Series) -> Series:
    """The last generation, per seed [seeds]."""
    end: Series = series[:, -1]
    return end


def _told(metric: str) -> str:
    return metric.replace("log_det", "log-determinant").replace("_", " ").replace("frechet", "Fréchet")


def _panels(measured: Measured) -> list[Panel]:
    return [
        Panel(
            f"λ = {bias:g}",
            "generation",
            _told(metric),
            [median_curve(loop.replace("_", " "), measured[_label(loop, bias)][metric]) for loop in LOOPS],
            log_y=metric == DISTANCE,
        )
        for metric in (DISTANCE, PRECISION, RECALL, LOG_DET)
        for bias in BIASES
    ]
