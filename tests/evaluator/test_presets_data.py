"""Experiments on pictures: where they look for them, and what a user is told who has none."""

from pathlib import Path

import pytest

from evaluator.config import Choice
from evaluator.presets import PRESETS, Preset, data, make_preset
from evaluator.presets.data import mnist_or_like
from evaluator.presets.runner import run_preset
from hygiene.errors import ConfigurationError


@pytest.fixture
def pictured(monkeypatch):
    """An experiment that reads pictures, by the name `pictured`."""

    def made(scale, data=None):
        found = mnist_or_like(data, "digits" if scale == "small" else "")
        return Preset("pictured", found.told, {}, [], lambda measured: [], found.lacks)

    monkeypatch.setitem(PRESETS, "pictured", made)


def test_the_folder_that_is_given_is_read(tmp_path):
    for small in ("", "digits"):
        found = mnist_or_like(tmp_path, small, repeats=True)
        assert found.source == Choice("idx", {"path": str(tmp_path), "repeats": True})
        assert str(tmp_path) in found.told
        assert not found.lacks


def test_without_one_the_stand_in_says_that_it_stands_in(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "FASHION_MNIST", tmp_path)
    found = mnist_or_like(None)
    assert found.source == Choice("idx", {"path": str(tmp_path)})
    assert found.told.startswith("Fashion-MNIST")
    digits = mnist_or_like(None, "digits")
    assert digits.source == Choice("digits")
    assert mnist_or_like(None, "digits_oracle").source == Choice("digits_oracle")
    assert all("stands in for MNIST" in each.replace("stand ", "stands ") for each in (found.told, digits.told))


def test_what_lacks_data_is_made_and_not_run(pictured, tmp_path, monkeypatch):
    monkeypatch.setattr(data, "FASHION_MNIST", tmp_path / "nowhere")
    preset = make_preset("pictured", "paper")
    with pytest.raises(ConfigurationError, match="pictured at scale paper needs pictures: give --data FOLDER"):
        run_preset(preset, "paper", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not make_preset("pictured", "paper", tmp_path).lacks


def test_a_folder_that_is_not_there_and_one_that_is_not_asked_for(pictured, tmp_path):
    with pytest.raises(ConfigurationError, match="there is no nowhere: expected a folder"):
        make_preset("pictured", "small", Path("nowhere"))
    with pytest.raises(ConfigurationError, match=r"recall-u-curve reads no pictures.*: .*pictured"):
        make_preset("recall-u-curve", "small", tmp_path)
