"""Is our rivagan the package's, bit by bit? On tiles of photographs, clean and JPEG, unmarked and marked.

Needs what `benchmarks.compatible` needs. The tiles are cut from the middle squares of the photographs, 512 pixels wide.
Prints a Markdown table; five minutes of one core.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.compatible import Pixels, levels, package, squares, stored
from hygiene.codecs import Rivagan
from hygiene.codecs.rivagan import THRESHOLD
from hygiene.keys import Key

SQUARE = 512


@dataclass
class Agreement:
    """Of all tiles in one condition.

    apart    the largest difference between the two networks' outputs for a bit
    nearest  the smallest distance of an output of ours to the threshold
    worst    the largest such distance of a bit that differs
    """

    tiles: int = 0
    bits: int = 0
    differing: int = 0
    apart: float = 0.0
    nearest: float = np.inf
    worst: float = 0.0

    def add(self, ours: Pixels, theirs: Pixels, bits: Pixels) -> None:
        """Outputs [32] of both, and the bits that the package makes of its own."""
        off = (ours > THRESHOLD) != bits
        margin = np.abs(ours - THRESHOLD)
        self.tiles += 1
        self.bits += off.size
        self.differing += int(off.sum())
        self.apart = max(self.apart, float(np.abs(ours - theirs).max()))
        self.nearest = min(self.nearest, float(margin.min()))
        self.worst = max(self.worst, float(margin[off].max(initial=0.0)))


class Overheard:
    """The package's decoding network; what it said last is kept."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.outputs: list[Pixels] = []

    def run(self, *arguments: Any) -> list[Pixels]:
        self.outputs = self.session.run(*arguments)
        return self.outputs


def stock() -> Any:
    """The package's class, its networks loaded. The package's front door takes no picture of less than 256² pixels."""
    package()
    networks = import_module("imwatermark.rivaGan").RivaWatermark
    networks.loadModel()
    networks.decoder = Overheard(networks.decoder)
    return networks


def conditions(tile: Pixels, networks: Any, payload: Pixels) -> Iterator[tuple[str, Pixels]]:
    marked = networks(payload.tolist()).encode(levels(tile))[..., ::-1]
    yield "unmarked", tile
    yield "unmarked, JPEG 90 4:4:4", stored(tile, 90, 0)
    yield "marked by the package", marked
    yield "marked by the package, JPEG 75 4:2:0", stored(marked, 75, 2)


def tiles(square: Pixels, side: int, count: int, rng: np.random.Generator) -> Iterator[Pixels]:
    """`count` different ones of the square's tiles."""
    across = SQUARE // side
    for place in rng.permutation(across**2)[:count]:
        top, left = side * (place // across), side * (place % across)
        yield np.ascontiguousarray(square[top : top + side, left : left + side])


def compare(tile: Pixels, key: Key, networks: Any, found: dict[str, Agreement]) -> None:
    ours = Rivagan(threads=1)
    for condition, picture in conditions(tile, networks, ours.payload(key)):
        bits = networks().decode(levels(picture))
        found[condition].add(ours.outputs(picture[None])[0], networks.decoder.outputs[0][0], bits)


def main() -> None:
    what = __doc__.splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compatible_rivagan", description=what)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="pictures, at any depth")
    parser.add_argument("--pictures", type=int, default=85)
    parser.add_argument("--tiles", type=int, default=10, help="of every picture")
    parser.add_argument("--side", type=int, default=64, help="of the tiles, in pixels")
    options = parser.parse_args()
    networks, found = stock(), defaultdict[str, Agreement](Agreement)
    for index, square in enumerate(squares(options.folders, SQUARE, options.pictures)):
        for each, tile in enumerate(tiles(square, options.side, options.tiles, np.random.default_rng(index))):
            compare(tile, Key(bytes([index, each] * 16)), networks, found)
    print("| pixels | tiles | bits | differing | outputs apart | nearest to the threshold | farthest that differs |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for condition, each in found.items():
        worst = f"{each.worst:.1e}" if each.differing else ""
        counts = f"{each.tiles:,} | {each.bits:,} | {each.differing}"
        print(f"| {condition} | {counts} | {each.apart:.1e} | {each.nearest:.1e} | {worst} |")


if __name__ == "__main__":
    main()
