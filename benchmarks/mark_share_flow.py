"""Why a flow beside fresh data carries more of a mark than it learned from: docs/amplification.md.

    python -m benchmarks.mark_share_flow

One training on two halves of digits as vectors, the second blindly tagged, each of them real rows, the output of a flow
that learned real rows, or one of these with another covariance. Who is tagged, and how wide the two halves are, come
apart. Means of the seeds; ± is the standard error of such a mean.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from evaluator.models.flow import Flow
from evaluator.sources import make_source
from hygiene.codecs.spread_vectors import SpreadVectors
from hygiene.keys import Key

Rows = NDArray[np.float64]
Draw = Callable[[int, int, np.random.Generator], Rows]
SEEDS, N, MANY, STRENGTH, DRAWN, WRONG_KEYS = 6, 900, 20000, 4.0, 20000, 20
LEAST = 1e-6  # of the largest variance: directions in which rows do not vary
OUTER = 0.01  # of the samples at either end, left out of a trimmed mean
HEADER = (
    *("untagged half", "tagged half", "width of the tagged half", "sampled / learned from", "trimmed"),
    *("on the tagged side: learned from", "sampled, more by", "mean off along the key", "along wrong keys"),
)


def real(n: int, seed: int, rng: np.random.Generator) -> Rows:
    return make_source("digits_oracle").draw(n, rng)


@cache
def first(seed: int) -> Flow:
    """A flow that learned real rows."""
    rng, flow = np.random.default_rng([55, seed]), Flow()
    flow.fit(real(N, seed, rng), rng)
    return flow


def own(n: int, seed: int, rng: np.random.Generator) -> Rows:
    return first(seed).sample(n, 1.0, rng)


def recoloured(draw: Draw, like: Draw) -> Draw:
    """What `draw` gives, by an affine map with the mean and covariance of `like`."""

    def recoloured(n: int, seed: int, rng: np.random.Generator) -> Rows:
        parts = [each(MANY, seed, np.random.default_rng([56, seed])) for each in (draw, like)]
        whiten, colour = power(np.cov(parts[0].T), -0.5), power(np.cov(parts[1].T), 0.5)
        rows: Rows = parts[1].mean(axis=0) + (draw(n, seed, rng) - parts[0].mean(axis=0)) @ whiten @ colour
        return rows

    return recoloured


def power(covariance: Rows, exponent: float) -> Rows:
    """Of a symmetric matrix [d, d]; 0 in directions without variance."""
    variances, directions = np.linalg.eigh(covariance)
    varies = variances > LEAST * variances[-1]
    powers = np.where(varies, variances, 1.0) ** exponent * varies
    matrix: Rows = (directions * powers) @ directions.T
    return matrix


@dataclass(frozen=True)
class Case:
    """What a flow learns from: 900 rows, half drawn by `untagged`, half by `tagged` and then tagged."""

    untagged: str
    tagged: str


DRAWS: dict[str, Draw] = {
    "real": real,
    "own": own,
    "own, as wide as real": recoloured(own, real),
    "real, as wide as own": recoloured(real, own),
}
CASES = (
    Case("real", "real"),
    Case("real", "own"),
    Case("own", "real"),
    Case("real", "own, as wide as real"),
    Case("own, as wide as real", "real"),
    Case("real", "real, as wide as own"),
    Case("real, as wide as own", "real"),
)


def measured(case: Case, seed: int) -> list[float]:
    """The numbers of one row: widths as a ratio, means in deviations of real rows."""
    rng = np.random.default_rng([57, seed])
    reference, half = real(N, seed, rng), N // 2
    mark = SpreadVectors(Key(bytes([seed]) * 32), reference)
    halves = [DRAWS[name](half, seed, rng) for name in (case.untagged, case.tagged)]
    rows, flow = np.concatenate([halves[0], mark.embed(halves[1], STRENGTH)]), Flow()
    flow.fit(rows, rng)
    samples = flow.sample(DRAWN, 1.0, rng)
    learned, sampled = mark.project(rows) / STRENGTH, mark.project(samples) / STRENGTH
    sides, off = [(each > 0.5).mean() for each in (learned, sampled)], samples.mean(axis=0) - rows.mean(axis=0)
    trimmed = np.sort(sampled)[round(OUTER * DRAWN) : round((1 - OUTER) * DRAWN)].mean()
    widths = [np.sqrt(each.var(axis=0).sum()) for each in halves]
    means = [widths[1] / widths[0], sampled.mean() / learned.mean(), trimmed / learned.mean()]
    wrong = [SpreadVectors(Key(bytes([seed, 1 + other]) * 16), reference) for other in range(WRONG_KEYS)]
    along = [off @ key.direction / key.deviation for key in (mark, *wrong)]
    return [*means, sides[0], sides[1] - sides[0], along[0], float(np.sqrt(np.mean(np.square(along[1:]))))]


def table(seeds: int) -> Iterator[str]:
    yield f"| {' | '.join(HEADER)} |"
    yield "| --- " * 2 + "| ---: " * (len(HEADER) - 2) + "|"
    for case in CASES:
        numbers = np.array([measured(case, seed) for seed in range(seeds)])
        errors = numbers.std(axis=0, ddof=1) / np.sqrt(seeds)
        cells = [f"{mean:.3f} ± {error:.3f}" for mean, error in zip(numbers.mean(axis=0), errors, strict=True)]
        yield f"| {case.untagged} | {case.tagged} | {' | '.join(cells)} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    for line in table(parser.parse_args().seeds):
        print(line, flush=True)
