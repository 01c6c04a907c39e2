"""What the system kept from being read is read by the next run, though size and time of the file are the same."""

import json

import pytest
from PIL import Image
from skimage import data

from hygiene.codecs.spread import Spread
from hygiene.datasets import open_reader
from hygiene.datasets.base import may_pass
from hygiene.detectors.keyed import KeyedDetector
from hygiene.keys import Key
from hygiene.pipeline import filter_dataset, tag_dataset
from hygiene.policies import MaxP

KEY = Key(b"k" * 32)
SHARD = 16  # records of a small folder's shards


class Looking:
    """The key's own detector, which also tells whom it looked at."""

    def __init__(self):
        self.inner = KeyedDetector(Spread(), KEY)
        self.name, self.seen = self.inner.name, []

    def detect(self, id, look):
        self.seen.append(id)
        return self.inner.detect(id, look)


@pytest.fixture
def pool(tmp_path):
    """A shard of 16 broken pictures, and one with a broken one and two good ones, b with a caption."""
    folder = tmp_path / "pool"
    folder.mkdir()
    for i in range(SHARD + 1):
        (folder / f"{i:02d}.png").write_bytes(b"no picture")
    for i, name in enumerate(("a", "b")):
        Image.fromarray(data.astronaut()[100 * i : 100 * i + 96, :96]).save(folder / f"{name}.png")
    (folder / "b.txt").write_text("caption b")
    return folder


def lines(path):
    return {line["id"]: line for line in map(json.loads, path.read_text().splitlines())}


def unreadable(out):
    return {id: line["reason"] for id, line in lines(out / "unreadable.jsonl").items()}


def lock(path):
    path.chmod(0)
    try:
        path.read_bytes()
    except PermissionError:
        return
    pytest.skip("this user reads everything")


def hiding(pool, when):
    """A progress function that takes b.png out of the pool `when` one of its first calls comes."""
    calls = []

    def progress(stage, done, total):
        calls.append((stage, done))
        if (stage, done) == when:
            (pool / "b.png").rename(pool.parent / "b.png")

    return progress


def bring_back(pool):
    (pool.parent / "b.png").rename(pool / "b.png")


def test_a_picture_that_was_away_is_scored_when_it_is_back_and_no_other_is(pool, tmp_path):
    out, detector = tmp_path / "out", Looking()
    filter_dataset(pool, out, detector, MaxP(1e-9), progress=hiding(pool, ("score", SHARD)))
    assert unreadable(out)["b.png"] == "missing: gone"
    bring_back(pool)
    detector.seen.clear()
    report = filter_dataset(pool, out, detector, MaxP(1e-9))
    assert detector.seen == ["b.png"]
    assert report.outputs[0].counts.kept == 2
    assert "b.png" not in unreadable(out)
    assert len(unreadable(out)) == SHARD + 1
    assert sorted(path.name for path in (out / "kept").iterdir()) == ["a.png", "b.png", "b.txt"]
    detector.seen.clear()
    filter_dataset(pool, out, detector, MaxP(1e-3))
    assert detector.seen == []


def test_a_picture_that_goes_away_after_it_was_scored_costs_its_own_record_only(pool, tmp_path):
    out = tmp_path / "out"
    report = filter_dataset(pool, out, KEY, MaxP(1e-9), progress=hiding(pool, ("score", SHARD + 3)))
    assert unreadable(out)["b.png"] == "missing: gone"
    assert (report.seen, report.outputs[0].counts.kept) == (SHARD + 3, 1)
    assert [path.name for path in (out / "kept").iterdir()] == ["a.png"]
    bring_back(pool)
    assert filter_dataset(pool, out, KEY, MaxP(1e-9)).outputs[0].counts.kept == 2


def test_a_picture_that_was_away_is_tagged_when_it_is_back(pool, tmp_path):
    out = tmp_path / "out"
    report = tag_dataset(pool, out, KEY, progress=hiding(pool, ("tag", SHARD)))
    assert (report.tagged, report.unreadable["missing"]) == (1, 1)
    assert lines(out / "tags.jsonl")["b.png"]["reason"] == "missing: gone"
    before = lines(out / "tags.jsonl")["a.png"]
    bring_back(pool)
    report = tag_dataset(pool, out, KEY)
    assert (report.seen, report.tagged, "missing" in report.unreadable) == (SHARD + 3, 2, False)
    assert lines(out / "tags.jsonl")["a.png"] == before
    assert (out / "b.txt").read_text() == "caption b"


def test_a_permission_that_is_given_is_followed_and_one_that_is_taken_too(pool, tmp_path):
    out = tmp_path / "out"
    reason = "cannot be opened: Permission denied"
    lock(pool / "b.png")
    filter_dataset(pool, out, KEY, MaxP(1e-9))
    assert unreadable(out)["b.png"] == reason
    assert tag_dataset(pool, tmp_path / "tagged", KEY).unreadable["cannot be opened"] == 1
    (pool / "b.png").chmod(0o644)
    assert filter_dataset(pool, out, KEY, MaxP(1e-9)).outputs[0].counts.kept == 2
    assert tag_dataset(pool, tmp_path / "tagged", KEY).tagged == 2
    lock(pool / "b.png")
    filter_dataset(pool, out, KEY, MaxP(1e-9))
    assert unreadable(out)["b.png"] == reason
    assert (out / "unreadable/b.png").is_file()


def test_what_a_picture_is_does_not_pass():
    reasons = (
        "not an image: no PNG, JPEG or WebP signature",
        "truncated: the PNG data ends early",
        "too large: 9 bytes",
    )
    assert not any(map(may_pass, (*reasons, "animated: not one still picture", "")))


@pytest.mark.parametrize(
    "reason",
    [
        "cannot be opened: Permission denied",
        "cannot be read: Input/output error",
        "missing: gone",
        "changed: not what was listed",
        "out of memory: decoding it takes more than there is",
        "sidecar unreadable: b.txt",
    ],
)
def test_what_the_system_did_may_pass(reason):
    assert may_pass(reason)


def test_a_caption_that_links_to_nothing_is_told_and_one_without_a_picture_counted(pool, tmp_path):
    (pool / "b.txt").unlink()
    (pool / "b.txt").symlink_to(tmp_path / "nowhere.txt")
    (pool / "lonely.txt").symlink_to(tmp_path / "nowhere.txt")
    out = tmp_path / "out"
    report = filter_dataset(pool, out, KEY, MaxP(1e-9))
    assert unreadable(out)["b.png"] == "sidecar unreadable: b.txt: a link to nothing"
    assert report.manifest["passed_over"] == 1
    (tmp_path / "nowhere.txt").write_text("here")
    assert filter_dataset(pool, out, KEY, MaxP(1e-9)).outputs[0].counts.kept == 2
    assert (out / "kept/b.txt").read_text() == "here"
    alone = open_reader(pool / "b.png").listing()
    (tmp_path / "nowhere.txt").unlink()
    assert open_reader(pool / "b.png").listing() == alone


def test_a_closed_folder_named_like_a_picture_is_one_record(pool):
    (pool / "closed.png").mkdir()
    (pool / "closed.png/inner.png").write_bytes(b"")
    (pool / "closed.png").chmod(0)
    try:
        found = [entry.id for entry in open_reader(pool).listing().entries() if entry.id.startswith("closed")]
    finally:
        (pool / "closed.png").chmod(0o700)
    if "closed.png/inner.png" in found:
        pytest.skip("this user reads everything")
    assert found == ["closed.png"]
