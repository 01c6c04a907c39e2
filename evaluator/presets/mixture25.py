"""The paper's 25 modes in the plane, in its three loops, with and without sampling bias.

Alemohammad et al. 2023 (arXiv:2307.01850): 2000 generations. The generator here is a mixture of 25 Gaussians fitted by
EM from scratch in every generation.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from evaluator.config import Choice, LoopConfig
from evaluator.presets.base import Comparison, Estimate, LoopArm, Measured, Panel, Preset, Series, median_curve

SAMPLES = 1000
MEASURED = 500
LOOPS = ("fully_synthetic", "synthetic_augmentation", "fresh_data")
SIGNS = "signs of MAD, §3 to §5"

DISTANCE, PRECISION, RECALL, COVERAGE = "frechet_distance", "manifold_precision", "manifold_recall", "coverage"


def gmm25(scale: str) -> Preset:
    """mad-gmm25."""
    seeds, unbiased, biased = (3, 2000, 100) if scale == "paper" else (3, 40, 12)
    lengths = {1.0: unbiased, 0.8: biased}
    arms = {
        _label(loop, bias): LoopArm(_config(loop, bias, generations), seeds)
        for bias, generations in lengths.items()
        for loop in LOOPS
    }
    return Preset(
        "mad-gmm25",
        f"25 modes in the plane, {SAMPLES} samples per generation, half of them real in the loops with real data; "
        f"{unbiased} generations at λ = 1, {biased} at λ = 0.8.",
        arms,
        [*_changes(), *_slower()],
        _panels,
    )


def _label(loop: str, bias: float) -> str:
    return f"{loop}, λ = {bias:g}"


def _config(loop: str, bias: float, generations: int) -> LoopConfig:
    half = SAMPLES // 2
    sizes = {"n_s": SAMPLES} if loop == "fully_synthetic" else {"n_s": half, "n_r": half}
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
        **sizes,  # type: ignore[arg-type]
    )


def _told(metric: str) -> str:
    return metric.replace("_", " ").replace("frechet", "Fréchet")


def change(series: Series) -> Series:
    """Mean of the last tenth of the generations less the first one, per seed [seeds]."""
    tenth = max(1, series.shape[1] // 10)
    difference: Series = series[:, -tenth:].mean(axis=1) - series[:, 0]
    return difference


def fall_on_the_way(series: Series) -> Series:
    """Mean of all later generations less the first one, per seed [seeds]."""
    difference: Series = series[:, 1:].mean(axis=1) - series[:, 0]
    return difference


# (loop, λ) -> metric -> sign of its change from the first generation to the last ones; None: reported only
SIGNS_OF: dict[tuple[str, float], dict[str, int | None]] = {
    ("fully_synthetic", 1.0): {DISTANCE: 1, PRECISION: None, RECALL: -1, COVERAGE: -1},
    ("fully_synthetic", 0.8): {DISTANCE: 1, PRECISION: 1, RECALL: -1, COVERAGE: -1},
    ("synthetic_augmentation", 1.0): {DISTANCE: None, PRECISION: None, RECALL: -1, COVERAGE: None},
    ("synthetic_augmentation", 0.8): {DISTANCE: None, PRECISION: None, RECALL: -1, COVERAGE: None},
    ("fresh_data", 1.0): {DISTANCE: None, PRECISION: None, RECALL: None, COVERAGE: None},
    ("fresh_data", 0.8): {DISTANCE: None, PRECISION: None, RECALL: None, COVERAGE: None},
}


def _changes() -> list[Comparison]:
    def measure(read: Callable[[Series], Series], loop: str, bias: float, metric: str, measured: Measured) -> Estimate:
        return Estimate.of(read(measured[_label(loop, bias)][metric]))

    on_the_way = Comparison(
        "mean manifold precision after generation 1 less that of generation 1, fully synthetic, λ = 1",
        partial(measure, fall_on_the_way, "fully_synthetic", 1.0, PRECISION),
        sign=-1,
        source=SIGNS,
    )
    return [on_the_way] + [
        Comparison(
            f"change of {_told(metric)}, {_label(loop, bias).replace('_', ' ')}",
            partial(measure, change, loop, bias, metric),
            sign=sign,
            source=SIGNS if sign else "",
        )
        for (loop, bias), expected in SIGNS_OF.items()
        for metric, sign in expected.items()
    ]


def _slower() -> list[Comparison]:
    """What real data keeps: coverage of the loops with real data over that of the closed loop, in the end.

    Modes lost are counted by coverage: a few stray samples between the modes have balls so large that manifold recall
    rises while modes die.
    """

    def measure(loop: str, bias: float, measured: Measured) -> Estimate:
        ends = [measured[_label(each, bias)][COVERAGE] for each in (loop, "fully_synthetic")]
        return Estimate.of(np.subtract(*(change(each) for each in ends)))

    return [
        Comparison(
            f"coverage kept beyond the fully synthetic loop, {_label(loop, bias).replace('_', ' ')}",
            partial(measure, loop, bias),
            sign=1,
            source=SIGNS,
        )
        for bias in (1.0, 0.8)
        for loop in LOOPS[1:]
    ]


def _panels(measured: Measured) -> list[Panel]:
    return [
        Panel(
            f"λ = {bias:g}",
            "generation",
            _told(metric),
            [median_curve(loop.replace("_", " "), measured[_label(loop, bias)][metric]) for loop in LOOPS],
            log_y=metric == DISTANCE,
        )
        for metric in (DISTANCE, PRECISION, RECALL, COVERAGE)
        for bias in (1.0, 0.8)
    ]
