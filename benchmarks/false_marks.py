"""How often public marks are found where there is none: scores of unmarked tiles, and the tables of their counts."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import photographs, unmarked
from benchmarks.robustness import sources
from hygiene import statistics
from hygiene.chroma import Chroma
from hygiene.detectors.mark_evidence import log10_p
from hygiene.detectors.mark_table import DOMAINS, MARKS, ORDERS
from hygiene.detectors.mark_votes import cleaned, per_bit, u_band, votes
from hygiene.detectors.public_marks import PublicMarks
from hygiene.looks import Look

LEVELS = (-1, -2, -3, -4, -5, -6)
NAMED = -3.0
"""At or under it a score is also counted for the mark that it was taken for."""

SIDES = (512, 256)
BATCH = 100
"""How many drawn pictures of one kind count as one picture where pictures are drawn again."""


@dataclass(frozen=True)
class Source:
    """One picture, the kind of pictures it stands for, and the seed of its offsets."""

    picture: str
    kind: str
    seed: int


@dataclass
class Scored:
    """One picture's scores: log10 p by kind, the marks behind those under NAMED, and log10 p of decoy messages."""

    found: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    named: Counter[str] = field(default_factory=Counter)
    decoys: list[float] = field(default_factory=list)

    def add(self, kind: str, chroma: Chroma) -> None:
        found = PublicMarks().judge("unmarked", chroma)
        self.found[kind].append(found.log10_p)
        if found.log10_p <= NAMED:
            self.named[str(found.finding["mark"])] += 1


def pictures(folders: list[Path], alone: bool, rounds: int) -> list[Source]:
    """The held-out photographs, the drawings, and what the folders hold; `alone`: only these. Each round again."""
    kinds = {} if alone else {"photographs": photographs.HELD_OUT, "drawings": photographs.DRAWN}
    listed = [(picture, kind) for kind, packages in kinds.items() for picture in photographs.listed(packages)]
    listed += [(picture, "the folders") for picture in sources(folders)] if folders else []
    return [
        Source(picture, kind, number + 1000 * turn)
        for turn in range(rounds)
        for number, (picture, kind) in enumerate(listed)
    ]


def score_all(
    chosen: list[Source], layers: int, decoys: int, drawn: int, keep: Path | None, pool: Executor
) -> list[Scored]:
    """drawn: how many pictures of each kind of `unmarked.MADE`; keep: a file that a stopped run continues from."""
    tasks: dict[str, Callable[[], Scored]] = {
        repr((each, layers, decoys)): partial(of_picture, each, layers, decoys) for each in chosen
    }
    made = [(kind, number) for kind in unmarked.MADE for number in range(drawn // BATCH)]
    tasks |= {repr(each): partial(of_drawn, each) for each in made}
    kept = dict(read_kept(keep)) if keep else {}
    missing = [name for name in tasks if name not in kept]
    for name, result in zip(missing, pool.map(call, [tasks[name] for name in missing]), strict=True):
        kept[name] = result
        if keep:
            with keep.open("a") as file:
                file.write(json.dumps([name, vars(result)]) + "\n")
    by_picture: dict[str, list[Scored]] = defaultdict(list)
    for name, each in zip(tasks, [*chosen, *made], strict=True):
        by_picture[each.picture if isinstance(each, Source) else name].append(kept[name])
    return [merged(rounds) for rounds in by_picture.values()]


def merged(rounds: list[Scored]) -> Scored:
    whole = Scored()
    for each in rounds:
        for kind, found in each.found.items():
            whole.found[kind] += found
        whole.named += each.named
        whole.decoys += each.decoys
    return whole


def call(task: Callable[[], Scored]) -> Scored:
    return task()


def read_kept(keep: Path) -> Iterator[tuple[str, Scored]]:
    for line in keep.read_text().splitlines() if keep.is_file() else ():
        name, held = json.loads(line)
        yield name, Scored(defaultdict(list, held["found"]), Counter(held["named"]), held["decoys"])


def of_picture(source: Source, layers: int, decoys: int) -> Scored:
    """Tiles of random grids at each scale: `layers` of 512 pixels and twice as many of 256, and half as many of both as
    JPEG, of another kind at each scale. Decoys on the first grid.
    """
    rng = np.random.default_rng([source.seed, 1])
    result, image = Scored(), photographs.opened(source.picture)
    for at, pixels in enumerate(unmarked.scaled(image)):
        for side in SIDES:
            for layer in range(layers * 512 // side):
                for i, (y, x) in enumerate(unmarked.places(pixels.shape, side, rng)):
                    chroma = Chroma(pixels[y : y + side, x : x + side], 1, side, side)
                    result.add(f"{source.kind}, {side} pixels", chroma)
                    if decoys and layer == 0 and i % 4 == 0:
                        result.decoys += decoy_log10_p(chroma, decoys, rng)
        title, quality, subsampling = unmarked.COMPRESSED[(source.seed + at) % len(unmarked.COMPRESSED)]
        planes = Look(unmarked.compressed(pixels, quality, subsampling)).chroma
        for side in SIDES if planes else ():
            for _ in range(max(1, layers * 256 // side)):
                for tile in cut(planes, side, rng):
                    result.add(f"{source.kind}, {side} pixels, {title}", tile)
        for y, x in unmarked.places(pixels.shape, 256, rng)[:8]:
            result.add("grey", Chroma(unmarked.grey(pixels[y : y + 256, x : x + 256]), 1, 256, 256))
    return result


def cut(planes: Chroma, side: int, rng: np.random.Generator) -> Iterator[Chroma]:
    """Tiles as if each had been stored by itself: at multiples of 16 pixels a JPEG's blocks are the tile's own."""
    n = planes.reduction
    for y, x in unmarked.places((planes.height, planes.width), side, rng, step=16):
        yield Chroma(planes.samples[y // n : (y + side) // n, x // n : (x + side) // n], n, side, side)


def of_drawn(task: tuple[str, int]) -> Scored:
    kind, number = task
    result, rng = Scored(), np.random.default_rng([number, *kind.encode()])
    for _ in range(BATCH):
        pixels = unmarked.MADE[kind](rng)
        result.add(kind, Chroma(pixels, 1, pixels.shape[1], pixels.shape[0]))
    return result


def decoy_log10_p(chroma: Chroma, count: int, rng: np.random.Generator) -> list[float]:
    """log10 p, nothing paid, of `count` cyclic shifts of every message in every reading."""
    found = []
    blue, red = chroma.low_band()
    for order in ORDERS:
        for domain in DOMAINS:
            rest, weights = cleaned(votes(u_band(blue, red, order), domain))
            for mark in MARKS.values():
                of_bits = per_bit(rest, weights, mark)
                shifts = rng.integers(1, len(mark.bits), count)
                found += [log10_p(of_bits, np.roll(mark.signs, int(shift))) for shift in shifts]
    return found


def tables(results: list[Scored]) -> Iterator[str]:
    kinds = sorted({kind for result in results for kind in result.found})
    rows = {kind: joined([result.found[kind] for result in results]) for kind in kinds}
    of_pictures = [[p for kind in kinds if kind != "grey" for p in result.found[kind]] for result in results]
    rows |= {"all but grey": joined(of_pictures)}
    rows |= {"decoy messages": joined([result.decoys for result in results])}
    yield "| | scored | " + " | ".join(f"≤ 1e{level}" for level in LEVELS) + " | least log10 p |\n" + "|---" * 9 + "|"
    for kind, p in rows.items():
        if p.size:
            counts = " | ".join(f"{np.sum(p <= level):,}" for level in LEVELS)
            yield f"| {kind} | {p.size:,} | {counts} | {p.min():.1f} |"
    yield (
        "\n| level | allowed | seen | rate | upper 95 % | upper 95 %, pictures drawn again |" + "\n" + "|---" * 6 + "|"
    )
    p = rows["all but grey"]
    for level in LEVELS:
        seen = int(np.sum(p <= level))
        rates = seen / p.size, statistics.proportion_upper(seen, p.size), drawn_again(of_pictures, level)
        yield (
            f"| 1e{level} | {p.size * 10.0**level:.3g} | {seen} | " + " | ".join(f"{each:.2g}" for each in rates) + " |"
        )
    named = sum((result.named for result in results), Counter[str]())
    yield f"\nAt 1e{NAMED:g} or less: " + ", ".join(f"{mark} {count}" for mark, count in named.most_common())


def joined(parts: list[list[float]]) -> NDArray[np.float64]:
    return np.array([p for part in parts for p in part])


def drawn_again(of_pictures: list[list[float]], level: int, draws: int = 10_000) -> float:
    """Upper 95 % of the rate when whole pictures are drawn again with replacement: tiles of one are not independent."""
    counts = np.array([(np.sum(np.array(p) <= level), len(p)) for p in of_pictures])
    weights = np.random.default_rng(0).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), draws)
    hits, scored = (weights @ counts).T
    return float(np.quantile(hits / scored, 0.95))
