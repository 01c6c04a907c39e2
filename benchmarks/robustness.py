"""What the `spread` mark survives: the tables of docs/robustness.md.

    python -m benchmarks.robustness [--side 512] [--strength adaptive,45] [--search fast,deep,exhaustive] PICTURES ...

Every picture is reduced to each short side (never enlarged), marked with a key of its own, processed in every way of
`benchmarks.processings`, and scored by the search which that processing needs. PICTURES are files or folders. Of the
files of one folder whose names say nothing but a size (5120x2880.png), the largest is taken: they are one picture.
--others dwtDct,dwtDctSvd,rivaGan: codecs of the package invisible-watermark go through the same.
"""

import argparse
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks import public_codecs
from benchmarks.processings import PROCESSINGS, Processing
from hygiene import engines, images, statistics
from hygiene.codecs.spread import Spread
from hygiene.errors import HygieneError
from hygiene.keys import Key

Pixels = NDArray[np.uint8]
MAX_LOG10_P = -9.0
SEARCHES = ("fast", "deep", "exhaustive")


class Codec(Protocol):
    """A seed stands for the key."""

    @property
    def name(self) -> str: ...

    def embed(self, pixels: Pixels, seed: int) -> Pixels: ...

    def log10_p(self, processed: Image.Image | bytes, seed: int, search: str) -> float: ...


@dataclass(frozen=True)
class Keyed:
    """`spread` at a strength in dB, or adaptive."""

    strength: float | None

    @property
    def name(self) -> str:
        return "spread, adaptive" if self.strength is None else f"spread, {self.strength:g} dB"

    def embed(self, pixels: Pixels, seed: int) -> Pixels:
        return np.asarray(Spread(self.strength).embed(pixels[None], self.key(seed))[0])

    def log10_p(self, processed: Image.Image | bytes, seed: int, search: str) -> float:
        """Files are decoded as `hygiene detect` decodes them."""
        pixels = images.decode_luma(processed).luma if isinstance(processed, bytes) else np.asarray(processed)
        return float(Spread(search=search).score(pixels[None], self.key(seed)).log10_p[0])

    def key(self, seed: int) -> Key:
        return Key(np.random.default_rng(seed).bytes(32))


@dataclass(frozen=True)
class Task:
    """One picture with the number that its keys and its crops derive from."""

    path: Path
    number: int
    sides: tuple[int, ...]
    codecs: tuple[Codec, ...]
    processings: tuple[str, ...]


@dataclass(frozen=True)
class Measured:
    """One picture at one short side by one codec. log10_p and seconds: per processing, in the order of the task.

    psnr is infinite where no mark could be kept invisible and the picture came back unchanged.
    """

    picture: str
    side: int
    codec: str
    psnr: float
    ssim: float
    embedding: float
    log10_p: tuple[float, ...]
    seconds: tuple[float, ...]


def measure(task: Task) -> list[Measured]:
    image = Image.open(task.path).convert("RGB")
    hosts = {side: reduced(image, side) for side in task.sides if side <= min(image.size)}
    return [measured(host, side, codec, task) for side, host in hosts.items() for codec in task.codecs]


def reduced(image: Image.Image, side: int) -> Pixels:
    width, height = (round(each * side / min(image.size)) for each in image.size)
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))


def measured(host: Pixels, side: int, codec: Codec, task: Task) -> Measured:
    start = time.perf_counter()
    marked = codec.embed(host, task.number)
    embedding = time.perf_counter() - start
    image = Image.fromarray(marked)
    scored = [score(image, each, codec, task.number) for each in PROCESSINGS if each.name in task.processings]
    log10_p, seconds = zip(*scored, strict=True)
    quality = images.psnr(host, marked), images.ssim(host, marked)
    return Measured(named(task.path), side, codec.name, *quality, embedding, log10_p, seconds)


def score(image: Image.Image, processing: Processing, codec: Codec, number: int) -> tuple[float, float]:
    """log10 p after the processing, and the seconds that decoding and scoring took."""
    chance = np.random.default_rng([number, PROCESSINGS.index(processing)])
    processed = processing.apply(image, chance)
    start = time.perf_counter()
    log10_p = codec.log10_p(processed, number, processing.search)
    return log10_p, time.perf_counter() - start


def sources(given: list[Path]) -> list[Path]:
    """Pictures under the files and folders given, one of each set of sizes, in the order of their names."""
    files = {path.resolve() for each in given for path in ([each] if each.is_file() else each.rglob("*"))}
    largest: dict[Path, tuple[int, Path]] = {}
    for path in sorted(path for path in files if path.is_file()):
        motif = path.parent if is_size(path) else path
        largest[motif] = max(largest.get(motif, (0, path)), (area(path), path))
    return sorted(path for pixels, path in largest.values() if pixels)


def is_size(path: Path) -> bool:
    return re.fullmatch(r"\d+x\d+", path.stem) is not None


def named(path: Path) -> str:
    """NAME of NAME/contents/images/5120x2880.png and of NAME.jpg."""
    return path.parents[2].name if is_size(path) else path.stem


def area(path: Path) -> int:
    """In pixels; 0 for what is not a picture."""
    try:
        picture = images.decode_luma(path.read_bytes())
    except HygieneError:
        return 0
    return picture.width * picture.height


def table(rows: list[Measured], processings: list[Processing]) -> Iterator[str]:
    """Markdown: a row per processing, a column per codec."""
    columns = {codec: [row for row in rows if row.codec == codec] for codec in dict.fromkeys(r.codec for r in rows)}
    marked = [[row for row in found if np.isfinite(row.psnr)] for found in columns.values()]
    yield "| processing | search | " + " | ".join(columns) + " |"
    yield "|---" * (2 + len(columns)) + "|"
    yield "| pictures, of them marked | | " + line(
        f"{len(a)}, {len(b)}" for a, b in zip(columns.values(), marked, strict=True)
    )
    yield "| PSNR of those, dB: mean, least | | " + line(pair([row.psnr for row in found], 1) for found in marked)
    yield "| SSIM of those: mean, least | | " + line(pair([row.ssim for row in found], 4) for found in marked)
    for i, each in enumerate(processings):
        cells = (cell(np.array([row.log10_p[i] for row in found])) for found in columns.values())
        yield f"| {each.name} | {each.search} | " + line(cells)


def line(cells: Iterator[str]) -> str:
    return " | ".join(cells) + " |"


def pair(values: list[float], digits: int) -> str:
    return f"{np.mean(values):.{digits}f}, {min(values):.{digits}f}" if values else "none"


def cell(log10_p: NDArray[np.float64]) -> str:
    hits = int((log10_p <= MAX_LOG10_P).sum())
    low, high = statistics.clopper_pearson(hits, log10_p.size)
    return f"{hits / log10_p.size:.3f} [{low:.2f}, {high:.2f}] · {np.median(log10_p):.0f}"


def misses(rows: list[Measured]) -> Iterator[str]:
    """The eight pictures that are missed after most of the processings, and after how many."""
    for codec in dict.fromkeys(row.codec for row in rows):
        count = {row.picture: sum(p > MAX_LOG10_P for p in row.log10_p) for row in rows if row.codec == codec}
        worst = sorted((name for name in count if count[name]), key=lambda name: -count[name])
        yield f"{codec}: " + (", ".join(f"{name} {count[name]}" for name in worst[:8]) or "none")


def timings(rows: list[Measured], processings: list[Processing]) -> Iterator[str]:
    """Median milliseconds of embedding, and of decoding and scoring by each search."""
    for codec in dict.fromkeys(row.codec for row in rows):
        found = [row for row in rows if row.codec == codec]
        parts = [f"embed {1000 * np.median([row.embedding for row in found]):.1f}"]
        for search in dict.fromkeys(each.search for each in processings):
            own = [i for i, each in enumerate(processings) if each.search == search]
            parts.append(f"{search} {1000 * np.median([[row.seconds[i] for i in own] for row in found]):.1f}")
        yield f"{codec}: {', '.join(parts)}"


def codecs(strengths: str, others: str) -> tuple[Codec, ...]:
    keyed = [Keyed(None if each == "adaptive" else float(each)) for each in strengths.split(",") if each]
    return (*keyed, *(public_codecs.PublicCodec(each) for each in others.split(",") if each))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.robustness", description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="+", type=Path, metavar="PICTURES", help="files, or folders at any depth")
    parser.add_argument("--side", default="512", help="short sides in pixels, separated by commas")
    parser.add_argument("--strength", default="adaptive,45", help="'adaptive' or dB, separated by commas")
    parser.add_argument("--search", default=",".join(SEARCHES), help="only processings that need one of these")
    parser.add_argument("--others", default="", help="codecs of invisible-watermark, separated by commas")
    parser.add_argument("--limit", type=int, help="only so many pictures")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    chosen = [each for each in PROCESSINGS if each.search in arguments.search.split(",")]
    sides = tuple(int(side) for side in arguments.side.split(","))
    setting = (sides, codecs(arguments.strength, arguments.others), tuple(each.name for each in chosen))
    paths = sources(arguments.pictures)[: arguments.limit]
    with engines.processes(arguments.workers) as run:
        rows = [row for found in run(measure, [Task(p, i, *setting) for i, p in enumerate(paths)]) for row in found]
    print("Each cell: TPR at p ≤ 1e-9 [95 % Clopper–Pearson interval] · median log10 p.")
    for side in sides:
        found = [row for row in rows if row.side == side]
        print(f"\n### {side} pixels\n", *table(found, chosen), sep="\n")
        print("\nMissed most, and after how many of the processings:", *misses(found), sep="\n")
        print("\nMilliseconds, median:", *timings(found, chosen), sep="\n")


if __name__ == "__main__":
    main()
