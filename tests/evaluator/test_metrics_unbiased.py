"""KID and the extrapolated Fréchet distance: against torchmetrics, scikit-learn and what must be true of both."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from evaluator.metrics import kernel
from evaluator.metrics.frechet import frechet
from evaluator.metrics.frechet_infinity import frechet_infinity
from evaluator.metrics.kernel import kid, squared_mmd
from hygiene.errors import ConfigurationError

Floats = NDArray[np.float64]


def normal(seed: int, n: int, f: int, scale: float = 1.0, shift: float = 0.0) -> Floats:
    return shift + scale * np.random.default_rng([91, seed]).standard_normal((n, f))


def fed(metric: torch.nn.Module, real: Floats, synthetic: Floats) -> torch.Tensor:
    """A metric of torchmetrics after both sides."""
    metric.set_dtype(torch.float64)
    metric.update(torch.from_numpy(real), real=True)
    metric.update(torch.from_numpy(synthetic), real=False)
    return metric.compute()


class Features(torch.nn.Identity):
    """What torchmetrics takes for a network."""

    num_features = 24


class TestAgainstTorchmetrics:
    def test_frechet_distance(self) -> None:
        from torchmetrics.image.fid import FrechetInceptionDistance

        real, synthetic = normal(0, 400, 24), normal(1, 350, 24, 0.8, 0.1)
        theirs = float(fed(FrechetInceptionDistance(feature=Features()), real, synthetic))
        assert frechet(real, synthetic)["frechet_distance"] == pytest.approx(theirs, rel=1e-6)

    def test_kid_of_everything(self) -> None:
        from torchmetrics.image.kid import KernelInceptionDistance

        real, synthetic = normal(0, 300, 24), normal(1, 300, 24, 0.8, 0.1)
        metric = KernelInceptionDistance(feature=Features(), subsets=1, subset_size=300)
        ours = kid(real, synthetic, subset_size=300)
        assert ours["kid"] == pytest.approx(float(fed(metric, real, synthetic)[0]), rel=1e-6)
        assert ours["kid_deviation"] == 0

    def test_kid_of_subsets(self) -> None:
        # the subsets are drawn differently: equal up to the error of 200 of them
        from torchmetrics.image.kid import KernelInceptionDistance

        real, synthetic = normal(0, 300, 24), normal(1, 250, 24, 0.8, 0.1)
        metric = KernelInceptionDistance(feature=Features(), subsets=200, subset_size=100)
        mean, deviation = (float(value) for value in fed(metric, real, synthetic))
        ours = kid(real, synthetic, subsets=200, subset_size=100)
        assert abs(ours["kid"] - mean) < 4 * deviation * (2 / 200) ** 0.5
        assert ours["kid_deviation"] == pytest.approx(deviation, rel=0.25)


class TestKid:
    def test_equals_the_definition_pair_by_pair(self) -> None:
        a, b = normal(0, 30, 5), normal(1, 20, 5, 1.3)
        kernels = [((x @ y.T) / 5 + 1) ** 3 for x, y in ((a, a), (b, b), (a, b))]
        own = [k[~np.eye(len(k), dtype=bool)].mean() for k in kernels[:2]]
        assert squared_mmd(a, b) == pytest.approx(sum(own) - 2 * kernels[2].mean(), rel=1e-12)

    def test_chunked_equals_whole(self, monkeypatch: pytest.MonkeyPatch) -> None:
        a, b = normal(0, 60, 5), normal(1, 50, 5)
        whole = squared_mmd(a, b)
        monkeypatch.setattr(kernel, "CELLS", 130)
        assert squared_mmd(a, b) == pytest.approx(whole, rel=1e-12)

    def test_no_bias_where_both_sides_are_alike(self) -> None:
        values = np.array([kid(normal(s, 40, 4), normal(500 + s, 40, 4))["kid"] for s in range(300)])
        assert abs(values.mean()) < 4 * values.std(ddof=1) / 300**0.5
        assert (values < 0).mean() > 0.3  # unbiased, so it must go below 0: the biased estimator never does

    def test_grows_with_a_shift_and_is_symmetric(self) -> None:
        real = normal(0, 200, 6)
        values = [kid(real, real + shift)["kid"] for shift in (0.2, 0.4, 0.8)]
        assert 0 < values[0] < values[1] < values[2]
        other = normal(1, 200, 6, 0.5)
        assert kid(real, other)["kid"] == pytest.approx(kid(other, real)["kid"])

    def test_seed_fixes_the_subsets(self) -> None:
        real, synthetic = normal(0, 100, 4), normal(1, 100, 4)
        first = kid(real, synthetic, subset_size=30, seed=1)
        assert first == kid(real, synthetic, subset_size=30, seed=1) != kid(real, synthetic, subset_size=30, seed=2)

    @pytest.mark.parametrize("wrong", [{"subsets": 0}, {"subset_size": 1}, {"seed": -1}])
    def test_settings_that_cannot_be_are_refused(self, wrong: dict[str, int]) -> None:
        with pytest.raises(ConfigurationError, match="kid takes subsets ≥ 1"):
            kid(normal(0, 30, 2), normal(1, 30, 2), **wrong)


class TestFrechetInfinity:
    def test_equals_scikit_learns_line_through_the_same_subsets(self) -> None:
        from sklearn.linear_model import LinearRegression

        real, synthetic = normal(0, 400, 6), normal(1, 300, 6, 0.8)
        rng = np.random.default_rng(3)
        sizes = np.linspace(30, 300, 15).astype("int32")  # as the authors' code has it
        distances = [frechet(real, synthetic[rng.permutation(300)[:n]])["frechet_distance"] for n in sizes]
        line = LinearRegression().fit(1 / sizes[:, None], distances)
        assert frechet_infinity(real, synthetic, smallest=30, seed=3)["frechet_distance_infinity"] == pytest.approx(
            float(line.predict([[0.0]])[0]), rel=1e-9
        )

    def test_takes_the_synthetic_sides_bias_away(self) -> None:
        # a large real side leaves the bias f(f+5)/(4n) of the synthetic one: about .21 of 10 features, 180 rows
        real, f = normal(0, 60_000, 10), 10
        runs = [normal(1 + s, 180, f) for s in range(60)]
        plain = np.array([frechet(real, rows)["frechet_distance"] for rows in runs])
        found = np.array([frechet_infinity(real, rows)["frechet_distance_infinity"] for rows in runs])
        assert plain.mean() == pytest.approx(f * (f + 5) / 4 / 180, rel=0.1)
        assert abs(found.mean()) < 0.2 * plain.mean()

    def test_finds_the_distance_of_the_distributions(self) -> None:
        real, f = normal(0, 60_000, 10), 10
        truth = f * (1 - 0.7) ** 2
        runs = [normal(1 + s, 180, f, 0.7) for s in range(60)]
        found = np.array([frechet_infinity(real, rows)["frechet_distance_infinity"] for rows in runs])
        plain = np.array([frechet(real, rows)["frechet_distance"] for rows in runs])
        assert abs(found.mean() - truth) < 0.25 * abs(plain.mean() - truth)

    @pytest.mark.parametrize("wrong", [{"points": 1}, {"smallest": 1}, {"smallest": 30}, {"seed": -1}])
    def test_settings_that_cannot_be_are_refused(self, wrong: dict[str, int]) -> None:
        with pytest.raises(ConfigurationError, match="2 ≤ smallest < 30 samples"):
            frechet_infinity(normal(0, 30, 2), normal(1, 30, 2), **wrong)

    def test_very_few_rows_are_refused_with_their_number(self) -> None:
        with pytest.raises(ConfigurationError, match="smallest < 2 samples"):
            frechet_infinity(normal(0, 30, 2), normal(1, 2, 2))
