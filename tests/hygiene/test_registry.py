"""The file that names payloads."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from hygiene.errors import ConfigurationError
from hygiene.payloads import Payload
from hygiene.registry import Entry, find, load_registry, register


def test_what_is_registered_is_found_by_payload_and_by_name(tmp_path):
    path = tmp_path / "new/generators.json"
    third = register(path, Entry("painter", 3, "2026-03-01"), 32)
    fourth = register(path, Entry("painter", 4), 64)
    other = register(path, Entry("other"), 48)
    registry = load_registry(path)
    assert registry == {third: Entry("painter", 3, "2026-03-01"), fourth: Entry("painter", 4), other: Entry("other")}
    assert [third.bits, fourth.bits, other.bits] == [32, 64, 48]
    assert find(registry, "painter") == fourth
    assert find(registry, str(third)) == third
    assert registry[third].as_finding() == {"name": "painter", "generation": 3, "date": "2026-03-01"}
    assert registry[other].as_finding() == {"name": "other"}


def test_a_generation_is_registered_once_and_the_file_is_left_alone(tmp_path):
    path = tmp_path / "generators.json"
    payload = register(path, Entry("painter", 3), 32)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=f"generation 3 of painter already: payload {payload}"):
        register(path, Entry("painter", 3, "2026-03-01"), 32)
    assert path.read_bytes() == before


def test_of_those_that_register_at_once_none_is_forgotten(tmp_path):
    path = tmp_path / "generators.json"
    with ThreadPoolExecutor(8) as pool:  # locks hold between open files, so threads stand for processes
        made = list(pool.map(lambda number: register(path, Entry("painter", number), 32), range(40)))
    assert set(load_registry(path)) == set(made)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is not a registry"),
        ("[]", "expected an object"),
        ('{"0000002a": {"name": "a"}, "0000002a": {"name": "b"}}', "stands in it twice"),
        ('{"2a": {"name": "a"}}', "hexadecimal"),
        ('{"0000002a": "a"}', "expected name"),
        ('{"0000002a": {"generation": 1}}', "expected name"),
        ('{"0000002a": {"name": "a", "generation": true}}', "whole number"),
        ('{"0000002a": {"name": "a", "generation": -1}}', "0 or more"),
        ('{"0000002a": {"name": "a", "date": "yesterday"}}', "expected a day"),
        ('{"0000002a": {"name": "a\\u001b[2J"}}', "printable"),
        ('{"0000002a": {"name": "a", "payload": "x"}}', "expected name"),
    ],
)
def test_a_file_that_is_no_registry_is_refused_by_name(tmp_path, content, says):
    path = tmp_path / "generators.json"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=says) as caught:
        load_registry(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(ConfigurationError, match="hygiene register"):
        load_registry(tmp_path / "nothing.json")


def test_names_and_payloads_that_are_not_registered(tmp_path):
    registry = {Payload(42, 32): Entry("painter")}
    with pytest.raises(ConfigurationError, match="the registry names painter"):
        find(registry, "sculptor")
    with pytest.raises(ConfigurationError, match="0000002b is not in the registry"):
        find(registry, "0000002b")
    assert json.dumps(registry[Payload(42, 32)].as_finding()) == '{"name": "painter"}'
