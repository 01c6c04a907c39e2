"""The demo's files: a generator's pictures, tagged, mixed with real ones into a pool on disk, filtered again.

Everything goes through the functions that the command line calls; the truth about the pool is kept outside of it.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evaluator.models import make_model
from evaluator.models.base import Rows
from evaluator.sources import load_digits_halves
from hygiene import statistics
from hygiene.datasets import Progress
from hygiene.keys import Key, new_key, write_key
from hygiene.pipeline import FilterReport, calibrate, filter_dataset, tag_dataset
from hygiene.policies import Calibration, Policy, TargetRecall

RECALLS = (0.5, 0.9, 0.99)
SIDE = 64
JPEG_QUALITY = 85
PROCESSING = f"every second picture re-encoded as JPEG {JPEG_QUALITY}"


@dataclass(frozen=True)
class PoolSizes:
    """Pictures of each kind. The calibration at recall .99 needs at least 299 tagged pictures."""

    generated: int = 900
    calibration: int = 400


def run_pool(out: Path, sizes: PoolSizes, workers: int, progress: Progress | None = None) -> list[dict[str, Any]]:
    """Fill `out` (which does not exist yet) and return one row per recall level, counted against the truth."""
    rng = np.random.default_rng(0)
    training, other_half = load_digits_halves()
    generator = make_model("mixture")
    generator.fit(training.rows, rng)
    key = new_key()
    out.mkdir(parents=True)
    write_key(key, out / "key")
    samples = generator.sample(sizes.generated + sizes.calibration, 1.0, rng)
    write_pictures(out / "generated", samples)
    tag_dataset(out / "generated", out / "tagged", key, workers=workers, progress=progress)
    tagged = sorted((out / "tagged").glob("*.png"))
    mix_pool(out, tagged[sizes.calibration :], pictures(other_half.rows), rng)
    publish(tagged[: sizes.calibration], out / "calibration")
    calibration = calibrate(
        out / "calibration", key, processing=PROCESSING, workers=workers, progress=progress
    ).calibration
    (out / "calibration.json").write_text(calibration.to_json())
    return filter_rows(out, key, calibration, workers, progress)


def pictures(rows: Rows) -> list[NDArray[np.uint8]]:
    """8×8 digits [n, 64] in 0..1 as grey pictures of 64×64 pixels."""
    small = np.clip(np.round(rows * 255), 0, 255).astype(np.uint8).reshape(-1, 8, 8)
    return [np.asarray(Image.fromarray(one).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for one in small]


def write_pictures(folder: Path, rows: Rows) -> None:
    folder.mkdir()
    for number, picture in enumerate(pictures(rows)):
        Image.fromarray(picture).save(folder / f"{number:04d}.png")


def published(picture: NDArray[np.uint8], number: int) -> tuple[str, bytes]:
    """File ending and bytes of a picture after its way through the web: every second one is re-encoded."""
    ending, form, options = (
        (".jpg", "JPEG", {"quality": JPEG_QUALITY}) if number % 2 else (".png", "PNG", {"compress_level": 1})
    )
    file = BytesIO()
    Image.fromarray(picture).save(file, form, **options)
    return ending, file.getvalue()


def publish(paths: Iterable[Path], folder: Path) -> None:
    folder.mkdir()
    for number, path in enumerate(paths):
        ending, data = published(np.asarray(Image.open(path)), number)
        (folder / f"{path.stem}{ending}").write_bytes(data)


def mix_pool(out: Path, tagged: list[Path], real: list[NDArray[np.uint8]], rng: np.random.Generator) -> None:
    """pool/ with names that give nothing away, and truth.jsonl beside it."""
    (out / "pool").mkdir()
    named = [("tagged", np.asarray(Image.open(path))) for path in tagged] + [("real", picture) for picture in real]
    with (out / "truth.jsonl").open("w") as truth:
        for number, which in enumerate(rng.permutation(len(named))):
            origin, picture = named[which]
            ending, data = published(picture, int(which))
            name = f"{number:05d}{ending}"
            (out / "pool" / name).write_bytes(data)
            truth.write(json.dumps({"id": name, "origin": origin}) + "\n")


def filter_rows(
    out: Path, key: Key, calibration: Calibration, workers: int, progress: Progress | None
) -> list[dict[str, Any]]:
    """Filter pool/ at every recall level in one scoring pass; count what was excluded against the truth."""
    policies: dict[str, Policy] = {f"recall-{recall:g}": TargetRecall(recall, calibration) for recall in RECALLS}
    report = filter_dataset(out / "pool", out / "filtered", key, policies, workers=workers, progress=progress)
    truth = {row["id"]: row["origin"] for row in map(json.loads, (out / "truth.jsonl").read_text().splitlines())}
    return [filter_row(recall, report, number, truth) for number, recall in enumerate(RECALLS)]


def filter_row(recall: float, report: FilterReport, number: int, truth: dict[str, str]) -> dict[str, Any]:
    """One level: what was asked, what was measured on the files themselves, with Clopper–Pearson intervals."""
    output = report.outputs[number]
    kept = {path.name for path in (output.folder / "kept").iterdir()}
    seen = {origin: [id for id, each in truth.items() if each == origin] for origin in ("tagged", "real")}
    out_of = {origin: len(ids) for origin, ids in seen.items()}
    gone = {origin: sum(id not in kept for id in ids) for origin, ids in seen.items()}
    recall_low, recall_high = statistics.clopper_pearson(gone["tagged"], out_of["tagged"])
    return {
        "recall_asked": recall,
        "recall_measured": gone["tagged"] / out_of["tagged"],
        "recall_low": recall_low,
        "recall_high": recall_high,
        "fpr_measured": gone["real"] / out_of["real"],
        "fpr_upper": statistics.proportion_upper(gone["real"], out_of["real"]),
        "max_log10_p": output.rule.max_log10_p,
        "seen": output.counts.seen,
        "kept": output.counts.kept,
        "excluded": output.counts.total_excluded,
        "unreadable": output.counts.total_unreadable,
    }
