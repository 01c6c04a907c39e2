"""The measurements of `benchmarks.robustness` as Markdown."""

from collections.abc import Iterable, Iterator

import numpy as np

from benchmarks import reach
from benchmarks.measurements import Row
from benchmarks.processings import Processing
from hygiene import statistics

LEVELS = (-3.0, -6.0, -9.0)
"""log10 of the false-positive rates at which the share of found marks is given."""

WORST = 8
"""Pictures that are named for being missed most."""


def report(rows: list[Row], processings: list[Processing], kind: str) -> Iterator[str]:
    """Every size and shape: in short, the codecs beside one another, then each by itself with its intervals.

    kind: what the pictures are, for the titles.
    """
    for side, shape in dict.fromkeys((row.side, row.shape) for row in rows):
        found = [row for row in rows if (row.side, row.shape) == (side, shape)]
        by_codec = {codec: [row for row in found if row.codec == codec] for codec in dict.fromkeys(codecs(found))}
        title = f"{kind}, {side} pixels" + ("" if shape == "as it is" else f", {shape}")
        yield f"\n### {title}: in short\n"
        yield "Least TPR at FPR 1e-9 in each row [95 % interval], and where.\n"
        yield from reach.table(by_codec)
        if len(by_codec) > 1:
            yield f"\n### {title}: side by side\n"
            yield "Each cell: TPR at FPR 1e-3 / 1e-6 / 1e-9.\n"
            yield from side_by_side(by_codec, processings)
        for codec, own in by_codec.items():
            yield f"\n### {title}: {codec}\n"
            yield from summary(own)
            yield from table(own, processings)
            yield "\nMissed most, and after how many of the processings: " + misses(own)
            yield "\nMilliseconds, median: " + timings(own, processings)


def codecs(rows: list[Row]) -> Iterator[str]:
    return (row.codec for row in rows)


def side_by_side(by_codec: dict[str, list[Row]], processings: list[Processing]) -> Iterator[str]:
    yield "| processing | search | " + line(by_codec)
    yield "|---" * (2 + len(by_codec)) + "|"
    yield "| pictures | | " + line(str(len(own)) for own in by_codec.values())
    yield "| PSNR, dB: mean | | " + line(f"{mean([row.psnr for row in own]):.1f}" for own in by_codec.values())
    yield "| SSIM: mean | | " + line(f"{mean([row.ssim for row in own]):.4f}" for own in by_codec.values())
    for each in processings:
        yield f"| {each.name} | {each.search} | " + line(shares(own, each.name) for own in by_codec.values())


def summary(rows: list[Row]) -> Iterator[str]:
    marked = [row for row in rows if np.isfinite(row.psnr)]
    yield f"{len(rows)} pictures, {len(marked)} of them marked; of those"
    for name, values, digits in (
        ("PSNR, dB", [row.psnr for row in marked], 1),
        ("SSIM", [row.ssim for row in marked], 4),
    ):
        yield f"{name}: mean {mean(values):.{digits}f}, least {min(values, default=np.nan):.{digits}f}."
    yield "Each cell: TPR [95 % Clopper–Pearson interval]. Pictures that could not be marked count as missed.\n"


def table(rows: list[Row], processings: list[Processing]) -> Iterator[str]:
    yield "| processing | search | FPR 1e-3 | FPR 1e-6 | FPR 1e-9 | median log10 p |\n" + "|---" * 6 + "|"
    for each in measured(rows, processings):
        cells = [cell(*share(rows, each.name, level)) for level in LEVELS]
        median = f"{np.median([row.log10_p[each.name] for row in rows]):.0f}"
        yield f"| {each.name} | {each.search} | " + line([*cells, median])


def measured(rows: list[Row], processings: list[Processing]) -> list[Processing]:
    """Those that every picture went through: slow codecs are spared some."""
    return [each for each in processings if all(each.name in row.log10_p for row in rows)]


def shares(rows: list[Row], processing: str) -> str:
    if not all(processing in row.log10_p for row in rows):
        return "–"
    return " / ".join(f"{share(rows, processing, level)[0]:.2f}" for level in LEVELS)


def share(rows: list[Row], processing: str, level: float) -> tuple[float, float, float]:
    """The share of pictures whose mark is found, and its 95 % interval."""
    hits = sum(row.log10_p[processing] <= level for row in rows)
    return hits / len(rows), *statistics.clopper_pearson(hits, len(rows))


def cell(found: float, low: float, high: float) -> str:
    return f"{found:.3f} [{low:.2f}, {high:.2f}]"


def line(cells: Iterable[str]) -> str:
    return " | ".join(cells) + " |"


def mean(values: list[float]) -> float:
    """Over the pictures that were marked."""
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")


def misses(rows: list[Row]) -> str:
    """The pictures that are missed at the lowest level after most of the processings, and after how many."""
    count = {row.picture: sum(p > LEVELS[-1] for p in row.log10_p.values()) for row in rows}
    worst = sorted((name for name in count if count[name]), key=lambda name: -count[name])
    return ", ".join(f"{name} {count[name]}" for name in worst[:WORST]) or "none"


def timings(rows: list[Row], processings: list[Processing]) -> str:
    """Of embedding, and of decoding and scoring by each search."""
    parts = [f"embed {1000 * np.median([row.embedding for row in rows]):.1f}"]
    known = measured(rows, processings)
    for search in dict.fromkeys(each.search for each in known):
        own = [each.name for each in known if each.search == search]
        parts.append(f"{search} {1000 * np.median([row.seconds[name] for row in rows for name in own]):.1f}")
    return ", ".join(parts)
