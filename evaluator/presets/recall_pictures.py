"""How much filtering helps where the filter is real: pictures that carry a mark, and a detector that reads it.

The fresh-data loop of recall-u-curve on pictures: one in ten of a pool is real and fresh, the others are the last
generation's, tagged, and pass the detector at a threshold that was calibrated to a recall, once, on generation 1.
Beside it the filter that every other experiment with a recall has, which drops that share of the tagged ones at random.
Every loop tags, so that two of them differ by what is filtered and by nothing else, and publishes pictures of 8 bits;
one publishes only those in which its mark is read back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.config import Choice, Filter, LoopConfig, Processing, Tagging
from evaluator.presets.base import (
    Comparison,
    Estimate,
    LoopArm,
    Measured,
    Panel,
    Preset,
    mean_curve,
    median_curve,
    settled,
)
from evaluator.presets.data import mnist_or_like
from evaluator.presets.filtered import Grid, best, less, level, over, table
from evaluator.presets.three_loops import DISTANCE, PRECISION, RECALL
from evaluator.presets.worth import worth

BIASES = (0.8, 1.0)
MODELS: Mapping[str, Choice] = {"mixture": Choice("mixture"), "vae": Choice("vae", {"components": 20})}
USUAL = 0.9  # the recall to compare others with
MAX_P = 1e-6
PSNR = 36.0  # dB: at 40, two in three of Fashion-MNIST's pictures are too flat to keep a mark of 28 pixels
STRONG = 30.0  # dB
PNG, JPEG, FLOATS = Processing("png"), Processing("jpeg", quality=75), Processing()
LAW, ALIKE = "the Gaussian loop, §6", "only the recall counts"
NONE, DETECTOR, SIMULATED = "no filter", "detector", "simulated"
TAIL = "p ≤ 1e-6"
COMPRESSED, COMPRESSED_TAIL, COMPRESSED_USUAL = (f"JPEG, {each}" for each in (NONE, TAIL, f"{DETECTOR} {USUAL:g}"))
UNROUNDED, STRONGER, VERIFIED = f"floats, {DETECTOR} {USUAL:g}", f"{STRONG:g} dB, {TAIL}", f"verified, {TAIL}"


@dataclass(frozen=True)
class Size:
    """One scale of the experiment.

    recalls    that the filters are asked for
    more_real  real samples per generation where nothing is filtered, beside n_real
    last       generations at the end that are averaged
    """

    models: tuple[str, ...]
    n_real: int
    n_synthetic: int
    generations: int
    last: int
    seeds: int
    recalls: tuple[float, ...]
    more_real: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        return (self.n_real, *self.more_real)


SIZES = {
    "small": Size(("mixture",), 60, 540, 4, 2, 2, (0.5, 0.9), (240,)),
    "paper": Size(("mixture", "vae"), 200, 1800, 8, 3, 3, (0.5, 0.8, 0.9, 0.99), (400, 800, 1600)),
}


def recall_pictures(scale: str, data: Path | None = None) -> Preset:
    """recall-u-curve-pictures."""
    size, pictures = SIZES[scale], mnist_or_like(data)
    return Preset(
        "recall-u-curve-pictures",
        f"Generators of {pictures.told}: {size.n_real} fresh real pictures per generation and a filter in front of "
        f"{size.n_synthetic} synthetic ones, tagged by spread at {PSNR:g} dB: means of the last {size.last} of "
        f"{size.generations} generations.",
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


def _label(model: str, bias: float, way: str, recall: float | None = None, n_real: int | None = None) -> str:
    asked = "" if recall is None else f" {recall:g}"
    return f"{model}, λ = {bias:g}, {way}{asked}" + ("" if n_real is None else f", n_r = {n_real}")


def _arms(size: Size, source: Choice, model: str, bias: float) -> dict[str, LoopConfig]:
    """By label; JPEG and more real data only with a sampling bias, where a filter pays."""
    make, label = partial(_config, size, source, model, bias), partial(_label, model, bias)
    arms = {label(NONE): make(Filter())}
    for recall in size.recalls:
        arms[label(DETECTOR, recall)] = make(Filter(DETECTOR, recall=recall))
        arms[label(SIMULATED, recall)] = make(Filter(SIMULATED, tpr=recall))
    arms[label(SIMULATED, 1.0)] = make(Filter(SIMULATED, tpr=1.0))
    tail, usual = Filter(DETECTOR, max_p=MAX_P), Filter(DETECTOR, recall=USUAL)
    arms[label(TAIL)] = make(tail)
    arms[label(STRONGER)] = make(tail, psnr=STRONG)
    arms[label(VERIFIED)] = make(tail, verify=True)
    arms[label(UNROUNDED)] = make(usual, processing=FLOATS)
    if bias < 1:
        arms[label(COMPRESSED)] = make(Filter(), processing=JPEG)
        arms[label(COMPRESSED_USUAL)] = make(usual, processing=JPEG)
        arms[label(COMPRESSED_TAIL)] = make(tail, processing=JPEG)
        arms |= {label(NONE, n_real=n): make(Filter(), n_real=n) for n in size.more_real}
    return arms


def _config(
    size: Size, source: Choice, model: str, bias: float, chosen: Filter, n_real: int | None = None, **marks: Any
) -> LoopConfig:
    first = size.n_real + size.n_synthetic
    n_real = size.n_real if n_real is None else n_real
    return marked_loop(first, n_real, size.n_synthetic, size.generations, source, model, bias, chosen, **marks)


def marked_loop(
    n_first: int,
    n_real: int,
    n_synthetic: int,
    generations: int,
    source: Choice,
    model: str,
    bias: float,
    chosen: Filter,
    processing: Processing = PNG,
    psnr: float = PSNR,
    verify: bool = False,
) -> LoopConfig:
    """A fresh-data loop of pictures that are all tagged, and of which a `model` of MODELS gets what `chosen` passes."""
    return LoopConfig(
        loop="fresh_data",
        n_ini=n_first,
        n_r=n_real,
        n_s=n_synthetic,
        generations=generations,
        sampling_bias=bias,
        n_measure=900,
        n_reference=900,
        probe_keys=0,
        source=source,
        features=Choice("lenet"),
        model=MODELS[model],
        tagging=Tagging("blind", codec="spread", psnr=psnr, verify=verify),
        filter=chosen,
        processing=processing,
        metrics={"frechet": {}, "manifold": {}},
    )


def _rows(size: Size, model: str, bias: float) -> list[Comparison]:
    where, label = f"{model}, λ = {bias:g}", partial(_label, model, bias)
    grids = {kind: _grid(size, model, bias, kind) for kind in (DETECTOR, SIMULATED)}
    usual = label(DETECTOR, USUAL)
    unfiltered, all_out = label(NONE), label(SIMULATED, 1.0)
    rows = [
        Comparison(f"{told} with the least distance, {kind}, {where}", partial(best, size.last, grid))
        for (kind, grid), told in zip(grids.items(), ("asked recall", "recall"), strict=True)
    ]
    rows += [less(size.last, label(kind, size.recalls[0]), unfiltered, None, LAW) for kind in (DETECTOR, SIMULATED)]
    rows += [
        less(size.last, usual, unfiltered, -1 if bias < 1 else None, LAW),
        less(size.last, label(TAIL), unfiltered, -1 if bias < 1 else None, LAW),
        less(size.last, label(STRONGER), unfiltered, -1 if bias < 1 else None, LAW),
        less(size.last, label(VERIFIED), unfiltered, -1 if bias < 1 else None, LAW),
        less(size.last, label(UNROUNDED), unfiltered, None, LAW),
        less(size.last, all_out, label(SIMULATED, USUAL), 1 if bias < 1 else None, LAW),
        less(size.last, all_out, unfiltered, 1 if bias == 1 else None, LAW),
    ]
    rows += [
        Comparison(
            f"distance, detector over simulated, recall {recall:g}, {where}",
            partial(over, size.last, label(DETECTOR, recall), label(SIMULATED, recall)),
            expected=1.0,
            tolerance=0.1,
            source=ALIKE,
        )
        for recall in size.recalls
    ]
    rows += [
        Comparison(
            f"distance, verified over simulated, recall 1, {where}",
            partial(over, size.last, label(VERIFIED), all_out),
            expected=1.0,
            tolerance=0.1,
            source=ALIKE,
        ),
        Comparison(
            f"share of samples withheld in the end, {where}", partial(level, size.last, label(VERIFIED), "withheld")
        ),
    ]
    detectors = [
        *(label(DETECTOR, recall) for recall in size.recalls),
        *(label(each) for each in (TAIL, STRONGER, VERIFIED, UNROUNDED)),
    ]
    if bias < 1:
        compressed = [label(each) for each in (COMPRESSED_USUAL, COMPRESSED_TAIL)]
        rows += [less(size.last, each, label(COMPRESSED), -1, LAW) for each in compressed]
        detectors += compressed
    rows += [
        Comparison(f"realised {told} in the end, {each}", partial(level, size.last, each, metric))
        for each in detectors
        for metric, told in (("tpr", "recall"), ("fpr", "share of real ones excluded"))
    ]
    if bias < 1:
        rows += [
            Comparison(
                f"real samples per generation that do without a filter what it does, {each}",
                partial(_worth, size, model, bias, each),
            )
            for each in (usual, label(TAIL))
        ]
    return rows


def _grid(size: Size, model: str, bias: float, kind: str) -> Grid:
    """recall -> arm, from no filter on."""
    recalls = size.recalls if kind == DETECTOR else (*size.recalls, 1.0)
    return {0.0: _label(model, bias, NONE)} | {recall: _label(model, bias, kind, recall) for recall in recalls}


def _worth(size: Size, model: str, bias: float, arm: str, measured: Measured) -> Estimate:
    unfiltered = {size.n_real: _label(model, bias, NONE)} | {
        n: _label(model, bias, NONE, n_real=n) for n in size.more_real
    }
    curves = np.stack([settled(measured, each, DISTANCE, size.last) for each in unfiltered.values()], axis=1)
    return worth(size.counts, curves, settled(measured, arm, DISTANCE, size.last))


def _panels(size: Size, measured: Measured) -> list[Panel]:
    """Over the recall asked for, by kind of filter; and the recall that a detector has, generation by generation."""
    names = {DISTANCE: "Fréchet distance", PRECISION: "manifold precision", RECALL: "manifold recall"}
    panels = [
        Panel(
            f"λ = {bias:g}",
            "recall asked for",
            name,
            [
                mean_curve(f"{model}, {kind}", list(grid), table(size.last, grid, metric, measured))
                for model in size.models
                for kind in (DETECTOR, SIMULATED)
                for grid in [_grid(size, model, bias, kind)]
            ],
            log_y=metric == DISTANCE,
        )
        for metric, name in names.items()
        for bias in BIASES
    ]
    return panels + [
        Panel(
            f"realised, {model}, λ = {bias:g}",
            "generation",
            "share of tagged pictures excluded",
            [
                *(
                    median_curve(f"asked {recall:g}", measured[_label(model, bias, DETECTOR, recall)]["tpr"], recall)
                    for recall in size.recalls
                ),
                median_curve(TAIL, measured[_label(model, bias, TAIL)]["tpr"]),
            ],
        )
        for model in size.models
        for bias in BIASES
    ]
