"""Shards: the rows and classes that a folder of the same pictures gives, whatever lies around them in the archive."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import webdataset
from PIL import Image

from evaluator.config import LoopConfig
from evaluator.loop import run_loop
from evaluator.sources import make_source, shards
from evaluator.sources.squares import square
from hygiene.errors import ConfigurationError

RNG = np.random.default_rng(6)
PIXELS = [RNG.integers(0, 256, (9 + i, 12, 3), dtype=np.uint8) for i in range(8)]


def encoded(pixels: np.ndarray, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form)
    return file.getvalue()


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two shards of four samples; the second one was written first."""
    for shard in (1, 0):
        members: dict[str, bytes] = {"readme.md": b"about"}
        for i in range(4 * shard, 4 * shard + 4):
            members |= {f"train/{i:04d}.cls": str(i % 3).encode(), f"train/{i:04d}.png": encoded(PIXELS[i])}
        write_tar(tmp_path / f"shard-{shard}.tar", members)
    (tmp_path / "notes.txt").write_text("not a shard")
    return tmp_path


def rows(path: Path, **settings: object) -> np.ndarray:
    return make_source("shards", path=str(path), size=8, reference_share=0.0, **settings).rows


def test_rows_and_classes_come_in_the_order_of_the_shards(folder: Path) -> None:
    source = make_source("shards", path=str(folder), size=8, reference_share=0.0)
    np.testing.assert_array_equal(source.rows, [square(each, 8, "rgb") for each in PIXELS])
    assert source.labels.tolist() == [i % 3 for i in range(8)]
    assert source.shape == (8, 8, 3)
    np.testing.assert_array_equal(rows(folder / "shard-1.tar"), source.rows[4:])


def test_the_same_halves_as_a_folder_of_pictures(folder: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    for i, pixels in enumerate(PIXELS):
        (plain / f"{i:04d}.png").write_bytes(encoded(pixels))
    one = make_source("shards", path=str(folder), size=8, colour="grey", seed=3)
    other = make_source("images", path=str(plain), size=8, colour="grey", seed=3)
    np.testing.assert_array_equal(one.rows, other.rows)
    np.testing.assert_array_equal(one.held_out.rows, other.held_out.rows)


def test_every_format_and_ending(tmp_path: Path) -> None:
    members = {"a.JPG": encoded(PIXELS[0], "JPEG"), "b.webp": encoded(PIXELS[1], "WEBP"), "c.jpeg": b""}
    members |= {"c.jpeg": encoded(PIXELS[2], "JPEG"), "a.seg.png": b"another member of the sample a"}
    assert len(rows(write_tar(tmp_path / "x.tar", members))) == 3


def test_classes_in_json(tmp_path: Path) -> None:
    members = {}
    for i in range(3):
        members |= {f"{i}.png": encoded(PIXELS[i]), f"{i}.json": json.dumps({"kind": i, "text": "…"}).encode()}
    path = str(write_tar(tmp_path / "x.tar", members))
    source = make_source("shards", path=path, size=8, reference_share=0.0, label="kind")
    assert source.labels.tolist() == [0, 1, 2]
    assert make_source("shards", path=path, size=8).labels is None


def test_webdatasets_own_writer(tmp_path: Path) -> None:
    with webdataset.ShardWriter(str(tmp_path / "%03d.tar"), maxcount=3, verbose=0) as writer:
        for i, pixels in enumerate(PIXELS):
            writer.write({"__key__": f"{i:04d}", "png": pixels, "cls": i})
    source = make_source("shards", path=str(tmp_path), size=8, reference_share=0.0)
    np.testing.assert_array_equal(source.rows, [square(each, 8, "rgb") for each in PIXELS])
    assert source.labels.tolist() == list(range(8))


def test_names_are_no_paths_and_links_no_pictures(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar", {"../../up.png": encoded(PIXELS[0]), "/etc/abs.png": encoded(PIXELS[1])})
    with tarfile.open(path, "a") as tar:
        for kind, target in ((tarfile.SYMTYPE, "/etc/passwd"), (tarfile.LNKTYPE, "../../up.png")):
            link = tarfile.TarInfo(f"link{kind.decode()}.png")
            link.type, link.linkname = kind, target
            tar.addfile(link)
    np.testing.assert_array_equal(rows(path), [square(each, 8, "rgb") for each in PIXELS[:2]])
    assert [each.name for each in tmp_path.iterdir()] == ["x.tar"]


def test_members_that_claim_to_be_huge_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(shards.MAX_BYTES, "picture", 100)
    with pytest.raises(ConfigurationError, match=r"'a.png' has \d+ bytes, expected at most 100 of a picture"):
        rows(write_tar(tmp_path / "x.tar", {"a.png": encoded(PIXELS[0])}))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"a.txt": b"words"}, "holds no pictures: expected members ending in .jpg"),
        ({"a.png": encoded(PIXELS[0]), "a.jpg": b""}, "two pictures called 'a'"),
        ({"a.png": encoded(PIXELS[0]), "a.cls": b"cat"}, "the class of 'x.tar/a.png' cannot be read"),
        ({"a.png": encoded(PIXELS[0]), "a.cls": b"-1"}, "it is '-1', expected a whole number from 0"),
        ({"a.png": encoded(PIXELS[0]), "a.cls": b"true"}, "it is 'True', expected a whole number"),
        ({"a.png": encoded(PIXELS[0]), "a.json": b'{"label": "cat"}'}, "it is 'cat', expected a whole number"),
        ({"a.png": encoded(PIXELS[0]), "b.png": encoded(PIXELS[1]), "a.cls": b"1"}, "1 of 2 samples have a class"),
        ({"a.png": b"no picture"}, "1 of 1 pictures cannot be read, the first is 'x.tar/a.png'"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, members: dict[str, bytes], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        rows(write_tar(tmp_path / "x.tar", members))


def test_what_is_no_tar_file_is_refused(folder: Path, tmp_path: Path) -> None:
    whole = (folder / "shard-0.tar").read_bytes()
    for content in (b"", b"x" * 2000, whole[: len(whole) // 2 - 300]):
        (tmp_path / "bad.tar").write_bytes(content)
        with pytest.raises(ConfigurationError, match=r"bad.tar is no uncompressed tar file that can be read"):
            rows(tmp_path / "bad.tar")
    with tarfile.open(tmp_path / "packed.tar", "w:gz") as tar:
        tar.add(folder / "notes.txt", "a.png")
    with pytest.raises(ConfigurationError, match=r"packed.tar is no uncompressed tar file"):
        rows(tmp_path / "packed.tar")
    (tmp_path / "empty").mkdir()
    for absent in (tmp_path / "absent", tmp_path / "empty"):
        with pytest.raises(ConfigurationError, match=r"is no \.tar file, and no folder that holds any"):
            rows(absent)


def test_a_loop_learns_from_shards(folder: Path) -> None:
    config = LoopConfig.from_dict(
        {"loop": "fully_synthetic", "n_ini": 4, "n_s": 10, "generations": 2, "model": "pca_gaussian"}
        | {"source": {"name": "shards", "path": str(folder), "size": 8}, "metrics": {"class_counts": {}}}
    )
    assert [sum(step.metrics.values()) for step in run_loop(config)] == [10, 10]


def test_a_shard_that_ends_too_early_is_no_smaller_shard(folder: Path) -> None:
    """tarfile takes both for the end of the archive."""
    path = folder / "shard-0.tar"
    whole = path.read_bytes()
    with tarfile.open(path) as tar:
        at = tar.getmembers()[5].offset
    damaged = whole[: at + 10] + b"\xff" + whole[at + 11 :]
    for content in (whole[:at], whole[: at + 100], damaged):
        path.write_bytes(content)
        with pytest.raises(ConfigurationError, match=f"can be read .no end of the archive at byte {at}"):
            rows(folder)
    path.write_bytes(whole)
    assert len(rows(folder)) == 8
