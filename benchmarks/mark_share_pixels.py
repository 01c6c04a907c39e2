"""The second generation of the VAE on pictures beside fresh data, taken apart: mark_share --pixels.

Marks are mean residuals in units of one tagging, less those of the twin of the same seeds in which nobody tags.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evaluator.config import LoopConfig
from evaluator.loop import LoopRun
from evaluator.models.vae import Vae
from evaluator.pixel_codecs import PixelCodec
from evaluator.presets import make_preset
from evaluator.presets.base import LoopArm
from evaluator.residuals import along
from evaluator.setup import prepare

Rows = NDArray[np.float64]
TAGGED, TWIN = (f"vae, spread, fresh_data, {way}" for way in ("blind", "untagged"))
REPEATS = 5
HEADER = (
    *("seed", "mark learned from", "rebuilt", "sampled", "sampled / learned from"),
    *("on the synthetic side: real rows rebuilt", "synthetic rows rebuilt", "sampled", "sampled, twin"),
)


class Second(NamedTuple):
    """Generation 2: residuals, and shares on the side of its synthetic half."""

    residuals: Rows
    shares: Rows


def second(config: LoopConfig) -> Second:
    """What generation 2 learned from, its rebuilt training rows, its samples."""
    setup = prepare(config)
    run, state, model = LoopRun(config, setup), None, None
    for _ in range(2):
        training, _, state = run.next_step(state, model)
        model = run.fitted(state, model)
    codec, rng = run.marking.codec(2), np.random.default_rng([54, config.seed])
    if not isinstance(model, Vae) or not isinstance(codec, PixelCodec):
        raise SystemExit("expected a VAE and a codec of pictures")
    rows = np.tile(training.rows, (REPEATS, 1))
    rebuilt, sampled = model.rebuilt(rows, rng), model.sample(len(rows), 1.0, rng)
    synthetic = np.tile(np.arange(len(training.rows)) >= training.n_real, REPEATS)
    direction, middle = boundary(rebuilt[~synthetic], rebuilt[synthetic])
    template, real = codec.template, setup.held_out.mean(axis=0)
    residuals = [along(template, template, each.mean(axis=0) - real) for each in (training.rows, rebuilt, sampled)]
    parts = (rebuilt[~synthetic], rebuilt[synthetic], sampled)
    return Second(np.array(residuals), np.array([(each @ direction > middle).mean() for each in parts]))


def boundary(low: Rows, high: Rows) -> tuple[Rows, float]:
    """Fisher's discriminant between two sets [n, d]: direction [d], and the middle of their projections."""
    within = np.cov(low.T) + np.cov(high.T)
    within += 1e-3 * np.trace(within) / len(within) * np.eye(len(within))
    direction: Rows = np.linalg.solve(within, high.mean(axis=0) - low.mean(axis=0))
    return direction, float((low.mean(axis=0) + high.mean(axis=0)) @ direction / 2)


def pixels(seeds: int) -> Iterator[str]:
    """The table's rows, one per seed."""
    yield f"| {' | '.join(HEADER)} |"
    yield "| ---: " * len(HEADER) + "|"
    arms = make_preset("mark-amplification-pixels", "paper").arms
    for seed in range(seeds):
        found = []
        for label in (TAGGED, TWIN):
            arm = arms[label]
            assert isinstance(arm, LoopArm)
            found.append(second(replace(arm.config, seed=seed)))
        tagged, twin = found
        learned, rebuilt, sampled = tagged.residuals - twin.residuals
        cells = (learned, rebuilt, sampled, sampled / learned, *tagged.shares, twin.shares[2])
        yield f"| {seed} | {' | '.join(f'{each:.2f}' for each in cells)} |"
