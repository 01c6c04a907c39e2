"""Shards: listing and rewriting them beside the usual loops, scoring and tagging them beside the same folder."""

import io
import itertools
import tarfile
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import webdataset
from PIL import Image
from skimage import data

from hygiene import images
from hygiene.codecs.spread import Spread
from hygiene.datasets.tar import members_of
from hygiene.keys import Key
from hygiene.pipeline import filter_dataset, score_dataset, tag_dataset
from hygiene.policies import MaxP

KEY = Key(bytes(range(32)))
FORMATS = ("webdataset", "parquet")
NOTHING = MaxP(1e-300)  # under it lies no mark of a picture of this size


@cache
def pictures() -> tuple[bytes, ...]:
    """JPEG, 256 pixels, about 50 KB, sixteen of them; the odd ones are tagged."""
    source = data.astronaut()
    crops = np.stack([source[16 * i : 16 * i + 256, 256 - 16 * i :][:, :256] for i in range(16)])
    crops[1::2] = [images.from_batch(Spread().embed(images.to_batch(crop), KEY)) for crop in crops[1::2]]
    return tuple(_jpeg(crop) for crop in crops)


def _jpeg(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "jpeg", quality=97, subsampling=0)
    return out.getvalue()


def write(root: Path, form: str, count: int) -> Path:
    """One shard of `count` pictures with a caption each, or a folder of them."""
    root.mkdir()
    chosen = list(itertools.islice(itertools.cycle(pictures()), count))
    if form == "parquet":
        structs = [{"bytes": each, "path": None} for each in chosen]
        columns = {"image": structs, "text": [f"caption {i}" for i in range(count)]}
        pq.write_table(pa.table(columns), root / "0.parquet", row_group_size=100, use_dictionary=["text"])
    elif form == "webdataset":
        with webdataset.TarWriter(str(root / "0.tar")) as tar:
            for i, each in enumerate(chosen):
                tar.write({"__key__": f"{i:05d}", "jpg": each, "txt": f"caption {i}"})
    else:
        for i, each in enumerate(chosen):
            (root / f"{i:05d}.jpg").write_bytes(each)
            (root / f"{i:05d}.txt").write_text(f"caption {i}")
    return root


@pytest.mark.parametrize("writer", ["tar", "webdataset"])
def test_listing_a_tar_file(compare, tmp_path, writer):
    path = tmp_path / "0.tar"
    with tarfile.open(path, "w") as tar:
        for i in range(3000):
            header = tarfile.TarInfo(f"{i:05d}.jpg")
            header.size, header.mtime = 1000, 1.5 if writer == "webdataset" else 1
            tar.addfile(header, io.BytesIO(bytes(1000)))

    def reference() -> list[str]:
        with tarfile.open(path, "r:") as tar:
            return tar.getnames()

    (members, _), names = compare(lambda: members_of(path), reference, "Python's tarfile", 3000, "members")
    assert [each.name for each in members] == names


@pytest.mark.parametrize("form", FORMATS)
def test_another_threshold(compare, tmp_path, form):
    """Scored already: the lists and the shards are written anew."""
    pool, out = write(tmp_path / "pool", form, 512), tmp_path / "out"
    (shard,) = pool.iterdir()
    filter_dataset(pool, out, KEY, NOTHING)
    policies = itertools.cycle([MaxP(1e-9), NOTHING])
    megabytes = shard.stat().st_size / 1e6
    compare(
        lambda: filter_dataset(pool, out, KEY, next(policies)),
        lambda: (_split_tar if form == "webdataset" else _split_parquet)(shard, tmp_path),
        "webdataset's reader and two TarWriters"
        if form == "webdataset"
        else "pyarrow's Table.filter, two ParquetWriters",
        round(megabytes),
        "MB",
    )
    report = filter_dataset(pool, out, KEY, MaxP(1e-9))
    assert report.outputs[0].counts.kept == 256


def _split_tar(shard: Path, folder: Path) -> None:
    with webdataset.TarWriter(str(folder / "a.tar")) as a, webdataset.TarWriter(str(folder / "b.tar")) as b:
        for i, sample in enumerate(webdataset.WebDataset(str(shard), shardshuffle=False)):
            (b if i % 2 else a).write({k: v for k, v in sample.items() if k == "__key__" or k[:2] != "__"})


def _split_parquet(shard: Path, folder: Path) -> None:
    with pq.ParquetFile(shard) as file:
        schema, first = file.schema_arrow, 0
        with pq.ParquetWriter(folder / "a", schema) as a, pq.ParquetWriter(folder / "b", schema) as b:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group)
                chosen = pa.array(np.arange(first, first + len(table)) % 2 == 0)
                a.write_table(table.filter(chosen))
                b.write_table(table.filter(pc.invert(chosen)))
                first += len(table)


@pytest.mark.parametrize("form", FORMATS)
def test_scoring(compare, tmp_path, form):
    shards, folder = write(tmp_path / "shards", form, 64), write(tmp_path / "folder", "folder", 64)
    ours, theirs = compare(
        lambda: [each.log10_p for each in score_dataset(shards, KEY)],
        lambda: [each.log10_p for each in score_dataset(folder, KEY)],
        "the same pictures in a folder",
        64,
        "images",
    )
    assert ours == theirs


@pytest.mark.parametrize("form", FORMATS)
def test_tagging(compare, tmp_path, form):
    shards, folder = write(tmp_path / "shards", form, 16), write(tmp_path / "folder", "folder", 16)
    fresh = (tmp_path / f"out{i}" for i in itertools.count())
    ours, theirs = compare(
        lambda: tag_dataset(shards, next(fresh), KEY).tagged,
        lambda: tag_dataset(folder, next(fresh), KEY).tagged,
        "the same pictures in a folder",
        16,
        "images",
    )
    assert ours == theirs == 8
