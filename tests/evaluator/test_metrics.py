"""Metrics: against the `prdc` package, closed forms, and what must be true of each of them."""

from collections.abc import Callable
from math import log

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from evaluator.geometry import LARGEST, NARROWEST
from evaluator.metrics import METRICS, Reference, Settings, measure
from evaluator.metrics import neighbours as neighbours_module
from evaluator.metrics.diversity import diversity, vendi, vendi_of_kernel
from evaluator.metrics.frechet import frechet, gaussian_frechet
from evaluator.metrics.manifold import manifold
from hygiene.errors import ConfigurationError

Floats = NDArray[np.float64]


def normal(seed: int, n: int, d: int, scale: float = 1.0, shift: float = 0.0) -> Floats:
    return shift + scale * np.random.default_rng([21, seed]).standard_normal((n, d))


def whole_reference(real: Floats) -> Reference:
    """With everything that some metric asks for."""
    return Reference(real, normal(9, 60, 6), lambda rows: (rows[:, 0] > 0).astype(np.int64))


class TestEveryMetric:
    @pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
    def test_cached_reference_changes_nothing(self, metric: Callable[..., dict[str, float]]) -> None:
        real, synthetic = normal(0, 80, 6), normal(1, 70, 6, 0.7)
        cached = whole_reference(real)
        first, again = metric(cached, synthetic), metric(cached, synthetic)
        assert first == again == metric(whole_reference(real), synthetic)

    @pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
    def test_values_are_finite_where_a_model_has_collapsed(self, metric: Callable[..., dict[str, float]]) -> None:
        values = metric(whole_reference(normal(0, 80, 6)), np.full((70, 6), 0.3))
        assert all(type(value) is float and np.isfinite(value) for value in values.values())

    def test_inputs_stay_as_they_were(self) -> None:
        real, synthetic = normal(0, 80, 6), normal(1, 70, 6)
        copies = real.copy(), synthetic.copy()
        measure(whole_reference(real), synthetic, {name: {} for name in METRICS})
        np.testing.assert_array_equal(real, copies[0])
        np.testing.assert_array_equal(synthetic, copies[1])

    @pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
    def test_bad_features_are_refused(self, metric: Callable[..., dict[str, float]]) -> None:
        real = normal(0, 20, 4)
        with pytest.raises(ConfigurationError, match="4 columns, synthetic ones 5"):
            metric(real, normal(1, 20, 5))
        with pytest.raises(ConfigurationError, match="shape"):
            metric(real, normal(1, 20, 4)[0])
        with pytest.raises(ConfigurationError, match="not finite"):
            metric(real, np.full((20, 4), np.nan))
        with pytest.raises(ConfigurationError, match=r"synthetic features hold numbers that are beyond ±1e\+20: scale"):
            metric(real, 1e21 * real)
        with pytest.raises(ConfigurationError, match="real features hold numbers that are beyond"):
            metric(1e200 * real, real)

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
    def test_the_largest_numbers_are_measured(self, metric: Callable[..., dict[str, float]]) -> None:
        real, synthetic = normal(0, 80, 6, LARGEST / 10), normal(1, 70, 6, LARGEST / 10)
        assert all(np.isfinite(value) for value in metric(whole_reference(real), synthetic).values())

    @pytest.mark.parametrize("torch_device", [None, "cpu"])
    @pytest.mark.parametrize("scale", [NARROWEST, 1e-20, 1e-5, 1e5, LARGEST / 10])
    @pytest.mark.parametrize("columns", [6, 100])
    def test_the_unit_of_the_data_is_free(
        self, monkeypatch: pytest.MonkeyPatch, torch_device: str | None, scale: float, columns: int
    ) -> None:
        """Squared distances go with its square, all else stays; but `kid`, whose kernel has a scale of its own."""
        device = None if torch_device is None else torch.device(torch_device)
        monkeypatch.setattr(neighbours_module.neighbours_torch, "device_for", lambda _: device)
        rows = [normal(seed, 60, columns, size) for seed, size in enumerate((1.0, 0.8, 1.2))]
        chosen: Settings = {name: {} for name in METRICS if name not in ("kid", "class_entropy", "class_counts")}
        here, there = (
            measure(Reference(unit * rows[0], training=unit * rows[2]), unit * rows[1], chosen) for unit in (1, scale)
        )
        squared = {name: value * scale**2 for name, value in here.items() if name.startswith("frechet")}
        assert there == pytest.approx(here | squared, rel=1e-6, abs=0)

    @pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
    def test_real_rows_whose_differences_are_lost_when_squared_are_refused(
        self, metric: Callable[..., dict[str, float]]
    ) -> None:
        with pytest.raises(
            ConfigurationError, match=r"real features differ by \S+e-200 at most, which is lost when sq"
        ):
            metric(normal(0, 20, 4, 1e-200), normal(1, 20, 4, 1e-200))

    def test_measure_names_what_exists(self) -> None:
        real = normal(0, 20, 4)
        assert set(measure(real, real, {"frechet": {}})) == {"frechet_distance"}
        with pytest.raises(ConfigurationError, match=r"'fid'.*frechet, manifold, diversity"):
            measure(real, real, {"fid": {}})


class TestFrechet:
    def test_closed_form_of_commuting_covariances(self) -> None:
        variances_a, variances_b = np.array([1.0, 4.0, 0.25]), np.array([2.0, 1.0, 0.0])
        gap = np.array([1.0, -2.0, 0.5])
        expected = gap @ gap + ((np.sqrt(variances_a) - np.sqrt(variances_b)) ** 2).sum()
        turn = np.linalg.qr(normal(2, 3, 3))[0]
        value = gaussian_frechet(
            gap @ turn, turn.T @ np.diag(variances_a) @ turn, np.zeros(3), turn.T @ np.diag(variances_b) @ turn
        )
        assert value == pytest.approx(expected, abs=1e-7)

    def test_agrees_with_the_matrix_square_root(self) -> None:
        from scipy.linalg import sqrtm

        real, synthetic = normal(0, 300, 8), normal(1, 300, 8, 0.8, 0.1) @ normal(3, 8, 8)
        covariances = np.cov(real.T), np.cov(synthetic.T)
        gap = real.mean(axis=0) - synthetic.mean(axis=0)
        expected = gap @ gap + np.trace(
            covariances[0] + covariances[1] - 2 * sqrtm(covariances[0] @ covariances[1]).real
        )
        assert frechet(real, synthetic)["frechet_distance"] == pytest.approx(expected, rel=1e-9)

    def test_zero_on_itself_symmetric_and_monotone(self) -> None:
        real, synthetic = normal(0, 200, 5), normal(1, 150, 5, 0.7)
        assert frechet(real, real)["frechet_distance"] == pytest.approx(0, abs=1e-9)
        assert frechet(real, synthetic) == pytest.approx(frechet(synthetic, real))
        shifted = [frechet(real, real + shift)["frechet_distance"] for shift in (0.1, 0.2, 0.4)]
        assert shifted == pytest.approx([5 * 0.01, 5 * 0.04, 5 * 0.16])

    def test_fewer_rows_than_features(self) -> None:
        value = frechet(normal(0, 10, 40), normal(1, 10, 40))["frechet_distance"]
        assert np.isfinite(value)
        assert value > 0


class TestManifold:
    @pytest.mark.parametrize(("n", "m", "d", "k"), [(300, 300, 16, 5), (150, 220, 3, 3), (90, 60, 40, 1)])
    def test_equals_prdc(self, n: int, m: int, d: int, k: int, capsys: pytest.CaptureFixture[str]) -> None:
        from prdc import compute_prdc

        real, synthetic = normal(0, n, d), normal(1, m, d, 0.9, 0.3)
        theirs = compute_prdc(real, synthetic, nearest_k=k)
        capsys.readouterr()  # prdc prints
        ours = manifold(real, synthetic, k=k)
        expected = [theirs[name] for name in ("precision", "recall", "density", "coverage")]
        assert [
            ours[name] for name in ("manifold_precision", "manifold_recall", "density", "coverage")
        ] == pytest.approx(expected, abs=1e-9)
        assert ours["k"] == k

    def test_chunked_equals_whole(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real, synthetic = normal(0, 130, 6), normal(1, 110, 6, 1.2)
        whole = manifold(real, synthetic)
        monkeypatch.setattr(neighbours_module, "CELLS", 0)
        monkeypatch.setattr(neighbours_module, "FEWEST", 17)
        monkeypatch.setattr(neighbours_module, "NUMBERS", 5)
        assert manifold(real, synthetic) == whole

    def test_swapped_arguments_are_told_apart(self) -> None:
        # the model makes one of two real modes: what it makes is right, half of what is real is missing
        both = np.concatenate([normal(0, 100, 2, 0.1), normal(1, 100, 2, 0.1, 10.0)])
        one = normal(2, 100, 2, 0.1)
        values = manifold(both, one)
        assert values["manifold_precision"] > 0.9
        assert values["manifold_recall"] <= 0.5
        assert values["coverage"] <= 0.5
        swapped = manifold(one, both)
        assert swapped["manifold_precision"] <= 0.5
        assert swapped["manifold_recall"] > 0.9

    def test_coverage_is_blind_to_contraction(self) -> None:
        # variance × .35, d = 16, n = 300: quoted precision 1.00, recall .13, density 5.05, coverage .997
        runs = [manifold(normal(s, 300, 16), normal(100 + s, 300, 16, 0.35**0.5)) for s in range(20)]
        quoted = {"manifold_precision": 1.0, "manifold_recall": 0.13, "density": 5.05, "coverage": 0.997}
        for name, value in quoted.items():
            samples = np.array([run[name] for run in runs])
            error = samples.std(ddof=1) / len(runs) ** 0.5
            rounding = 0.5 * 10 ** -(3 if name == "coverage" else 2)
            # the quoted figure is itself a mean over runs: one run's deviation bounds its error
            assert abs(samples.mean() - value) <= 3 * error + rounding + samples.std(ddof=1), name

    def test_null_of_recall(self) -> None:
        recalls = np.array(
            [manifold(normal(s, 300, 16), normal(200 + s, 300, 16))["manifold_recall"] for s in range(20)]
        )
        assert abs(recalls.mean() - 0.87) <= 3 * recalls.std(ddof=1) / 20**0.5 + 0.005

    def test_copies_of_real_rows_are_inside(self) -> None:
        real = normal(0, 100, 8)
        values = manifold(real, real.copy())
        assert values["manifold_precision"] == values["manifold_recall"] == values["coverage"] == 1

    def test_too_large_k_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="k is 20 for 20 samples"):
            manifold(normal(0, 50, 2), normal(1, 20, 2), k=20)


class TestDiversity:
    def test_reference_examples_of_the_authors(self) -> None:
        points = np.array([0.0, 0, 10, 10, 20, 20])
        kernel = np.exp(-np.abs(points[:, None] - points))
        assert vendi_of_kernel(kernel) == pytest.approx(2.9999, abs=1e-4)
        assert vendi_of_kernel(np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 1.0]])) == pytest.approx(
            2.1573, abs=5e-5
        )

    def test_bounds(self) -> None:
        assert vendi(np.eye(7)) == pytest.approx(7)
        assert vendi(np.ones((9, 3))) == pytest.approx(1)
        assert vendi(np.repeat(np.eye(4), 5, axis=0)) == pytest.approx(4)

    @pytest.mark.parametrize(("n", "d"), [(60, 9), (9, 60)])
    def test_small_side_equals_the_kernel(self, n: int, d: int) -> None:
        rows = normal(0, n, d)
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        assert vendi(rows) == pytest.approx(vendi_of_kernel(unit @ unit.T), rel=1e-9)

    def test_log_det_of_a_scaled_copy(self) -> None:
        real = normal(0, 200, 6)
        assert diversity(real, real)["log_det"] == pytest.approx(0, abs=1e-12)
        assert diversity(real, 0.5 * real)["log_det"] == pytest.approx(6 * log(0.25), abs=1e-4)

    def test_real_features_that_do_not_vary_are_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="these are all the same"):
            diversity(np.ones((50, 5)), normal(1, 50, 5))

    def test_constant_columns_stay_finite(self) -> None:
        real = np.hstack([normal(0, 50, 3), np.zeros((50, 2))])
        assert np.isfinite(diversity(real, 0.1 * real)["log_det"])
        assert np.isfinite(diversity(real, np.zeros((50, 5)) + 1)["log_det"])
