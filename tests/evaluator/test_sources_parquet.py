"""Parquet: the rows and classes that a folder of the same pictures gives."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from evaluator.config import LoopConfig
from evaluator.loop import run_loop
from evaluator.sources import make_source
from evaluator.sources.squares import square
from hygiene.errors import ConfigurationError

RNG = np.random.default_rng(6)
PIXELS = [RNG.integers(0, 256, (9 + i, 12, 3), dtype=np.uint8) for i in range(8)]
ENCODED = []
for each in PIXELS:
    file = io.BytesIO()
    Image.fromarray(each).save(file, "png")
    ENCODED.append(file.getvalue())


def write(path: Path, pictures: list[bytes | None], **columns: pa.Array) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = [None if each is None else {"bytes": each, "path": "x"} for each in pictures]
    pq.write_table(pa.table({"image": image, **columns}), path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in (1, 0):
        labels = pa.array([row % 3 for row in range(4 * i, 4 * i + 4)], pa.int32())
        write(tmp_path / f"data/train-{i}.parquet", ENCODED[4 * i : 4 * i + 4], label=labels)
    return tmp_path


def test_rows_and_classes_come_in_the_order_of_the_files(folder: Path) -> None:
    source = make_source("parquet", path=str(folder), size=8, reference_share=0.0)
    np.testing.assert_array_equal(source.rows, [square(each, 8, "rgb") for each in PIXELS])
    assert source.labels.tolist() == [row % 3 for row in range(8)]
    single = make_source("parquet", path=str(folder / "data/train-1.parquet"), size=8, reference_share=0.0)
    np.testing.assert_array_equal(single.rows, source.rows[4:])


def test_without_the_column_there_are_no_classes(folder: Path) -> None:
    assert make_source("parquet", path=str(folder), size=8, label="kind").labels is None


def test_a_loop_learns_from_parquet(folder: Path) -> None:
    config = LoopConfig.from_dict(
        {"loop": "fully_synthetic", "n_ini": 4, "n_s": 10, "generations": 2, "model": "pca_gaussian"}
        | {"source": {"name": "parquet", "path": str(folder), "size": 8}, "metrics": {"class_counts": {}}}
    )
    assert [sum(step.metrics.values()) for step in run_loop(config)] == [10, 10]


@pytest.mark.parametrize(
    ("pictures", "labels", "message"),
    [
        (ENCODED[:2], ["a", "b"], "the column 'label' is string: expected a whole number"),
        (ENCODED[:2], [1, None], "the column 'label' is int64, with 1 empty"),
        (ENCODED[:2], [1, -1], "a class in 'label' is -1: expected whole numbers from 0"),
        ([ENCODED[0], b"no picture"], [0, 1], "1 of 2 pictures cannot be read, the first is 'a.parquet/1'"),
        ([ENCODED[0], None], [0, 1], "1 of 2 pictures cannot be read, .* .no picture: the row holds none"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, pictures: list[bytes | None], labels: list, message: str) -> None:
    path = write(tmp_path / "a.parquet", pictures, label=pa.array(labels))
    with pytest.raises(ConfigurationError, match=message):
        make_source("parquet", path=str(path), size=8, reference_share=0.0)


def test_files_that_differ_in_having_classes_are_refused(folder: Path) -> None:
    write(folder / "data/train-2.parquet", ENCODED[:1])
    with pytest.raises(ConfigurationError, match="2 of 3 files have a column 'label'"):
        make_source("parquet", path=str(folder), size=8)
    (folder / "data/train-2.parquet").write_bytes(b"PAR1")
    with pytest.raises(ConfigurationError, match=r"train-2.parquet cannot be read"):
        make_source("parquet", path=str(folder), size=8)
