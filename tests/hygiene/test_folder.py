"""Listing and reading folders as they are found in the wild; writing them whole or not at all."""

import os
import sys

import pytest

from hygiene.datasets import Shard, open_reader
from hygiene.datasets import folder as folder_module
from hygiene.datasets.folder import FolderReader, FolderWriter, inside
from hygiene.detectors.base import Unreadable
from hygiene.errors import ConfigurationError
from hygiene.records import Record


def fill(root, names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def ids(root):
    return [entry.id for entry in FolderReader(root).listing().entries()]


def read_all(root, sidecars=False):
    reader = FolderReader(root)
    return {item.id: item for shard in reader.listing().shards for item in reader.read(shard, sidecars)}


def test_records_are_listed_sorted_nested_and_with_their_sidecars(tmp_path):
    fill(tmp_path, ["b.PNG", "a/c.jpg", "a/c.json", "a/c.txt", "a/d.webp", "noending", "a/x.y.png", "a/x.y.txt"])
    fill(tmp_path, ["metadata.csv", "lonely.json", ".hidden.png", ".git/x.png", "a/.DS_Store"])
    listing = FolderReader(tmp_path).listing()
    entries = {entry.id: entry for entry in listing.entries()}
    assert list(entries) == ["a/c.jpg", "a/d.webp", "a/x.y.png", "b.PNG", "noending"]
    assert entries["a/c.jpg"].sidecars == ("a/c.json", "a/c.txt")
    assert entries["a/x.y.png"].sidecars == ("a/x.y.txt",)
    assert entries["a/d.webp"].sidecars == ()
    assert (entries["b.PNG"].size, entries["b.PNG"].mtime_ns) == (5, (tmp_path / "b.PNG").stat().st_mtime_ns)
    assert listing.passed_over == 2  # metadata.csv and the sidecar without a picture
    assert listing.records == 5


def test_bytes_and_sidecars_are_read_as_they_are(tmp_path):
    fill(tmp_path, ["a/c.jpg", "a/c.json", "b.png"])
    records = read_all(tmp_path, sidecars=True)
    assert records["a/c.jpg"] == Record("a/c.jpg", b"a/c.jpg", {"a/c.json": b"a/c.json"})
    assert records["b.png"].sidecars == {}
    assert read_all(tmp_path)["a/c.jpg"].sidecars == {}


def test_one_file_is_a_dataset_of_one(tmp_path):
    fill(tmp_path, ["a/c.jpg", "a/c.txt", "a/other.jpg"])
    (record,) = read_all(tmp_path / "a/c.jpg", sidecars=True).values()
    assert record == Record("c.jpg", b"a/c.jpg", {"c.txt": b"a/c.jpg".replace(b"jpg", b"txt")})


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX links and pipes")
def test_what_is_no_plain_file_is_unreadable_and_hangs_nothing(tmp_path):
    pool = tmp_path / "pool"
    fill(pool, ["good.png", "named.png/inner.png"])
    fill(tmp_path, ["outside/far.png", "elsewhere.png"])
    os.mkfifo(pool / "pipe.png")
    (pool / "dangling.png").symlink_to(tmp_path / "nowhere.png")
    (pool / "linked.png").symlink_to(tmp_path / "elsewhere.png")
    (pool / "folder").symlink_to(tmp_path / "outside", target_is_directory=True)
    (pool / "device.png").symlink_to("/dev/zero")
    (pool / "loop.png").symlink_to(pool / "loop.png")
    items = read_all(pool)
    reasons = {id: item.reason for id, item in items.items() if isinstance(item, Unreadable)}
    assert reasons.pop("pipe.png") == reasons.pop("device.png") == "not a plain file: a pipe, socket or device"
    assert reasons.pop("dangling.png") == "missing: a link to nothing"
    assert reasons.pop("named.png").startswith("a folder: it is named like a picture")
    assert reasons.pop("folder") == "a folder: links to folders are not followed"
    assert reasons.pop("loop.png").startswith("cannot be opened")
    assert reasons == {}
    assert {id for id, item in items.items() if isinstance(item, Record)} == {
        "good.png",
        "linked.png",
        "named.png/inner.png",
    }


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_without_permission_it_is_unreadable(tmp_path):
    fill(tmp_path, ["locked.png", "closed/inner.png", "fine.png"])
    (tmp_path / "locked.png").chmod(0)
    (tmp_path / "closed").chmod(0)
    items = read_all(tmp_path)
    (tmp_path / "closed").chmod(0o700)
    assert items["locked.png"].reason == "cannot be opened: Permission denied"
    assert isinstance(items["closed"], Unreadable)
    assert isinstance(items["fine.png"], Record)


def test_a_file_that_changes_after_the_listing_is_not_scored_as_the_one_listed(tmp_path):
    fill(tmp_path, ["a.png", "b.png"])
    reader = FolderReader(tmp_path)
    (shard,) = reader.listing().shards
    (tmp_path / "a.png").write_bytes(b"something else")
    (tmp_path / "b.png").unlink()
    assert [item.reason.partition(":")[0] for item in reader.read(shard)] == ["changed", "missing"]


def test_huge_files_are_not_read(tmp_path, monkeypatch):
    fill(tmp_path, ["a.png"])
    monkeypatch.setattr(folder_module, "MAX_FILE_BYTES", 4)
    assert read_all(tmp_path)["a.png"].reason == "too large: 5 bytes, the limit is 4"


def test_shards_cut_the_listing_by_count_and_by_bytes(tmp_path, monkeypatch):
    fill(tmp_path, [f"{i:03d}.png" for i in range(40)])
    shards = FolderReader(tmp_path).listing().shards
    assert [len(shard.entries) for shard in shards] == [16, 16, 8]
    assert [shard.name for shard in shards] == ["00000", "00001", "00002"]
    assert [entry.id for shard in shards for entry in shard.entries] == ids(tmp_path)
    monkeypatch.setattr(folder_module, "SHARD_BYTES", 30)
    assert {len(shard.entries) for shard in FolderReader(tmp_path).listing().shards} == {4}


def test_a_shard_digest_sees_every_change(tmp_path):
    fill(tmp_path, ["a.png", "b.png"])

    def digest():
        (shard,) = FolderReader(tmp_path).listing().shards
        return shard.digest

    seen = [digest()]
    assert digest() == seen[0]
    os.utime(tmp_path / "a.png", ns=(1, 1))
    seen.append(digest())
    (tmp_path / "b.png").write_bytes(b"longer than before")
    seen.append(digest())
    fill(tmp_path, ["c.png"])
    seen.append(digest())
    assert len(set(seen)) == 4
    assert Shard("1", ()).digest == Shard("2", ()).digest


def test_nothing_to_read_is_an_error(tmp_path):
    with pytest.raises(ConfigurationError, match="holds no pictures"):
        FolderReader(tmp_path).listing()
    with pytest.raises(ConfigurationError, match="does not exist"):
        open_reader(tmp_path / "nowhere")
    with pytest.raises(
        ConfigurationError, match="no dataset format 'tarball': there are auto, folder, webdataset, parquet"
    ):
        open_reader(tmp_path, "tarball")


def test_writing_is_whole_and_repeatable(tmp_path):
    writer = FolderWriter(tmp_path / "out")
    record = Record("a/b.png", b"bytes", {"a/b.txt": b"caption"})
    writer.write(record)
    stamp = (tmp_path / "out/a/b.png").stat().st_mtime_ns
    writer.write(record)
    assert (tmp_path / "out/a/b.png").stat().st_mtime_ns == stamp
    writer.write(Record("a/b.png", b"other"))
    found = {path.name: path.read_bytes() for path in (tmp_path / "out/a").iterdir()}
    assert found == {"b.png": b"other", "b.txt": b"caption"}


def test_a_stop_in_the_middle_of_a_write_leaves_the_old_file(tmp_path, monkeypatch):
    writer = FolderWriter(tmp_path)
    writer.write(Record("a.png", b"old"))

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        writer.write(Record("a.png", b"new bytes"))
    assert (tmp_path / "a.png").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.png"]


def test_the_longest_file_name_can_be_written(tmp_path):
    name = "é" * 125 + ".png"
    FolderWriter(tmp_path).write(Record(name, b"x"))
    assert (tmp_path / name).read_bytes() == b"x"


@pytest.mark.parametrize("id", ["../a.png", "/etc/a.png", "a/../../b.png", ""])
def test_no_id_leads_out_of_the_folder(tmp_path, id):
    with pytest.raises(ConfigurationError, match="leads out"):
        inside(tmp_path, id)
    assert inside(tmp_path, "a/b.png") == tmp_path / "a" / "b.png"
