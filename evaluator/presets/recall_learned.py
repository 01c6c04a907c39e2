"""Where more filtering stops helping generators of real digits, and what a filter is worth in real data.

The fresh-data loop of recall-u-curve with models that are fitted to samples: one in ten of a pool is real and fresh,
the others are the last generation's, and a filter takes its recall of these out. Nothing is topped up.
"""

from collections.abc import Mapping
from functools import partial

import numpy as np

from evaluator.config import Choice, Filter, LoopConfig
from evaluator.optimum import least
from evaluator.presets.base import Comparison, Estimate, LoopArm, Measured, Panel, Preset, Series, mean_curve, settled
from evaluator.presets.three_loops import DISTANCE, PRECISION, RECALL
from evaluator.presets.worth import worth

N_REAL, N_SYNTHETIC = 100, 900
RECALLS = (0.0, 0.5, 0.8, 0.9, 0.95, 1.0)
USUAL, LOSS = 0.9, 0.1  # a recall and a false-positive rate, to compare others with
MORE_REAL = (200, 400, 800, 1600)  # per generation, where nothing is filtered
BIASES = (0.8, 1.0)
MISSPECIFIED = ("vae",)  # one that errs by itself; at λ = 1 nothing is known of it
EXPECTED = "the Gaussian loop, §6"

SMALL_NETWORK = {"width": 64, "batch": 32}
MODELS: Mapping[str, Choice] = {
    "mixture": Choice("mixture"),
    "kde": Choice("kde"),
    "ddpm_mlp": Choice("ddpm_mlp", {**SMALL_NETWORK, "depth": 2, "labels": 10}),
    "vae": Choice("vae", SMALL_NETWORK),
}


def recall_learned(scale: str) -> Preset:
    """recall-u-curve-learned."""
    paper = scale == "paper"
    models = tuple(MODELS) if paper else ("mixture", "kde")
    generations, last, seeds = (8, 3, 5) if paper else (4, 2, 3)
    return Preset(
        "recall-u-curve-learned",
        f"Generators of digits with {N_REAL} fresh real samples per generation and a filter in front of {N_SYNTHETIC} "
        f"synthetic ones: means of the last {last} of {generations} generations over the filter's recall.",
        {
            label: LoopArm(config, seeds)
            for model in models
            for bias in BIASES
            for label, config in _arms(model, bias, generations).items()
        },
        [row for model in models for bias in BIASES for row in _rows(model, bias, last)],
        partial(_panels, models, last),
    )


def _label(model: str, bias: float, recall: float = 0.0, fpr: float = 0.0, n_real: int = N_REAL) -> str:
    lost = f", f = {fpr:g}" if fpr else ""
    return f"{model}, λ = {bias:g}, n_r = {n_real}, r = {recall:g}{lost}"


def _arms(model: str, bias: float, generations: int) -> dict[str, LoopConfig]:
    """By label; more real data and false positives only with a sampling bias, where a filter pays."""
    points = [(recall, 0.0, N_REAL) for recall in RECALLS]
    if bias < 1:
        points += [(recall, LOSS, N_REAL) for recall in (USUAL, 1.0)]
        points += [(0.0, 0.0, n_real) for n_real in MORE_REAL]
    return {_label(model, bias, *point): _config(model, bias, generations, *point) for point in points}


def _config(model: str, bias: float, generations: int, recall: float, fpr: float, n_real: int) -> LoopConfig:
    return LoopConfig(
        loop="fresh_data",
        n_ini=N_REAL + N_SYNTHETIC,
        n_r=n_real,
        n_s=N_SYNTHETIC,
        generations=generations,
        sampling_bias=bias,
        n_measure=900,
        n_reference=900,
        source=Choice("digits_oracle"),
        features=Choice("lenet"),
        model=MODELS[model],
        filter=Filter("simulated", tpr=recall, fpr=fpr) if recall or fpr else Filter(),
        metrics={"frechet": {}, "manifold": {}},
    )


def _rows(model: str, bias: float, last: int) -> list[Comparison]:
    where = f"{model}, λ = {bias:g}"
    rows = [
        Comparison(f"recall with the least distance, {where}", partial(_best, model, bias, last, DISTANCE, 1)),
        Comparison(f"recall with the most manifold recall, {where}", partial(_best, model, bias, last, RECALL, -1)),
        _less(model, bias, last, USUAL, 0.0, -1 if bias < 1 else None),
        _less(model, bias, last, 1.0, USUAL, 1 if bias < 1 else None),
        _less(model, bias, last, 1.0, 0.0, 1 if bias == 1 and model not in MISSPECIFIED else None),
    ]
    if bias == 1:
        return rows
    what = f"real samples per generation that do without a filter what one of recall {USUAL:g} does, {where}"
    return [
        *rows,
        Comparison(what, partial(_worth, model, bias, last)),
        *(
            Comparison(
                f"distance at f = {LOSS:g} over that at 0, {where}, r = {r:g}", partial(_cost, model, bias, last, r)
            )
            for r in (USUAL, 1.0)
        ),
    ]


def _less(model: str, bias: float, last: int, recall: float, other: float, sign: int | None) -> Comparison:
    def measure(measured: Measured) -> Estimate:
        limits = [settled(measured, _label(model, bias, each), DISTANCE, last) for each in (recall, other)]
        return Estimate.of(limits[0] - limits[1])

    what = f"distance at recall {recall:g} less that at {other:g}, {model}, λ = {bias:g}"
    return Comparison(what, measure, sign=sign, source="" if sign is None else EXPECTED)


def _table(model: str, bias: float, last: int, metric: str, measured: Measured) -> Series:
    """[seeds, recalls]."""
    return np.stack([settled(measured, _label(model, bias, recall), metric, last) for recall in RECALLS], axis=1)


def _best(model: str, bias: float, last: int, metric: str, sign: int, measured: Measured) -> Estimate:
    best = least(RECALLS, sign * _table(model, bias, last, metric, measured))
    return Estimate(best.point, best.low, best.high)


def _worth(model: str, bias: float, last: int, measured: Measured) -> Estimate:
    counts = (N_REAL, *MORE_REAL)
    curves = np.stack([settled(measured, _label(model, bias, n_real=n), DISTANCE, last) for n in counts], axis=1)
    return worth(counts, curves, settled(measured, _label(model, bias, USUAL), DISTANCE, last))


def _cost(model: str, bias: float, last: int, recall: float, measured: Measured) -> Estimate:
    limits = [settled(measured, _label(model, bias, recall, fpr), DISTANCE, last) for fpr in (LOSS, 0.0)]
    return Estimate.of(limits[0] / limits[1])


def _panels(models: tuple[str, ...], last: int, measured: Measured) -> list[Panel]:
    names = {DISTANCE: "Fréchet distance", PRECISION: "manifold precision", RECALL: "manifold recall"}
    return [
        Panel(
            f"λ = {bias:g}",
            "filter recall",
            name,
            [mean_curve(model, RECALLS, _table(model, bias, last, metric, measured)) for model in models],
            log_y=metric == DISTANCE,
        )
        for metric, name in names.items()
        for bias in BIASES
    ]
