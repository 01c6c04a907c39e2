"""What the mark is meant to survive, in groups with the share that must be found: the short form of the tables."""

from collections.abc import Iterator

from benchmarks.measurements import Row
from benchmarks.processings import PROCESSINGS
from hygiene import statistics

LEVEL = -9.0
UNKNOWN = "–"

Group = tuple[float | None, tuple[str, ...]]

GROUPS: dict[str, Group] = {
    "none; JPEG 90, 75, 50, 30; WebP 80": (0.99, ("none", "JPEG 90", "JPEG 75", "JPEG 50", "JPEG 30", "WebP 80")),
    "resize × 0.5, 0.75, 1.5, 2; × 0.5 and JPEG 75": (
        0.99,
        ("resize × 0.5", "resize × 0.75", "resize × 1.5", "resize × 2", "resize × 0.5, JPEG 75"),
    ),
    "noise σ 10; blur σ 2": (0.99, ("noise σ 10", "blur σ 2")),
    "brightness, contrast ± 20 %; greyscale; gamma": (
        0.99,
        (
            *("brightness × 0.8", "brightness × 1.2", "contrast × 0.8", "contrast × 1.2"),
            *("greyscale", "gamma 0.7", "gamma 1.4"),
        ),
    ),
    "flips; quarter turns": (
        0.99,
        ("horizontal flip", "vertical flip", "rotate 90°", "rotate 180°", "rotate 270°"),
    ),
    "crop to 90, 75 % of the area; resized back; JPEG 75": (
        0.99,
        tuple(f"crop to {share} %{then}" for share in (90, 75) for then in ("", ", back", ", JPEG 75")),
    ),
    "crop to 50 %; resized back; JPEG 75": (
        0.95,
        tuple(f"crop to 50 %{then}" for then in ("", ", back", ", JPEG 75")),
    ),
    "middle square, to 256 and to 512": (0.95, ("middle square, to 256", "middle square, to 512")),
    "aspect changed by up to 20 %": (
        0.95,
        ("width × 0.8", "width × 0.9", "width × 1.1", "width × 1.2", "height × 0.8"),
    ),
    "rotation by 2, 5, 10° and its crop": (0.95, ("rotate 2°, crop", "rotate 5°, crop", "rotate 10°, crop")),
}
"""Name: the share to be found at a false-positive rate of 1e-9 after each of the processings."""


def table(by_codec: dict[str, list[Row]]) -> Iterator[str]:
    """A row per group, with the least share in it, then a row for every processing that nothing is promised of."""
    yield "| processing | aim | " + " | ".join(by_codec) + " |"
    yield "|---" * (2 + len(by_codec)) + "|"
    promised = {name for _, names in GROUPS.values() for name in names}
    others: dict[str, Group] = {each.name: (None, (each.name,)) for each in PROCESSINGS if each.name not in promised}
    for group, (aim, names) in (GROUPS | others).items():
        cells = [least(own, names) for own in by_codec.values()]
        if any(each != UNKNOWN for each in cells):
            yield f"| {group} | {f'≥ {aim}' if aim else ''} | " + " | ".join(cells) + " |"


def least(rows: list[Row], names: tuple[str, ...]) -> str:
    """The least share found after any of the processings, its interval, and after which where there are several."""
    known = [name for name in names if rows and all(name in row.log10_p for row in rows)]
    if not known:
        return UNKNOWN
    hits = {name: sum(row.log10_p[name] <= LEVEL for row in rows) for name in known}
    worst = min(hits, key=lambda name: hits[name])
    low, high = statistics.clopper_pearson(hits[worst], len(rows))
    where = f" ({worst})" if len(known) > 1 and hits[worst] < len(rows) else ""
    return f"{hits[worst] / len(rows):.3f} [{low:.2f}, {high:.2f}]{where}"
