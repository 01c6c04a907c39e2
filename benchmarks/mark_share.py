"""Why learned models carry more, or less, than their share of a mark: docs/amplification.md.

    python -m benchmarks.mark_share              # digits as vectors, one training
    python -m benchmarks.mark_share --pixels     # the VAE on pictures in the loop beside fresh data, generation 2

A model learns from real and tagged rows together. Beside a VAE's samples stand its training rows as it rebuilds them:
the same decoder, but latents from where the encoder puts these rows and not from the prior. Means of the seeds.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.mark_share_pixels import pixels
from evaluator.models import make_model
from evaluator.models.vae import Vae
from evaluator.sources import make_source
from evaluator.sources.base import RealSource
from evaluator.warm_start import trainable
from hygiene.codecs.spread_vectors import SpreadVectors
from hygiene.keys import Key

Rows = NDArray[np.float64]
N, STRENGTH, DRAWN = 900, 4.0, 9000
HEADER = (
    *("model", "learned from", "mark of these", "rebuilt", "sampled", "sampled / learned from"),
    *("on the tagged side: rebuilt", "sampled", "mark there", "mark on the other side"),
)


@dataclass(frozen=True)
class Case:
    """What a model learns from.

    share    of the rows that are tagged
    own      the tagged rows are output of the model, which learned from real rows
    jitter   put on tagged rows along the key, in deviations of real rows
    flat     real rows are freed of what they vary by along the key
    anchored rows are centred and scaled as real rows are, not by themselves
    """

    told: str
    model: str = "vae"
    informed: bool = True
    share: float = 0.5
    own: bool = False
    jitter: float = 0.0
    flat: bool = False
    anchored: bool = False
    parameters: dict[str, Any] = field(default_factory=dict)


BLIND = Case("half blind", informed=False)
INFORMED = Case("half informed")
OWN = [
    replace(BLIND, told="half blind, own output", own=True),
    replace(INFORMED, told="half informed, own output", own=True),
]
ANCHORED = Case("all blind, scale of real rows", informed=False, share=1.0, anchored=True)
CASES = (
    BLIND,
    INFORMED,
    replace(INFORMED, told="half informed, jitter .5", jitter=0.5),
    replace(INFORMED, told="half informed, jitter 1", jitter=1.0),
    replace(BLIND, told="half blind, real rows flat", flat=True),
    replace(BLIND, told="a quarter blind", share=0.25),
    replace(INFORMED, told="a quarter informed", share=0.25),
    replace(INFORMED, told="three quarters informed", share=0.75),
    replace(INFORMED, told="half informed, 500 steps", parameters={"steps": 500}),
    replace(INFORMED, told="half informed, 4000 steps", parameters={"steps": 4000}),
    *OWN,
    *(
        replace(case, told=f"{case.told}, 20 components", parameters={"components": 20})
        for case in (BLIND, INFORMED, replace(INFORMED, told="a quarter informed", share=0.25), *OWN)
    ),
    *(replace(case, model="flow") for case in (INFORMED, *OWN)),
    *(replace(ANCHORED, model=name) for name in ("vae", "ddpm_mlp", "flow", "wgan_gp")),
)


def fitted(case: Case, rows: Rows, rng: np.random.Generator, real: Rows | None = None) -> Any:
    """The model of `case`, trained on `rows`; with `real`, on from one step on these, whose scale it keeps."""
    start = None
    if real is not None:
        first = trainable(make_model(case.model, steps=1))
        first.fit(real, rng)
        start = first.weights()
    model = trainable(make_model(case.model, **case.parameters))
    model.fit(rows, rng, start)
    return model


def learned_from(case: Case, source: RealSource, mark: SpreadVectors, rng: np.random.Generator) -> Rows:
    """Real rows and tagged ones, N together."""
    tagged = round(case.share * N)
    real, plain = source.draw(N - tagged, rng), source.draw(tagged, rng)
    if case.flat:
        real = real - np.outer(mark.project(real) * mark.deviation, mark.direction)
    if case.own:
        plain = fitted(case, source.draw(N, rng), rng).sample(tagged, 1.0, rng)
    jitter = case.jitter * mark.deviation * rng.standard_normal(tagged)
    marked = mark.embed(plain, STRENGTH, informed=case.informed) + np.outer(jitter, mark.direction)
    return np.concatenate([real, marked])


def measured(case: Case, seed: int) -> list[float]:
    """The numbers of one row, marks in units of what is embedded; nan where there is nothing to measure."""
    rng, source = np.random.default_rng([53, seed]), make_source("digits_oracle")
    reference = source.draw(N, rng)
    mark = SpreadVectors(Key(bytes([seed]) * 32), reference)
    rows = learned_from(case, source, mark, rng)
    model = fitted(case, rows, rng, reference if case.anchored else None)
    sampled, rebuilt = mark.project(model.sample(DRAWN, 1.0, rng)) / STRENGTH, np.full(DRAWN, np.nan)
    if isinstance(model, Vae):
        rebuilt = mark.project(model.rebuilt(np.tile(rows, (DRAWN // N, 1)), rng)) / STRENGTH
    learned, side = float(mark.project(rows).mean()) / STRENGTH, sampled > 0.5
    kept = np.nan if np.isnan(rebuilt).any() else float((rebuilt > 0.5).mean())
    other = np.nan if case.share == 1 else sampled[~side].mean()
    means = [learned, rebuilt.mean(), sampled.mean(), sampled.mean() / learned]
    return [*means, kept, side.mean(), sampled[side].mean(), other]


def vectors(seeds: int) -> Iterator[str]:
    """The table's rows."""
    yield f"| {' | '.join(HEADER)} |"
    yield "| --- " * 2 + "| ---: " * (len(HEADER) - 2) + "|"
    for case in CASES:
        numbers = np.mean([measured(case, seed) for seed in range(seeds)], axis=0)
        cells = ("–" if np.isnan(each) else f"{each:.2f}" for each in numbers)
        yield f"| `{case.model}` | {case.told} | {' | '.join(cells)} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pixels", action="store_true", help="pictures in the loop in place of vectors")
    parser.add_argument("--seeds", type=int, default=3)
    chosen = parser.parse_args()
    for line in (pixels if chosen.pixels else vectors)(chosen.seeds):
        print(line, flush=True)
