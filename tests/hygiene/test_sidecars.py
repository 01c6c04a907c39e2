"""A caption that cannot be read costs neither its picture nor any other record: told by name, and healed by a rerun."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from hygiene.datasets import open_reader
from hygiene.detectors.provenance import ProvenanceDetector
from hygiene.keys import Key
from hygiene.pipeline import filter_dataset, score_dataset, tag_dataset
from hygiene.policies import MaxP
from hygiene.provenance import declare

KEY = Key(b"k" * 32)
UNREADABLE = Path("/proc/self/mem")  # a plain file that is opened by anyone and read by nobody, root included
REASON = "sidecar unreadable: b.txt: Input/output error"

pytestmark = pytest.mark.skipif(not UNREADABLE.is_file(), reason="needs Linux's /proc")


@pytest.fixture
def pool(tmp_path):
    """Three plain pictures with a caption each; that of b.png, which has metadata too, cannot be read."""
    folder = tmp_path / "pool"
    folder.mkdir()
    for name, y in (("a", 0), ("b", 100), ("c", 200)):
        Image.fromarray(data.astronaut()[y : y + 96, :96]).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text(f"caption {name}")
    (folder / "b.json").write_text("{}")
    break_caption(folder)
    return folder


def break_caption(folder):
    (folder / "b.txt").unlink()
    (folder / "b.txt").symlink_to(UNREADABLE)


def heal_caption(folder):
    (folder / "b.txt").unlink()
    (folder / "b.txt").write_text("caption b")


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def copies(out):
    places = [out / where for where in ("kept", "excluded", "unreadable")]
    return {place.name: sorted(path.name for path in place.glob("*")) for place in places if any(place.glob("*"))}


def counted(report):
    counts = report.outputs[0].counts
    return counts.kept, counts.total_excluded, dict(counts.unreadable)


WHOLE = {"kept": ["a.png", "a.txt", "b.json", "b.png", "b.txt", "c.png", "c.txt"]}
FLAWED = {"kept": ["a.png", "a.txt", "c.png", "c.txt"], "unreadable": ["b.json", "b.png"]}


def test_filtering_tells_the_record_and_copies_what_there_is_of_it(pool, tmp_path):
    out = tmp_path / "out"
    report = filter_dataset(pool, out, KEY, MaxP(1e-9))
    assert counted(report) == (2, 0, {"sidecar unreadable": 1})
    assert report.unreadable == 1
    assert report.manifest["outputs"][0]["unreadable_by_reason"] == {"sidecar unreadable": 1}
    assert lines(out / "unreadable.jsonl") == [{"id": "b.png", "reason": REASON}]
    assert [line["id"] for line in lines(out / "kept.jsonl")] == ["a.png", "c.png"]
    assert copies(out) == FLAWED
    assert (out / "unreadable/b.png").read_bytes() == (pool / "b.png").read_bytes()


def test_a_rerun_follows_the_caption_both_ways_without_scoring_again(pool, tmp_path):
    """No score says anything of a sidecar, so kept scores must not either."""
    out = tmp_path / "out"
    filter_dataset(pool, out, KEY, MaxP(1e-9))
    stored = (out / "scores/00000.parquet").stat().st_mtime_ns
    heal_caption(pool)
    assert counted(filter_dataset(pool, out, KEY, MaxP(1e-9))) == (3, 0, {})
    assert copies(out) == WHOLE
    break_caption(pool)
    assert counted(filter_dataset(pool, out, KEY, MaxP(1e-9))) == (2, 0, {"sidecar unreadable": 1})
    # The caption that an earlier run copied moves along with its picture.
    assert copies(out) == {"kept": FLAWED["kept"], "unreadable": ["b.json", "b.png", "b.txt"]}
    assert (out / "scores/00000.parquet").stat().st_mtime_ns == stored


def test_a_marked_picture_is_unreadable_for_its_caption_and_a_declared_one_excluded_all_the_same(pool, tmp_path):
    heal_caption(pool)
    tag_dataset(pool, tmp_path / "tagged", KEY)
    shutil.copy(tmp_path / "tagged/b.png", pool)
    break_caption(pool)
    assert counted(filter_dataset(pool, tmp_path / "marked", KEY, MaxP(1e-9))) == (2, 0, {"sidecar unreadable": 1})
    (pool / "b.png").write_bytes(declare((pool / "b.png").read_bytes()))
    out = tmp_path / "declared"
    report = filter_dataset(pool, out, [KEY, ProvenanceDetector()], MaxP(1e-9))
    assert counted(report) == (2, 1, {})
    (line,) = lines(out / "excluded.jsonl")
    assert (line["id"], line["reason"], line["declared"]) == ("b.png", REASON, "generated")
    assert copies(out) == {"kept": FLAWED["kept"], "excluded": ["b.json", "b.png"]}


def test_a_broken_picture_with_a_broken_caption_is_told_of_both(pool, tmp_path):
    (pool / "b.png").write_bytes(b"no picture")
    filter_dataset(pool, tmp_path / "out", KEY, MaxP(1e-9))
    (line,) = lines(tmp_path / "out/unreadable.jsonl")
    assert line["reason"].endswith(f"; {REASON}")
    assert copies(tmp_path / "out") == FLAWED


def test_several_outputs_and_lists_alone(pool, tmp_path):
    report = filter_dataset(pool, tmp_path / "out", KEY, {"strict": MaxP(1e-3), "lax": MaxP(1e-9)})
    assert [output.counts.total_unreadable for output in report.outputs] == [1, 1]
    assert copies(tmp_path / "out/strict") == copies(tmp_path / "out/lax") == FLAWED
    # Lists copy nothing, and scoring looks at pictures only.
    assert counted(filter_dataset(pool, tmp_path / "lists", KEY, MaxP(1e-9), lists_only=True)) == (3, 0, {})
    assert [type(row).__name__ for row in score_dataset(pool, KEY)] == ["Detection"] * 3


@pytest.mark.parametrize("copy_refused", [False, True])
def test_tagging_tells_the_record_and_tags_it_once_its_caption_can_be_read(pool, tmp_path, copy_refused):
    out = tmp_path / "out"
    report = tag_dataset(pool, out, KEY, copy_refused=copy_refused)
    assert (report.seen, report.tagged, dict(report.unreadable)) == (3, 2, {"sidecar unreadable": 1})
    assert lines(out / "tags.jsonl")[1] == {"id": "b.png", "outcome": "unreadable", "reason": REASON}
    assert not list(out.glob("b.*"))
    heal_caption(pool)
    report = tag_dataset(pool, out, KEY, copy_refused=copy_refused)
    assert (report.seen, report.tagged, dict(report.unreadable)) == (3, 3, {})
    assert (out / "b.txt").read_text() == "caption b"


def test_a_caption_that_went_away_during_the_run_is_told(pool):
    heal_caption(pool)
    reader = open_reader(pool)
    (shard,) = reader.listing().shards
    (pool / "b.txt").unlink()
    flaws = {record.id: record.flaw for record in reader.read(shard, sidecars=True)}
    assert flaws == {"a.png": "", "b.png": "sidecar unreadable: b.txt: gone", "c.png": ""}
