"""Whether public marks are found that the generators' own code embedded: files made and scored, and their tables."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks import generators, photographs
from hygiene import statistics
from hygiene.detectors.public_marks import PublicMarks
from hygiene.looks import Look

Pixels = NDArray[np.uint8]
Files = dict[str, tuple[str, dict[str, int]]]

FILES: Files = {
    "PNG": ("PNG", {"compress_level": 1}),
    "JPEG q95 4:4:4": ("JPEG", {"quality": 95, "subsampling": 0}),
    "JPEG q95 4:2:2": ("JPEG", {"quality": 95, "subsampling": 1}),
    "JPEG q95 4:2:0": ("JPEG", {"quality": 95, "subsampling": 2}),
    "JPEG q90 4:2:0": ("JPEG", {"quality": 90, "subsampling": 2}),
}
WEBP: Files = {f"WebP q{quality}": ("WEBP", {"quality": quality}) for quality in (100, 95, 90)}
"""Lossy; WebP knows no other subsampling than 4:2:0."""

SHARES = (0.9, 0.7, 0.5)
"""What a crop leaves of each side."""

LIMITS = (-4.0, -6.0)
FRESH = ("lxqt-themes", "palapeli-data", "gcompris-qt-data")
"""Packages that no picture was taken from when the decoder's constants were chosen."""

FRESH_SIDE = 512
"""Larger squares have room in too few of FRESH, and are cut from all held-out photographs that have it."""


@dataclass(frozen=True)
class Tried:
    """One marked file. right: the mark was named; stock: the stock decoder found it, None where it was not asked."""

    generator: str
    file: str
    log10_p: float
    right: bool
    stock: bool | None = None


def hosts(side: int) -> list[str]:
    """The held-out photographs with room for squares of `side`, none of which is enlarged."""
    names = FRESH if side <= FRESH_SIDE else tuple(photographs.HELD_OUT)
    listed = photographs.listed({name: photographs.HELD_OUT[name] for name in names})
    return [picture for picture in listed if min(photographs.opened(picture).size) >= side]


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


def whole(task: tuple[int, str], side: int, count: int, files: Files, titles: list[str], stock: bool) -> list[Tried]:
    """Squares of one picture by the generators in every file; the stock decoder is slow and gets the first square."""
    number, source = task
    rows = []
    for i, square in enumerate(squares(source, number, side, count)):
        for title in titles:
            mark, embed = generators.GENERATORS[title]
            marked = Image.fromarray(embed(square))
            for file in files:
                data = saved(marked, *files[file])
                found = PublicMarks().detect(source, Look(data))
                pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
                judged = generators.stock_finds(pixels, mark) if stock and i == 0 else None
                rows.append(Tried(title, file, found.log10_p, found.finding.get("mark") == mark, judged))
    return rows


def cropped(task: tuple[int, str], side: int, files: Files, titles: list[str]) -> list[Tried]:
    """One square by the generators, cut to each of SHARES of its sides at any pixel, by the crop search."""
    number, source = task
    rows = []
    rng = np.random.default_rng([number, 2])
    for square in squares(source, number, side, 1):
        for title in titles:
            mark, embed = generators.GENERATORS[title]
            marked = Image.fromarray(embed(square))
            for share in SHARES:
                edge = round(side * share)
                left, top = (int(at) for at in rng.integers(0, side - edge + 1, 2))
                part = marked.crop((left, top, left + edge, top + edge))
                for file in files:
                    found = PublicMarks(crop=True).detect(source, Look(saved(part, *files[file])))
                    named = found.finding.get("mark") == mark
                    rows.append(Tried(title, f"{share:.0%}, {file}", found.log10_p, named))
    return rows


def saved(image: Image.Image, format: str, options: dict[str, int]) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def tables(rows: list[Tried]) -> Iterator[str]:
    for limit in LIMITS:
        yield f"\nFound and rightly named at log10 p ≤ {limit:g}:\n"
        yield from table(rows, lambda cell, limit=limit: rate([row.right and row.log10_p <= limit for row in cell]))
    judged = [row for row in rows if row.stock is not None]
    if judged:
        yield f"\nThe stock decoder, as many bits right as fair coins give at {generators.STOCK_P:g}:\n"
        yield from table(judged, lambda cell: rate([bool(row.stock) for row in cell]))
    yield "\nMedian and worst log10 p:\n"
    yield from table(rows, lambda cell: f"{np.median(values(cell)):.1f}, {max(values(cell)):.1f}")


def table(rows: list[Tried], cell: Callable[[list[Tried]], str]) -> Iterator[str]:
    """Markdown: a row per generator, a column per file."""
    files, titles = (
        list(dict.fromkeys(names)) for names in zip(*((row.file, row.generator) for row in rows), strict=True)
    )
    yield "| | " + " | ".join(files) + " |\n" + "|---" * (1 + len(files)) + "|"
    for title in titles:
        cells = ([row for row in rows if (row.generator, row.file) == (title, file)] for file in files)
        yield f"| {title} | " + " | ".join(cell(each) for each in cells) + " |"


def values(cell: list[Tried]) -> list[float]:
    return [row.log10_p for row in cell]


def rate(hits: list[bool]) -> str:
    low, high = statistics.clopper_pearson(sum(hits), len(hits))
    return f"{np.mean(hits):.3f} [{low:.3f}, {high:.3f}]"
