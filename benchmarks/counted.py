"""False positives counted, not extrapolated: tables for docs/calibration.md.

    python -m benchmarks.counted aligned  [--side 256,128] [--draws 1e10] [FOLDER ...]
    python -m benchmarks.counted searched [--side 64,256] [--scores fast=20000,deep=1000] [FOLDER ...]

Untagged crops of the pictures under the folders and of scikit-image's photographs, against fresh random keys. aligned:
the cosine that every p-value starts from, at one shift, so that one matrix product scores thousands of keys. searched:
what `detect --search` reports, every shift and geometry included.
"""

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import optimize

from benchmarks.calibration import ratio
from benchmarks.photographs import PHOTOGRAPHS, opened, sources
from hygiene import statistics
from hygiene.codecs import planes
from hygiene.codecs.layouts import LAYOUTS, Layout
from hygiene.codecs.spread import Spread
from hygiene.keys import Key

Vectors = NDArray[np.float32]
Counts = NDArray[np.int64]
Pixels = NDArray[np.uint8]

LEVELS = tuple(10.0**-power for power in range(1, 10))
SCORES = "fast=20000,deep=1000,auto=1000,exhaustive=100"
KEYS_AT_ONCE = 2048
BATCH = 4
"""Pictures that share a key in a search."""

REDUCED = 1024
"""Short side, in pixels, that a large picture is brought to before it is cropped."""


def reduced(name: str) -> Image.Image:
    """The picture, at a short side of REDUCED if it is larger."""
    image = opened(name)
    share = max(1.0, min(image.size) / REDUCED)
    return image.resize((int(image.width / share), int(image.height / share)), Image.Resampling.BOX)


def crops(images: list[Image.Image], side: int, count: int, rng: np.random.Generator) -> Pixels:
    """[~count, side, side, 3]: squares at random places and of random size, as many of each picture, brought to `side`.

    Pictures less than twice as high or wide as `side` are left out: their crops would be nearly one and the same.
    """
    usable = [image for image in images if min(image.size) >= 2 * side]
    return np.concatenate([squares(image, side, math.ceil(count / len(usable)), rng) for image in usable])


def squares(image: Image.Image, side: int, count: int, rng: np.random.Generator) -> Pixels:
    """[count, side, side, 3] of one picture."""
    sizes = side * (min(image.size) / side) ** rng.uniform(0, 1, count)
    places = rng.uniform(0, 1, (count, 2)) * (np.array(image.size) - sizes[:, None])
    boxes = np.hstack([places, places + sizes[:, None]])
    return np.stack([np.asarray(image.resize((side, side), Image.Resampling.BILINEAR, tuple(box))) for box in boxes])


def evidence(pictures: Pixels, layout: Layout) -> Vectors:
    """The vectors [n, D] that the detector correlates with a key; flat pictures, which have none, are left out."""
    chunks = np.array_split(pictures, math.ceil(len(pictures) / 100))
    vectors = np.concatenate([phase_vectors(chunk, layout) for chunk in chunks])
    return np.asarray(vectors[np.linalg.norm(vectors, axis=1) > 0.5])


def phase_vectors(pictures: Pixels, layout: Layout) -> Vectors:
    half, _ = planes.spectrum(planes.canonical(planes.luma(pictures.astype(np.float32)), layout), layout)
    return np.ascontiguousarray(planes.phases(half, layout)[:, layout.bins]).view(np.float32)


def directions(layout: Layout, rng: np.random.Generator) -> Vectors:
    """[KEYS_AT_ONCE, D]: unit vectors of fresh keys, derived as the codec derives them."""
    keys = (Key(rng.bytes(32)) for _ in range(KEYS_AT_ONCE))
    return np.stack([layout.pattern(key)[layout.bins] for key in keys]).view(np.float32)


def threshold(level: float, dimension: int) -> float:
    """The cosine whose nominal p is `level`, by bisection."""
    return float(
        optimize.bisect(lambda c: float(statistics.cosine_log10_p(c, dimension)) - math.log10(level), 0.0, 0.9)
    )


def at_or_above(cosines: Vectors, thresholds: list[float]) -> list[int]:
    """How many cosines reach each of the rising thresholds."""
    counts = []
    for each in thresholds:
        cosines = cosines[cosines >= np.float32(each)]
        counts.append(cosines.size)
    return counts


def counted(vectors: Vectors, layout: Layout, draws: float, rng: np.random.Generator) -> Counts:
    """[blocks of keys, LEVELS]: cosines at each level or beyond, every picture against every key."""
    thresholds = [threshold(level, layout.dimension) for level in LEVELS]
    cosines = np.empty((KEYS_AT_ONCE, len(vectors)), dtype=np.float32)
    blocks = math.ceil(draws / cosines.size)
    found = [at_or_above(np.matmul(directions(layout, rng), vectors.T, out=cosines), thresholds) for _ in range(blocks)]
    return np.array(found, dtype=np.int64)


def aligned_rows(counts: Counts, draws: int) -> Iterator[str]:
    """Markdown; dispersion is variance over mean of the blocks' counts, 1 for a Poisson count."""
    yield "| nominal p | expected | seen | seen / expected | dispersion |\n|---|---|---|---|---|"
    for level, each in zip(LEVELS, counts.T, strict=True):
        seen, expected = int(each.sum()), level * draws
        dispersion = f"{each.var(ddof=1) / each.mean():.2f}" if each.mean() > 0.1 else "–"
        yield f"| {level:.0e} | {expected:,.0f} | {seen:,} | {ratio(seen, expected, 4)} | {dispersion} |"


def aligned(layout: Layout, pictures: Pixels, draws: float, rng: np.random.Generator) -> None:
    """Print one layout's table, the pictures' short side being the layout's own."""
    vectors = evidence(pictures, layout)
    start = time.monotonic()
    counts = counted(vectors, layout, draws, rng)
    seconds, keys = time.monotonic() - start, KEYS_AT_ONCE * len(counts)
    total = keys * len(vectors)
    alike = np.abs(vectors @ vectors.T - np.diag(np.sum(vectors**2, axis=1))).max()
    print(
        f"\nLayout {layout.short}, D = {layout.dimension}: {len(vectors):,} pictures × {keys:,} keys = {total:,} draws"
    )
    print(f"in {seconds:.0f} s; cosine of the two most alike pictures: {alike:.2f}\n")
    print(*aligned_rows(counts, total), sep="\n", flush=True)


def searched(codec: Spread, pictures: Pixels, scores: int, rng: np.random.Generator) -> Iterator[str]:
    """Markdown rows of one search: batches of pictures drawn at random, a fresh key for each batch."""
    start = time.monotonic()
    batches = math.ceil(scores / BATCH)
    picked = (rng.choice(len(pictures), BATCH, replace=False) for _ in range(batches))
    log10_p = np.concatenate([codec.score(pictures[each], Key(rng.bytes(32))).log10_p for each in picked])
    cost = 1000 * (time.monotonic() - start) / log10_p.size
    for level in (each for each in LEVELS if each * log10_p.size >= 1):
        seen, expected = int(np.sum(log10_p <= math.log10(level))), level * log10_p.size
        row = (codec.search, pictures.shape[1], f"{log10_p.size:,}", f"{cost:.1f}", f"{level:.0e}", f"{expected:,.0f}")
        yield f"| {' | '.join(map(str, row))} | {seen:,} | {ratio(seen, expected)} |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.counted", description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("aligned", "searched"))
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="pictures, at any depth")
    parser.add_argument("--side", default="256", help="of the crops, in pixels, separated by commas")
    parser.add_argument("--pictures", type=int, default=8000, help="crops, about")
    parser.add_argument("--draws", type=float, default=1e10, help="aligned: pictures × keys per side, at least")
    parser.add_argument("--scores", default=SCORES, help="searched: how many per side")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    images = [reduced(name) for name in dict.fromkeys([*sources(arguments.folders), *PHOTOGRAPHS])]
    if arguments.what == "searched":
        print(
            "| search | short side | scores | ms each | nominal p | expected | seen | seen / expected |\n"
            + "|---" * 8
            + "|"
        )
    for side in map(int, arguments.side.split(",")):
        pictures = crops(images, side, arguments.pictures, rng)
        if arguments.what == "aligned":
            aligned(next(each for each in LAYOUTS if each.short == side), pictures, arguments.draws, rng)
            continue
        for search, scores in (each.split("=") for each in arguments.scores.split(",")):
            print(*searched(Spread(search=search), pictures, int(scores), rng), sep="\n", flush=True)


if __name__ == "__main__":
    main()
