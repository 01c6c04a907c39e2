"""Crops of photographs: which part is learned from, and which is held out."""

import numpy as np
import pytest
from PIL import Image

from evaluator.sources import make_source
from hygiene.errors import ConfigurationError


@pytest.fixture
def folder(tmp_path):
    """Two pictures whose strips hold their own number, 16 columns each."""
    for name, height in (("a", 20), ("b", 30)):
        strips = np.repeat(np.arange(8, dtype=np.uint8), 16)
        Image.fromarray(np.tile(strips, (height, 1))).convert("RGB").save(tmp_path / f"{name}.png")
    return tmp_path


def test_no_square_of_one_half_shares_a_pixel_with_the_other(folder):
    source = make_source("crops", path=str(folder), size=10, count=60)
    assert source.shape == (10, 10, 3)
    for half, parity in ((source, 0), (source.held_out, 1)):
        assert half.rows.shape == (60, 300)
        assert set(np.unique(half.rows)) == {parity, parity + 2, parity + 4, parity + 6}


@pytest.mark.parametrize(("size", "strips"), [(16, 8), (17, 4), (20, 4)])
def test_large_squares_are_cut_out_of_wider_strips(folder, size, strips):
    source = make_source("crops", path=str(folder), size=size, count=60)
    for half, parity in ((source, 0), (source.held_out, 1)):
        columns = half.rows.reshape(60, size, size, 3)[:, 0, :, 0]
        assert set((columns * strips // 8 % 2).ravel()) == {parity}
        assert len(np.unique(columns[:, 0])) > 1


def test_the_seed_fixes_the_places(folder):
    same, again, other = (make_source("crops", path=str(folder), size=10, count=9, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(same.rows, again.rows)
    assert (same.rows != other.rows).any()


def test_without_a_folder_scikit_learns_photographs_are_cut():
    source = make_source("crops", size=40, count=4)
    assert source.rows.shape == (4, 4800)
    assert all(row.std() > 5 for row in source.rows)


def test_what_cannot_be_cut_is_refused(folder):
    with pytest.raises(ConfigurationError, match=r"a picture of 128×20 pixels .* need 42×21"):
        make_source("crops", path=str(folder), size=21)
    Image.new("RGB", (30, 99)).save(folder / "c.png")
    with pytest.raises(ConfigurationError, match=r"a picture of 30×99 pixels .* need 32×16"):
        make_source("crops", path=str(folder), size=16)
    with pytest.raises(ConfigurationError, match="crops take size 1 to 512"):
        make_source("crops", size=0)
    (folder / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    with pytest.raises(ConfigurationError, match=r"the picture 'c.png' cannot be read .*take it out"):
        make_source("crops", path=str(folder), size=10)
