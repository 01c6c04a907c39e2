"""Are marks of public generators found, and how often where there is none? The tables of docs/public_marks.md.

    python -m benchmarks.public_marks recall [--side 512] [--crops 3] [FOLDER ...]
    python -m benchmarks.public_marks unmarked [--decoys 8] [--alone] [FOLDER ...]

recall: squares of photographs, marked by the code that generators use, stored as PNG and JPEG. unmarked: tiles of all
photographs and drawings, and drawn patterns. recall takes the folders' pictures, or else the held-out photographs of
`benchmarks.photographs`; unmarked takes all of those and the folders'.
"""

import argparse
import io
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks import generators, photographs, unmarked
from benchmarks.robustness import sources
from hygiene import statistics
from hygiene.chroma import Chroma
from hygiene.detectors.mark_evidence import log10_p
from hygiene.detectors.mark_table import DOMAINS, MARKS, ORDERS
from hygiene.detectors.mark_votes import cleaned, per_bit, u_band, votes
from hygiene.detectors.public_marks import PublicMarks
from hygiene.engines.local import one_thread_each
from hygiene.looks import Look

Pixels = NDArray[np.uint8]

FILES: dict[str, tuple[str, dict[str, int]]] = {
    "PNG": ("PNG", {"compress_level": 1}),
    "JPEG q95 4:4:4": ("JPEG", {"quality": 95, "subsampling": 0}),
    "JPEG q95 4:2:2": ("JPEG", {"quality": 95, "subsampling": 1}),
    "JPEG q95 4:2:0": ("JPEG", {"quality": 95, "subsampling": 2}),
    "JPEG q90 4:2:0": ("JPEG", {"quality": 90, "subsampling": 2}),
}
LIMITS = (-4.0, -6.0)
LEVELS = (-1, -2, -3, -4, -5, -6)
FRESH = ("lxqt-themes", "palapeli-data", "gcompris-qt-data")
"""Packages that no picture was taken from when the decoder's constants were chosen."""


@dataclass(frozen=True)
class Tried:
    """One marked file. right: the mark was named; stock: the stock decoder found it, None where it was not asked."""

    generator: str
    file: str
    log10_p: float
    right: bool
    stock: bool | None


@dataclass
class Unmarked:
    """Counts of one picture: log10 p by kind, of decoy messages, and what the stock decoder took for SDXL."""

    found: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    decoys: list[float] = field(default_factory=list)
    stock: Counter[str] = field(default_factory=Counter)
    stock_tried: Counter[str] = field(default_factory=Counter)


def squares(source: str, number: int, side: int, count: int) -> Iterator[Pixels]:
    """Random squares of `side` from the picture at random scales, from the whole short side to twice as fine."""
    image = photographs.opened(source)
    rng = np.random.default_rng([number, side])
    for _ in range(count):
        scale = side / min(image.size) * rng.uniform(1, max(1.0, min(2.0, min(image.size) / side)))
        width, height = (max(side, round(each * scale)) for each in image.size)
        left, top = (int(rng.integers(0, each - side + 1)) for each in (width, height))
        reduced = image.resize((width, height), Image.Resampling.LANCZOS)
        yield np.asarray(reduced.crop((left, top, left + side, top + side)))


def recall_of(task: tuple[int, str], side: int, crops: int) -> list[Tried]:
    """Squares of one picture by every generator in every file; the stock decoder is slow and gets the first square."""
    number, source = task
    rows = []
    for i, square in enumerate(squares(source, number, side, crops)):
        for title, (mark, embed) in generators.GENERATORS.items():
            marked = Image.fromarray(embed(square))
            for file in FILES:
                data = saved(marked, file)
                found = PublicMarks().detect(source, Look(data))
                pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
                stock = generators.stock_finds(pixels, mark) if i == 0 else None
                rows.append(Tried(title, file, found.log10_p, found.finding.get("mark") == mark, stock))
    return rows


def saved(image: Image.Image, file: str) -> bytes:
    out = io.BytesIO()
    format, options = FILES[file]
    image.save(out, format, **options)
    return out.getvalue()


def recall_tables(rows: list[Tried]) -> Iterator[str]:
    for limit in LIMITS:
        yield f"\nFound and rightly named at log10 p ≤ {limit:g}:\n"
        yield from table(rows, lambda cell, limit=limit: rate([row.right and row.log10_p <= limit for row in cell]))
    yield f"\nThe stock decoder, as many bits right as fair coins give at {generators.STOCK_P:g}:\n"
    yield from table(rows, lambda cell: rate([row.stock for row in cell if row.stock is not None]))
    yield "\nMedian and worst log10 p:\n"
    yield from table(rows, lambda cell: f"{np.median(values(cell)):.1f}, {max(values(cell)):.1f}")


def table(rows: list[Tried], cell: Callable[[list[Tried]], str]) -> Iterator[str]:
    """Markdown: a row per generator, a column per file."""
    yield "| | " + " | ".join(FILES) + " |\n" + "|---" * (1 + len(FILES)) + "|"
    for title in generators.GENERATORS:
        cells = ([row for row in rows if (row.generator, row.file) == (title, file)] for file in FILES)
        yield f"| {title} | " + " | ".join(cell(each) for each in cells) + " |"


def values(cell: list[Tried]) -> list[float]:
    return [row.log10_p for row in cell]


def rate(hits: list[bool]) -> str:
    low, high = statistics.clopper_pearson(sum(hits), len(hits))
    return f"{np.mean(hits):.3f} [{low:.3f}, {high:.3f}]"


def unmarked_of(task: tuple[int, str], decoys: int) -> Unmarked:
    """Everything that one picture gives: tiles of 512 and 256 pixels, the larger ones also grey and compressed."""
    number, source = task
    rng = np.random.default_rng([number, 1])
    result, image = Unmarked(), photographs.opened(source)
    for side in (512, 256):
        for i, tile in enumerate(unmarked.tiles(image, side, rng)):
            add(result, f"tiles of {side} pixels", tile, i % 16 == 0)
            if i % 4 == 0:
                result.decoys += decoy_log10_p(Chroma(tile, 1, side, side), decoys, rng)
            if side == 512:
                title, quality, subsampling = unmarked.COMPRESSED[i % 3]
                file = unmarked.compressed(tile, quality, subsampling)
                result.found[title].append(PublicMarks().detect(source, Look(file)).log10_p)
            if side == 512 and i % 8 == 0:
                add(result, "grey", unmarked.grey(tile), True)
    return result


def made_of(task: tuple[str, int]) -> Unmarked:
    kind, number = task
    result = Unmarked()
    rng = np.random.default_rng([number, *kind.encode()])
    for i in range(100):
        add(result, kind, unmarked.MADE[kind](rng), i % 4 == 0)
    return result


def add(result: Unmarked, kind: str, pixels: Pixels, stock: bool) -> None:
    chroma = Chroma(pixels, 1, pixels.shape[1], pixels.shape[0])
    result.found[kind].append(PublicMarks().judge("unmarked", chroma).log10_p)
    if stock:
        judge_stock(result, kind, pixels)


def judge_stock(result: Unmarked, kind: str, pixels: Pixels) -> None:
    result.stock_tried[kind] += 1
    result.stock[kind] += generators.stock_finds(pixels, "sdxl")


def decoy_log10_p(chroma: Chroma, count: int, rng: np.random.Generator) -> list[float]:
    """log10 p, nothing paid, of `count` cyclic shifts of every message in every reading."""
    found = []
    blue, red = chroma.low_band()
    for order in ORDERS:
        for domain in DOMAINS:
            rest, weights = cleaned(votes(u_band(blue, red, order), domain))
            for mark in MARKS.values():
                of_bits = per_bit(rest, weights, len(mark.bits), mark.period)
                shifts = rng.integers(1, len(mark.bits), count)
                found += [log10_p(of_bits, np.roll(mark.signs, int(shift))) for shift in shifts]
    return found


def unmarked_tables(results: list[Unmarked]) -> Iterator[str]:
    kinds = list(dict.fromkeys(kind for result in results for kind in result.found))
    by_kind = {kind: np.array([p for result in results for p in result.found[kind]]) for kind in kinds}
    by_kind["all"] = np.concatenate(list(by_kind.values()))
    if any(result.decoys for result in results):
        by_kind["decoy messages"] = np.array([p for result in results for p in result.decoys])
    yield "| | scored | " + " | ".join(f"≤ 1e{level}" for level in LEVELS) + " | least log10 p |\n" + "|---" * 9 + "|"
    for kind, p in by_kind.items():
        counts = " | ".join(f"{np.sum(p <= level):,}" for level in LEVELS)
        yield f"| {kind} | {p.size:,} | {counts} | {p.min():.1f} |"
    p = by_kind["all"]
    yield "\n| level | false positives expected at most | seen | rate, upper 95 % |\n|---|---|---|---|"
    for level in LEVELS:
        seen = int(np.sum(p <= level))
        yield f"| 1e{level} | {p.size * 10.0**level:.3g} | {seen} | {statistics.proportion_upper(seen, p.size):.2g} |"
    yield "\n| | pictures | taken for SDXL by the stock decoder |\n|---|---|---|"
    tried, hits = Counter[str](), Counter[str]()
    for result in results:
        tried, hits = tried + result.stock_tried, hits + result.stock
    yield from (f"| {kind} | {count:,} | {hits[kind]:,} |" for kind, count in tried.items())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.public_marks", description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("recall", "unmarked"))
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="pictures, at any depth")
    parser.add_argument("--side", type=int, default=512, help="of the squares that are marked, in pixels")
    parser.add_argument("--crops", type=int, default=3, help="squares from each picture")
    parser.add_argument("--decoys", type=int, default=8, help="shifts of every message, on every fourth tile")
    parser.add_argument("--alone", action="store_true", help="unmarked: the folders and nothing else")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    generators.check_installed()
    with one_thread_each(), ProcessPoolExecutor(given.workers) as pool:
        if given.what == "recall":
            held_out = {name: photographs.HELD_OUT[name] for name in FRESH}
            pictures = sources(given.folders) if given.folders else photographs.listed(held_out)
            tried = pool.map(partial(recall_of, side=given.side, crops=given.crops), enumerate(pictures))
            rows = [row for found in tried for row in found]
            print(f"{len(pictures)} pictures, {given.crops} squares of {given.side} pixels from each")
            print(*recall_tables(rows), sep="\n")
            return
        lists = () if given.alone else (photographs.HELD_OUT, photographs.DRAWN)
        pictures = [picture for each in lists for picture in photographs.listed(each)] + sources(given.folders)
        results = list(pool.map(partial(unmarked_of, decoys=given.decoys), enumerate(pictures)))
        made = [] if given.alone else [(kind, number) for kind in unmarked.MADE for number in range(10)]
        results += pool.map(made_of, made)
        print(f"{len(pictures)} pictures\n")
        print(*unmarked_tables(results), sep="\n")


if __name__ == "__main__":
    main()
