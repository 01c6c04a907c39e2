"""Scores in the middle of somebody else's pipeline: a callable on batches of columns."""

from collections.abc import Mapping, Sequence
from typing import Any

from hygiene import images
from hygiene.detectors.base import Detection, Unreadable
from hygiene.errors import ConfigurationError
from hygiene.filtering import Evidence
from hygiene.records import Record
from hygiene.scoring import Detectors, detectors_of, evidence_of


class BatchScorer:
    """Adds evidence to a batch of encoded pictures: for `datasets.Dataset.map(batched=True)`, `map_batches` of Ray Data
    and whatever else hands over columns.

    A batch is a mapping of columns of equal length; `column` holds the pictures as files: bytes, or a mapping with
    `bytes` (Hugging Face's `Image(decode=False)`). The batch comes back with four more columns, which are lists:

    log10_p      of the strongest evidence, which pays for all detectors; None where there is none
    detector     whose evidence it is; empty where there is none
    declared     what the file says of itself, if a detector reads that: generated, generative edit, edited, captured
    unreadable   why the picture could not be scored; empty where it could

    Decoded pictures are refused: what a file was is part of the evidence. Those are for `Spread.score`.
    """

    def __init__(self, detectors: Detectors, column: str = "image", *, max_pixels: int = images.MAX_PIXELS) -> None:
        self.detectors = detectors_of(detectors)
        self.column = column
        self.max_pixels = max_pixels

    def __call__(self, batch: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        if self.column not in batch:
            raise ConfigurationError(f"the batch has no column {self.column!r}: it has {', '.join(batch) or 'none'}")
        found = [self._evidence(str(i), value) for i, value in enumerate(batch[self.column])]
        scored = [each if isinstance(each, Detection) else None for each in found]
        return dict(batch) | {
            "log10_p": [each.log10_p if each else None for each in scored],
            "detector": [each.detector if each else "" for each in scored],
            "declared": [each.declared for each in found],
            "unreadable": [each.reason if isinstance(each, Unreadable) else "" for each in found],
        }

    def _evidence(self, id: str, value: Any) -> Evidence:
        data = value.get("bytes") if isinstance(value, Mapping) else value
        if data is None:
            return Unreadable(id, "no picture: the row holds none")
        if not isinstance(data, bytes | bytearray | memoryview):
            raise ConfigurationError(
                f"the column {self.column!r} holds {type(data).__name__}: expected encoded pictures, as bytes; of "
                "Hugging Face's pictures those are had by cast_column(…, Image(decode=False))"
            )
        return evidence_of(Record(id, bytes(data)), self.detectors, self.max_pixels)
