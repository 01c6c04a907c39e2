"""Do payloads come back, and what do they cost the mark? The tables of docs/payload.md.

    python -m benchmarks.payload [--side 512] [--strength adaptive,45] [--bits 0,32,48,64] [--limit N] [PICTURES ...]

Every picture is reduced to each short side, marked with a key of its own and a random payload (0 bits: none),
processed, and read by the search that the processing needs: once without knowing which payloads there are, once among
1,000 registered ones. Without PICTURES the held-out photographs of `benchmarks.photographs`.
"""

import argparse
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import photographs
from benchmarks.processings import PROCESSINGS
from benchmarks.robustness import named, reduced, sources, spread_out
from hygiene import engines, images, statistics
from hygiene.codecs.spread import REQUIRED_LOG10_P, Spread
from hygiene.codecs.symbols import Reading
from hygiene.detectors.keyed import TOLD_ERROR, TOLD_LOG10_P
from hygiene.keys import Key
from hygiene.payloads import Payload

CHOSEN = (
    *("none", "JPEG 90", "JPEG 75", "JPEG 50", "JPEG 30", "resize × 0.5", "resize × 0.5, JPEG 75", "noise σ 10"),
    *("crop to 75 %, JPEG 75", "crop to 50 %", "horizontal flip", "width × 0.8"),
)
REGISTERED = 1000


@dataclass(frozen=True)
class Task:
    source: str
    side: int
    strength: float | None
    bits: int


@dataclass(frozen=True)
class Outcome:
    """After one processing. blind, among: "right", "wrong" or "untold", without and with a registry."""

    processing: str
    log10_p: float
    exact: bool
    blind: str
    among: str


@dataclass(frozen=True)
class Row:
    task: Task
    psnr: float
    outcomes: tuple[Outcome, ...]


def measure(task: Task) -> Row | None:
    """None where the picture is smaller than the task wants it."""
    image = photographs.opened(task.source)
    if min(image.size) < task.side:
        return None
    host, number = reduced(image, task.side), zlib.crc32(named(task.source).encode())
    rng = np.random.default_rng([number, task.side, task.bits])
    key = Key(rng.bytes(32))
    registered = [drawn(rng, task.bits) for _ in range(REGISTERED if task.bits else 0)]
    payload = registered[0] if registered else None
    marked = np.asarray(Spread(task.strength, payload=payload).embed(host[None], key)[0])
    outcomes = []
    for each in (each for each in PROCESSINGS if each.name in CHOSEN):
        processed = each.apply(Image.fromarray(marked), rng)
        pixels = images.decode_luma(processed).luma if isinstance(processed, bytes) else np.asarray(processed)
        codec = Spread(search=each.search)
        log10_p = float(codec.score(pixels[None], key).log10_p[0])
        if payload is None:
            outcomes.append(Outcome(each.name, log10_p, False, "", ""))
            continue
        blind = codec.read(pixels[None], key)[0]
        among = codec.read(pixels[None], key, registered)[0]
        found = log10_p <= REQUIRED_LOG10_P
        exact = found and blind.payload == payload
        outcomes.append(Outcome(each.name, log10_p, exact, told(blind, payload, found), told(among, payload, found)))
    return Row(task, images.psnr(host, marked), tuple(outcomes))


def drawn(rng: np.random.Generator, bits: int) -> Payload:
    return Payload(int.from_bytes(rng.bytes(bits // 8), "big"), bits)


def told(reading: Reading, payload: Payload, found: bool) -> str:
    if not found or reading.log10_p > TOLD_LOG10_P or reading.error > TOLD_ERROR:
        return "untold"
    return "right" if reading.payload == payload else "wrong"


def report(rows: list[Row]) -> Iterator[str]:
    for side, strength in dict.fromkeys((row.task.side, row.task.strength) for row in rows):
        part = [row for row in rows if (row.task.side, row.task.strength) == (side, strength)]
        by_bits = {bits: [row for row in part if row.task.bits == bits] for bits in sorted({r.task.bits for r in part})}
        lengths = " / ".join(str(bits) for bits in by_bits if bits)
        count = len(next(iter(by_bits.values())))
        yield f"\n### {side} pixels, {'adaptive' if strength is None else f'{strength:g} dB'}\n"
        psnr = ", ".join(
            f"{f'{bits} bits' if bits else 'none'} {np.mean([row.psnr for row in own]):.1f} "
            f"({min(row.psnr for row in own):.1f})"
            for bits, own in by_bits.items()
        )
        yield f"{count} pictures; a share of 1.000 is at least {statistics.proportion_lower(count, count, 0.975):.3f}."
        yield f"PSNR in dB, mean (least), by payload: {psnr}.\n"
        yield f"| processing | mark found: none / {lengths} | exact: {lengths} | told | told among 1,000 | told wrong |"
        yield "|---|---|---|---|---|---|"
        for name in CHOSEN:
            of = {
                bits: [each for row in own for each in row.outcomes if each.processing == name]
                for bits, own in by_bits.items()
            }
            yield line(name, of)


def line(name: str, of: dict[int, list[Outcome]]) -> str:
    carrying = [outcomes for bits, outcomes in of.items() if bits]
    cells = [
        " / ".join(share([each.log10_p <= REQUIRED_LOG10_P for each in outcomes]) for outcomes in of.values()),
        " / ".join(share([each.exact for each in outcomes]) for outcomes in carrying),
        " / ".join(share([each.blind == "right" for each in outcomes]) for outcomes in carrying),
        " / ".join(share([each.among == "right" for each in outcomes]) for outcomes in carrying),
        str(sum("wrong" in (each.blind, each.among) for outcomes in carrying for each in outcomes)),
    ]
    return f"| {name} | {' | '.join(cells)} |"


def share(hits: list[bool]) -> str:
    return f"{np.mean(hits):.3f}".replace("0.", ".")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.payload", description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="*", type=Path, metavar="PICTURES", help="files, or folders at any depth")
    parser.add_argument("--side", default="512", help="short sides in pixels, separated by commas")
    parser.add_argument("--strength", default="adaptive,45", help="'adaptive' or dB, separated by commas")
    parser.add_argument("--bits", default="0,32,48,64", help="lengths of payloads, 0 for none, separated by commas")
    parser.add_argument("--limit", type=int, help="only so many pictures, evenly over their list")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    found = sources(arguments.pictures) if arguments.pictures else photographs.listed(photographs.HELD_OUT)
    tasks = [
        Task(source, int(side), None if strength == "adaptive" else float(strength), int(bits))
        for strength in arguments.strength.split(",")
        for side in arguments.side.split(",")
        for bits in arguments.bits.split(",")
        for source in spread_out(found, arguments.limit)
    ]
    with engines.processes(arguments.workers) as run:
        rows = [row for row in run(measure, tasks) if row]
    print(*report(rows), sep="\n")


if __name__ == "__main__":
    main()
