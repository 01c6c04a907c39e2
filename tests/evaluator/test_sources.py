"""Real data: draws that are what they say, and requests that cannot be met."""

from math import sqrt
from pathlib import Path

import numpy as np
import pytest

from evaluator.sources import ArraySource, OracleSource, load_digits_halves, make_source
from hygiene.errors import ConfigurationError


@pytest.mark.parametrize(
    ("name", "parameters", "shape"),
    [
        ("gaussian", {"dimension": 3}, (3,)),
        ("mixture25", {}, (2,)),
        ("rosenbrock", {}, (2,)),
        ("digits", {}, (8, 8)),
        ("digits_oracle", {}, (8, 8)),
    ],
)
def test_draws_fit_their_shape_and_follow_the_generator(
    name: str, parameters: dict[str, int], shape: tuple[int, ...]
) -> None:
    source = make_source(name, **parameters)
    assert source.shape == shape
    assert source.dimension == np.prod(shape)
    rng = np.random.default_rng(1)
    first, second = source.draw(40, rng), source.draw(40, rng)
    assert first.shape == (40, source.dimension)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, source.draw(40, np.random.default_rng(1)))


def test_gaussian_is_standard() -> None:
    rows = make_source("gaussian", dimension=2).draw(100_000, np.random.default_rng(2))
    np.testing.assert_allclose(rows.mean(axis=0), 0, atol=4 / sqrt(100_000))
    np.testing.assert_allclose(np.cov(rows.T), np.eye(2), atol=4 * sqrt(2 / 100_000))


def test_mixture_has_25_modes() -> None:
    rows = make_source("mixture25", spacing=2.0, deviation=0.05).draw(5_000, np.random.default_rng(3))
    nearest = np.round(rows / 2.0)
    assert len(np.unique(nearest, axis=0)) == 25
    assert (rows - 2.0 * nearest).std() == pytest.approx(0.05, rel=0.05)


def test_rosenbrock_follows_its_density() -> None:
    """Probabilities of boxes by integrating exp(−(x − 1)² − 5(y − x²)²) on a grid."""
    n = 100_000
    x, y = np.meshgrid(np.linspace(-4, 6, 1001), np.linspace(-2, 20, 2201), indexing="ij")
    density = np.exp(-((x - 1) ** 2) - 5 * (y - x**2) ** 2)
    rows = make_source("rosenbrock").draw(n, np.random.default_rng(8))
    for left, right, bottom, top in (
        (-1.005, 0.495, -0.505, 0.495),
        (0.995, 1.995, 1.005, 2.995),
        (1.495, 3.005, 1.995, 5.005),
        (-0.305, 0.305, 0.395, 1.495),  # the tail across the banana
    ):
        inside = (left < x) & (x < right) & (bottom < y) & (y < top)
        share = density[inside].sum() / density.sum()
        found = np.mean((left < rows[:, 0]) & (rows[:, 0] < right) & (bottom < rows[:, 1]) & (rows[:, 1] < top))
        assert found == pytest.approx(share, abs=4 * sqrt(share / n) + 0.005 * share)


def test_digits_halves_share_nothing() -> None:
    training, reference = load_digits_halves(0)
    assert (len(training.rows), len(reference.rows)) == (898, 899)
    assert training.rows.min() == 0
    assert training.rows.max() == 1
    assert sorted(set(training.labels)) == list(range(10))
    everything = np.concatenate([training.rows, reference.rows])
    from sklearn.datasets import load_digits

    pixels = load_digits().data / 16
    np.testing.assert_array_equal(everything[np.lexsort(everything.T)], pixels[np.lexsort(pixels.T)])
    assert not np.array_equal(load_digits_halves(1)[0].rows, training.rows)


def test_digits_labels_belong_to_their_rows() -> None:
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    known = {row.tobytes(): label for row, label in zip(pixels / 16, labels, strict=True)}
    training, _ = load_digits_halves(0)
    assert all(known[row.tobytes()] == label for row, label in zip(training.rows, training.labels, strict=True))


def test_array_source_draws_without_replacement() -> None:
    source = ArraySource(np.arange(20.0).reshape(10, 2), (2,))
    rows = source.draw(10, np.random.default_rng(4))
    assert len(np.unique(rows, axis=0)) == 10
    assert not np.array_equal(rows, source.rows)
    with pytest.raises(ConfigurationError, match="asked for 11 real rows, the source holds 10"):
        source.draw(11, np.random.default_rng(4))


def test_dealing_goes_on_where_it_stopped() -> None:
    source = ArraySource(np.arange(20.0).reshape(10, 2), (2,))
    parts = [source.deal(n, start, np.random.default_rng(4)) for start, n in ((0, 3), (3, 3), (6, 4))]
    np.testing.assert_array_equal(np.concatenate(parts), source.draw(10, np.random.default_rng(4)))
    with pytest.raises(ConfigurationError, match="asked for 4 real rows after the first 7, the source holds 10"):
        source.deal(4, 7, np.random.default_rng(4))


def test_bytes_stand_for_shares_of_255() -> None:
    rows = np.arange(12, dtype=np.uint8).reshape(6, 2)
    drawn = ArraySource(rows, (2,)).draw(6, np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(drawn.ravel()), np.arange(12) / 255)


def test_oracle_is_unlimited_and_close_to_its_rows() -> None:
    rows = load_digits_halves(0)[0].rows
    oracle = OracleSource(rows, (8, 8), np.random.default_rng(5))
    drawn = oracle.draw(20_000, np.random.default_rng(6))
    assert np.abs(drawn.mean(axis=0) - rows.mean(axis=0)).max() < 4 * rows.std(axis=0).max() / sqrt(20_000)
    assert drawn.var(axis=0).sum() == pytest.approx(rows.var(axis=0).sum(), rel=0.02)


def test_npz_round_trip(tmp_path: Path) -> None:
    images = np.random.default_rng(7).random((6, 4, 4))
    np.savez(tmp_path / "real.npz", samples=images)
    source = make_source("npz", path=str(tmp_path / "real.npz"))
    assert source.shape == (4, 4)
    rows = source.draw(6, np.random.default_rng(0))
    np.testing.assert_array_equal(rows[np.lexsort(rows.T)], (flat := images.reshape(6, 16))[np.lexsort(flat.T)])


def test_npz_of_bytes_are_pixels_as_everywhere(tmp_path: Path) -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3) * 10
    np.savez(tmp_path / "real.npz", samples=pixels)
    source = make_source("npz", path=str(tmp_path / "real.npz"))
    assert source.shape == (2, 2, 3)
    np.testing.assert_allclose(source.all_rows, pixels.reshape(2, 12) / 255)


def test_npz_with_labels(tmp_path: Path) -> None:
    path = str(tmp_path / "real.npz")
    np.savez(path, samples=np.arange(12.0).reshape(6, 2), y=np.arange(6) % 2, short=np.arange(5), wrong=-np.arange(6))
    rows, labels = make_source("npz", path=path, labels="y").labelled
    np.testing.assert_array_equal(labels, rows[:, 0] / 2 % 2)
    assert make_source("npz", path=path).labelled is None
    for name in ("short", "wrong", "samples"):
        with pytest.raises(ConfigurationError, match="expected 6 classes: whole numbers from 0"):
            make_source("npz", path=path, labels=name)
    np.savez(path, samples=np.ones((6, 2)), far=np.full(6, 1 << 40), farther=np.full(6, 1 << 63, np.uint64))
    for name in ("far", "farther"):  # a count of every class up to these is more than memory
        with pytest.raises(ConfigurationError, match=r"of \d+ to \d+, expected 6 classes: whole numbers from 0"):
            make_source("npz", path=path, labels=name)
    with pytest.raises(ConfigurationError, match=r"the labels reach 70000, expected classes 0 to 65535"):
        ArraySource(np.ones((2, 2)), (2,), np.array([0, 70000]))
    with pytest.raises(ConfigurationError, match="no usable array 'absent'"):
        make_source("npz", path=path, labels="absent")


def test_bad_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no file"):
        make_source("npz", path=str(tmp_path / "absent.npz"))
    np.savez(tmp_path / "other.npz", pixels=np.zeros((2, 2)))
    with pytest.raises(ConfigurationError, match=r"no usable array 'samples' \(it has pixels\)"):
        make_source("npz", path=str(tmp_path / "other.npz"))
    np.savez(tmp_path / "nan.npz", samples=np.array([[1.0, np.nan]]))
    with pytest.raises(ConfigurationError, match=r"'samples' in .*nan\.npz holds numbers that are not finite"):
        make_source("npz", path=str(tmp_path / "nan.npz"))
    np.savez(tmp_path / "huge.npz", samples=np.array([[1.0, -1e200]]))
    with pytest.raises(ConfigurationError, match=r"holds numbers that are beyond ±1e\+20: scale them"):
        make_source("npz", path=str(tmp_path / "huge.npz"))
    (tmp_path / "text.npz").write_text("not an archive")
    with pytest.raises(ConfigurationError, match="no usable array"):
        make_source("npz", path=str(tmp_path / "text.npz"))
    np.savez(tmp_path / "pickled.npz", samples=np.array([{}], dtype=object))
    with pytest.raises(ConfigurationError, match="no usable array"):
        make_source("npz", path=str(tmp_path / "pickled.npz"))
    np.save(tmp_path / "plain.npy", np.zeros((3, 2)))
    with pytest.raises(ConfigurationError, match=r"no usable array.*not a zip file"):
        make_source("npz", path=str(tmp_path / "plain.npy"))
    for wrong in (np.zeros(3), np.float64(1), np.zeros((0, 4)), np.array([["a"]]), np.ones((3, 2), complex)):
        np.savez(tmp_path / "wrong.npz", samples=wrong)
        with pytest.raises(ConfigurationError, match=r"'samples' in .* expected real numbers \[n, \.\.\.\]"):
            make_source("npz", path=str(tmp_path / "wrong.npz"))


def test_unknown_names_and_parameters() -> None:
    with pytest.raises(ConfigurationError, match=r"'mnist'.*gaussian, mixture25, rosenbrock, digits, digits_oracle"):
        make_source("mnist")
    with pytest.raises(ConfigurationError, match="no parameter sigma"):
        make_source("gaussian", sigma=2)
    with pytest.raises(ConfigurationError, match="dimension is 0"):
        make_source("gaussian", dimension=0)
    with pytest.raises(ConfigurationError, match="'npz' lacks path"):
        make_source("npz")
    with pytest.raises(ConfigurationError, match="deviation 0: both must be"):
        make_source("mixture25", deviation=0)
    with pytest.raises(ConfigurationError, match="halves is -1"):
        make_source("digits", seed=-1)
    for rows in (np.zeros((3, 5)), np.zeros((3, 5), np.uint8), np.zeros((0, 4), np.uint8)):
        with pytest.raises(ConfigurationError, match="do not fold"):
            ArraySource(rows, (2, 2))
    with pytest.raises(ConfigurationError, match="3 rows with 2 labels"):
        ArraySource(np.zeros((3, 4)), (2, 2), np.zeros(2, dtype=np.int64))
