"""A low recall from a real detector: ask it for a high one, and give a random part of what it found back.

The loop of recall-u-curve-pictures with so little real data that no filter should take everything out. Three filters of
equal recall stand in front of it: one that drops at random, a detector at the threshold that belongs to the recall, and
a detector that finds nearly all and gives the rest back at random.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from evaluator.config import Choice, Filter, LoopConfig
from evaluator.presets.base import Comparison, LoopArm, Measured, Panel, Preset, mean_curve
from evaluator.presets.data import mnist_or_like
from evaluator.presets.filtered import Grid, best, less, level, over, table
from evaluator.presets.recall_pictures import ALIKE, LAW, PSNR, marked_loop
from evaluator.presets.three_loops import DISTANCE, PRECISION, RECALL

BIASES = (0.8, 1.0)
HIGH = 0.99  # the recall that a detector is asked for before a part is given back
USUAL = 0.9
RANDOM, THRESHOLD, GIVEN_BACK = "at random", "by threshold", "given back"
WAYS = (RANDOM, THRESHOLD, GIVEN_BACK)
UNLIKE = "a threshold's misses are alike"


@dataclass(frozen=True)
class Size:
    """One scale of the experiment.

    recalls  that filters of every kind come to
    last     generations at the end that are averaged
    """

    models: tuple[str, ...]
    n_real: int
    n_synthetic: int
    generations: int
    last: int
    seeds: int
    recalls: tuple[float, ...]


SIZES = {
    "small": Size(("mixture",), 50, 450, 4, 2, 2, (0.5, 0.9)),
    "paper": Size(("mixture", "vae"), 50, 950, 8, 3, 6, (0.5, 0.8, 0.9)),
}


def recall_given_back(scale: str, data: Path | None = None) -> Preset:
    """recall-u-curve-given-back."""
    size, pictures = SIZES[scale], mnist_or_like(data)
    return Preset(
        "recall-u-curve-given-back",
        f"Generators of {pictures.told}: {size.n_real} fresh real pictures per generation and a filter in front of "
        f"{size.n_synthetic} synthetic ones, tagged by spread at {PSNR:g} dB, which drops at random, or by a "
        f"threshold, or finds nearly all and gives a part back: means of the last {size.last} of {size.generations} "
        "generations.",
        {
            label: LoopArm(config, size.seeds)
            for model in size.models
            for bias in BIASES
            for label, config in _arms(size, pictures.source, model, bias).items()
        },
        [row for model in size.models for bias in BIASES for row in _rows(size, model, bias)],
        partial(_panels, size),
        pictures.lacks,
    )


def _label(model: str, bias: float, recall: float, way: str = "") -> str:
    return f"{model}, λ = {bias:g}, recall {recall:g}{f' {way}' if way else ''}"


def _arms(size: Size, source: Choice, model: str, bias: float) -> dict[str, LoopConfig]:
    """By label. HIGH is asked for by a detector that gives nothing back, too."""
    filters = {_label(model, bias, 0): Filter(), _label(model, bias, 1, RANDOM): Filter("simulated", tpr=1.0)}
    for recall in size.recalls:
        back = round(1 - recall, 9)
        filters |= {
            _label(model, bias, recall, RANDOM): Filter("simulated", tpr=recall),
            _label(model, bias, recall, THRESHOLD): Filter("detector", recall=recall),
            _label(model, bias, recall, GIVEN_BACK): Filter("detector", recall=HIGH, give_back=back),
        }
    filters[_label(model, bias, HIGH, THRESHOLD)] = Filter("detector", recall=HIGH)
    n_real, n_synthetic = size.n_real, size.n_synthetic
    return {
        label: marked_loop(n_real + n_synthetic, n_real, n_synthetic, size.generations, source, model, bias, chosen)
        for label, chosen in filters.items()
    }


def _rows(size: Size, model: str, bias: float) -> list[Comparison]:
    where, label = f"{model}, λ = {bias:g}", partial(_label, model, bias)
    none, everything = label(0), label(1, RANDOM)
    rows = [
        Comparison(
            f"recall with the least distance, {way}, {where}", partial(best, size.last, _grid(size, model, bias, way))
        )
        for way in WAYS
    ]
    for recall in size.recalls:
        ways = {way: label(recall, way) for way in WAYS}
        rows += [
            Comparison(
                f"distance, {way} over at random, recall {recall:g}, {where}",
                partial(over, size.last, ways[way], ways[RANDOM]),
                expected=1.0,
                tolerance=0.1,
                source=ALIKE,
            )
            for way in (GIVEN_BACK, THRESHOLD)
        ]
        rows.append(less(size.last, ways[GIVEN_BACK], ways[THRESHOLD], -1, UNLIKE))
    usual = label(USUAL, GIVEN_BACK)
    rows += [
        less(size.last, usual, none, -1 if bias < 1 else None, LAW),
        less(size.last, usual, everything, -1, LAW),
        less(size.last, label(USUAL, THRESHOLD), none, None, LAW),
        less(size.last, label(HIGH, THRESHOLD), everything, None, LAW),
        less(size.last, everything, none, 1 if bias == 1 else None, LAW),
    ]
    detectors = [label(recall, way) for recall in size.recalls for way in (THRESHOLD, GIVEN_BACK)]
    return rows + [
        Comparison(f"realised {told} in the end, {each}", partial(level, size.last, each, metric))
        for each in (*detectors, label(HIGH, THRESHOLD))
        for metric, told in (("tpr", "recall"), ("fpr", "share of real ones excluded"))
    ]


def _grid(size: Size, model: str, bias: float, way: str) -> Grid:
    """recall -> arm, from no filter on, to all that are found by one of the kind."""
    label = partial(_label, model, bias)
    last = {1.0: label(1, RANDOM)} if way == RANDOM else {HIGH: label(HIGH, THRESHOLD)}
    return {0.0: label(0)} | {recall: label(recall, way) for recall in size.recalls} | last


def _panels(size: Size, measured: Measured) -> list[Panel]:
    """Over the recall, by kind of filter."""
    names = {DISTANCE: "Fréchet distance", PRECISION: "manifold precision", RECALL: "manifold recall"}
    return [
        Panel(
            f"{model}, λ = {bias:g}",
            "recall",
            name,
            [
                mean_curve(way, list(grid), table(size.last, grid, metric, measured))
                for way in WAYS
                for grid in [_grid(size, model, bias, way)]
            ],
            log_y=metric == DISTANCE,
        )
        for metric, name in names.items()
        for model in size.models
        for bias in BIASES
    ]
