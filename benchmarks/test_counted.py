"""The pieces of `benchmarks.counted` that a wrong count could come from."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import counted, counted_searches
from hygiene import statistics


def test_a_threshold_is_the_cosine_with_that_p_and_counting_starts_at_it() -> None:
    thresholds = [counted.threshold(level, 696) for level in counted.LEVELS]
    for level, cosine in zip(counted.LEVELS, thresholds, strict=True):
        assert statistics.cosine_log10_p(cosine, 696) == pytest.approx(math.log10(level), abs=1e-6)
    cosines = np.array([0.0, 0.1, 0.2, 0.3], dtype=np.float32)
    assert counted.at_or_above(cosines, [0.05, 0.2, 0.31]) == [3, 2, 0]


def test_crops_are_of_every_picture_that_is_large_enough() -> None:
    images = [Image.new("RGB", (200, 128), "red"), Image.new("RGB", (128, 300), "blue"), Image.new("RGB", (100, 400))]
    squares = counted.crops(images, 64, 8, np.random.default_rng(0))
    assert squares.shape == (8, 64, 64, 3)
    assert [int(each.sum() // (255 * 64 * 64)) for each in (squares[..., 0], squares[..., 2])] == [4, 4]


def test_scores_are_counted_once_and_added_to_by_another_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(counted_searches.SCORES, "fast", 20)
    pictures = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    np.save(tmp_path / "crops.npy", pictures)
    results = tmp_path / "counts.jsonl"

    def chunks(seed: int, scores: int) -> list[counted_searches.Chunk]:
        tasks = list(counted.searched(32, tmp_path / "crops.npy", f"fast={scores}", seed))
        return counted_searches.counted(tasks, results, 1)

    assert [each.scores for each in chunks(0, 30)] == [20, 20]
    first = results.read_text()
    assert chunks(0, 40) == counted_searches.read(results)
    assert results.read_text() == first
    assert sum(each.scores for each in chunks(1, 20)) == 60
    row = list(counted_searches.table(counted_searches.read(results)))[1].split(" | ")
    assert row[:3] == ["| fast", "32", "60"]
    monkeypatch.setattr(counted_searches, "code", lambda: "another")
    assert [each.version for each in chunks(0, 20)] == ["another"]
