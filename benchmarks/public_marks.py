"""Are marks of public generators found, and how often where there is none? The tables of docs/public_marks.md.

    python -m benchmarks.public_marks recall [--side 512] [--squares 3] [--no-stock] [FOLDER ...]
    python -m benchmarks.public_marks webp [--squares 3] [--no-stock] [FOLDER ...]
    python -m benchmarks.public_marks crops [FOLDER ...]
    python -m benchmarks.public_marks unmarked [--rounds 3] [--layers 2] [--decoys 8] [--alone] [FOLDER ...]

The first three mark squares of photographs with the code that generators use: recall stores them as PNG and JPEG, webp
as lossy WebP, crops cuts them first and searches. They take the folders' pictures, or else the held-out photographs of
`benchmarks.photographs`. unmarked scores tiles of these, of its drawings and of the folders' pictures, and drawn
patterns, all without a mark.
"""

import argparse
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks import false_marks, generators, mark_recall
from benchmarks.robustness import sources
from hygiene.engines.local import one_thread_each

DEFAULT_FILES = {
    "recall": list(mark_recall.FILES),
    "webp": list(mark_recall.WEBP),
    "crops": ["PNG", "JPEG q95 4:4:4", "JPEG q95 4:2:0"],
}

Recall = Callable[[tuple[int, str]], list[mark_recall.Tried]]


def main() -> None:
    given = arguments()
    with one_thread_each(), ProcessPoolExecutor(given.workers) as pool:
        if given.what == "unmarked":
            chosen = false_marks.pictures(given.folders, given.alone, given.rounds)
            drawn = 0 if given.alone else given.drawn
            results = false_marks.score_all(chosen, given.layers, given.decoys, drawn, given.keep, pool)
            print(f"{len({source.picture for source in chosen})} pictures\n", *false_marks.tables(results), sep="\n")
            return
        generators.check_installed()
        pictures = (sources(given.folders) if given.folders else mark_recall.hosts(given.side))[: given.pictures]
        rows = [row for found in pool.map(recall(given), enumerate(pictures)) for row in found]
        print(f"{len(pictures)} pictures, squares of {given.side} pixels")
        print(*mark_recall.tables(rows), sep="\n")


def recall(given: argparse.Namespace) -> Recall:
    every = mark_recall.FILES | mark_recall.WEBP
    files = {name: every[name] for name in given.files or DEFAULT_FILES[given.what]}
    titles = given.generators or list(generators.GENERATORS)
    if given.what == "crops":
        return partial(mark_recall.cropped, side=given.side, files=files, titles=titles)
    stock = not given.no_stock
    return partial(mark_recall.whole, side=given.side, count=given.squares, files=files, titles=titles, stock=stock)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.public_marks", description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("recall", "webp", "crops", "unmarked"))
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="pictures, at any depth")
    parser.add_argument("--side", type=int, default=512, help="of the squares that are marked, in pixels")
    parser.add_argument("--squares", type=int, default=3, help="from each picture; crops takes one")
    parser.add_argument("--pictures", type=int, default=sys.maxsize, help="that are marked, at most")
    parser.add_argument("--generators", nargs="+", choices=list(generators.GENERATORS), help="all of them by default")
    parser.add_argument("--files", nargs="+", choices=[*mark_recall.FILES, *mark_recall.WEBP], help="to store as")
    parser.add_argument("--no-stock", action="store_true", help="leave the stock decoder out, which is slow")
    parser.add_argument("--layers", type=int, default=2, help="grids of tiles at each scale of each picture")
    parser.add_argument("--rounds", type=int, default=3, help="how often every picture is taken, on other grids")
    parser.add_argument("--drawn", type=int, default=1000, help="patterns, line art, … of each kind")
    parser.add_argument("--decoys", type=int, default=8, help="shifts of every message, on every fourth tile")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="unmarked: a stopped run continues from it")
    parser.add_argument("--alone", action="store_true", help="unmarked: the folders and nothing else")
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
