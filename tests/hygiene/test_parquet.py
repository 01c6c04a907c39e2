import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from skimage import data as photographs

from hygiene import scoring
from hygiene.datasets import open_reader, parquet
from hygiene.detectors.base import Unreadable
from hygiene.errors import ConfigurationError
from hygiene.keys import Key
from hygiene.pipeline import filter_dataset, score_dataset, tag_dataset
from hygiene.policies import MaxP

KEY = Key(bytes(range(32)))
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def picture(seed, form="png", size=96):
    source = photographs.astronaut()
    top, left = np.random.default_rng(seed).integers(0, 512 - size, 2)
    file = io.BytesIO()
    Image.fromarray(source[top : top + size, left : left + size]).save(file, form)
    return file.getvalue()


def features(**types):
    """What `datasets` writes into the file of what its columns are."""
    return {"huggingface": json.dumps({"info": {"features": {name: {"_type": kind} for name, kind in types.items()}}})}


def hugging_face(count, first=0):
    """A table as `datasets` stores it, with an embedding and a list beside the picture."""
    rows = [
        {
            "image": {"bytes": picture(first + i, "jpeg" if i % 2 else "png"), "path": f"{i}.x"},
            "caption": f"é {i}" if i % 3 else None,
            "embedding": np.float32([i, -i]).tolist(),
            "tags": [{"name": "a", "weight": i}],
        }
        for i in range(count)
    ]
    schema = pa.schema(
        [
            ("image", IMAGE),
            ("caption", pa.string()),
            ("embedding", pa.list_(pa.float32(), 2)),
            ("tags", pa.list_(pa.struct([("name", pa.string()), ("weight", pa.int32())]))),
        ],
        features(image="Image", caption="Value"),
    )
    return pa.Table.from_pylist(rows, schema)


def write(path, table, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, **options)
    return path


def damage(path, column):
    content = bytearray(path.read_bytes())
    place, size = column.data_page_offset, column.total_compressed_size
    content[place : place + size] = bytes(size)
    path.write_bytes(content)


def rows(path):
    return pq.read_table(path).to_pylist()


def tree(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Rows 0, 2, 4 … of the pool's files are tagged."""
    root = tmp_path_factory.mktemp("parquet")
    options = {"row_group_size": 3, "compression": {"image.bytes": "none", "caption": "zstd"}}
    for name, first in (("train-0.parquet", 0), ("sub/test-0.parquet", 20)):
        write(root / "made" / name, hugging_face(8, first), **options)
    tag_dataset(root / "made", root / "tagged", KEY)
    for name in ("train-0.parquet", "sub/test-0.parquet"):
        made, tagged = rows(root / "made" / name), rows(root / "tagged" / name)
        mixed = [(made if i % 2 else tagged)[i] for i in range(8)]
        write(root / "pool" / name, pa.Table.from_pylist(mixed, pq.read_schema(root / "made" / name)), **options)
    return root


def test_tagging_changes_the_pictures_and_nothing_else(world):
    for name in ("train-0.parquet", "sub/test-0.parquet"):
        before, after = pq.ParquetFile(world / "made" / name), pq.ParquetFile(world / "tagged" / name)
        assert after.schema_arrow.equals(before.schema_arrow, check_metadata=True)
        assert after.metadata.num_row_groups == before.metadata.num_row_groups == 3
        codecs = [
            [(column.path_in_schema, column.compression) for column in map(file.metadata.row_group(0).column, range(6))]
            for file in (before, after)
        ]
        assert codecs[0] == codecs[1]
        for old, new in zip(rows(world / "made" / name), rows(world / "tagged" / name), strict=True):
            assert old["image"]["bytes"] != new["image"]["bytes"]
            assert old["image"]["path"] == new["image"]["path"]
            assert {k: v for k, v in old.items() if k != "image"} == {k: v for k, v in new.items() if k != "image"}
    found = {each.id: each.log10_p < -9 for each in score_dataset(world / "tagged", KEY)}
    assert len(found) == 16
    assert all(found.values())
    assert not any(each.log10_p < -9 for each in score_dataset(world / "made", KEY))


def test_filtering_splits_rows_and_keeps_all_of_their_columns(world, tmp_path):
    report = filter_dataset(world / "pool", tmp_path / "out", KEY, MaxP(1e-9))
    counts = report.outputs[0].counts
    assert (counts.seen, counts.kept, counts.total_excluded, counts.total_unreadable) == (16, 8, 8, 0)
    for name in ("train-0.parquet", "sub/test-0.parquet"):
        pool = pq.read_table(world / "pool" / name)
        for part, wanted in (("kept", range(1, 8, 2)), ("excluded", range(0, 8, 2))):
            found = pq.read_table(tmp_path / "out" / part / name)
            assert found.equals(pool.take(list(wanted)), check_metadata=True)
    assert not (tmp_path / "out/unreadable").exists()
    excluded = [json.loads(line)["id"] for line in (tmp_path / "out/excluded.jsonl").read_text().splitlines()]
    assert excluded == [f"{name}/{i}" for name in ("sub/test-0.parquet", "train-0.parquet") for i in range(0, 8, 2)]


def test_a_second_run_writes_nothing_and_another_threshold_scores_nothing(world, tmp_path, monkeypatch):
    out = tmp_path / "out"
    filter_dataset(world / "pool", out, KEY, MaxP(1e-9))
    stamps = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    monkeypatch.setattr(scoring, "_score", None)
    filter_dataset(world / "pool", out, KEY, MaxP(1e-9))
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")} == stamps
    filter_dataset(world / "pool", out, KEY, MaxP(1e-300))
    assert len(rows(out / "kept/train-0.parquet")) == 8
    assert not (out / "excluded/train-0.parquet").exists()


def test_two_workers_give_what_one_gives(world, tmp_path):
    filter_dataset(world / "pool", tmp_path / "one", KEY, MaxP(1e-9))
    filter_dataset(world / "pool", tmp_path / "two", KEY, MaxP(1e-9), workers=2)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_everything_excluded_leaves_an_empty_file_of_the_same_schema(world, tmp_path):
    filter_dataset(world / "tagged", tmp_path / "out", KEY, MaxP(1e-9))
    kept = pq.read_table(tmp_path / "out/kept/train-0.parquet")
    assert len(kept) == 0
    assert kept.schema.equals(pq.read_schema(world / "tagged/train-0.parquet"), check_metadata=True)


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_plain_binary_columns_hold_pictures_too(tmp_path, kind):
    table = pa.table({"n": pa.array([0, 1, 2]), "jpg": pa.array([picture(0), None, picture(2)], kind)})
    source = write(tmp_path / "in/a.parquet", table)
    report = tag_dataset(source, tmp_path / "tagged", KEY)
    assert (report.tagged, dict(report.unreadable)) == (2, {"no picture": 1})
    tagged = pq.read_table(tmp_path / "tagged/a.parquet")
    assert tagged["n"].to_pylist() == [0, 2]
    assert tagged.schema.field("jpg").type == kind
    report = filter_dataset(tmp_path / "tagged/a.parquet", tmp_path / "out", KEY, MaxP(1e-9))
    assert report.outputs[0].counts.total_excluded == 2


def test_rows_that_name_a_file_hold_no_picture(tmp_path):
    values = [{"bytes": None, "path": "/etc/passwd"}, None, {"bytes": picture(1), "path": None}]
    source = write(tmp_path / "a.parquet", pa.table({"image": pa.array(values, IMAGE)}))
    found = list(score_dataset(source, KEY))
    assert [each.reason for each in found[:2]] == [
        "no picture: the row holds the path '/etc/passwd'",
        "no picture: the row holds none",
    ]
    assert not isinstance(found[2], Unreadable)


def test_the_column_is_told_by_what_the_file_says_or_asked_for(tmp_path):
    def refused(match, asked="", **columns):
        table = pa.table({name: pa.array([value[0]], value[1]) for name, value in columns.items()})
        path = write(tmp_path / "a.parquet", table)
        with pytest.raises(ConfigurationError, match=match):
            open_reader(path, picture=asked).listing()

    data = (picture(0), pa.binary())
    refused(
        r"has no column of pictures: .* there are n \(int64\), url \(string\)",
        n=(1, pa.int64()),
        url=("x", pa.string()),
    )
    refused(r"may have its pictures in each of a, b: say which \(--picture a\)", a=data, b=data)
    refused("the column 'c' of .* is not there: .* there are a$", asked="c", a=data)
    refused("the column 'n' of .* is of type int64", asked="n", a=data, n=(1, pa.int64()))
    audio = pa.array([{"bytes": b"sound", "path": ""}], IMAGE)
    table = pa.table({"audio": audio, "image": pa.array([{"bytes": picture(0), "path": ""}], IMAGE)})
    path = write(tmp_path / "a.parquet", table.replace_schema_metadata(features(audio="Audio", image="Image")))
    reader = open_reader(path)
    assert next(iter(reader.read(reader.listing().shards[0]))).data == picture(0)
    asked = open_reader(path, picture="audio")
    assert next(iter(asked.read(asked.listing().shards[0]))).data == b"sound"


def test_another_column_is_scored_anew(tmp_path):
    table = pa.table({"a": pa.array([picture(0)]), "b": pa.array([picture(1)])})
    path = write(tmp_path / "in/a.parquet", table)
    tag_dataset(path, tmp_path / "tagged", KEY, picture="b")
    tagged = tmp_path / "tagged/a.parquet"
    assert filter_dataset(tagged, tmp_path / "out", KEY, MaxP(1e-9), picture="a").outputs[0].counts.kept == 1
    assert filter_dataset(tagged, tmp_path / "out", KEY, MaxP(1e-9), picture="b").outputs[0].counts.kept == 0
    with pytest.raises(ConfigurationError, match="picture b then, a now"):
        tag_dataset(path, tmp_path / "tagged", KEY, picture="a")


def test_damage_costs_the_rows_behind_it_in_its_row_group_only(tmp_path):
    table = hugging_face(9)
    path = write(tmp_path / "in/a.parquet", table, row_group_size=3, compression="zstd", use_dictionary=False)
    damage(path, pq.ParquetFile(path).metadata.row_group(1).column(0))
    report = filter_dataset(path, tmp_path / "out", KEY, MaxP(1e-9))
    assert (report.seen, report.unreadable) == (9, 3)
    assert dict(report.outputs[0].counts.unreadable) == {"not a whole Parquet file": 3}
    assert pq.read_table(tmp_path / "out/kept/a.parquet").equals(table.take([0, 1, 2, 6, 7, 8]))


def test_damage_beside_the_picture_makes_a_row_unreadable_once_it_is_to_be_copied(tmp_path):
    table = hugging_face(6)
    path = write(tmp_path / "in/a.parquet", table, row_group_size=3, compression="zstd", use_dictionary=False)
    column = pq.ParquetFile(path).metadata.row_group(0).column(3)
    assert column.path_in_schema.startswith("embedding")
    damage(path, column)
    for _ in range(2):  # and told again by a run that finds all in its place
        report = filter_dataset(path, tmp_path / "out", KEY, MaxP(1e-9))
        assert (report.outputs[0].counts.kept, report.unreadable) == (3, 3)
        assert pq.read_table(tmp_path / "out/kept/a.parquet").equals(table.slice(3))


def test_one_bad_file_does_not_cost_the_others(tmp_path):
    write(tmp_path / "in/a.parquet", hugging_face(2))
    (tmp_path / "in/b.parquet").write_bytes(b"PAR1 and no more")
    whole = (tmp_path / "in/a.parquet").read_bytes()
    (tmp_path / "in/c.parquet").write_bytes(whole[: len(whole) // 2])
    write(tmp_path / "in/d.parquet", hugging_face(0))
    report = filter_dataset(tmp_path / "in", tmp_path / "out", KEY, MaxP(1e-9))
    assert (report.seen, report.outputs[0].counts.kept) == (4, 2)
    assert dict(report.outputs[0].counts.unreadable) == {"not a whole Parquet file": 2}


def test_a_file_that_changes_during_the_run_is_told(tmp_path):
    path = write(tmp_path / "a.parquet", hugging_face(2))
    reader = open_reader(path)
    (shard,) = reader.listing().shards
    write(path, hugging_face(2, 10))
    assert {item.reason.partition(":")[0] for item in reader.read(shard)} == {"changed"}
    path.unlink()
    assert {item.reason.partition(":")[0] for item in reader.read(shard)} == {"cannot be opened"}


def test_a_large_row_group_is_written_in_parts_that_fit_into_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "BATCH_ROWS", 2)
    monkeypatch.setattr(parquet, "GROUP_BYTES", 20_000)
    table = hugging_face(12)
    path = write(tmp_path / "in/a.parquet", table)
    filter_dataset(path, tmp_path / "out", KEY, MaxP(1e-9))
    kept = pq.ParquetFile(tmp_path / "out/kept/a.parquet")
    assert kept.read().equals(table)
    assert 2 < kept.metadata.num_row_groups < 6


def test_bits_that_turned_are_told_where_the_file_has_checksums(tmp_path):
    table = hugging_face(3)
    path = write(tmp_path / "a.parquet", table, compression="none", use_dictionary=False, write_page_checksum=True)
    column = pq.ParquetFile(path).metadata.row_group(0).column(0)
    content = bytearray(path.read_bytes())
    content[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    path.write_bytes(content)
    assert all("Parquet" in each.reason for each in score_dataset(path, KEY))


def test_a_large_file_is_scored_in_parts_that_begin_with_row_groups(world, tmp_path, monkeypatch):
    monkeypatch.setattr("hygiene.datasets.sharded.PART_RECORDS", 4)
    shard = open_reader(world / "pool").listing().shards[0]
    assert [len(part.entries) for part in shard.parts()] == [6, 2]  # groups of 3, 3 and 2 rows
    monkeypatch.setattr("hygiene.datasets.sharded.PART_RECORDS", 3)
    assert [len(part.entries) for part in open_reader(world / "pool").listing().shards[0].parts()] == [3, 3, 2]
    report = filter_dataset(world / "pool", tmp_path / "out", KEY, MaxP(1e-9))
    assert report.outputs[0].counts.kept == 8
    assert len(list((tmp_path / "out/scores").rglob("*.parquet"))) == 6


KINDS = {
    "dictionary": lambda pictures: pa.array(pictures).dictionary_encode(),
    "view": lambda pictures: pa.array(pictures, pa.binary_view()),
    "large": lambda pictures: pa.array(pictures, pa.large_binary()),
    "struct of large": lambda pictures: pa.array(
        [{"taken": 1, "bytes": each, "path": None} for each in pictures],
        pa.struct([("taken", pa.timestamp("ns")), ("bytes", pa.large_binary()), ("path", pa.large_string())]),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_and_what_lies_beside_them_may_be_of_any_type_that_parquet_has(tmp_path, kind):
    beside = {
        "words": pa.array(["a", None, "a"] * 3).dictionary_encode(),
        "view": pa.array(["a longer text than fits into a view", "b", None] * 3, pa.string_view()),
        "list": pa.array([[1], [], [2, 3]] * 3, pa.list_view(pa.int32())),
        "map": pa.array([[("a", 1)]] * 9, pa.map_(pa.string(), pa.int32())),
        "uuid": pa.array([bytes(range(16))] * 9, pa.uuid()),
        "time": pa.array(range(9), pa.timestamp("ns", "UTC")),
        "nothing": pa.nulls(9),
        "": pa.array(range(9)),
    }
    table = pa.table({"image": KINDS[kind]([picture(i) for i in range(9)]), **beside})
    source = write(tmp_path / "in/a.parquet", table, row_group_size=4)
    assert tag_dataset(source, tmp_path / "tagged", KEY, picture="image").tagged == 9
    tagged = pq.read_table(tmp_path / "tagged/a.parquet")
    assert tagged.drop("image").equals(table.drop("image"))
    assert tagged.schema.equals(pq.read_schema(source), check_metadata=True)
    found = [each.log10_p for each in score_dataset(tmp_path / "tagged", KEY, picture="image")]
    limit = float(np.median(found))
    filter_dataset(tmp_path / "tagged", tmp_path / "out", KEY, MaxP(10**limit), picture="image")
    kept = [i for i, log10_p in enumerate(found) if log10_p > np.log10(10**limit)]
    assert 2 < len(kept) < 7
    expected = pa.concat_tables([tagged.slice(i, 1) for i in kept])
    assert pq.read_table(tmp_path / "out/kept/a.parquet").equals(expected, check_metadata=True)


def test_a_row_group_is_not_read_into_memory_whole(tmp_path):
    data = np.random.default_rng(0).bytes(1 << 16)
    path = write(tmp_path / "a.parquet", pa.table({"image": [data] * 1000}), use_dictionary=False, write_batch_size=16)
    reader = open_reader(path)
    (shard,) = reader.listing().shards
    for whole in (False, True):
        before, most = pa.total_allocated_bytes(), 0
        for _ in reader.read(shard, whole):
            most = max(most, pa.total_allocated_bytes() - before)
        assert most < path.stat().st_size / 3


def test_what_pyarrow_reads_and_cannot_write_is_told_in_a_line(tmp_path):
    kind = pa.list_(pa.struct([("words", pa.string_view())]))
    tables = [pa.table({"image": [picture(i)], "words": pa.array([[{"words": "x"}]], kind)}) for i in range(3)]
    source = tmp_path / "in/a.parquet"
    source.parent.mkdir()
    with pq.ParquetWriter(source, tables[0].schema) as file:
        file.write_table(tables[0])
        file.write_table(pa.concat_tables(tables[1:]), row_group_size=2)
    with pytest.raises(ConfigurationError, match=r"cannot write what .*a.parquet holds: Slicing not implemented"):
        filter_dataset(source, tmp_path / "out", KEY, MaxP(1e-9))
    assert not list((tmp_path / "out").rglob("*.partial"))


def test_rows_without_a_picture_go_to_the_unreadable_whole(tmp_path):
    values = [{"bytes": None, "path": "x.png"}, None, {"bytes": picture(1), "path": None}, {"bytes": b"x", "path": ""}]
    table = pa.table({"image": pa.array(values, IMAGE), "n": range(4)})
    report = filter_dataset(write(tmp_path / "in/a.parquet", table), tmp_path / "out", KEY, MaxP(1e-9))
    assert (report.outputs[0].counts.kept, report.unreadable) == (1, 3)
    assert pq.read_table(tmp_path / "out/kept/a.parquet").equals(table.slice(2, 1))
    unreadable = pq.read_table(tmp_path / "out/unreadable/a.parquet")
    assert unreadable.equals(pa.concat_tables([table.slice(0, 2), table.slice(3)]))


def test_dictionaries_are_made_of_the_columns_that_had_some(tmp_path):
    source = write(tmp_path / "in/a.parquet", hugging_face(4), use_dictionary=["caption"])
    filter_dataset(source, tmp_path / "out", KEY, MaxP(1e-9))
    for path in (source, tmp_path / "out/kept/a.parquet"):
        group = pq.ParquetFile(path).metadata.row_group(0)
        columns = {each.path_in_schema: each.encodings for each in map(group.column, range(group.num_columns))}
        assert {name for name, encodings in columns.items() if "RLE_DICTIONARY" in encodings} == {"caption"}
