"""False positives counted, not extrapolated: tables for docs/calibration.md.

    python -m benchmarks.counted aligned  [--side 256,128] [--draws 1e10] [FOLDER ...]
    python -m benchmarks.counted searched [--side 64,256] [--scores fast=20000,deep=1000] [--results FILE] [FOLDER ...]

Untagged crops of the pictures under the folders (without one: of all that `benchmarks.photographs` lists) and of
scikit-image's photographs, against fresh random keys. aligned: the cosine that every p-value starts from, at one
shift, so that one matrix product scores thousands of keys. searched: what `detect --search` reports, every shift and
geometry included; with --results it goes on where it stopped, and runs with another --seed add to the count.
"""

import argparse
import math
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import optimize

from benchmarks import counted_searches, photographs
from benchmarks.calibration import ratio
from benchmarks.counted_searches import LEVELS
from benchmarks.photographs import DRAWN, HELD_OUT, PHOTOGRAPHS, opened, sources
from hygiene import statistics
from hygiene.codecs import planes
from hygiene.codecs.layouts import LAYOUTS, Layout
from hygiene.keys import Key

Vectors = NDArray[np.float32]
Counts = NDArray[np.int64]
Pixels = NDArray[np.uint8]

SCORES = "fast=20000,deep=1000,auto=1000,exhaustive=100"
KEYS_AT_ONCE = 2048
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


def searched(side: int, crops: Path, scores: str, seed: int) -> Iterator[counted_searches.Task]:
    """The chunks that come to at least the asked number of scores of each search."""
    for search, count in (each.split("=") for each in scores.split(",")):
        for number in range(math.ceil(int(count) / counted_searches.SCORES[search])):
            yield counted_searches.Task(crops, side, search, seed, number)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.counted", description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("aligned", "searched"))
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="pictures, at any depth")
    parser.add_argument("--side", default="256", help="of the crops, in pixels, separated by commas")
    parser.add_argument("--pictures", type=int, default=8000, help="crops, about")
    parser.add_argument("--draws", type=float, default=1e10, help="aligned: pictures × keys per side, at least")
    parser.add_argument("--scores", default=SCORES, help="searched: how many per side")
    parser.add_argument("--results", type=Path, metavar="FILE", help="searched: keep counts here, and go on from them")
    parser.add_argument("--workers", type=int, default=1, help="searched: processes")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    listed = [path for kind in (HELD_OUT, DRAWN) for path in photographs.listed(kind)] if not arguments.folders else []
    names = listed or sources(arguments.folders)
    images = [reduced(name) for name in dict.fromkeys([*names, *PHOTOGRAPHS])]
    sides = [int(side) for side in arguments.side.split(",")]
    pictures = {side: crops(images, side, arguments.pictures, rng) for side in sides}
    if arguments.what == "aligned":
        for side in sides:
            aligned(next(each for each in LAYOUTS if each.short == side), pictures[side], arguments.draws, rng)
        return
    with tempfile.TemporaryDirectory() as folder:
        tasks = []
        for side in sides:
            np.save(Path(folder, f"{side}.npy"), pictures[side])
            tasks += searched(side, Path(folder, f"{side}.npy"), arguments.scores, arguments.seed)
        chunks = counted_searches.counted(tasks, arguments.results, arguments.workers)
    print(*counted_searches.table(chunks), sep="\n")


if __name__ == "__main__":
    main()
