"""A low recall from a real detector: ask it for a high one, and give a random part of what it found back.

The loop of recall-u-curve-pictures with so little real data that no filter should take everything out. Three filters of
equal recall stand in front of it: one that drops at random, a detector at the threshold that belongs to the recall, and
a detector that finds nearly all and gives the rest back at random.
"""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from evaluator.config import Choice, Filter, LoopConfig, Tagging
from evaluator.presets.base import Comparison, LoopArm, Measured, Panel, Preset, mean_curve
from evaluator.presets.data import mnist_or_like
from evaluator.presets.filtered import Grid, best, less, level, over, table
from evaluator.presets.recall_pictures import ALIKE, LAW, MAX_P, marked_loop
from evaluator.presets.three_loops import DISTANCE, PRECISION, RECALL

BIASES = (0.8, 1.0)
HIGH = 0.99  # the recall that a detector is asked for before a part is given back
USUAL = 0.9
RANDOM, THRESHOLD, GIVEN_BACK = "at random", "by threshold", "given back"
WAYS = (RANDOM, THRESHOLD, GIVEN_BACK)
UNLIKE = "a threshold's misses are alike"


@dataclass(frozen=True)
class Case:
    """One kind of generator, its pictures, and the detector in front of it.

    name     how its rows begin
    loop     without its filter and sampling bias
    finds    the filter that finds nearly all, of which a part is given back
    told     this filter in words
    recalls  that filters of every kind come to
    last     generations at the end that are averaged
    """

    name: str
    loop: LoopConfig
    finds: Filter
    told: str
    seeds: int
    recalls: tuple[float, ...]
    last: int


def recall_given_back(scale: str, data: Path | None = None) -> Preset:
    """recall-u-curve-given-back."""
    pictures = mnist_or_like(data)
    cases = _cases(pictures.source, scale == "paper")
    loops = [(case, bias) for case in cases for bias in BIASES]
    return Preset(
        "recall-u-curve-given-back",
        f"Generators of {pictures.told}, with little fresh real data and, in front of the synthetic pictures, a filter "
        "which drops at random, or by a threshold, or finds nearly all and gives a part back.",
        {
            label: LoopArm(replace(case.loop, sampling_bias=bias, filter=chosen), case.seeds)
            for case, bias in loops
            for label, chosen in _filters(case, bias).items()
        },
        [row for case, bias in loops for row in _rows(case, bias)],
        partial(_panels, cases),
        pictures.lacks,
    )


def _cases(source: Choice, paper: bool) -> tuple[Case, ...]:
    """Pictures of 28 pixels, among whose tags a detector must be asked for a high recall, and squares of 64 pixels, in
    which it finds every one.
    """
    n_synthetic, generations, last, seeds = (950, 8, 3, 6) if paper else (450, 4, 2, 2)
    recalls = (0.5, 0.8, 0.9) if paper else (0.5, 0.9)
    asked, caught = Filter("detector", recall=HIGH), Filter("detector", max_p=MAX_P)
    cases = tuple(
        Case(
            model,
            marked_loop(50 + n_synthetic, 50, n_synthetic, generations, source, model, 1.0, Filter()),
            asked,
            f"asked for {HIGH:g}",
            seeds,
            recalls,
            last,
        )
        for model in (("mixture", "vae") if paper else ("mixture",))
    )
    if not paper:
        return cases
    crops = replace(
        marked_loop(1000, 100, 900, 6, Choice("crops", {"size": 64, "count": 2000}), "mixture", 1.0, Filter()),
        features=Choice("pca", {"components": 32}),
        tagging=Tagging("blind", codec="spread"),
        n_measure=500,
        n_reference=500,
        rows="float32",
    )
    return (*cases, Case("mixture at 64 pixels", crops, caught, "p ≤ 1e-6", 3, (0.5, 0.9), 3))


def _label(case: Case, bias: float, recall: float, way: str = "") -> str:
    return f"{case.name}, λ = {bias:g}, recall {recall:g}{f' {way}' if way else ''}"


def _found(case: Case, bias: float) -> str:
    return f"{case.name}, λ = {bias:g}, {case.told}"


def _filters(case: Case, bias: float) -> dict[str, Filter]:
    """By the label of an arm."""
    label = partial(_label, case, bias)
    filters = {label(0): Filter(), label(1, RANDOM): Filter("simulated", tpr=1.0), _found(case, bias): case.finds}
    for recall in case.recalls:
        filters |= {
            label(recall, RANDOM): Filter("simulated", tpr=recall),
            label(recall, THRESHOLD): Filter("detector", recall=recall),
            label(recall, GIVEN_BACK): replace(case.finds, give_back=round(1 - recall, 9)),
        }
    return filters


def _rows(case: Case, bias: float) -> list[Comparison]:
    where, label = f"{case.name}, λ = {bias:g}", partial(_label, case, bias)
    none, everything, found = label(0), label(1, RANDOM), _found(case, bias)
    rows = [
        Comparison(f"recall with the least distance, {way}, {where}", partial(best, case.last, _grid(case, bias, way)))
        for way in WAYS
    ]
    for recall in case.recalls:
        ways = {way: label(recall, way) for way in WAYS}
        rows += [
            Comparison(
                f"distance, {way} over at random, recall {recall:g}, {where}",
                partial(over, case.last, ways[way], ways[RANDOM]),
                expected=1.0,
                tolerance=0.1,
                source=ALIKE,
            )
            for way in (GIVEN_BACK, THRESHOLD)
        ]
        rows.append(less(case.last, ways[GIVEN_BACK], ways[THRESHOLD], -1, UNLIKE))
    usual = label(USUAL, GIVEN_BACK)
    rows += [
        less(case.last, usual, none, -1 if bias < 1 else None, LAW),
        less(case.last, usual, everything, -1, LAW),
        less(case.last, label(USUAL, THRESHOLD), none, None, LAW),
        less(case.last, found, everything, None, LAW),
        less(case.last, everything, none, 1 if bias == 1 else None, LAW),
    ]
    detectors = [label(recall, way) for recall in case.recalls for way in (THRESHOLD, GIVEN_BACK)]
    return rows + [
        Comparison(f"realised {told} in the end, {each}", partial(level, case.last, each, metric))
        for each in (*detectors, found)
        for metric, told in (("tpr", "recall"), ("fpr", "share of real ones excluded"))
    ]


def _grid(case: Case, bias: float, way: str) -> Grid:
    """recall -> arm, from no filter on, to all that are found by one of the kind."""
    label = partial(_label, case, bias)
    last = {1.0: label(1, RANDOM)} if way == RANDOM else {case.finds.recall or 1.0: _found(case, bias)}
    return {0.0: label(0)} | {recall: label(recall, way) for recall in case.recalls} | last


def _panels(cases: tuple[Case, ...], measured: Measured) -> list[Panel]:
    """Over the recall, by kind of filter."""
    names = {DISTANCE: "Fréchet distance", PRECISION: "manifold precision", RECALL: "manifold recall"}
    return [
        Panel(
            f"{case.name}, λ = {bias:g}",
            "recall",
            name,
            [
                mean_curve(way, list(grid), table(case.last, grid, metric, measured))
                for way in WAYS
                for grid in [_grid(case, bias, way)]
            ],
            log_y=metric == DISTANCE,
        )
        for metric, name in names.items()
        for case in cases
        for bias in BIASES
    ]
