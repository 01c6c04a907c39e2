"""Files that are whole or absent."""

import json
import math

import pytest

from hygiene import files


def test_json_has_no_infinities(tmp_path):
    files.write_json(tmp_path / "a.json", {"x": [-math.inf, {"y": math.nan}], "z": (1.5,)})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": [None, {"y": None}], "z": [1.5]}
    assert files.read_json(tmp_path / "nothing.json") is None


def test_a_list_that_is_not_finished_does_not_replace_the_old_one(tmp_path):
    path = tmp_path / "kept.jsonl"
    with files.lines(path) as add:
        add({"id": "a\udc80"})
    with pytest.raises(TypeError, match="set"), files.lines(path) as add:
        add({"id": {"a set is no JSON"}})
    assert list(files.read_lines(path)) == [{"id": "a\udc80"}]
    assert [each.name for each in tmp_path.iterdir()] == ["kept.jsonl"]


def test_what_cannot_be_written_whole_leaves_nothing_behind(tmp_path):
    with pytest.raises(UnicodeEncodeError):
        files.write_text(tmp_path / "calibration.json", "begins well, and then: \udc80")
    assert list(tmp_path.iterdir()) == []
