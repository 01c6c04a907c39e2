"""What tagging again does, with the same key and with others: tables for docs/robustness.md.

    python -m benchmarks.repeated [--side 512] [--limit 76] [PICTURES ...]

Adaptive strength, the held-out photographs unless PICTURES (files or folders) are given, fresh keys for each picture.
"""

import argparse
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks import photographs, robustness
from benchmarks.marks import Keyed, Pixels
from benchmarks.processings import PROCESSINGS
from benchmarks.robustness_tables import cell
from hygiene import engines, images, statistics

CODEC = Keyed(None)
KEYS = 10
BEFORE = ("none", "JPEG 75", "resize × 0.5", "crop to 75 %")
"""What a tagged picture goes through before it is tagged again with its key."""

AFTER = ("none", "JPEG 75", "JPEG 50", "resize × 0.5, JPEG 75")
"""What a picture with two keys goes through."""

EACH = (-4.5, -6.0, -9.0)
"""log10 of the level that each of two keys must reach; together they have its square."""

SAME = 60.0
"""PSNR in dB from which on two pictures count as the same."""


@dataclass(frozen=True)
class Task:
    source: str
    side: int


@dataclass(frozen=True)
class Measured:
    """again: per BEFORE, PSNR in dB between the processed picture and the same tagged again with its key.

    psnr: to the untagged picture, after 1 … KEYS keys. log10_p: [keys so far][key].
    pair: [AFTER][key], log10 p of the first two keys.
    """

    again: list[float]
    psnr: list[float]
    log10_p: list[list[float]]
    pair: list[list[float]]


def measure(task: Task) -> Measured | None:
    """None where the picture is smaller than the task wants it."""
    image = photographs.opened(task.source)
    if min(image.size) < task.side:
        return None
    host = robustness.reduced(image, task.side)
    number = zlib.crc32(robustness.named(task.source).encode())
    keys = [number * KEYS + i for i in range(KEYS)]
    pictures = [CODEC.embed(host, keys[0])]
    for key in keys[1:]:
        pictures.append(CODEC.embed(pictures[-1], key))
    return Measured(
        [retagged(pictures[0], keys[0], name) for name in BEFORE],
        [images.psnr(host, picture) for picture in pictures],
        [[found(picture, key) for key in keys[:i]] for i, picture in enumerate(pictures, 1)],
        [[found(processed(pictures[1], name, keys[0]), key) for key in keys[:2]] for name in AFTER],
    )


def retagged(tagged: Pixels, key: int, name: str) -> float:
    """PSNR in dB between the processed picture and what tagging makes of it."""
    picture = processed(tagged, name, key)
    return images.psnr(picture, CODEC.embed(picture, key))


def processed(picture: Pixels, name: str, number: int) -> Pixels:
    """Decoded, where the processing ends in a file."""
    step = next(each for each in PROCESSINGS if each.name == name)
    out = step.apply(Image.fromarray(picture), np.random.default_rng(number))
    return images.decode_raster(out).pixels if isinstance(out, bytes) else np.asarray(out)


def found(picture: Pixels, key: int) -> float:
    return CODEC.log10_p(Image.fromarray(picture), key, "fast")


def again(rows: list[Measured]) -> Iterator[str]:
    yield "| before it is tagged again | left as it is | the others: PSNR, dB, mean |\n|---|---|---|"
    for i, name in enumerate(BEFORE):
        psnr = np.array([row.again[i] for row in rows])
        changed = f"{psnr[psnr < SAME].mean():.1f}" if (psnr < SAME).any() else "–"
        yield f"| {name} | {share(psnr >= SAME)} | {changed} |"


def pairs(rows: list[Measured]) -> Iterator[str]:
    yield "| processing | " + " | ".join(f"each p ≤ 1e{level:g}: FPR 1e{2 * level:g}" for level in EACH) + " |"
    yield "|---" * (1 + len(EACH)) + "|"
    for i, name in enumerate(AFTER):
        worse = np.array([max(row.pair[i]) for row in rows])
        yield f"| {name} | " + " | ".join(share(worse <= level) for level in EACH) + " |"


def many(rows: list[Measured]) -> Iterator[str]:
    """found: the mean share of the keys so far, over pictures."""
    yield "| keys | PSNR, dB: mean, least | first key: median log10 p | last key | found at 1e-9 | pictures with all |"
    yield "|---" * 6 + "|"
    for i in range(KEYS):
        psnr = np.array([row.psnr[i] for row in rows])
        p = np.array([row.log10_p[i] for row in rows])
        medians = f"{np.median(p[:, 0]):.0f} | {np.median(p[:, -1]):.0f}"
        hits = p <= -9
        yield (
            f"| {i + 1} | {psnr.mean():.1f}, {psnr.min():.1f} | {medians} | {hits.mean():.3f} | "
            f"{share(hits.all(axis=1))} |"
        )


def share(hits: NDArray[np.bool_]) -> str:
    low, high = statistics.clopper_pearson(int(hits.sum()), hits.size)
    return cell(float(hits.mean()), low, high)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.repeated", description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="*", type=Path, metavar="PICTURES", help="files, or folders at any depth")
    parser.add_argument("--side", type=int, default=512, help="short side in pixels")
    parser.add_argument("--limit", type=int, default=76, help="only so many pictures, evenly over their list")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    pictures = (
        robustness.sources(arguments.pictures) if arguments.pictures else photographs.listed(photographs.HELD_OUT)
    )
    tasks = [Task(source, arguments.side) for source in robustness.spread_out(pictures, arguments.limit)]
    with engines.processes(arguments.workers) as run:
        rows = [row for row in run(measure, tasks) if row]
    print(f"{len(rows)} pictures, short side {arguments.side}, fast search; shares with 95 % intervals.")
    print("\nTagged again with the same key:\n", *again(rows), sep="\n")
    print("\nTwo keys, both required:\n", *pairs(rows), sep="\n")
    print("\nOne key after another:\n", *many(rows), sep="\n")


if __name__ == "__main__":
    main()
