"""Scores and manifests that survive stops, and folders that are claimed by one command for one input."""

import pyarrow.parquet as pq
import pytest

from hygiene import files, ledger
from hygiene.datasets import Shard
from hygiene.detectors.base import Detection, Unreadable
from hygiene.errors import ConfigurationError
from hygiene.records import Entry

ROWS = [
    Detection("a.png", "spread:12", -123.456789012345, 123.456789012345, {"generator": "g", "note": "é"}),
    Unreadable("b\udc80\udcff.png", "truncated: \udc80 ends early".replace("\udc80", "x")),
    Unreadable("c.jpg", "truncated: early", "generated", {"scheme": "IPTC"}),
    Detection("ü/日本\n\\u0041.png", "spread:12", 0.0, 0.0),
]


def test_scores_come_back_exactly_with_any_file_name(tmp_path):
    path = tmp_path / "scores/00000.parquet"
    ledger.write_scores(path, ROWS, "mark")
    assert ledger.read_scores(path, "mark") == ROWS
    assert ledger.read_log10_p(path).tolist() == [-123.456789012345, 0.0]
    assert [item.name for item in path.parent.iterdir()] == ["00000.parquet"]
    columns = pq.read_table(path).to_pydict()
    assert columns["log10_p"] == [-123.456789012345, None, None, 0.0]


def test_scores_of_something_else_are_not_used(tmp_path):
    path = tmp_path / "00000.parquet"
    assert ledger.read_scores(path, "mark") is None
    ledger.write_scores(path, ROWS, "mark")
    assert ledger.read_scores(path, "another mark") is None


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_torn_scores_are_not_used(tmp_path, share):
    path = tmp_path / "00000.parquet"
    ledger.write_scores(path, ROWS, "mark")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert ledger.read_scores(path, "mark") is None


def test_a_fingerprint_depends_on_listing_settings_and_software(monkeypatch):
    shard, other = Shard("0", (Entry("a", 1, 1),)), Shard("0", (Entry("a", 1, 2),))
    base = ledger.fingerprint(shard, {"key": "1"})
    assert base == ledger.fingerprint(Shard("7", shard.entries), {"key": "1"})
    different = [ledger.fingerprint(other, {"key": "1"}), ledger.fingerprint(shard, {"key": "2"})]
    monkeypatch.setattr("hygiene.images.BACKEND", "another decoder")
    different.append(ledger.fingerprint(shard, {"key": "1"}))
    assert len({base, *different}) == 4


def test_a_folder_is_claimed_by_one_command_for_one_input(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    assert ledger.claim(source, out, "filter") == {}
    files.write_json(out / ledger.MANIFEST, ledger.manifest("filter", source, {"complete": False}))
    assert ledger.claim(source, out, "filter")["complete"] is False
    with pytest.raises(ConfigurationError, match="not empty and no output of `hygiene tag`"):
        ledger.claim(source, out, "tag")
    (tmp_path / "other").mkdir()
    with pytest.raises(ConfigurationError, match="holds the output for"):
        ledger.claim(tmp_path / "other", out, "filter")


def test_an_output_has_one_writer_at_a_time(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    with ledger.locked(out, {}):
        with pytest.raises(ConfigurationError, match="another run is writing"), ledger.locked(out, {}):
            pytest.fail("two runs are writing")
        assert ledger.claim(source, out, "filter") == {}  # only the lock is there yet
        files.write_json(out / ledger.MANIFEST, {"complete": True})
    with pytest.raises(ConfigurationError, match="another run"), ledger.locked(out, {}):
        pytest.fail("that run began and ended after this one had looked")
    with ledger.locked(out, {"complete": True}):
        assert [path.name for path in out.iterdir() if not path.name.startswith(".")] == [ledger.MANIFEST]


def test_foreign_and_overlapping_folders_are_refused(tmp_path):
    source, foreign = tmp_path / "in", tmp_path / "foreign"
    (source / "sub").mkdir(parents=True)
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("mine")
    with pytest.raises(ConfigurationError, match="not empty"):
        ledger.claim(source, foreign, "tag")
    (foreign / ledger.MANIFEST).write_text('{"tool": "another"}')
    with pytest.raises(ConfigurationError, match="not empty"):
        ledger.claim(source, foreign, "tag")
    (tmp_path / "link").symlink_to(source, target_is_directory=True)
    for out in (source, source / "sub" / "new", tmp_path, tmp_path / "link" / "x", source / ".." / "in"):
        with pytest.raises(ConfigurationError, match="lie in each other"):
            ledger.claim(source, out, "tag")
    with pytest.raises(ConfigurationError, match="is a file"):
        ledger.claim(source, foreign / "thesis.tex", "tag")
