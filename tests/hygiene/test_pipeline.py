"""Whole datasets on disk: what is promised about files, counts, stopping and continuing."""

import hashlib
import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from hygiene import engines, scoring, tagging
from hygiene.codecs.spread import Spread
from hygiene.detectors.base import Detection, Unreadable
from hygiene.detectors.keyed import KeyedDetector
from hygiene.detectors.public_marks import PublicMarks
from hygiene.errors import ConfigurationError, InfeasibleError
from hygiene.keys import Key
from hygiene.pipeline import calibrate, filter_dataset, score_dataset, tag_dataset
from hygiene.pipeline.tag import TAGS
from hygiene.policies import DeclaredOnly, Fdr, GiveBack, MaxP, TargetFpr, TargetRecall

KEY, OTHER = Key(b"k" * 32), Key(b"o" * 32)
FORMATS = [("png", {}), ("jpg", {"quality": 92}), ("webp", {"quality": 92})]


def save_pictures(root, count, seed, size=96):
    """`count` crops of photographs in turn as PNG, JPEG and WebP, every fourth one grey, some nested."""
    rng = np.random.default_rng(seed)
    photographs = [data.astronaut(), data.coffee(), data.chelsea()]
    for i in range(count):
        photograph = photographs[i % 3]
        y, x = (rng.integers(0, side - 2 * size) for side in photograph.shape[:2])
        image = Image.fromarray(photograph[y : y + 2 * size, x : x + 2 * size]).resize((size + i % 5, size))
        ending, options = FORMATS[i % 3]
        path = root / ("nested/deep" if i % 2 else ".") / f"{seed}-{i:03d}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        (image.convert("L") if i % 4 == 3 else image).save(path, **options)
        if i % 6 == 0:
            path.with_suffix(".txt").write_text(f"caption {i}")


def tree(root):
    """Relative path → digest of every visible file below `root`."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts)
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """30 tagged and 30 untagged pictures mixed in a pool, with two files that are no pictures."""
    root = tmp_path_factory.mktemp("world")
    save_pictures(root / "generated", 30, seed=1)
    save_pictures(root / "real", 30, seed=2)
    tag_dataset(root / "generated", root / "tagged", KEY)
    for part in ("tagged", "real"):
        for name in tree(root / part):
            if name not in ("manifest.json", "tags.jsonl"):
                target = root / "pool" / part / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes((root / part / name).read_bytes())
    (root / "pool/empty.png").write_bytes(b"")
    (root / "pool/text.jpg").write_text("not a picture")
    return root


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_tagging_keeps_names_formats_and_sidecars_and_is_found_again(world):
    manifest = json.loads((world / "tagged/manifest.json").read_text())
    assert manifest["complete"] is True
    assert (manifest["seen"], manifest["tagged"]) == (30, 30)
    outcomes = lines(world / "tagged/tags.jsonl")
    assert len(outcomes) == 30
    before, after = tree(world / "generated"), tree(world / "tagged")
    assert set(after) == set(before) | {"manifest.json", "tags.jsonl"}
    for name in before:
        assert (before[name] == after[name]) == name.endswith(".txt")
        if not name.endswith(".txt"):
            assert Image.open(world / "tagged" / name).format == Image.open(world / "generated" / name).format
    scored = {row.id: row.log10_p for row in score_dataset(world / "tagged", KEY)}
    for outcome in outcomes:
        assert outcome["log10_p"] == scored[outcome["id"]] <= -9
        assert 39 < outcome["psnr"] < 51
        assert outcome["bytes"] == (world / "tagged" / outcome["id"]).stat().st_size


def test_nothing_else_carries_the_mark(world):
    assert all(row.log10_p > -4 for row in score_dataset(world / "generated", KEY))
    assert all(row.log10_p > -4 for row in score_dataset(world / "tagged", OTHER))


def test_tagging_tagged_pictures_copies_them_byte_for_byte(world, tmp_path):
    report = tag_dataset(world / "tagged", tmp_path / "again", KEY)
    assert (report.tagged, report.already, report.seen) == (0, 30, 30)
    names = list(tree(world / "generated"))
    again, once = tree(tmp_path / "again"), tree(world / "tagged")
    assert [again[name] for name in names] == [once[name] for name in names]


def test_refused_pictures_are_left_out_unless_asked_for(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    Image.fromarray(noise).save(source / "noise.png")
    Image.fromarray(data.astronaut()[:96, :96]).convert("CMYK").save(source / "inks.jpg")
    Image.fromarray(data.astronaut()[:20, :200]).save(source / "small.png")
    Image.fromarray(data.astronaut()[:96, :96]).save(source / "fine.png")
    (source / "empty.png").write_bytes(b"")
    report = tag_dataset(source, tmp_path / "out", KEY)
    assert (report.seen, report.tagged, sum(report.refused.values())) == (5, 1, 3)
    assert report.unreadable == {"empty file": 1}
    assert set(report.refused) == {"CMYK", "too small", "no room"}
    assert set(tree(tmp_path / "out")) == {"fine.png", "manifest.json", "tags.jsonl"}
    tag_dataset(source, tmp_path / "all", KEY, copy_refused=True)
    copies = tree(tmp_path / "all")
    for name in ("noise.png", "inks.jpg", "small.png"):
        assert copies[name] == tree(source)[name]
    assert "empty.png" not in copies


def test_filtering_splits_byte_for_byte_and_adds_up(world, tmp_path):
    before = tree(world / "pool")
    report = filter_dataset(world / "pool", tmp_path / "out", KEY, MaxP(1e-9))
    assert tree(world / "pool") == before
    (output,) = report.outputs
    counts = output.counts
    assert (report.seen, counts.kept, counts.total_excluded, report.unreadable) == (62, 30, 30, 2)
    assert counts.excluded == {f"spread:{KEY.digest}": 30}
    assert counts.unreadable == {"empty file": 1, "not an image": 1}
    placed = {where: tree(tmp_path / "out" / where) for where in ("kept", "excluded", "unreadable")}
    assert {**placed["kept"], **placed["excluded"], **placed["unreadable"]} == before
    assert sum(map(len, placed.values())) == len(before)
    assert all(name.startswith("real/") for name in placed["kept"])
    assert all(name.startswith("tagged/") for name in placed["excluded"])
    assert set(placed["unreadable"]) == {"empty.png", "text.jpg"}
    excluded = lines(tmp_path / "out/excluded.jsonl")
    assert len(excluded) == 30
    assert set(excluded[0]) == {"id", "detector", "log10_p", "threshold", "excluded_by"}
    assert excluded[0]["threshold"] == pytest.approx(-9)
    reasons = {row["id"]: row["reason"] for row in lines(tmp_path / "out/unreadable.jsonl")}
    assert reasons["empty.png"] == "empty file"


def test_the_manifest_says_what_was_done_and_never_the_key(world, tmp_path):
    report = filter_dataset(world / "pool", tmp_path / "out", KEY, MaxP(1e-9))
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest == json.loads(json.dumps(report.manifest))
    assert manifest["complete"] is True
    assert manifest["detectors"] == [f"spread:{KEY.digest}"]
    (output,) = manifest["outputs"]
    assert output["policy"] == {"policy": "max_p", "max_p": 1e-9}
    assert output["max_log10_p"] == pytest.approx(-9)
    assert output["seen"] == output["kept"] + output["excluded"] + output["unreadable"] == manifest["seen"]
    for path in (tmp_path / "out").rglob("*.*"):
        if path.is_file():
            content = path.read_bytes()
            assert KEY.secret not in content
            assert KEY.secret.hex().encode() not in content


def counted(monkeypatch):
    """Counts the pictures that are scored from here on."""
    scored = []
    original = scoring._score
    monkeypatch.setattr(scoring, "_score", lambda item, task: scored.append(item.id) or original(item, task))
    return scored


def test_another_threshold_scores_nothing_anew_and_moves_the_copies(world, tmp_path, monkeypatch):
    filter_dataset(world / "pool", tmp_path / "out", KEY, MaxP(1e-9))
    scored = counted(monkeypatch)
    p = sorted(row["log10_p"] for row in lines(tmp_path / "out/excluded.jsonl"))
    report = filter_dataset(world / "pool", tmp_path / "out", KEY, MaxP(10 ** (p[9] + 1e-6)))
    assert scored == []
    assert (report.outputs[0].counts.total_excluded, report.outputs[0].counts.kept) == (10, 50)
    fresh = filter_dataset(world / "pool", tmp_path / "fresh", KEY, MaxP(10 ** (p[9] + 1e-6)))
    assert fresh.outputs[0].counts == report.outputs[0].counts
    for where in ("kept", "excluded", "unreadable"):
        assert tree(tmp_path / "out" / where) == tree(tmp_path / "fresh" / where)


def test_a_share_of_what_is_found_is_given_back_and_told(world, tmp_path, monkeypatch):
    filter_dataset(world / "pool", tmp_path / "out", KEY, MaxP(1e-9))
    found = {row["id"] for row in lines(tmp_path / "out/excluded.jsonl")}
    scored = counted(monkeypatch)
    report = filter_dataset(world / "pool", tmp_path / "out", KEY, GiveBack(MaxP(1e-9), 0.5))
    assert scored == []
    kept, excluded = lines(tmp_path / "out/kept.jsonl"), lines(tmp_path / "out/excluded.jsonl")
    back = {row["id"] for row in kept if row.get("given_back")}
    assert back | {row["id"] for row in excluded} == found
    assert not any("given_back" in row for row in excluded)
    (entry,) = report.manifest["outputs"]
    assert 5 < entry["given_back"] == len(back) == report.outputs[0].counts.given_back < 25
    assert (entry["kept"], entry["excluded"]) == (30 + len(back), 30 - len(back))
    assert entry["policy"] == {"policy": "max_p", "max_p": 1e-9, "give_back": 0.5}
    copies = {where: set(tree(tmp_path / "out" / where)) for where in ("kept", "excluded")}
    assert all(row["id"] in copies["kept"] - copies["excluded"] for row in kept)
    assert all(row["id"] in copies["excluded"] - copies["kept"] for row in excluded)
    fresh = filter_dataset(world / "pool", tmp_path / "fresh", KEY, GiveBack(MaxP(1e-9), 0.5), workers=2)
    assert fresh.outputs[0].counts == report.outputs[0].counts
    assert tree(tmp_path / "out/kept") == tree(tmp_path / "fresh/kept")


def test_what_files_say_alone_can_not_be_given_back():
    with pytest.raises(ConfigurationError, match="nothing is looked for but what files say"):
        GiveBack(DeclaredOnly(), 0.5)
    for share in (0.0, 1.0, math.nan):
        with pytest.raises(ConfigurationError, match=r"give_back .* out of range"):
            GiveBack(MaxP(1e-9), share)


def test_a_changed_pool_is_scored_where_it_changed(world, tmp_path, monkeypatch):
    pool = tmp_path / "pool"
    save_pictures(pool, 40, seed=3, size=40)
    filter_dataset(pool, tmp_path / "out", KEY, MaxP(1e-9))
    os.utime(pool / "3-038.webp", ns=(1, 1))
    scored = counted(monkeypatch)
    filter_dataset(pool, tmp_path / "out", KEY, MaxP(1e-9))
    assert "3-038.webp" in scored
    assert 0 < len(scored) <= 16
    scored.clear()
    filter_dataset(pool, tmp_path / "out", OTHER, MaxP(1e-9))
    assert len(scored) == 40


def test_a_torn_score_file_is_made_again(world, tmp_path, monkeypatch):
    first = filter_dataset(world / "pool", tmp_path / "out", KEY, MaxP(1e-9))
    torn = tmp_path / "out/scores/00001.parquet"
    torn.write_bytes(torn.read_bytes()[:-10])
    scored = counted(monkeypatch)
    again = filter_dataset(world / "pool", tmp_path / "out", KEY, MaxP(1e-9))
    assert len(scored) == 16
    assert again.outputs[0].counts == first.outputs[0].counts


@pytest.mark.parametrize("stop_at", [3, 20, 55])
def test_a_stopped_filter_continues_to_the_same_result(world, tmp_path, monkeypatch, stop_at):
    original, seen = scoring._score, []

    def stopping(item, task):
        seen.append(item.id)
        if len(seen) == stop_at:
            raise KeyboardInterrupt
        return original(item, task)

    with monkeypatch.context() as patch:
        patch.setattr(scoring, "_score", stopping)
        with pytest.raises(KeyboardInterrupt):
            filter_dataset(world / "pool", tmp_path / "out", KEY, MaxP(1e-9))
    assert json.loads((tmp_path / "out/manifest.json").read_text())["complete"] is False
    scored = counted(monkeypatch)
    report = filter_dataset(world / "pool", tmp_path / "out", KEY, MaxP(1e-9))
    assert len(scored) == 62 - 16 * ((stop_at - 1) // 16)
    assert report.outputs[0].counts.seen == 62
    placed = [tree(tmp_path / "out" / where) for where in ("kept", "excluded", "unreadable")]
    assert {**placed[0], **placed[1], **placed[2]} == tree(world / "pool")


def test_a_stopped_tag_continues_to_the_same_result(world, tmp_path, monkeypatch):
    original, seen = tagging._tag, []

    def stopping(item, task, sink):
        seen.append(item.id)
        if len(seen) == 20:
            raise KeyboardInterrupt
        return original(item, task, sink)

    with monkeypatch.context() as patch:
        patch.setattr(tagging, "_tag", stopping)
        with pytest.raises(KeyboardInterrupt):
            tag_dataset(world / "generated", tmp_path / "out", KEY)
    seen.clear()
    monkeypatch.setattr(tagging, "_tag", lambda item, *rest: seen.append(item.id) or original(item, *rest))
    tag_dataset(world / "generated", tmp_path / "out", KEY)
    assert len(seen) == 14  # the first shard of 16 was done
    done, expected = tree(tmp_path / "out"), tree(world / "tagged")
    for name in expected:
        if name != "manifest.json":
            assert done[name] == expected[name]


def test_a_picture_that_vanished_from_the_output_is_tagged_again(world, tmp_path):
    tag_dataset(world / "generated", tmp_path / "out", KEY)
    victim = tmp_path / "out" / lines(tmp_path / "out/tags.jsonl")[0]["id"]
    expected = victim.read_bytes()
    victim.unlink()
    tag_dataset(world / "generated", tmp_path / "out", KEY)
    assert victim.read_bytes() == expected


def test_two_workers_give_what_one_gives(world, tmp_path):
    reports = [filter_dataset(world / "pool", tmp_path / str(n), KEY, MaxP(1e-9), workers=n) for n in (1, 2)]
    assert reports[0].outputs[0].counts == reports[1].outputs[0].counts
    first, second = (
        {name: digest for name, digest in tree(tmp_path / str(n)).items() if name != "manifest.json"} for n in (1, 2)
    )
    assert {name: second[name] for name in first if "scores" not in name} == {
        name: digest for name, digest in first.items() if "scores" not in name
    }


def test_workers_finish_their_shards_when_the_user_stops():
    with engines.processes(2) as run:
        assert list(run(signal.raise_signal, [signal.SIGINT] * 3)) == [None] * 3


def test_a_lost_worker_is_reported():
    with pytest.raises(engines.WorkerLost, match=r"at work on 3 or 4; .*run the same"), engines.processes(2) as run:
        list(run(os._exit, [3, 4, 5, 6, 7]))


def test_workers_do_not_outlive_a_killed_parent(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal\nfrom hygiene import engines\nif __name__ == '__main__':\n"
        "    with engines.processes(2) as run:\n"
        "        list(run(abs, range(4)))\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen([sys.executable, script], env=environment, stdout=subprocess.PIPE)
    process.communicate(timeout=30)  # ends when nobody holds the pipe any more
    assert process.returncode == -signal.SIGKILL


def test_several_policies_share_one_scoring(world, tmp_path, monkeypatch):
    calibration = calibrate(world / "tagged", KEY, untagged=world / "real", processing="none").calibration
    assert (len(calibration.tagged), len(calibration.untagged)) == (30, 30)
    scored = counted(monkeypatch)
    levels = {f"recall-{r:g}": TargetRecall(r, calibration) for r in (0.5, 0.9)}
    report = filter_dataset(world / "pool", tmp_path / "out", KEY, levels)
    assert len(scored) == 62
    assert [output.folder for output in report.outputs] == [tmp_path / "out" / name for name in levels]
    half, most = (output.counts.total_excluded for output in report.outputs)
    assert 15 <= half < most
    assert most >= 27
    for name, output in zip(levels, report.outputs, strict=True):
        own = json.loads((tmp_path / "out" / name / "manifest.json").read_text())
        assert own["outputs"][0]["excluded"] == output.counts.total_excluded
        assert len(tree(tmp_path / "out" / name / "excluded")) >= output.counts.total_excluded
    assert [entry["folder"] for entry in report.manifest["outputs"]] == list(levels)


@pytest.mark.parametrize("name", ["../beside", "a/b", "..", "", "/tmp"])
def test_an_output_stays_in_its_folder(world, tmp_path, name):
    with pytest.raises(ConfigurationError, match="name of a folder in the output"):
        filter_dataset(world / "pool", tmp_path / "out", KEY, {name: MaxP(1e-6)})
    assert not tree(tmp_path)


def test_folders_may_be_named_by_text(world, tmp_path):
    tag_dataset(str(world / "real"), str(tmp_path / "tagged"), KEY)
    tagged = calibrate(str(tmp_path / "tagged"), KEY, untagged=str(world / "real")).calibration.tagged
    report = filter_dataset(str(tmp_path / "tagged"), str(tmp_path / "out"), KEY, MaxP(1e-6), lists_only=True)
    assert report.seen == len(tagged) == 30
    assert report.outputs[0].folder == tmp_path / "out"


def test_fdr_and_fpr_policies_run_on_a_pool(world, tmp_path):
    by_fdr = filter_dataset(world / "pool", tmp_path / "fdr", KEY, Fdr(0.01))
    assert by_fdr.outputs[0].counts.total_excluded == 30
    calibration = calibrate(world / "tagged", KEY, untagged=world / "real").calibration
    by_fpr = filter_dataset(world / "pool", tmp_path / "fpr", KEY, TargetFpr(0.2, calibration))
    assert by_fpr.outputs[0].counts.total_excluded >= 30


def test_what_cannot_be_met_is_refused_before_anything_is_scored(world, tmp_path, monkeypatch):
    calibration = calibrate(world / "tagged", KEY).calibration
    scored = counted(monkeypatch)
    with pytest.raises(InfeasibleError, match="299"):
        filter_dataset(world / "pool", tmp_path / "out", KEY, TargetRecall(0.99, calibration))
    with pytest.raises(ConfigurationError, match="the calibration is for"):
        filter_dataset(world / "pool", tmp_path / "out", OTHER, TargetRecall(0.9, calibration))
    with pytest.raises(ConfigurationError, match="the calibration is for"):
        filter_dataset(world / "pool", tmp_path / "out", OTHER, GiveBack(TargetRecall(0.9, calibration), 0.5))
    with pytest.raises(ConfigurationError, match="the calibration is for"):
        filter_dataset(world / "pool", tmp_path / "out", [KEY, PublicMarks()], TargetRecall(0.9, calibration))
    with pytest.raises(ConfigurationError, match=r"another version of hygiene .*: calibrate again"):
        filter_dataset(world / "pool", tmp_path / "out", KEY, TargetRecall(0.9, replace(calibration, rules=0)))
    assert scored == []
    assert not (tmp_path / "out").exists()


def test_lists_only_copies_nothing(world, tmp_path):
    report = filter_dataset(world / "pool", tmp_path / "out", KEY, MaxP(1e-9), lists_only=True)
    assert report.outputs[0].counts.kept == 30
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        ".hygiene",
        "manifest.json",
        "kept.jsonl",
        "excluded.jsonl",
        "unreadable.jsonl",
        "scores",
    }
    filter_dataset(world / "pool", tmp_path / "out", KEY, MaxP(1e-9))
    with pytest.raises(ConfigurationError, match="--lists-only needs another output folder"):
        filter_dataset(world / "pool", tmp_path / "out", KEY, MaxP(1e-9), lists_only=True)


def test_several_outputs_do_not_hide_a_single_one(world, tmp_path):
    filter_dataset(world / "pool", tmp_path / "out", KEY, MaxP(1e-9), lists_only=True)
    with pytest.raises(ConfigurationError, match="holds a single output"):
        filter_dataset(world / "pool", tmp_path / "out", KEY, {"a": MaxP(1e-6), "b": MaxP(1e-9)})


def test_pictures_that_left_the_input_are_not_left_behind_silently(tmp_path):
    pool = tmp_path / "pool"
    save_pictures(pool, 5, seed=4, size=64)
    filter_dataset(pool, tmp_path / "filtered", KEY, MaxP(1e-9))
    tag_dataset(pool, tmp_path / "tagged", KEY)
    (pool / "4-000.png").unlink()
    with pytest.raises(ConfigurationError, match="no longer in the pool"):
        filter_dataset(pool, tmp_path / "filtered", KEY, MaxP(1e-9))
    with pytest.raises(ConfigurationError, match="no longer in the input"):
        tag_dataset(pool, tmp_path / "tagged", KEY)
    (tmp_path / "tagged/4-000.png").unlink()
    assert tag_dataset(pool, tmp_path / "tagged", KEY).seen == 4


def test_pictures_that_share_a_sidecar_both_keep_it(world, tmp_path):
    pool = tmp_path / "pool"
    pool.mkdir()
    marked, plain = Image.open(world / "tagged/1-000.png"), Image.open(world / "real/2-000.png")
    marked.save(pool / "x.png")
    plain.convert("RGB").save(pool / "x.jpg")
    (pool / "x.txt").write_text("both")
    for limit in (1e-9, 1e-300, 1e-9):
        filter_dataset(pool, tmp_path / "out", KEY, MaxP(limit))
        kept, excluded = (set(tree(tmp_path / "out" / where)) for where in ("kept", "excluded"))
        if limit == 1e-9:
            assert (kept, excluded) == ({"x.jpg", "x.txt"}, {"x.png", "x.txt"})
        else:
            assert (kept, excluded) == ({"x.jpg", "x.png", "x.txt"}, set())


def test_other_settings_do_not_mix_into_one_output(world, tmp_path):
    save_pictures(tmp_path / "in", 3, seed=5, size=64)
    tag_dataset(tmp_path / "in", tmp_path / "out", KEY)
    with pytest.raises(ConfigurationError, match=f"key {KEY.digest} then, {OTHER.digest} now"):
        tag_dataset(tmp_path / "in", tmp_path / "out", OTHER)
    with pytest.raises(ConfigurationError, match=r"psnr not given then, 42\.0 now"):
        tag_dataset(tmp_path / "in", tmp_path / "out", KEY, psnr=42.0)
    with pytest.raises(ConfigurationError, match="holds the output for"):
        tag_dataset(world / "real", tmp_path / "out", KEY)


def test_names_that_tag_needs_itself_are_refused(tmp_path):
    save_pictures(tmp_path / "in", 1, seed=6, size=64)
    (tmp_path / "in/6-000.png").rename(tmp_path / "in/manifest.png")
    (tmp_path / "in/manifest.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="holds manifest"):
        tag_dataset(tmp_path / "in", tmp_path / "out", KEY)


def test_several_keys_and_the_price_of_looking_for_them(world):
    both = [KeyedDetector(Spread(), key) for key in (OTHER, KEY)]
    alone = {row.id: row for row in score_dataset(world / "tagged", KEY)}
    for row in score_dataset(world / "tagged", both):
        assert row.detector == f"spread:{KEY.digest}"
        assert row.log10_p == pytest.approx(alone[row.id].log10_p + math.log10(2))
    with pytest.raises(ConfigurationError, match="each once"):
        list(score_dataset(world / "tagged", [KEY, KEY]))


def test_progress_counts_every_record(world):
    seen = []
    items = list(score_dataset(world / "pool", KEY, progress=lambda *now: seen.append(now)))
    assert seen == [("score", 16, 62), ("score", 32, 62), ("score", 48, 62), ("score", 62, 62)]
    assert [item.id for item in items] == sorted(item.id for item in items)
    assert sum(isinstance(item, Unreadable) for item in items) == 2
    assert sum(isinstance(item, Detection) for item in items) == 60


def test_calibrating_on_nothing_readable_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.png").write_bytes(b"")
    with pytest.raises(ConfigurationError, match="no readable picture"):
        calibrate(tmp_path / "in", KEY)


def test_the_report_reads_well(world, tmp_path):
    report = tag_dataset(world / "generated", tmp_path / "out", KEY)
    assert repr(report) == "TagReport(seen=30, tagged=30, already=0, refused={}, unreadable={})"
    assert TAGS in tree(tmp_path / "out")
