"""Tag, score, calibrate, filter whole datasets: the pieces of this package in a row.

Each function takes paths and keys, works shard by shard on `workers` processes, can be stopped and called again,
and returns what it did as a small report. Nothing here prints. With several workers, a script needs
`if __name__ == "__main__":` around its calls, as with any use of multiprocessing.
"""

from hygiene.pipeline.batches import BatchScorer
from hygiene.pipeline.filter import FilterReport, SplitReport, filter_dataset
from hygiene.pipeline.score import CalibrationReport, calibrate, score_dataset
from hygiene.pipeline.tag import TagReport, tag_dataset

__all__ = [
    "BatchScorer",
    "CalibrationReport",
    "FilterReport",
    "SplitReport",
    "TagReport",
    "calibrate",
    "filter_dataset",
    "score_dataset",
    "tag_dataset",
]
