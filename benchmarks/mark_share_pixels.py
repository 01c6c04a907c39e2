"""The second generation of the VAE on pictures beside fresh data, taken apart: mark_share --pixels.

Marks are mean residuals in units of one tagging, less those of the twin of the same seeds in which nobody tags.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evaluator.collapse import bootstrap_interval
from evaluator.loop import LoopRun
from evaluator.models.vae import Vae
from evaluator.pixel_codecs import PixelCodec
from evaluator.presets import make_preset
from evaluator.presets.base import LoopArm
from evaluator.residuals import along
from evaluator.setup import prepare

Rows = NDArray[np.float64]
ARMS = {
    "spread": "mark-amplification-pixels",
    "dwt_dct_svd": "mark-amplification-colours",
    "rivagan": "mark-amplification-colours",
}
"""Codec -> the experiment in which it is beside fresh data."""
PRIORS = (0, 20)  # components
REPEATS = 5
HEADER = (
    *(
        "codec",
        "components",
        "mark learned from",
        "rebuilt, median",
        "sampled",
        "sampled / learned from",
        "95 % interval",
    ),
    *("on the synthetic side: other real rows rebuilt", "other synthetic rows rebuilt", "sampled", "sampled, twin"),
)


class Second(NamedTuple):
    """Generation 2: residuals, and shares on the side of its synthetic half."""

    residuals: Rows
    shares: Rows


def second(arms: Mapping[str, object], label: str, components: int, seed: int) -> Second:
    """What generation 2 of an arm learned from, its rebuilt training rows, its samples.

    components  of the prior
    """
    arm = arms[label]
    assert isinstance(arm, LoopArm)
    chosen = arm.config.model
    prior = {**chosen.parameters, "components": components}
    config = replace(arm.config, model=replace(chosen, parameters=prior), seed=seed)
    setup = prepare(config)
    run, rng = LoopRun(config, setup), np.random.default_rng([54, seed])
    _, _, state = run.next_step(None, None)
    first = run.fitted(state)
    training, _, state = run.next_step(state, first)
    model, codec = run.fitted(state, first), run.marking.codec(2)
    if not isinstance(model, Vae) or not isinstance(codec, PixelCodec):
        raise SystemExit("expected a VAE and a codec of pictures")
    rows = np.tile(training.rows, (REPEATS, 1))
    rebuilt, sampled = model.rebuilt(rows, rng), model.sample(len(rows), 1.0, rng)
    synthetic = np.tile(np.arange(len(training.rows)) >= training.n_real, REPEATS)
    direction, middle = boundary(rebuilt[~synthetic], rebuilt[synthetic])
    template, real = codec.template, setup.held_out.mean(axis=0)
    residuals = [along(template, template, each.mean(axis=0) - real) for each in (training.rows, rebuilt, sampled)]
    unseen = (setup.held_out, run.output(1, first, len(rows), rng))
    parts = (*(model.rebuilt(each, rng) for each in unseen), sampled)
    return Second(np.array(residuals), np.array([(each @ direction > middle).mean() for each in parts]))


def boundary(low: Rows, high: Rows) -> tuple[Rows, float]:
    """Fisher's discriminant between two sets [n, d]: direction [d], and the middle of their projections."""
    within = np.cov(low.T) + np.cov(high.T)
    within += 1e-3 * np.trace(within) / len(within) * np.eye(len(within))
    direction: Rows = np.linalg.solve(within, high.mean(axis=0) - low.mean(axis=0))
    return direction, float((low.mean(axis=0) + high.mean(axis=0)) @ direction / 2)


def pixels(seeds: int) -> Iterator[str]:
    """The table's rows, one per codec and prior: means of the seeds, and the interval that their differences leave."""
    yield f"| {' | '.join(HEADER)} |"
    yield "| --- " + "| ---: " * (len(HEADER) - 1) + "|"
    for (codec, experiment), components in product(ARMS.items(), PRIORS):
        arms = make_preset(experiment, "paper").arms
        marks, sides = [], []
        for seed in range(seeds):
            tagged, twin = (
                second(arms, f"vae, {codec}, fresh_data, {way}", components, seed) for way in ("blind", "untagged")
            )
            marks.append(tagged.residuals - twin.residuals)
            sides.append([*tagged.shares, twin.shares[2]])
        learned, rebuilt, sampled = np.array(marks).T
        low, high = (1 + end / learned.mean() for end in bootstrap_interval(sampled - learned))
        middle = np.median(rebuilt)  # not the mean: now and then a row is rebuilt far off
        cells = (learned.mean(), middle, sampled.mean(), sampled.mean() / learned.mean())
        told = " | ".join(f"{each:.2f}" for each in cells), " | ".join(f"{each:.2f}" for each in np.mean(sides, axis=0))
        yield f"| `{codec}` | {components} | {told[0]} | {low:.2f} to {high:.2f} | {told[1]} |"
