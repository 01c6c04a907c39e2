import io
import json
import os
import subprocess
import tarfile
import time

import numpy as np
import pytest
import webdataset
from PIL import Image
from skimage import data as photographs

from hygiene import scoring
from hygiene.datasets import open_reader
from hygiene.datasets import webdataset as webdataset_format
from hygiene.datasets.tar import members_of
from hygiene.detectors.base import Unreadable
from hygiene.errors import ConfigurationError
from hygiene.keys import Key
from hygiene.pipeline import calibrate, filter_dataset, score_dataset, tag_dataset
from hygiene.policies import MaxP

KEY = Key(bytes(range(32)))


def picture(seed, form="png", size=96):
    source = photographs.astronaut()
    top, left = np.random.default_rng(seed).integers(0, 512 - size, 2)
    file = io.BytesIO()
    Image.fromarray(source[top : top + size, left : left + size]).save(file, form)
    return file.getvalue()


def write_tar(path, members, **options):
    """members: (name, bytes or None for a folder, or a TarInfo)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", **options) as tar:
        for name, content in members:
            header = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            if content is None:
                header.type = header.type if isinstance(name, tarfile.TarInfo) else tarfile.DIRTYPE
                tar.addfile(header)
            else:
                header.size, header.mtime, header.mode = len(content), 1_700_000_000, 0o640
                tar.addfile(header, io.BytesIO(content))
    return path


def samples_of(path):
    """As the reference reads them: key → ending → bytes."""
    found = webdataset.WebDataset(str(path), shardshuffle=False, empty_check=False)
    return {each["__key__"]: {k: v for k, v in each.items() if not k.startswith("__")} for each in found}


def ids(path, **options):
    return [entry.id for entry in open_reader(path, **options).listing().entries()]


def reasons(path):
    return {each.id: each.reason for each in score_dataset(path, KEY) if isinstance(each, Unreadable)}


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def tree(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two shards written by webdataset, tagged; and a pool of one tagged and one untagged, sample by sample."""
    root = tmp_path_factory.mktemp("shards")
    (root / "made").mkdir()
    for shard in range(2):
        with webdataset.TarWriter(str(root / f"made/{shard:05d}.tar")) as tar:
            for i in range(6):
                form = ("png", "jpg", "webp")[i % 3]
                tar.write(
                    {
                        "__key__": f"{i:04d}",
                        form: picture(10 * shard + i, {"jpg": "jpeg"}.get(form, form)),
                        "txt": f"caption {i} é",
                        "json": {"uid": i},
                    }
                )
    tag_dataset(root / "made", root / "tagged", KEY)
    for shard in ("00000.tar", "00001.tar"):
        made, tagged = samples_of(root / "made" / shard), samples_of(root / "tagged" / shard)
        mixed = [(k, (tagged if int(k) % 2 else made)[k]) for k in made]
        write_tar(
            root / "pool" / shard,
            [(f"{key}.{ending}", content) for key, sample in mixed for ending, content in sample.items()],
        )
    return root


def test_a_listing_names_samples_by_shard_and_picture(tmp_path):
    write_tar(
        tmp_path / "sub/b.tar",
        [
            ("./", None),
            ("README", b"no sample"),
            ("images/0.5/a.JPG", b"x"),
            ("images/0.5/a.txt", b"t"),
            ("images/0.5/b.txt", b"t"),
            ("images/0.5/b.png", b"x"),
            ("._b.png", b"x"),
            ("b.png", b"x"),
        ],
    )
    write_tar(tmp_path / "a.tar", [("x.png", b"1"), ("y.png", b"2"), ("x.png", b"3")])
    (tmp_path / "a.parquet").write_bytes(b"beside")
    listing = open_reader(tmp_path).listing()
    assert [shard.name for shard in listing.shards] == ["a.tar", "sub/b.tar"]
    assert [entry.id for entry in listing.entries()] == [
        "a.tar/x.png",
        "a.tar/y.png",
        "a.tar/x.png#2",
        "sub/b.tar/images/0.5/a.JPG",
        "sub/b.tar/images/0.5/b.png",
        "sub/b.tar/b.png",
    ]
    assert listing.passed_over == 3  # README, ._b.png, a.parquet
    read = [record.data for record in open_reader(tmp_path / "a.tar").read(listing.shards[0])]
    assert read == [b"1", b"2", b"3"]


def test_keys_are_those_of_webdataset(world):
    expected = [f"00000.tar/{key}" for key in samples_of(world / "pool/00000.tar")]
    assert [id.rpartition(".")[0] for id in ids(world / "pool/00000.tar")] == [f"{each}" for each in expected]


def test_tagging_writes_the_same_samples_with_marked_pictures(world):
    for shard in ("00000.tar", "00001.tar"):
        made, tagged = samples_of(world / "made" / shard), samples_of(world / "tagged" / shard)
        assert list(made) == list(tagged)
        for key, sample in made.items():
            assert list(sample) == list(tagged[key])
            assert {k: v for k, v in sample.items() if k in ("txt", "json")} == {
                k: v for k, v in tagged[key].items() if k in ("txt", "json")
            }
            form = next(iter(set(sample) - {"txt", "json"}))
            assert sample[form] != tagged[key][form]
            assert Image.open(io.BytesIO(tagged[key][form])).format == Image.open(io.BytesIO(sample[form])).format
    assert all(each.log10_p < -9 for each in score_dataset(world / "tagged", KEY))
    assert not any(each.log10_p < -9 for each in score_dataset(world / "made", KEY))


def test_filtering_splits_samples_byte_for_byte_and_adds_up(world, tmp_path):
    report = filter_dataset(world / "pool", tmp_path / "out", KEY, MaxP(1e-9))
    counts = report.outputs[0].counts
    assert (counts.seen, counts.kept, counts.total_excluded, counts.total_unreadable) == (12, 6, 6, 0)
    for shard in ("00000.tar", "00001.tar"):
        pool = samples_of(world / "pool" / shard)
        kept, excluded = samples_of(tmp_path / "out/kept" / shard), samples_of(tmp_path / "out/excluded" / shard)
        assert kept == {key: sample for key, sample in pool.items() if int(key) % 2 == 0}
        assert excluded == {key: sample for key, sample in pool.items() if int(key) % 2}
        assert [list(sample) for sample in kept.values()] == [list(pool[key]) for key in kept]  # the order of members
        with tarfile.open(tmp_path / "out/kept" / shard) as tar, tarfile.open(world / "pool" / shard) as source:
            headers = {each.name: each.get_info() for each in source}
            assert all(each.get_info() == headers[each.name] for each in tar)
    assert not (tmp_path / "out/unreadable").exists()
    assert {row["id"] for row in lines(tmp_path / "out/kept.jsonl")} >= {"00000.tar/0000.png", "00001.tar/0002.webp"}


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_shard_that_loses_nothing_stays_the_same_to_the_byte(tmp_path, form):
    name = "a/" * 40 + "ä" * 20 if form == tarfile.USTAR_FORMAT else "long " * 60 + "é"
    members = [(f"{name}{i}.{ending}", picture(i)) for i in range(3) for ending in ("png",)]
    pool = write_tar(tmp_path / "pool/0.tar", members, format=form)
    filter_dataset(pool, tmp_path / "out", KEY, MaxP(1e-9))
    assert (tmp_path / "out/kept/0.tar").read_bytes() == pool.read_bytes()


def test_what_gnu_tar_packed_is_read_and_what_is_written_unpacks(tmp_path, world):
    (tmp_path / "loose").mkdir()
    for key, sample in samples_of(world / "pool/00000.tar").items():
        for ending, content in sample.items():
            (tmp_path / f"loose/{key}.{ending}").write_bytes(content)
    (tmp_path / "pool").mkdir()
    subprocess.run(["tar", "--sort=name", "-cf", tmp_path / "pool/0.tar", "."], cwd=tmp_path / "loose", check=True)
    report = filter_dataset(tmp_path / "pool", tmp_path / "out", KEY, MaxP(1e-9))
    assert (report.outputs[0].counts.kept, report.outputs[0].counts.total_excluded) == (3, 3)
    (tmp_path / "again").mkdir()
    for part in ("kept", "excluded"):
        subprocess.run(["tar", "-xf", tmp_path / f"out/{part}/0.tar"], cwd=tmp_path / "again", check=True)
    assert tree(tmp_path / "again") == tree(tmp_path / "loose")


def test_a_second_run_writes_nothing_and_another_threshold_scores_nothing(world, tmp_path, monkeypatch):
    out = tmp_path / "out"
    filter_dataset(world / "pool", out, KEY, MaxP(1e-9))
    before, stamps = tree(out), {path: path.stat().st_mtime_ns for path in out.rglob("*.tar")}
    monkeypatch.setattr(scoring, "_score", None)
    filter_dataset(world / "pool", out, KEY, MaxP(1e-9))
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.tar")} == stamps
    assert tree(out) == before
    report = filter_dataset(world / "pool", out, KEY, MaxP(1e-300))
    assert report.outputs[0].counts.kept > 6
    kept = sum(len(samples_of(path)) for path in (out / "kept").glob("*.tar"))
    excluded = sum(len(samples_of(path)) for path in (out / "excluded").glob("*.tar"))
    assert (kept, excluded) == (report.outputs[0].counts.kept, report.outputs[0].counts.total_excluded)
    filter_dataset(world / "pool", out, KEY, MaxP(1e-9))
    assert tree(out) == before


def test_a_shard_file_that_vanished_or_was_cut_is_written_again(world, tmp_path):
    out = tmp_path / "out"
    filter_dataset(world / "pool", out, KEY, MaxP(1e-9))
    before = tree(out)
    (out / "kept/00000.tar").unlink()
    (out / "excluded/00001.tar").write_bytes(before["excluded/00001.tar"][:700])
    filter_dataset(world / "pool", out, KEY, MaxP(1e-9))
    assert tree(out) == before


@pytest.mark.parametrize("stop_at", [0, 5, 11])
def test_a_stopped_filter_continues_to_the_same_result(world, tmp_path, monkeypatch, stop_at):
    from hygiene.datasets.webdataset import TarSink

    filter_dataset(world / "pool", tmp_path / "whole", KEY, MaxP(1e-9))
    write, calls = TarSink.write, []

    def stopping(self, record, data=None):
        calls.append(record.id)
        if len(calls) > stop_at:
            raise KeyboardInterrupt
        write(self, record, data)

    monkeypatch.setattr(TarSink, "write", stopping)
    with pytest.raises(KeyboardInterrupt):
        filter_dataset(world / "pool", tmp_path / "out", KEY, MaxP(1e-9))
    assert not list((tmp_path / "out").rglob("*.partial"))
    monkeypatch.undo()
    filter_dataset(world / "pool", tmp_path / "out", KEY, MaxP(1e-9))
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_a_stopped_tag_continues_to_the_same_result(world, tmp_path, monkeypatch):
    from hygiene.datasets.webdataset import TarSink

    write, calls = TarSink.write, []

    def stopping(self, record, data=None):
        calls.append(record.id)
        if len(calls) > 8:
            raise KeyboardInterrupt
        write(self, record, data)

    monkeypatch.setattr(TarSink, "write", stopping)
    with pytest.raises(KeyboardInterrupt):
        tag_dataset(world / "made", tmp_path / "out", KEY)
    assert [path.name for path in (tmp_path / "out").glob("*.tar")] == ["00000.tar"]
    calls.clear()
    monkeypatch.setattr(TarSink, "write", lambda *args: (calls.append(args[1].id), write(*args)))
    tag_dataset(world / "made", tmp_path / "out", KEY)
    assert {id.partition("/")[0] for id in calls} == {"00001.tar"}
    assert {k: v for k, v in tree(tmp_path / "out").items() if k.endswith(".tar")} == {
        k: v for k, v in tree(world / "tagged").items() if k.endswith(".tar")
    }


def test_two_workers_give_what_one_gives(world, tmp_path):
    filter_dataset(world / "pool", tmp_path / "one", KEY, MaxP(1e-9))
    filter_dataset(world / "pool", tmp_path / "two", KEY, MaxP(1e-9), workers=2)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_several_levels_share_one_scoring_and_a_list_of_shards_stays_whole(world, tmp_path):
    report = filter_dataset(world / "tagged", tmp_path / "out", KEY, {"a": MaxP(1e-9), "b": MaxP(1e-300)})
    assert [output.counts.kept for output in report.outputs] == [0, 12]
    assert len(samples_of(tmp_path / "out/a/excluded/00000.tar")) == 6
    assert samples_of(tmp_path / "out/a/kept/00000.tar") == {}  # there, and a tar file, all the same


def test_refused_pictures_are_left_out_with_their_members_unless_asked_for(tmp_path):
    small, large = picture(0, size=20), picture(1)
    members = [("a.png", small), ("a.txt", b"a"), ("b.txt", b"b"), ("b.png", large)]
    source = write_tar(tmp_path / "in/0.tar", members)
    report = tag_dataset(source, tmp_path / "out", KEY)
    assert (report.tagged, dict(report.refused)) == (1, {"too small": 1})
    assert list(samples_of(tmp_path / "out/0.tar")) == ["b"]
    tag_dataset(source, tmp_path / "all", KEY, copy_refused=True)
    assert samples_of(tmp_path / "all/0.tar")["a"] == {"png": small, "txt": b"a"}


def test_tagging_again_copies_byte_for_byte(world, tmp_path):
    report = tag_dataset(world / "tagged", tmp_path / "again", KEY)
    assert report.already == 12
    assert (tmp_path / "again/00000.tar").read_bytes() == (world / "tagged/00000.tar").read_bytes()


def test_long_names_and_owners_keep_their_headers_when_the_picture_is_another(tmp_path):
    header = tarfile.TarInfo("verzeichnis/" + "ö" * 120 + ".png")
    header.uname, header.mtime, header.pax_headers = "jemand", 1234567890.5, {"comment": "kept"}
    content = picture(3)
    source = tmp_path / "in/0.tar"
    source.parent.mkdir()
    with tarfile.open(source, "w", format=tarfile.PAX_FORMAT) as tar:
        header.size = len(content)
        tar.addfile(header, io.BytesIO(content))
    tag_dataset(source, tmp_path / "out", KEY)
    with tarfile.open(source) as before, tarfile.open(tmp_path / "out/0.tar") as after:
        (old,), (new,) = before.getmembers(), after.getmembers()
        assert (old.name, old.uname, old.mtime, old.mode) == (new.name, new.uname, new.mtime, new.mode)
        assert new.pax_headers["comment"] == "kept"
        assert new.size != old.size
        assert Image.open(after.extractfile(new)).size == (96, 96)


def test_of_several_pictures_the_one_that_is_named_counts(tmp_path):
    members = [
        (f"{i}.{ending}", picture(i + 50 * (ending != "png"))) for i in range(2) for ending in ("png", "seg.png")
    ]
    members += [("2.png", picture(2)), ("3.txt", b"no picture"), ("4.seg.png", picture(4))]
    source = write_tar(tmp_path / "in/0.tar", members)
    assert reasons(source) == {
        "0.tar/0": "several pictures: say which one counts (--picture png): the sample holds png, seg.png",
        "0.tar/1": "several pictures: say which one counts (--picture png): the sample holds png, seg.png",
        "0.tar/3": "no picture: the sample holds txt",
    }
    report = tag_dataset(source, tmp_path / "out", KEY, picture="png")
    assert (report.tagged, dict(report.unreadable)) == (3, {"no picture": 2})
    before, after = samples_of(source), samples_of(tmp_path / "out/0.tar")
    assert list(after) == ["0", "1", "2"]
    assert all(after[key]["seg.png"] == before[key]["seg.png"] for key in ("0", "1"))
    assert all(after[key]["png"] != before[key]["png"] for key in after)
    found = {each.id: each.log10_p < -9 for each in score_dataset(tmp_path / "out/0.tar", KEY, picture="png")}
    assert found == {"0.tar/0.png": True, "0.tar/1.png": True, "0.tar/2.png": True}


def test_what_has_no_picture_goes_to_the_unreadable_whole(tmp_path):
    members = [("a.png", picture(0)), ("b.txt", b"words"), ("b.json", b"{}"), ("c.png", b"torn"), ("c.txt", b"c")]
    source = write_tar(tmp_path / "in/0.tar", members)
    report = filter_dataset(source, tmp_path / "out", KEY, MaxP(1e-9))
    assert (report.seen, report.unreadable) == (3, 2)
    assert samples_of(tmp_path / "out/unreadable/0.tar") == {
        "b": {"txt": b"words", "json": b"{}"},
        "c": {"png": b"torn", "txt": b"c"},
    }
    assert report.outputs[0].counts.unreadable["no picture"] == 1


def test_links_and_folders_in_an_archive_are_no_pictures_and_are_not_followed(tmp_path):
    link = tarfile.TarInfo("b.png")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    hard = tarfile.TarInfo("c.png")
    hard.type, hard.linkname = tarfile.LNKTYPE, "a.png"
    source = write_tar(tmp_path / "0.tar", [("dir.png/", None), ("a.png", picture(0)), (link, None), (hard, None)])
    assert ids(source) == ["0.tar/a.png", "0.tar/b", "0.tar/c"]
    assert reasons(source) == {
        f"0.tar/{key}": "no picture: the sample holds png (a link, or a file with holes)" for key in "bc"
    }


@pytest.mark.parametrize("name", ["../../outside", "/tmp/outside", "a/../../outside"])
def test_no_name_in_an_archive_becomes_a_path(tmp_path, name):
    inner = tmp_path / "deep/deeper"
    source = write_tar(inner / "in/0.tar", [(f"{name}.png", picture(0)), (f"{name}.txt", b"t")])
    tag_dataset(source, inner / "tagged", KEY)
    filter_dataset(inner / "tagged", inner / "out", KEY, MaxP(1e-9))
    written = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert all(inner in path.parents for path in written)
    assert not [path for path in written if "outside" in path.name]
    with tarfile.open(inner / "tagged/0.tar") as tar:
        assert tar.getnames() == [f"{name}.png", f"{name}.txt"]


def test_a_shard_cut_anywhere_gives_what_lies_before_the_cut(tmp_path):
    whole = write_tar(
        tmp_path / "whole.tar",
        [(f"{i}.{ending}", bytes([i]) * (700 * i + 1)) for i in range(4) for ending in ("png", "txt")],
    )
    content = whole.read_bytes()
    members, fault = members_of(whole)
    assert not fault
    cut = tmp_path / "cut.tar"
    for length in range(0, members[-1].stop + 1, 256):
        cut.write_bytes(content[:length])
        complete = [each for each in members if each.stop <= length]
        keys = list(dict.fromkeys(each.name[0] for each in complete))
        if len(keys) < 2:
            with pytest.raises(ConfigurationError, match="not a whole tar file"):
                open_reader(cut).listing()
            continue
        listing = open_reader(cut).listing()
        items = list(open_reader(cut).read(listing.shards[0], sidecars=True))
        good = [item for item in items if not isinstance(item, Unreadable) and not item.flaw]
        # The last sample before the cut may have had more members.
        assert [item.id for item in good] == [f"cut.tar/{key}.png" for key in keys[:-1]]
        assert [item.data for item in good] == [bytes([int(key)]) * (700 * int(key) + 1) for key in keys[:-1]]
        assert [
            getattr(item, "reason", getattr(item, "flaw", "")).partition(":")[0] for item in items[len(good) :]
        ] == ["not a whole tar file"]


def test_a_damaged_header_costs_what_lies_behind_it_and_is_told(tmp_path):
    source = write_tar(tmp_path / "0.tar", [(f"{i}.png", picture(i)) for i in range(4)])
    members, _ = members_of(source)
    content = bytearray(source.read_bytes())
    content[members[2].start + 10] ^= 255
    source.write_bytes(content)
    report = filter_dataset(source, tmp_path / "out", KEY, MaxP(1e-9))
    assert (report.seen, report.unreadable) == (2, 1)
    assert list(samples_of(tmp_path / "out/kept/0.tar")) == ["0"]


def test_one_bad_shard_does_not_cost_the_others(tmp_path):
    write_tar(tmp_path / "in/a.tar", [("a.png", picture(0))])
    (tmp_path / "in/b.tar").write_bytes(b"not a tar file at all" * 100)
    (tmp_path / "in/c.tar").write_bytes(b"")
    write_tar(tmp_path / "in/d.tar", [])
    report = filter_dataset(tmp_path / "in", tmp_path / "out", KEY, MaxP(1e-9))
    assert (report.seen, report.outputs[0].counts.kept) == (3, 1)
    assert dict(report.outputs[0].counts.unreadable) == {"not a whole tar file": 2}


def test_a_shard_that_changes_during_the_run_is_told(tmp_path):
    source = write_tar(tmp_path / "0.tar", [("a.png", picture(0)), ("b.png", picture(1))])
    reader = open_reader(source)
    (shard,) = reader.listing().shards
    write_tar(source, [("a.png", picture(2)), ("b.png", picture(1))])
    assert {item.reason.partition(":")[0] for item in reader.read(shard)} == {"changed"}
    source.unlink()
    assert {item.reason.partition(":")[0] for item in reader.read(shard)} == {"cannot be opened"}


def test_a_changed_shard_alone_is_scored_again(world, tmp_path, monkeypatch):
    pool = tmp_path / "pool"
    pool.mkdir()
    for shard in ("00000.tar", "00001.tar"):
        (pool / shard).write_bytes((world / "pool" / shard).read_bytes())
    filter_dataset(pool, tmp_path / "out", KEY, MaxP(1e-9))
    write_tar(pool / "00001.tar", [("new.png", picture(77))])
    seen, score = [], scoring._score
    monkeypatch.setattr(scoring, "_score", lambda item, task: (seen.append(item.id), score(item, task))[1])
    report = filter_dataset(pool, tmp_path / "out", KEY, MaxP(1e-9))
    assert seen == ["00001.tar/new.png"]
    assert report.outputs[0].counts.kept == 4
    assert list(samples_of(tmp_path / "out/kept/00001.tar")) == ["new"]
    assert not (tmp_path / "out/excluded/00001.tar").exists()


def test_shards_that_left_the_pool_are_not_left_behind_silently(world, tmp_path):
    pool = tmp_path / "pool"
    for shard in ("00000.tar", "00001.tar"):
        pool.mkdir(exist_ok=True)
        (pool / shard).write_bytes((world / "pool" / shard).read_bytes())
    filter_dataset(pool, tmp_path / "out", KEY, MaxP(1e-9))
    tag_dataset(pool, tmp_path / "tagged", KEY)
    (pool / "00001.tar").unlink()
    with pytest.raises(ConfigurationError, match=r"no longer in the pool \(2, such as .*kept/00001.tar"):
        filter_dataset(pool, tmp_path / "out", KEY, MaxP(1e-9))
    with pytest.raises(ConfigurationError, match=r"no longer in the input \(1, such as 00001.tar"):
        tag_dataset(pool, tmp_path / "tagged", KEY)


def test_lists_only_copies_nothing(world, tmp_path):
    filter_dataset(world / "pool", tmp_path / "out", KEY, MaxP(1e-9), lists_only=True)
    assert not list((tmp_path / "out").rglob("*.tar"))
    assert len(lines(tmp_path / "out/excluded.jsonl")) == 6


def test_a_calibration_may_come_from_shards_and_folders(world, tmp_path):
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain/a.png").write_bytes(picture(200))
    made = calibrate(world / "tagged", KEY, untagged=tmp_path / "plain").calibration
    assert (len(made.tagged), len(made.untagged)) == (12, 1)


def test_a_large_shard_is_scored_in_parts_and_written_as_one(world, tmp_path, monkeypatch):
    filter_dataset(world / "pool", tmp_path / "whole", KEY, MaxP(1e-9))
    monkeypatch.setattr("hygiene.datasets.sharded.PART_RECORDS", 4)
    stages = []
    filter_dataset(world / "pool", tmp_path / "parts", KEY, MaxP(1e-9), progress=lambda *each: stages.append(each))
    assert [done for stage, done, _ in stages if stage == "score"] == [4, 6, 10, 12]
    assert stages[:2] == [("list", 1, 2), ("list", 2, 2)]
    scores = {
        path.relative_to(tmp_path / "parts/scores").as_posix()
        for path in (tmp_path / "parts/scores").rglob("*.parquet")
    }
    assert scores == {f"0000{shard}.tar.0000{part}.parquet" for shard in range(2) for part in range(2)}
    whole, parts = tree(tmp_path / "whole"), tree(tmp_path / "parts")
    same = {name for name in whole if not name.startswith("scores/")}
    assert same == {name for name in parts if not name.startswith("scores/")}
    assert all(whole[name] == parts[name] for name in same)
    assert [each.id for each in score_dataset(world / "pool", KEY)] == ids(world / "pool")
    (tmp_path / "parts/scores/00001.tar.00001.parquet").unlink()
    seen, score = [], scoring._score
    monkeypatch.setattr(scoring, "_score", lambda item, task: (seen.append(item.id), score(item, task))[1])
    filter_dataset(world / "pool", tmp_path / "parts", KEY, MaxP(1e-9))
    assert [id.partition(".tar/")[2][:4] for id in seen] == ["0004", "0005"]
    assert tree(tmp_path / "parts") == parts


def test_hidden_members_between_two_of_a_sample_part_none(tmp_path):
    """As macOS packs: ._a.txt between a.png and a.txt. The reference reads on, too."""
    members = [("._a.png", b"x"), ("a.png", picture(0)), ("._a.txt", b"x"), ("a.txt", b"a"), ("b.png", picture(1))]
    source = write_tar(tmp_path / "in/0.tar", members)
    assert ids(source) == ["0.tar/a.png", "0.tar/b.png"]
    filter_dataset(source, tmp_path / "out", KEY, MaxP(1e-9))
    assert samples_of(tmp_path / "out/kept/0.tar") == samples_of(source)
    assert list(samples_of(source)["a"]) == ["png", "txt"]


def test_headers_that_hold_for_all_members_are_written_wherever_members_are(tmp_path):
    source = tmp_path / "in/0.tar"
    source.parent.mkdir()
    with tarfile.open(source, "w", format=tarfile.PAX_FORMAT, pax_headers={"uid": "77", "comment": "of all"}) as tar:
        for i in range(3):
            header, content = tarfile.TarInfo(f"{i}.png"), picture(i)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    filter_dataset(source, tmp_path / "same", KEY, MaxP(1e-9))
    assert (tmp_path / "same/kept/0.tar").read_bytes() == source.read_bytes()
    tag_dataset(source, tmp_path / "tagged", KEY)
    rows = [row["id"] for row in lines(tmp_path / "tagged/tags.jsonl")]
    first = next(each for each in score_dataset(tmp_path / "tagged", KEY) if each.id == rows[0])
    limit = {"all": MaxP(1e-9), "some": MaxP(10**first.log10_p)}
    filter_dataset(tmp_path / "tagged", tmp_path / "out", KEY, limit)
    for path in (tmp_path / "tagged/0.tar", *(tmp_path / "out").rglob("0.tar")):
        with tarfile.open(path) as tar:
            assert all(each.uid == 77 for each in tar)
            assert tar.pax_headers == ({"uid": "77", "comment": "of all"} if tar.getmembers() else {})


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        (["a.txt", "a.png", "a.seg.png"], "several pictures: say which one counts (--picture png): the sample holds"),
        (["a.png", "a.png"], "a name comes twice: the sample holds png, png"),
    ],
)
def test_what_is_said_of_several_pictures_helps(tmp_path, members, reason):
    source = write_tar(tmp_path / "0.tar", [*((name, picture(0)) for name in members), ("b.png", picture(1))])
    assert reasons(source)["0.tar/a"].startswith(reason)


def test_many_samples_of_one_name_are_numbered_in_one_go(tmp_path):
    source = write_tar(tmp_path / "0.tar", [(f"{'ab'[i % 2]}.png", b"x") for i in range(20_000)])
    start = time.perf_counter()
    found = ids(source)
    assert time.perf_counter() - start < 20  # 10,000² / 2 looks into a set take longer
    assert found[:4] == ["0.tar/a.png", "0.tar/b.png", "0.tar/a.png#2", "0.tar/b.png#2"]
    assert found[-1] == "0.tar/b.png#10000"
    assert len(set(found)) == 20_000


def test_a_sample_that_would_fill_the_memory_is_unreadable_once_it_is_to_be_copied(tmp_path, monkeypatch):
    monkeypatch.setattr(webdataset_format, "MAX_FILE_BYTES", 1 << 20)
    members = [("a.png", picture(0)), ("a.mp4", bytes(1 << 20)), ("b.png", picture(1))]
    report = filter_dataset(write_tar(tmp_path / "in/0.tar", members), tmp_path / "out", KEY, MaxP(1e-9))
    assert dict(report.outputs[0].counts.unreadable) == {"too large": 1}
    assert list(samples_of(tmp_path / "out/kept/0.tar")) == ["b"]


def test_what_a_killed_run_left_is_not_taken_for_a_shard(world, tmp_path):
    for path in ("excluded/.00000.tar.partial", "kept/.00001.tar.partial"):
        (tmp_path / "out" / path).parent.mkdir(parents=True)
        (tmp_path / "out" / path).write_bytes(b"half")
    (tmp_path / "out/manifest.json").write_text(
        json.dumps({"tool": "hygiene", "command": "filter", "source": str((world / "made").resolve())})
    )
    filter_dataset(world / "made", tmp_path / "out", KEY, MaxP(1e-9))
    assert sorted(path.name for path in (tmp_path / "out").rglob("*0*.tar*") if "scores" not in path.parts) == [
        *("00000.tar", "00000.tar.json", "00001.tar", "00001.tar.json")
    ]
    assert samples_of(tmp_path / "out/kept/00001.tar") == samples_of(world / "made/00001.tar")


def test_a_member_may_be_called_as_what_tag_writes_and_an_output_not_as_a_shard(tmp_path):
    source = write_tar(tmp_path / "in/0.tar", [("manifest.png", picture(0)), ("manifest.json", b"{}")])
    assert tag_dataset(source, tmp_path / "out", KEY).tagged == 1
    assert samples_of(tmp_path / "out/0.tar")["manifest"]["json"] == b"{}"
    with pytest.raises(ConfigurationError, match=r"out.tar is named like a shard: expected a folder"):
        tag_dataset(source, tmp_path / "out.tar", KEY)
    with pytest.raises(ConfigurationError, match=r"the sample holds png, json, --picture asks for jpg$"):
        tag_dataset(source, tmp_path / "jpg", KEY, picture="jpg")


def test_a_stop_between_the_files_of_a_shard_is_not_taken_for_the_earlier_result(tmp_path, monkeypatch):
    """Tar files are filled up, so that other samples may make files of the same sizes."""
    pool = write_tar(tmp_path / "pool/0.tar", [(f"{i}.jpg", picture(i, "jpeg", size=40)) for i in range(5)])
    scored = sorted(each.log10_p for each in score_dataset(pool, KEY))
    first, second = (MaxP(10 ** ((scored[i] + scored[i + 1]) / 2)) for i in (0, 1))
    filter_dataset(pool, tmp_path / "out", KEY, first)
    before, sizes = tree(tmp_path / "out"), {len(content) for content in tree(tmp_path / "out/kept").values()}
    replace, calls = os.replace, []

    def stopping(old, new):
        if str(new).endswith("0.tar"):
            calls.append(new)
            if len(calls) == 2:
                raise KeyboardInterrupt
        replace(old, new)

    monkeypatch.setattr(os, "replace", stopping)
    with pytest.raises(KeyboardInterrupt):
        filter_dataset(pool, tmp_path / "out", KEY, second)
    monkeypatch.undo()
    assert tree(tmp_path / "out/excluded") != {
        k.removeprefix("excluded/"): v for k, v in before.items() if "excluded/" in k
    }
    assert {len(content) for content in tree(tmp_path / "out/excluded").values()} == sizes
    filter_dataset(pool, tmp_path / "out", KEY, first)
    assert tree(tmp_path / "out") == before


def test_a_tagged_shard_that_was_cut_or_could_not_be_read_in_part_is_made_again_whole(world, tmp_path):
    out = tmp_path / "out"
    tag_dataset(world / "made", out, KEY)
    before = {name: content for name, content in tree(out).items() if name.endswith(".tar")}
    (out / "00000.tar").write_bytes(before["00000.tar"][:5000])
    stored = out / ".hygiene/00001.tar.json"
    content = json.loads(stored.read_text())
    content["outcomes"][2] |= {"outcome": "unreadable", "reason": "cannot be read: Input/output error", "bytes": -1}
    stored.write_text(json.dumps(content))
    report = tag_dataset(world / "made", out, KEY)
    assert (report.tagged, report.unreadable) == (12, {})
    assert {name: content for name, content in tree(out).items() if name.endswith(".tar")} == before


def test_an_empty_shard_is_tagged_to_an_empty_one(tmp_path):
    write_tar(tmp_path / "in/0.tar", [])
    write_tar(tmp_path / "in/1.tar", [("a.png", picture(0))])
    assert tag_dataset(tmp_path / "in", tmp_path / "out", KEY).tagged == 1
    assert (tmp_path / "out/0.tar").read_bytes() == (tmp_path / "in/0.tar").read_bytes()
