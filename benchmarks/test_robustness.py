"""The pieces of `benchmarks.robustness` that a wrong table could come from."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import processings, robustness


def test_one_picture_of_every_set_of_sizes_and_no_other_files(tmp_path: Path) -> None:
    folder = tmp_path / "Lake" / "contents" / "images"
    folder.mkdir(parents=True)
    for width, height in ((64, 96), (128, 80)):
        Image.new("RGB", (width, height)).save(folder / f"{width}x{height}.png")
    (folder / "640x480.png").symlink_to("128x80.png")
    Image.new("RGB", (64, 64)).save(tmp_path / "flower.png")
    (tmp_path / "notes.txt").write_text("no picture")
    found = robustness.sources([tmp_path, tmp_path / "flower.png"])
    assert sorted(robustness.named(path) for path in found) == ["Lake", "flower"]
    assert {path.name for path in found} == {"128x80.png", "flower.png"}


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
    assert robustness.cell(np.array([-9.0, -8.9, -30.0, -100.0])).startswith("0.750 [0.19, 0.99]")
