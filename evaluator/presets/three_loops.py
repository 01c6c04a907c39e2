"""The paper's three loops, with and without sampling bias: what its experiments have in common."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from evaluator.presets.base import Comparison, Estimate, Measured, Panel, Series, median_curve

LOOPS = ("fully_synthetic", "synthetic_augmentation", "fresh_data")
GROWING = "synthetic_augmentation, growing pool"
MANY = 10_000  # samples per generation, of which a growing pool is kept in half precision
DISTANCE, PRECISION, RECALL, COVERAGE = "frechet_distance", "manifold_precision", "manifold_recall", "coverage"
LOG_DET = "log_det"
SIGNS = "signs of MAD, §3 to §5"

Signs = Mapping[tuple[str, float], Mapping[str, int | None]]
"""(loop, λ) -> metric -> sign of its change from the first generation to the last ones; 0: it stays; None: reported."""


def label(loop: str, bias: float) -> str:
    """The name of the arm."""
    return f"{loop}, λ = {bias:g}"


def halves(loop: str, samples: int) -> dict[str, int]:
    """Sizes of a loop's generations: all synthetic in the closed loop, half of them real in the others."""
    return {"n_s": samples} if loop == "fully_synthetic" else {"n_s": samples // 2, "n_r": samples // 2}


def pool_of(loop: str, samples: int) -> dict[str, str]:
    """What a loop of LOOPS, or GROWING, is called in a configuration, and how it keeps its pool."""
    if loop != GROWING:
        return {"loop": loop}
    rows = {"rows": "float16"} if samples > MANY else {}
    return {"loop": "synthetic_augmentation", "pool": "all", **rows}


def told(name: str) -> str:
    """A metric, or the name of an arm, in words."""
    return name.replace("log_det", "log-determinant").replace("_", " ").replace("frechet", "Fréchet")


def change(series: Series) -> Series:
    """Mean of the last tenth of the generations less the first one, per seed [seeds]."""
    tenth = max(1, series.shape[1] // 10)
    difference: Series = series[:, -tenth:].mean(axis=1) - series[:, 0]
    return difference


def changes(signs: Signs, stays: float = 0.0) -> list[Comparison]:
    """A row for every entry of `signs`. stays: how far a metric may move that is said to stay."""
    return [
        signed(
            f"change of {told(metric)}, {told(label(loop, bias))}",
            partial(changed, label(loop, bias), metric),
            sign,
            stays,
        )
        for (loop, bias), expected in signs.items()
        for metric, sign in expected.items()
    ]


def signed(what: str, measure: Callable[[Measured], Estimate], sign: int | None, stays: float = 0.0) -> Comparison:
    """A row that is compared by sign (0: within `stays`), or only reported (None)."""
    if sign is None:
        return Comparison(what, measure)
    if sign == 0:
        return Comparison(what, measure, expected=0.0, tolerance=stays, absolute=True, source=SIGNS)
    return Comparison(what, measure, sign=sign, source=SIGNS)


def changed(arm: str, metric: str, measured: Measured) -> Estimate:
    """`change` of a metric of an arm."""
    return Estimate.of(change(measured[arm][metric]))


def panels(
    metrics: Sequence[str], biases: Sequence[float], measured: Measured, loops: Sequence[str] = LOOPS
) -> list[Panel]:
    """A plot per metric and λ with a line per loop, of those that ran with that λ. Colours go by their order."""
    return [
        Panel(
            f"λ = {bias:g}",
            "generation",
            told(metric),
            [
                median_curve(told(loop), measured[arm][metric])
                for loop in loops
                if (arm := label(loop, bias)) in measured
            ],
            log_y=metric == DISTANCE,
        )
        for metric in metrics
        for bias in biases
    ]
