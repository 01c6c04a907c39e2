"""Payloads on the command line: register a generator, tag with its payload, read its name."""

import json
import os

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from skimage import data

from cli.main import main
from hygiene.keys import Key, write_key


def call(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def shop(tmp_path):
    """The current folder, with a key, a registry of two generators, and two pictures, one hardly with room."""
    (tmp_path / "generated").mkdir()
    Image.fromarray(data.coffee()[:300, :300]).save(tmp_path / "generated/coffee.png")
    noise = np.random.default_rng(8).integers(60, 190, (64, 64), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "generated/noise.png")
    before = os.getcwd()
    os.chdir(tmp_path)
    write_key(Key(b"shop" * 8), tmp_path / "my.key")  # the same at every run: 64 pixels of noise are near their limit
    for arguments in (("other", "--bits", 64, "--date", "2026-03-01", "--generation", 3), ("painter",)):
        code, out, err = call("register", "generators.json", *arguments)
        assert code == 0
        assert out.strip() in err
    yield tmp_path
    os.chdir(before)


def tag(*arguments):
    return call("tag", "generated", "tagged", "--key", "my.key", "--workers", 1, *arguments)


def test_the_name_of_the_generator_comes_back(shop):
    code, out, _ = tag("--payload", "other", "--registry", "generators.json", "--format", "json")
    manifest = json.loads(out)
    assert (code, manifest["tagged"], manifest["with_payload"]) == (0, 2, 1)
    payload = next(iter(json.loads((shop / "generators.json").read_text())))
    assert manifest["settings"]["payload"] == payload
    lines = {line["id"]: line for line in map(json.loads, (shop / "tagged/tags.jsonl").read_text().splitlines())}
    assert lines["coffee.png"]["payload"] == payload
    assert "payload" not in lines["noise.png"]

    code, out, _ = call("detect", "tagged", "--key", "my.key", "--registry", "generators.json", "--workers", 1)
    found = {line["id"]: line for line in map(json.loads, out.splitlines())}
    expected = {"payload": payload, "name": "other", "generation": 3, "date": "2026-03-01"}
    assert expected.items() <= found["coffee.png"].items()
    assert found["noise.png"]["found"]
    assert "name" not in found["noise.png"]


def test_without_a_registry_the_bits_are_read_on_request_only(shop):
    code, out, _ = tag("--payload", "0000002a")
    assert code == 0
    assert "of them with this payload  1" in out
    for options, expected in ((("--payload",), "yes (payload 0000002a)"), ((), "yes")):
        code, out, _ = call("detect", "tagged/coffee.png", "--key", "my.key", "--format", "table", *options)
        assert code == 0
        assert out.splitlines()[1].split(maxsplit=2)[2] == expected
    code, out, _ = call("detect", "tagged/coffee.png", "--key", "my.key", "--registry", "generators.json")
    line = json.loads(out)
    assert line["payload"] == "0000002a"
    assert "name" not in line


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--payload", "2a"), "8, 12 or 16 hexadecimal digits"),
        (("--payload", "sculptor", "--registry", "generators.json"), "the registry names other, painter"),
        (("--payload", "0000002a", "--registry", "generators.json"), "is not in the registry"),
        (("--registry", "generators.json"), "without --payload"),
        (("--payload", "painter", "--registry", "nothing.json"), "hygiene register nothing.json"),
    ],
)
def test_a_wrong_payload_is_one_line_and_nothing_is_written(shop, arguments, says):
    code, out, err = tag(*arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
    assert not (shop / "tagged").exists()


def test_another_payload_is_another_output(shop):
    assert tag("--payload", "0000002a")[0] == 0
    code, _, err = tag("--payload", "0000002b")
    assert code == 2
    assert "tagged" in err


def test_the_same_generation_twice_is_refused(shop):
    code, out, err = call("register", "generators.json", "other", "--generation", 3)
    assert (code, out) == (2, "")
    assert "already" in err


def test_two_keys_are_tagged_found_calibrated_and_filtered_together(shop):
    assert tag("--two-keys")[0] == 0
    for options, found in (((), 2), (("--two-keys",), 2)):
        code, out, _ = call("detect", "tagged", "--key", "my.key", "--workers", 1, *options)
        assert code == 0
        assert sum(json.loads(line)["found"] for line in out.splitlines()) == found
    assert call("calibrate", "tagged", "calibration.json", "--key", "my.key", "--two-keys", "--workers", 1)[0] == 0
    assert "spread-two-keys:" in (shop / "calibration.json").read_text()
    assert call("tag", "generated", "once", "--key", "my.key", "--workers", 1)[0] == 0
    code, out, _ = call(
        "filter", "once", "kept", "--key", "my.key", "--two-keys", "--max-p", "1e-9", "--workers", 1, "--format", "json"
    )
    assert (code, json.loads(out)["outputs"][0]["excluded"]) == (0, 0)
    code, _, err = call("tag", "generated", "tagged", "--key", "my.key", "--workers", 1)
    assert (code, "two_keys on then" in err) == (2, True)
