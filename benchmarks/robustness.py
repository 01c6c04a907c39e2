"""What the `spread` mark survives: the tables of docs/robustness.md.

    python -m benchmarks.robustness [--side 512] [--strength adaptive,45] [--others dwtDct,rivaGan:12] [PICTURES ...]

Every picture is reduced to each short side (never enlarged), marked with a key of its own, processed in every way of
`benchmarks.processings`, and scored by the search which that processing needs. Without PICTURES (files or folders)
the held-out photographs of `benchmarks.photographs`. Of the files of one folder whose names say nothing but a size
(5120x2880.png), the largest is taken: they are one picture.

--results FILE keeps what was measured, a line of JSON per picture, side and codec: a run that was broken off goes on
where it stopped, and runs with other sides or codecs add to it. Measurements of another state of the code are not used.
--others NAME[:N]: codecs of the package invisible-watermark go through the same, on all pictures or on N of them.
"""

import argparse
import os
import re
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks import measurements, photographs
from benchmarks.marks import Codec, Keyed
from benchmarks.measurements import Case, Row
from benchmarks.processings import PROCESSINGS, Processing
from benchmarks.public_codecs import PublicCodec
from benchmarks.robustness_tables import report
from hygiene import engines, images
from hygiene.errors import HygieneError

Pixels = NDArray[np.uint8]
SEARCHES = ("fast", "deep", "exhaustive")
SLOW = {
    "rivaGan": (
        *("none", "JPEG 90", "JPEG 75", "JPEG 50", "JPEG 30", "WebP 80", "resize × 0.5", "noise σ 10", "blur σ 2"),
        *(
            "brightness × 0.8",
            "horizontal flip",
            "crop to 90 %",
            "crop to 50 %",
            "width × 0.8",
            "middle square, to 256",
        ),
        "rotate 5°, crop",
    )
}
"""Processings for codecs that take seconds a score: rivaGan's network is 140 thousand million operations at 512²."""


@dataclass(frozen=True)
class Task:
    """One picture at one short side by one codec, and the processings that are still to be measured."""

    source: str
    side: int
    shape: str
    codec: Codec
    processings: tuple[str, ...]

    @property
    def case(self) -> Case:
        return named(self.source), self.side, self.shape, self.codec.name, self.codec.version


def measure(task: Task) -> Row | None:
    """None where the picture is smaller than the task wants it."""
    image = shaped(photographs.opened(task.source), task.shape)
    if min(image.size) < task.side:
        return None
    host, number = reduced(image, task.side), zlib.crc32(named(task.source).encode())
    start = time.perf_counter()
    marked = task.codec.embed(host, number)
    seconds = time.perf_counter() - start
    row = Row(*task.case, images.psnr(host, marked), images.ssim(host, marked), seconds, {}, {})
    for each in (each for each in PROCESSINGS if each.name in task.processings):
        row.log10_p[each.name], row.seconds[each.name] = score(Image.fromarray(marked), each, task.codec, number)
    return row


def score(image: Image.Image, processing: Processing, codec: Codec, number: int) -> tuple[float, float]:
    """log10 p after the processing, and the seconds that decoding and scoring took."""
    chance = np.random.default_rng([number, zlib.crc32(processing.name.encode())])
    processed = processing.apply(image, chance)
    start = time.perf_counter()
    log10_p = codec.log10_p(processed, number, processing.search)
    return log10_p, time.perf_counter() - start


def shaped(image: Image.Image, shape: str) -> Image.Image:
    """As it is, or the middle upright 3:4 of it."""
    if shape == "as it is" or image.width * 4 <= image.height * 3:
        return image
    width = image.height * 3 // 4
    left = (image.width - width) // 2
    return image.crop((left, 0, left + width, image.height))


def reduced(image: Image.Image, side: int) -> Pixels:
    width, height = (round(each * side / min(image.size)) for each in image.size)
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))


def sources(given: list[Path]) -> list[str]:
    """Pictures under the files and folders given, one of each set of sizes, in the order of their names."""
    files = {path.resolve() for each in given for path in ([each] if each.is_file() else each.rglob("*"))}
    largest: dict[Path, tuple[int, Path]] = {}
    for path in sorted(path for path in files if path.is_file()):
        motif = path.parent if is_size(path) else path
        largest[motif] = max(largest.get(motif, (0, path)), (area(path), path))
    return sorted(str(path) for pixels, path in largest.values() if pixels)


def is_size(path: Path) -> bool:
    return re.fullmatch(r"\d+x\d+", path.stem) is not None


def named(source: str) -> str:
    """NAME of NAME/contents/images/5120x2880.png and of NAME.jpg, RESOURCE/NAME of RESOURCE.rcc/NAME.webp."""
    path, inside = photographs.stored(source)
    if inside:
        return f"{path.stem}/{Path(inside).stem}"
    return path.parents[2].name if is_size(path) else path.stem


def area(path: Path) -> int:
    """In pixels; 0 for what is not a picture."""
    try:
        picture = images.decode_luma(path.read_bytes())
    except HygieneError:
        return 0
    return picture.width * picture.height


def remaining(tasks: Iterable[Task], rows: dict[Case, Row]) -> Iterator[Task]:
    for task in tasks:
        done = rows[task.case].log10_p if task.case in rows else {}
        missing = tuple(name for name in task.processings if name not in done)
        if missing:
            yield replace(task, processings=missing)


def run(tasks: list[Task], workers: int, path: Path | None) -> list[Row]:
    """The rows of the tasks, measured or, where `path` holds them, read."""
    known = measurements.read(path)
    left = list(remaining(tasks, measurements.joined(known)))
    with engines.processes(workers) as shared:
        for row in (row for row in shared(measure, left) if row):
            known.append(row)
            if path:
                measurements.append(path, row)
    rows = measurements.joined(known)
    return [rows[task.case] for task in tasks if task.case in rows]


def codecs(strengths: str, others: str) -> list[tuple[Codec, int | None]]:
    """Each with the number of pictures that it is measured on; None is all of them."""
    keyed: list[tuple[Codec, int | None]] = [
        (Keyed(None if each == "adaptive" else float(each)), None) for each in strengths.split(",") if each
    ]
    for name, _, count in (each.partition(":") for each in others.split(",") if each):
        keyed.append((PublicCodec(name), int(count) if count else None))
    return keyed


def measured_on(codec: Codec, names: tuple[str, ...]) -> tuple[str, ...]:
    """The processings that a codec goes through: a slow one's choice, any other's all."""
    chosen = SLOW.get(codec.name.split(",")[0], names)
    return tuple(name for name in names if name in chosen)


def spread_out(pictures: list[str], count: int | None) -> list[str]:
    """`count` of the pictures, evenly over their list."""
    if count is None or count >= len(pictures):
        return pictures
    return [pictures[i * len(pictures) // count] for i in range(count)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.robustness", description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="*", type=Path, metavar="PICTURES", help="files, or folders at any depth")
    parser.add_argument("--drawn", action="store_true", help="without PICTURES: drawings instead of photographs")
    parser.add_argument("--portrait", action="store_true", help="the middle upright 3:4 of every picture")
    parser.add_argument("--side", default="512", help="short sides in pixels, separated by commas")
    parser.add_argument("--strength", default="adaptive,45", help="'adaptive' or dB, separated by commas")
    parser.add_argument("--search", default=",".join(SEARCHES), help="only processings that need one of these")
    parser.add_argument("--others", default="", help="codecs of invisible-watermark, NAME or NAME:PICTURES, by commas")
    parser.add_argument("--limit", type=int, help="only so many pictures, evenly over their list")
    parser.add_argument("--results", type=Path, metavar="FILE", help="keep measurements here, and go on from them")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    kind, listed = ("Drawings", photographs.DRAWN) if arguments.drawn else ("Photographs", photographs.HELD_OUT)
    if arguments.pictures:
        kind, found = "Pictures", sources(arguments.pictures)
    else:
        found = photographs.listed(listed)
    pictures = spread_out(found, arguments.limit)
    chosen = [each for each in PROCESSINGS if each.search in arguments.search.split(",")]
    names = tuple(each.name for each in chosen)
    shape = "upright 3:4" if arguments.portrait else "as it is"
    tasks = [
        Task(source, int(side), shape, codec, measured_on(codec, names))
        for codec, count in codecs(arguments.strength, arguments.others)
        for side in arguments.side.split(",")
        for source in spread_out(pictures, count)
    ]
    rows = run(tasks, arguments.workers, arguments.results)
    print(*report(rows, chosen, kind), sep="\n")


if __name__ == "__main__":
    main()
