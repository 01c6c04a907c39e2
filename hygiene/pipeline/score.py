"""Evidence about every record of a dataset, and a calibration out of records whose truth is known."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hygiene import engines, images
from hygiene.datasets import AUTO, Listing, Progress, open_reader
from hygiene.detectors.base import Detection, Unreadable
from hygiene.detectors.provenance import ProvenanceDetector
from hygiene.errors import ConfigurationError
from hygiene.filtering import Evidence
from hygiene.policies import Calibration
from hygiene.scoring import Detectors, ScoreTask, detectors_of, names_of, score_shard, tracked


@dataclass(frozen=True)
class CalibrationReport:
    """A calibration, and the records of its folders that could not be used."""

    calibration: Calibration
    unreadable: tuple[Unreadable, ...]


def score_dataset(
    source: Path | str,
    detectors: Detectors,
    *,
    input_format: str = AUTO,
    picture: str = "",
    max_pixels: int = images.MAX_PIXELS,
    workers: int = 1,
    progress: Progress | None = None,
) -> Iterator[Evidence]:
    """Evidence about every record of `source`, in the order of its ids, as it is found.

    Of several detectors the strongest evidence counts, and pays for all of them.
    input_format, picture: as `hygiene.datasets.open_reader` takes them.
    """
    reader, made = open_reader(Path(source), input_format, picture), detectors_of(detectors)
    listing = reader.listing(progress).parts
    tasks = (ScoreTask(reader, shard, made, max_pixels) for shard in listing.shards)
    with engines.processes(useful(workers, listing)) as run:
        for scored in tracked(run(score_shard, tasks), listing, "score", progress):
            yield from scored


def calibrate(
    tagged: Path | str,
    detectors: Detectors,
    *,
    untagged: Path | str | None = None,
    processing: str = "",
    input_format: str = AUTO,
    picture: str = "",
    max_pixels: int = images.MAX_PIXELS,
    workers: int = 1,
    progress: Progress | None = None,
) -> CalibrationReport:
    """Score samples whose truth is known: `TargetRecall` and `TargetFpr` draw their thresholds from them.

    tagged      pictures that carry the mark, after the processing that the pool's pictures went through
    untagged    pictures without it; only `TargetFpr` needs them
    processing  what the tagged samples went through, in words, kept in the calibration
    """
    made = detectors_of(detectors)
    if all(isinstance(each, ProvenanceDetector) for each in made):
        raise ConfigurationError("what files say of themselves has no p-value: there is nothing to calibrate")
    known: list[list[float]] = []
    unreadable: list[Unreadable] = []
    for part in (tagged, untagged):
        known.append([])
        if part is None:
            continue
        found = score_dataset(
            part,
            made,
            input_format=input_format,
            picture=picture,
            max_pixels=max_pixels,
            workers=workers,
            progress=progress,
        )
        for item in found:
            if isinstance(item, Detection):
                known[-1].append(item.log10_p)
            else:
                unreadable.append(item)
    if not known[0]:
        raise ConfigurationError(f"{tagged} holds no readable picture to calibrate on")
    return CalibrationReport(
        Calibration(names_of(made), tuple(known[0]), tuple(known[1]), processing), tuple(unreadable)
    )


def useful(workers: int, listing: Listing) -> int:
    """Processes that have a shard each to work on."""
    return min(workers, len(listing.shards))
