"""The pieces of `benchmarks.robustness` that a wrong table could come from."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import (
    measurements,
    photographs,
    processings,
    qt_resources,
    reach,
    repeated,
    robustness,
    robustness_tables,
)


def test_one_picture_of_every_set_of_sizes_and_no_other_files(tmp_path: Path) -> None:
    folder = tmp_path / "Lake" / "contents" / "images"
    folder.mkdir(parents=True)
    for width, height in ((64, 96), (128, 80)):
        Image.new("RGB", (width, height)).save(folder / f"{width}x{height}.png")
    (folder / "640x480.png").symlink_to("128x80.png")
    Image.new("RGB", (64, 64)).save(tmp_path / "flower.png")
    (tmp_path / "notes.txt").write_text("no picture")
    found = robustness.sources([tmp_path, tmp_path / "flower.png"])
    assert sorted(robustness.named(source) for source in found) == ["Lake", "flower"]
    assert {Path(source).name for source in found} == {"128x80.png", "flower.png"}


def test_held_out_pictures_have_names_of_their_own_and_none_is_drawn() -> None:
    kinds = [
        [path for paths in packages.values() for path in photographs.expanded(paths)]
        for packages in (photographs.HELD_OUT, photographs.DRAWN)
    ]
    names = [robustness.named(str(photographs.ROOT / path)) for kind in kinds for path in kind]
    assert len(names) == len(set(names)) == 198
    assert len(kinds[0]) == 171
    assert photographs.expanded("a/{b,c}.png\n d.jpg") == ["a/b.png", "a/c.png", "d.jpg"]


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photographs, "ROOT", tmp_path)
    (tmp_path / "here.png").touch()
    with pytest.raises(SystemExit, match=r"apt-get install b-pictures \(Debian"):
        photographs.listed({"a-pictures": "here.png", "b-pictures": "a.rcc/away.webp"})


def test_a_picture_is_read_out_of_a_qt_resource_file(tmp_path: Path) -> None:
    """Version 1: a root folder with two files, x/a and x/bb."""
    names, at = b"", []
    for name in ("", "a", "bb"):
        at.append(len(names))
        names += struct.pack(">HI", len(name), 0) + name.encode("utf-16-be")
    data = struct.pack(">I", 3) + b"one" + struct.pack(">I", 5) + b"three"
    tree = struct.pack(">IHII", at[0], qt_resources.FOLDER, 2, 1)
    tree += struct.pack(">IHII", at[1], 0, 0, 0) + struct.pack(">IHII", at[2], 0, 0, 7)
    header = b"qres" + struct.pack(">4I", 1, 20, 20 + len(tree), 20 + len(tree) + len(data))
    (tmp_path / "few.rcc").write_bytes(header + tree + data + names)
    assert qt_resources.read(tmp_path / "few.rcc", "/bb") == b"three"
    assert qt_resources.read(tmp_path / "few.rcc", "/a") == b"one"
    with pytest.raises(FileNotFoundError, match="holds no /b"):
        qt_resources.read(tmp_path / "few.rcc", "/b")


class Counting:
    """A codec that is quick, marks nothing, and counts how often it is asked."""

    name, version = "counting", "1"

    def __init__(self) -> None:
        self.scored = 0

    def embed(self, pixels: robustness.Pixels, seed: int) -> robustness.Pixels:
        return pixels

    def log10_p(self, processed: Image.Image | bytes, seed: int, search: str) -> float:
        self.scored += 1
        return -float(self.scored)


def test_a_run_goes_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    Image.new("RGB", (96, 64)).save(tmp_path / "one.png")
    Image.new("RGB", (48, 48)).save(tmp_path / "small.png")
    codec, path = Counting(), tmp_path / "rows.jsonl"
    sources = robustness.sources([tmp_path])

    def rows(*names: str, version: str = "1") -> list[measurements.Row]:
        codec.version = version
        tasks = [robustness.Task(source, 64, "as it is", codec, names) for source in sources]
        return robustness.run(tasks, 1, path)

    assert rows("none")[0].log10_p == {"none": -1}
    (both,) = rows("none", "greyscale")
    assert both.log10_p == {"none": -1, "greyscale": -2}
    assert both.picture == "one"
    assert rows("none", "greyscale") == [both]
    assert codec.scored == 2
    assert rows("none", version="2")[0].log10_p == {"none": -3}


def test_upright_cuts_are_three_by_four_and_from_the_middle() -> None:
    wide = Image.new("L", (400, 200))
    wide.paste(255, (125, 0, 275, 200))
    upright = robustness.shaped(wide, "upright 3:4")
    assert upright.size == (150, 200)
    assert upright.getextrema() == (255, 255)
    assert robustness.shaped(upright, "upright 3:4").size == (150, 200)


@pytest.mark.parametrize("degrees", [3, 10, 15])
@pytest.mark.parametrize("size", [(512, 300), (300, 512), (256, 256)])
def test_a_rotation_leaves_no_corner_empty(degrees: int, size: tuple[int, int]) -> None:
    turned = processings.rotated(degrees)(Image.new("L", size, 255), np.random.default_rng(0))
    assert isinstance(turned, Image.Image)
    assert turned.getextrema() == (255, 255)
    assert turned.width / turned.height == pytest.approx(size[0] / size[1], rel=0.03)


@pytest.mark.parametrize("share", [0.9, 0.5, 0.25])
def test_crops_keep_their_share_of_the_area_and_lie_anywhere(share: float) -> None:
    picture = Image.fromarray(np.arange(200 * 120, dtype=np.int32).reshape(120, 200))
    rng = np.random.default_rng(1)
    parts = [processings.part_of(picture, share, rng) for _ in range(8)]
    assert all(part.width * part.height == pytest.approx(share * 24000, rel=0.02) for part in parts)
    assert len({part.getpixel((0, 0)) for part in parts}) > 4


def test_a_cell_counts_what_lies_at_or_under_one_in_a_thousand_million() -> None:
    rows = [
        measurements.Row(str(p), 64, "as it is", "any", "1", 45.0, 0.99, 0.0, {"none": p}, {"none": 0.0})
        for p in (-9.0, -8.9, -30.0, -2.0)
    ]
    found = list(robustness_tables.table(rows, [processings.PROCESSINGS[0]]))[-1]
    assert found == "| none | fast | 0.750 [0.19, 0.99] | 0.750 [0.19, 0.99] | 0.500 [0.07, 0.93] | -9 |"


def test_the_short_table_gives_the_worst_of_a_group_and_knows_only_processings_that_there_are() -> None:
    rows = [
        measurements.Row("x", 64, "as it is", "any", "1", 45.0, 0.99, 0.0, {"noise σ 10": -20, "blur σ 2": p}, {})
        for p in (-20, -20, -20, -3)
    ]
    assert reach.least(rows, ("noise σ 10", "blur σ 2")) == "0.750 [0.19, 0.99] (blur σ 2)"
    assert reach.least(rows, ("JPEG 90",)) == "–"
    known = {each.name for each in processings.PROCESSINGS}
    assert all(set(names) <= known for _, names in reach.GROUPS.values())
    assert set(robustness.SLOW["rivaGan"]) <= known


def test_a_pair_of_keys_is_as_good_as_the_worse_of_them() -> None:
    rows = [repeated.Measured([], [], [], [[first, second]] * len(repeated.AFTER)) for first, second in PAIRS]
    found = list(repeated.pairs(rows))[-1]
    assert [each[:5] for each in found.split(" | ")[1:]] == ["0.750", "0.500", "0.250"]


PAIRS = [(-9.0, -30.0), (-4.4, -100.0), (-5.0, -4.5), (-8.0, -6.0)]


def test_tagging_again_leaves_a_picture_as_it_is_unless_the_mark_cannot_be_seen() -> None:
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(40, 216, (24, 32, 3), dtype=np.uint8)).resize(
        (341, 256), Image.Resampling.BICUBIC
    )
    tagged = repeated.CODEC.embed(np.asarray(smooth), 1)
    assert repeated.retagged(tagged, 1, "JPEG 75") == np.inf
    assert 40 < repeated.retagged(tagged, 2, "none") < repeated.SAME
