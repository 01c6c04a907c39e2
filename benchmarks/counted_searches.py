"""Scores of whole searches, counted a few at a time: what `benchmarks.counted searched` does.

A chunk is a fixed number of scores with its own random numbers, so that chunks can be made by several processes, kept
in a file, and added to by later runs.
"""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.calibration import ratio
from benchmarks.marks import code
from hygiene import engines
from hygiene.codecs.spread import Spread
from hygiene.keys import Key

Pixels = NDArray[np.uint8]

LEVELS = tuple(10.0**-power for power in range(1, 10))
BATCH = 4
"""Pictures that share a key."""

SCORES = {"fast": 2000, "deep": 200, "auto": 200, "exhaustive": 20}
"""Per chunk: some seconds."""

HEADER = (
    "| search | short side | scores | ms each | nominal p | expected | seen | seen / expected |\n" + "|---" * 8 + "|"
)


@dataclass(frozen=True)
class Task:
    """crops: an array file [n, side, side, 3] of untagged pictures."""

    crops: Path
    side: int
    search: str
    seed: int
    number: int


@dataclass(frozen=True)
class Chunk:
    """seen: scores at each of LEVELS or beyond. version: of the code; what another one scored does not count."""

    side: int
    search: str
    seed: int
    number: int
    version: str
    scores: int
    seconds: float
    seen: list[int]


def count(task: Task) -> Chunk:
    """Batches of pictures drawn at random, a fresh key for each batch."""
    pictures: Pixels = np.load(task.crops, mmap_mode="r")
    rng = np.random.default_rng([task.seed, task.side, order(task.search), task.number])
    start, batches = time.monotonic(), SCORES[task.search] // BATCH
    picked = (np.sort(rng.choice(len(pictures), BATCH, replace=False)) for _ in range(batches))
    codec = Spread(search=task.search)
    log10_p = np.concatenate([codec.score(pictures[each], Key(rng.bytes(32))).log10_p for each in picked])
    seen = [int(np.sum(log10_p <= math.log10(level))) for level in LEVELS]
    seconds = time.monotonic() - start
    return Chunk(task.side, task.search, task.seed, task.number, code(), log10_p.size, seconds, seen)


def counted(tasks: list[Task], results: Path | None, workers: int) -> list[Chunk]:
    """All chunks there are: those that `results` holds of this code, and those of the tasks that it does not hold."""
    chunks = [each for each in read(results) if each.version == code()]
    done = {(each.side, each.search, each.seed, each.number) for each in chunks}
    left = [each for each in tasks if (each.side, each.search, each.seed, each.number) not in done]
    with engines.processes(workers) as run:
        for chunk in run(count, left):
            chunks.append(chunk)
            if results:
                with results.open("a") as file:
                    file.write(json.dumps(asdict(chunk)) + "\n")
    return chunks


def read(results: Path | None) -> list[Chunk]:
    if results is None or not results.exists():
        return []
    return [Chunk(**json.loads(line)) for line in results.read_text().splitlines()]


def order(search: str) -> int:
    return list(SCORES).index(search)


def table(chunks: list[Chunk]) -> Iterator[str]:
    """Markdown: a row for each level that at least one score is expected at."""
    yield HEADER
    for side, search in sorted(
        {(each.side, each.search) for each in chunks}, key=lambda each: (each[0], order(each[1]))
    ):
        own = [each for each in chunks if (each.side, each.search) == (side, search)]
        scores = sum(each.scores for each in own)
        cost = 1000 * sum(each.seconds for each in own) / scores
        for i, level in enumerate(LEVELS):
            if level * scores >= 1:
                seen, expected = sum(each.seen[i] for each in own), level * scores
                row = (search, str(side), f"{scores:,}", f"{cost:.1f}", f"{level:.0e}", f"{expected:,.0f}", f"{seen:,}")
                yield f"| {' | '.join(row)} | {ratio(seen, expected)} |"
