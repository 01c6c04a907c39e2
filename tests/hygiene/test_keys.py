import os
import stat

import numpy as np
import pytest

from hygiene.errors import ConfigurationError, KeyFileError
from hygiene.keys import Key, load_key, new_key, write_key


def test_a_key_survives_its_file_and_the_file_is_private(tmp_path):
    key, path = new_key(), tmp_path / "k"
    write_key(key, path)
    assert load_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_file_is_never_overwritten(tmp_path):
    path = tmp_path / "k"
    write_key(new_key(), path)
    before = path.read_bytes()
    with pytest.raises(KeyFileError, match="never overwritten"):
        write_key(new_key(), path)
    assert path.read_bytes() == before


def test_a_full_disk_leaves_no_empty_key_file(tmp_path, monkeypatch):
    path, fdopen = tmp_path / "k", os.fdopen

    def full(descriptor, mode):
        os.close(descriptor)
        return fdopen(os.open("/dev/full", os.O_WRONLY), mode)

    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(KeyFileError, match=r"cannot write the key file .*: No space left on device"):
        write_key(new_key(), path)
    monkeypatch.undo()
    write_key(new_key(), path)
    load_key(path)


@pytest.mark.parametrize("content", ["", "zz", "ab" * 31, "ab" * 33, "é"])
def test_a_malformed_key_file_is_refused_without_showing_it(tmp_path, content):
    path = tmp_path / "k"
    path.write_text(content, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match="expected 64 hexadecimal digits") as caught:
        load_key(path)
    assert content == "" or content not in str(caught.value)


def test_a_readable_key_file_is_refused(tmp_path):
    path = tmp_path / "k"
    write_key(new_key(), path)
    os.chmod(path, 0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        load_key(path)


def test_a_missing_key_file_says_how_to_make_one(tmp_path):
    with pytest.raises(KeyFileError, match="hygiene keygen"):
        load_key(tmp_path / "none")


def test_the_secret_is_never_printed():
    key = Key(bytes(range(32)))
    for text in (repr(key), str(key), f"{key}", key.digest):
        assert key.secret.hex() not in text
        assert "\\x01" not in text


def test_subkeys_and_streams_differ_by_name_and_repeat():
    key = new_key()
    assert key.subkey("a") == key.subkey("a")
    assert len({key, key.subkey("a"), key.subkey("b"), new_key()}) == 4
    with pytest.raises(ConfigurationError, match="name is empty"):
        key.subkey("")
    draws = [key.random(purpose).standard_normal(4000) for purpose in ("a", "a", "b")]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert abs(np.corrcoef(draws[0], draws[2])[0, 1]) < 5 / np.sqrt(4000)
