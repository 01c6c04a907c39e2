"""A network that was trained before is read, bit for bit, and only where nothing that it depends on has changed."""

from pathlib import Path

import numpy as np
import pytest

from evaluator.features import LeNet, cache
from evaluator.sources import Labelled, load_digits_halves

HALF = load_digits_halves(0)[0]
FEW = Labelled(HALF.rows[:200], HALF.labels[:200])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HYGIENE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for every network that was trained."""
    seen: list[int] = []
    train = LeNet._train
    monkeypatch.setattr(LeNet, "_train", lambda *arguments: (seen.append(1), train(*arguments)))
    return seen


def test_the_second_network_is_read_and_the_same(folder: Path, trained: list[int]) -> None:
    first, second = LeNet(FEW, epochs=2), LeNet(FEW, epochs=2)
    assert len(trained) == 1
    assert second.weights_digest == first.weights_digest
    np.testing.assert_array_equal(second(HALF.rows), first(HALF.rows))
    np.testing.assert_array_equal(second.classes(second(HALF.rows)), first.classes(first(HALF.rows)))
    assert [path.suffix for path in folder.iterdir()] == [".safetensors"]


@pytest.mark.parametrize(
    "change",
    [
        lambda: LeNet(FEW, seed=1, epochs=2),
        lambda: LeNet(FEW, epochs=3),
        lambda: LeNet(Labelled(FEW.rows + 1e-9, FEW.labels), epochs=2),
        lambda: LeNet(Labelled(FEW.rows, FEW.labels[::-1].copy()), epochs=2),
    ],
    ids=["seed", "epochs", "rows", "labels"],
)
def test_another_network_is_trained(folder: Path, trained: list[int], change) -> None:
    LeNet(FEW, epochs=2)
    change()
    assert len(trained) == 2


def test_another_version_is_trained(folder: Path, trained: list[int], tmp_path: Path, monkeypatch) -> None:
    LeNet(FEW, epochs=2)
    monkeypatch.setattr("torch.__version__", "99")
    LeNet(FEW, epochs=2)
    (tmp_path / "lenet.py").write_text("# changed\n")
    monkeypatch.setattr("evaluator.features.lenet.__file__", str(tmp_path / "lenet.py"))
    LeNet(FEW, epochs=2)
    assert len(trained) == 3


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-9], lambda data: data[:-1] + b"\x01"])
def test_a_damaged_file_is_replaced(folder: Path, trained: list[int], damage) -> None:
    first = LeNet(FEW, epochs=2)
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert LeNet(FEW, epochs=2).weights_digest == first.weights_digest
    assert path.read_bytes() == whole
    assert len(trained) == 2


def test_it_can_be_switched_off_and_does_without_a_folder(trained: list[int], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HYGIENE_CACHE", "off")
    assert cache.cache_folder() is None
    LeNet(FEW, epochs=1)
    (tmp_path / "file").touch()
    monkeypatch.setenv("HYGIENE_CACHE", str(tmp_path / "file"))
    LeNet(FEW, epochs=1)
    LeNet(FEW, epochs=1)
    assert len(trained) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_without_a_word_it_lies_where_caches_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HYGIENE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache.cache_folder() == Path("/somewhere/hygiene")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.cache_folder() == Path.home() / ".cache" / "hygiene"
