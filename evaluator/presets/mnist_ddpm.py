"""The paper's diffusion model of handwritten digits, in its three loops, at four strengths of guidance.

Alemohammad et al. 2023 (arXiv:2307.01850): a conditional DDPM with T = 500 on MNIST, 60 000 pictures, λ = 1, .8, .66
and .5 by classifier-free guidance; in the loop with fresh data 2000 real and 2000 synthetic pictures per generation,
from 2000 or 3000 real ones, in up to 20 generations. Features are a LeNet's. A synthetic picture goes into the next
training set with the label that it was made for. Without guidance, augmentation by half of real data settles by theory;
so a pool that keeps all synthetic data beside the real set, as in the paper's StyleGAN2, goes the same way as well.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from evaluator.config import Choice, LoopConfig
from evaluator.presets.base import Comparison, Estimate, LoopArm, Measured, Preset
from evaluator.presets.data import mnist_or_like
from evaluator.presets.gaussian import ratio
from evaluator.presets.three_loops import (
    DISTANCE,
    GROWING,
    LOOPS,
    PRECISION,
    RECALL,
    Signs,
    changes,
    label,
    panels,
    pool_of,
)
from evaluator.presets.trends import at, better, falls_faster, not_lost, settles

BIASES = (1.0, 0.8, 0.66, 0.5)
CLOSED, AUGMENTED, FRESH = LOOPS
FRESH_MORE = "fresh_data, n_ini = 1.5 n_r"
STAYS = 0.05  # how far precision and recall may move where they are said to stay
LABELS = 10


@dataclass(frozen=True)
class Sizes:
    """Of one scale.

    pictures     of the real set, and of every generation of the closed loop
    fresh        n_r = n_s in the loop with fresh data
    measured     samples that the metrics see
    generations  with guidance, and of what is compared with it; unguided loops go on to `long`
    """

    pictures: int
    fresh: int
    measured: int
    generations: int
    long: int
    model: Choice


SMALL = Sizes(
    900,
    450,
    900,
    5,
    20,
    Choice("ddpm_unet", {"width": 8, "sampling_steps": 15, "order": 2, "labels": LABELS}),
)
PAPER = Sizes(
    60_000,
    2000,
    10_000,
    20,
    20,
    Choice(
        "ddpm_unet",
        {"width": 64, "steps": 20_000, "batch": 256, "rate": 5e-4, "noise_levels": 500, "sampling_steps": 500}
        | {"eta": 1.0, "labels": LABELS, "device": "cuda"},
    ),
)


def mnist_ddpm(scale: str, data: Path | None = None) -> Preset:
    """mad-mnist-ddpm."""
    sizes = PAPER if scale == "paper" else SMALL
    small, last = scale != "paper", sizes.generations
    pictures = mnist_or_like(data, "digits_oracle" if small else "")
    network = "A small diffusion U-Net" if small else "A diffusion U-Net, T = 500"
    arms = [(loop, bias) for loop in (*LOOPS, FRESH_MORE) for bias in BIASES] + [(GROWING, 1.0)]
    return Preset(
        "mad-mnist-ddpm",
        f"{network}, guided, on {pictures.told}: {sizes.pictures} pictures, with fresh data {sizes.fresh} real and "
        f"{sizes.fresh} synthetic ones per generation; {last} generations with guidance, {sizes.long} without.",
        {label(loop, bias): LoopArm(_config(loop, bias, sizes, pictures.source), 3) for loop, bias in arms},
        [*changes(CHANGES, STAYS), *_settled(last), *_biased(last), *_kept(sizes), *_forgotten(last)],
        partial(panels, (DISTANCE, PRECISION, RECALL), BIASES, loops=(*LOOPS, GROWING)),
        pictures.lacks,
    )


def _config(loop: str, bias: float, sizes: Sizes, source: Choice) -> LoopConfig:
    n, fresh = sizes.pictures, sizes.fresh
    counts: dict[str, dict[str, int]] = {
        CLOSED: {"n_ini": n, "n_s": n},
        AUGMENTED: {"n_ini": n, "n_r": n, "n_s": n},
        GROWING: {"n_ini": n, "n_r": n, "n_s": n},
        FRESH: {"n_ini": fresh, "n_r": fresh, "n_s": fresh},
        FRESH_MORE: {"n_ini": 3 * fresh // 2, "n_r": fresh, "n_s": fresh},
    }
    goes_on = bias == 1 and loop != FRESH_MORE
    return LoopConfig(
        generations=sizes.long if goes_on else sizes.generations,
        sampling_bias=bias,
        n_measure=sizes.measured,
        n_reference=sizes.measured,
        source=source,
        model=sizes.model,
        features=Choice("lenet"),
        metrics={"frechet": {}, "manifold": {}, "class_entropy": {}},
        **counts[loop],  # type: ignore[arg-type]
        **pool_of(FRESH if loop == FRESH_MORE else loop, n),  # type: ignore[arg-type]
    )


def _signs(loop: str, bias: float) -> dict[str, int | None]:
    """Without bias quality and diversity fall, with it diversity; fresh data keeps quality, and without bias both."""
    if loop == FRESH:
        return {DISTANCE: None, PRECISION: 0, RECALL: 0 if bias == 1 else None}
    return {DISTANCE: 1, **({PRECISION: -1} if bias == 1 else {}), RECALL: -1}


CHANGES: Signs = {
    **{(loop, bias): _signs(loop, bias) for loop in LOOPS for bias in BIASES},
    (GROWING, 1.0): _signs(GROWING, 1.0),
}


def _settled(last: int) -> list[Comparison]:
    """With bias and fresh data a loop settles at less than it began with, S* = p/(1 − qλ), and goes no further."""
    return [settles(label(FRESH, bias), RECALL, last - 2, last, STAYS) for bias in BIASES[1:]]


def _biased(last: int) -> list[Comparison]:
    """What λ < 1 does: precision is kept or rises, recall falls faster."""
    closed = label(CLOSED, 1.0)
    return [
        row
        for bias in BIASES[1:]
        for row in (
            *(not_lost(label(loop, bias), PRECISION, last, STAYS) for loop in (CLOSED, AUGMENTED)),
            better(label(CLOSED, bias), closed, PRECISION, last),
            falls_faster(label(CLOSED, bias), closed, RECALL, last),
        )
    ]


def _kept(sizes: Sizes) -> list[Comparison]:
    """What real data keeps, beside the closed loop."""
    loops = [(loop, bias) for loop in (AUGMENTED, FRESH) for bias in BIASES] + [(GROWING, 1.0)]
    return [
        better(label(loop, bias), label(CLOSED, bias), metric, sizes.long if bias == 1 else sizes.generations)
        for loop, bias in loops
        for metric in (DISTANCE, RECALL)
    ]


def _forgotten(last: int) -> list[Comparison]:
    """Where the loop with fresh data ends does not depend on where it began."""

    def measure(bias: float, measured: Measured) -> Estimate:
        return ratio(*(at(measured, label(loop, bias), DISTANCE, last) for loop in (FRESH_MORE, FRESH)))

    return [
        Comparison(
            f"Fréchet distance in the end from n_ini = 1.5 n_r over that from n_ini = n_r, fresh data, λ = {bias:g}",
            partial(measure, bias),
            expected=1.0,
            tolerance=0.1,
            source="MAD: the limit does not depend on n_ini",
        )
        for bias in BIASES
    ]
