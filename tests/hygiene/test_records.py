"""Records are small, immutable, and never print their bytes."""

import dataclasses

import pytest

from hygiene.records import Entry, Record


def test_a_record_does_not_print_its_bytes():
    record = Record("a/b.png", b"secret pixels", {"a/b.txt": b"caption"})
    assert "secret" not in repr(record)
    assert "caption" not in repr(record)
    assert "a/b.png" in repr(record)


def test_records_and_entries_cannot_be_changed():
    for item in (Record("a.png", b""), Entry("a.png", 0, 0)):
        with pytest.raises(dataclasses.FrozenInstanceError):
            item.id = "b.png"
