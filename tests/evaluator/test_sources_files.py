"""Real data from files: IDX and pictures, read as they are, cut as said, and refused in one line."""

import gzip
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from evaluator.sources import idx as idx_module
from evaluator.sources import make_source
from evaluator.sources.images import classes_of
from evaluator.sources.squares import square
from hygiene.errors import ConfigurationError

FASHION = Path("/usr/share/datasets/fashion-mnist")


def as_idx(array: NDArray[np.uint8]) -> bytes:
    """As the format's author describes it: two zeros, 8 for unsigned bytes, the dimensions, big-endian sizes."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def pictures(seed: int, n: int) -> NDArray[np.uint8]:
    return np.random.default_rng([61, seed]).integers(0, 256, (n, 6, 5), dtype=np.uint8)


def write_idx(folder: Path, packed: bool) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """30 training and 20 test pictures, the last two of which are training pictures too; returns both."""
    training, test = pictures(0, 30), pictures(1, 20)
    test[18:] = training[:2]
    labels = np.arange(50, dtype=np.uint8) % 3
    files = {"train-images-idx3": training, "train-labels-idx1": labels[:30]}
    files |= {"t10k-images-idx3": test, "t10k-labels-idx1": labels[30:]}
    for name, array in files.items():
        data = as_idx(array)
        (folder / f"{name}-ubyte{'.gz' * packed}").write_bytes(gzip.compress(data) if packed else data)
    return training, test


def in_order(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return rows[np.lexsort(rows.T)]


class TestIdx:
    @pytest.mark.parametrize("packed", [False, True])
    def test_pictures_labels_and_the_held_out_half(self, tmp_path: Path, packed: bool) -> None:
        training, test = write_idx(tmp_path, packed)
        source = make_source("idx", path=str(tmp_path))
        assert (source.shape, source.dimension) == ((6, 5), 30)
        rows, labels = source.labelled
        np.testing.assert_array_equal(rows, training.reshape(30, 30) / 255)
        np.testing.assert_array_equal(labels, np.arange(30) % 3)
        drawn = source.draw(30, np.random.default_rng(0))
        np.testing.assert_array_equal(in_order(drawn), in_order(rows))
        held_out, other_labels = source.held_out.labelled
        np.testing.assert_array_equal(held_out, test[:18].reshape(18, 30) / 255)  # without the two copies
        np.testing.assert_array_equal(other_labels, np.arange(30, 48) % 3)

    def test_a_folder_without_labels_or_test_half(self, tmp_path: Path) -> None:
        (tmp_path / "train-images.idx3-ubyte").write_bytes(as_idx(pictures(0, 4)))
        source = make_source("idx", path=str(tmp_path))
        assert source.labelled is None
        assert source.held_out is None

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"", "unpack requires"),
            (b"\x89PNG\r\n\x1a\n", "starts with 8950"),
            (struct.pack(">HBBI", 0, 0x0D, 1, 1) + b"\0" * 4, "starts with 00000d01"),
            (struct.pack(">HBB", 0, 8, 3) + b"\0\0", "unpack requires"),
            (struct.pack(">HBB3I", 0, 8, 3, 2, 2, 2) + b"1234567", "holds 7 bytes"),
            (struct.pack(">HBB3I", 0, 8, 3, 2, 2, 2) + b"123456789", "holds more"),
            (struct.pack(">HBB3I", 0, 8, 3, 0, 2, 2), "expected 1 to"),
            (struct.pack(">HBB3I", 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1), "expected 1 to"),
            (gzip.compress(as_idx(pictures(0, 9)))[:-12], "ended before"),
            (b"\x1f\x8b" + b"\7" * 30, "nknown compression method"),
        ],
    )
    def test_what_is_no_idx_is_refused(self, tmp_path: Path, data: bytes, message: str) -> None:
        (tmp_path / "train-images-idx3-ubyte").write_bytes(data)
        with pytest.raises(ConfigurationError, match=rf"is no IDX file of unsigned bytes .*{message}"):
            make_source("idx", path=str(tmp_path))

    def test_reading_stops_where_the_header_says(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        bomb = as_idx(np.zeros(10, dtype=np.uint8)) + bytes(200 << 20)  # 200 MB of zeros in 200 kB
        (tmp_path / "bomb").write_bytes(gzip.compress(bomb, 9))
        read: list[int] = []
        plain = gzip.GzipFile.read
        monkeypatch.setattr(gzip.GzipFile, "read", lambda file, n=-1: read.append(n) or plain(file, n))
        with pytest.raises(ConfigurationError, match="it holds more"):
            idx_module.read_idx(tmp_path / "bomb")
        assert read == [4, 4, 10, 1]

    def test_files_that_do_not_fit_together_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="no train-images-idx3-ubyte"):
            make_source("idx", path=str(tmp_path))
        write_idx(tmp_path, packed=False)
        (tmp_path / "train-labels-idx1-ubyte").write_bytes(as_idx(np.zeros(29, dtype=np.uint8)))
        with pytest.raises(ConfigurationError, match="expected one label for 30 pictures"):
            make_source("idx", path=str(tmp_path))
        write_idx(tmp_path, packed=False)
        (tmp_path / "t10k-images-idx3-ubyte").write_bytes(as_idx(np.zeros((20, 5, 5), dtype=np.uint8)))
        with pytest.raises(ConfigurationError, match=r"are \(6, 5\), those of t10k \(5, 5\)"):
            make_source("idx", path=str(tmp_path))
        (tmp_path / "train-images-idx3-ubyte").write_bytes(as_idx(np.zeros(7, dtype=np.uint8)))
        with pytest.raises(ConfigurationError, match=r"expected pictures \[n, h, w\]"):
            make_source("idx", path=str(tmp_path))

    @pytest.mark.skipif(not FASHION.is_dir(), reason="no Fashion-MNIST: apt-get install dataset-fashion-mnist")
    def test_fashion_mnist_as_debian_has_it(self) -> None:
        source = make_source("idx", path=str(FASHION))
        assert (len(source.rows), len(source.held_out.rows), source.shape) == (60_000, 10_000, (28, 28))
        np.testing.assert_array_equal(np.bincount(source.labels), np.full(10, 6000))
        np.testing.assert_array_equal(np.bincount(source.held_out.labels), np.full(10, 1000))
        assert source.draw(500, np.random.default_rng(0)).mean() == pytest.approx(0.286, abs=0.02)  # the known mean


def save(path: Path, pixels: NDArray[np.generic], **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """12 cats and 12 dogs of different sizes; two cats are the same picture."""
    rng = np.random.default_rng(62)
    for kind in ("dog", "cat"):
        for i in range(12):
            save(tmp_path / kind / f"{i:02d}.png", rng.integers(0, 256, (9 + i, 12, 3), dtype=np.uint8))
    (tmp_path / "cat" / "11.png").write_bytes((tmp_path / "cat" / "00.png").read_bytes())
    return tmp_path


class TestImages:
    def test_halves_labels_and_shapes(self, folder: Path) -> None:
        source = make_source("images", path=str(folder), size=8, reference_share=0.25)
        assert (source.shape, source.dimension, len(source.rows)) == ((8, 8, 3), 192, 18)
        assert 5 <= len(source.held_out.rows) <= 6
        assert set(source.labels) == {0, 1}
        everything = np.concatenate([source.rows, source.held_out.rows])
        assert len(np.unique(everything, axis=0)) == 23
        known = {}
        for number, kind in enumerate(("cat", "dog")):
            for path in (folder / kind).iterdir():
                known[square(np.asarray(Image.open(path)), 8, "rgb").tobytes()] = number
        assert [known[row.tobytes()] for row in source.rows] == list(source.labels)

    @pytest.mark.parametrize("seed", range(12))
    def test_copies_never_stand_in_both_halves(self, folder: Path, seed: int) -> None:
        source = make_source("images", path=str(folder), size=8, seed=seed)
        both = {row.tobytes() for row in source.rows} & {row.tobytes() for row in source.held_out.rows}
        assert not both

    def test_the_seed_fixes_the_halves(self, folder: Path) -> None:
        one, same, other = (make_source("images", path=str(folder), size=8, seed=seed) for seed in (1, 1, 2))
        np.testing.assert_array_equal(one.rows, same.rows)
        assert not np.array_equal(one.rows, other.rows)

    def test_everything_to_learn_from(self, folder: Path) -> None:
        source = make_source("images", path=str(folder), size=8, reference_share=0.0)
        assert len(source.rows) == 24
        assert source.held_out is None

    def test_the_centred_square_is_taken(self) -> None:
        wide = np.zeros((10, 30), dtype=np.uint8)
        wide[:, 10:20] = 200
        assert (square(wide, 4, "grey") == 200).all()
        assert (square(wide.T, 4, "grey") == 200).all()

    def test_reducing_averages(self) -> None:
        board = np.indices((64, 64)).sum(axis=0) % 2 * 255
        small = square(board.astype(np.uint8), 8, "grey").reshape(8, 8)
        assert np.abs(small[2:6, 2:6].astype(float) - 127.5).max() < 3

    def test_colours_and_depths(self) -> None:
        deep = np.full((8, 8, 3), (65535, 257 * 100, 0), dtype=np.uint16)
        np.testing.assert_array_equal(square(deep, 8, "rgb").reshape(64, 3), np.tile([255, 100, 0], (64, 1)))
        grey = np.full((8, 8), 77, dtype=np.uint8)
        np.testing.assert_array_equal(square(grey, 8, "rgb"), np.full(192, 77))
        red = np.full((8, 8, 3), (255, 0, 0), dtype=np.uint8)
        np.testing.assert_array_equal(square(red, 8, "grey"), np.full(64, 76))  # .299 of 255

    def test_pictures_come_upright(self, tmp_path: Path) -> None:
        lying = np.zeros((8, 8), dtype=np.uint8)
        lying[0] = 255
        exif = Image.Exif()
        exif[0x0112] = 6  # turn by 90° clockwise to see it upright: the first row becomes the last column
        save(tmp_path / "a.png", lying, exif=exif)
        source = make_source("images", path=str(tmp_path), size=8, colour="grey", reference_share=0.0)
        np.testing.assert_array_equal(source.rows.reshape(8, 8)[:, 7], 255)

    def test_labels_need_a_folder_for_every_picture(self) -> None:
        assert classes_of(["a.png", "dog/b.png"]) is None
        np.testing.assert_array_equal(classes_of(["dog/x/b.png", "cat/a.png", "dog/c.png"]), [1, 0, 1])

    def test_unreadable_pictures_are_named(self, folder: Path) -> None:
        (folder / "cat" / "03.png").write_bytes(b"not a picture")
        frames = [Image.fromarray(np.full((9, 9), value, dtype=np.uint8)) for value in (0, 200)]
        held = io.BytesIO()
        frames[0].save(held, "PNG", save_all=True, append_images=frames[1:])
        (folder / "dog" / "05.png").write_bytes(held.getvalue())
        with pytest.raises(ConfigurationError, match=r"2 of 24 pictures cannot be read, the first is 'cat/03.png'"):
            make_source("images", path=str(folder), size=8)

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"colour": "lab"}, "colour is 'lab': choose one of rgb, grey"),
            ({"size": 0}, "size 1 to 4096"),
            ({"reference_share": 1.0}, "reference_share 0 or more, less than 1"),
            ({"seed": -1}, "seed ≥ 0"),
            ({"size": 4096}, None),
        ],
    )
    def test_what_cannot_be_is_refused(
        self, folder: Path, wrong: dict[str, object], message: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if message is None:  # 24 pictures of 50 MB against a bound of 1 GB: before any is decoded
            monkeypatch.setattr("evaluator.sources.squares.MAX_BYTES", 1 << 30)
            monkeypatch.setattr("evaluator.sources.squares.decode_raster", None)
            message = "24 pictures of 50331648 bytes exceed"
        with pytest.raises(ConfigurationError, match=message):
            make_source("images", **({"path": str(folder), "size": 8} | wrong))

    def test_an_absent_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="does not exist"):
            make_source("images", path=str(tmp_path / "absent"), size=8)
