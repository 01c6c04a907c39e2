"""Generators: what λ does in each family, what λ = 1 must not do, and the two ways of running Gaussian chains."""

import time
from itertools import islice
from math import sqrt
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluator.features import LeNet
from evaluator.geometry import participation_ratio
from evaluator.metrics import Reference, measure
from evaluator.models import MODELS, GenerativeModel, make_model
from evaluator.models.chains import Chains, draw
from evaluator.models.kde import density_weights
from evaluator.sources import load_digits_halves
from hygiene.errors import ConfigurationError

Floats = NDArray[np.float64]


def clouds(n: int, seed: int = 0) -> Floats:
    """Two modes with weights 3 : 1 in four dimensions, the last one narrow."""
    rng = np.random.default_rng([31, seed])
    centres = np.where(rng.random((n, 1)) < 0.75, -3.0, 3.0) * np.array([1, 1, 0, 0])
    return centres + rng.standard_normal((n, 4)) * [1, 0.5, 0.5, 0.1]


# what is learned by steps is held to a tolerance of its own in test_models_learned.py
QUICK: dict[str, dict[str, Any]] = {
    "ddpm_mlp": {"steps": 150, "width": 48, "depth": 2, "sampling_steps": 20},
    "ddpm_unet": {"steps": 8, "width": 8, "batch": 8, "sampling_steps": 3},
    "flow": {"steps": 50, "layers": 4, "width": 16, "depth": 1},
    "stylegan2": {"steps": 40, "latent": 4, "width": 8, "batch": 16, "rate": 5e-3},
    "vae": {"steps": 100, "latent": 4, "width": 32, "depth": 1},
    "wgan_gp": {"steps": 60, "latent": 4, "width": 16, "depth": 1, "critic_steps": 2, "batch": 32},
    "wgan_gp_images": {"steps": 30, "latent": 4, "width": 4, "critic_steps": 2, "batch": 32},
}


def quick(name: str) -> GenerativeModel:
    return make_model(name, **QUICK.get(name, {}))


@pytest.fixture(scope="module", params=MODELS)
def fitted(request: pytest.FixtureRequest) -> GenerativeModel:
    """Every model, once, fitted to two clouds."""
    model = quick(request.param)
    model.fit(clouds(300), np.random.default_rng(7))
    return model


class TestEveryModel:
    @pytest.mark.parametrize("name", MODELS)
    def test_draws_are_fixed_by_the_generator(self, name: str) -> None:
        rows = clouds(200)
        drawn = []
        for _ in range(2):
            rng = np.random.default_rng(5)
            model = quick(name)
            model.fit(rows, rng)
            drawn += [model.sample(50, 0.8, rng), model.sample(50, 0.8, rng)]
        assert drawn[0].shape == (50, 4)
        assert drawn[0].dtype == np.float64
        np.testing.assert_array_equal(drawn[:2], drawn[2:])
        assert (drawn[0] != drawn[1]).any()

    @pytest.mark.parametrize("name", [name for name in MODELS if name not in QUICK])
    def test_unbiased_sampling_keeps_mean_and_covariance(self, name: str) -> None:
        rows = clouds(300)
        rng = np.random.default_rng(6)
        model = make_model(name, **({"bandwidth": 0.6} if name == "kde" else {}))
        model.fit(rows, rng)
        drawn = model.sample(100_000, 1.0, rng)
        error = rows.std(axis=0) / sqrt(len(drawn))
        assert (np.abs(drawn.mean(axis=0) - rows.mean(axis=0)) < 4 * error).all()
        # relative: the standard error of a variance is √(2/n) for normal columns, and less for two modes
        np.testing.assert_allclose(drawn.var(axis=0), rows.var(axis=0), rtol=4 * sqrt(2 / len(drawn)) + 1 / len(rows))

    def test_sampling_bias_narrows(self, fitted: GenerativeModel) -> None:
        rng = np.random.default_rng(7)
        spreads = [fitted.sample(2_000, bias, rng).var(axis=0).sum() for bias in (1.0, 0.8, 0.5)]
        assert spreads[0] > spreads[1] > spreads[2]
        assert fitted.sample(100, 1e-9, rng).var(axis=0).sum() < spreads[2]  # no weight underflows

    @pytest.mark.parametrize("bias", [0.0, -1.0, 1.5, float("nan")])
    def test_impossible_bias_is_refused(self, fitted: GenerativeModel, bias: float) -> None:
        with pytest.raises(ConfigurationError, match="0 < λ ≤ 1"):
            fitted.sample(5, bias, np.random.default_rng(8))

    @pytest.mark.parametrize("name", MODELS)
    def test_impossible_samples_are_refused(self, name: str) -> None:
        rng = np.random.default_rng(8)
        for rows in (np.zeros(5), np.zeros((1, 4)), np.full((100, 4), np.inf)):
            with pytest.raises(ConfigurationError):
                make_model(name).fit(rows, rng)

    @pytest.mark.parametrize("name", QUICK)
    def test_training_that_falls_apart_is_told(self, name: str) -> None:
        """Not by the loop alone, which looks at samples: whoever calls `fit` has no such look."""
        model = make_model(name, **QUICK[name] | {"steps": 5, "rate": 1e25})
        with pytest.raises(ConfigurationError, match=r"^training fell apart: its 5 steps left .* \(rate = 1e\+25\)$"):
            model.fit(clouds(40), np.random.default_rng(10))

    @pytest.mark.parametrize("name", MODELS)
    def test_collapsed_rows_still_fit(self, name: str) -> None:
        rng = np.random.default_rng(9)
        model = quick(name)
        rows = np.repeat(clouds(5), 20, axis=0) * 1e-9
        model.fit(rows, rng)
        drawn = model.sample(10, 0.7, rng)
        assert np.isfinite(drawn).all()
        assert np.abs(drawn).max() < 1e-8

    @pytest.mark.parametrize(
        ("name", "parameters"),
        [
            ("pca_gaussian", {"components": 0}),
            ("ddpm_mlp", {"steps": 0}),
            ("ddpm_mlp", {"width": 0}),
            ("ddpm_mlp", {"sampling_steps": 0}),
            ("ddpm_mlp", {"rate": 0.0}),
            ("ddpm_mlp", {"clusters": 1}),
            ("ddpm_unet", {"width": 12}),
            ("ddpm_unet", {"channels": 0}),
            ("ddpm_unet", {"prediction": "x0"}),
            ("ddpm_unet", {"eta": 1.5}),
            ("ddpm_unet", {"order": 3}),
            ("ddpm_unet", {"order": 2, "eta": 1.0}),
            ("ddpm_unet", {"sampling_steps": 1001}),
            ("ddpm_unet", {"clusters": 1}),
            ("ddpm_unet", {"device": "tpu"}),
            ("flow", {"layers": 0}),
            ("flow", {"dimensions": 0}),
            ("flow", {"noise": 0.0}),
            ("flow", {"rate": -1.0}),
            ("stylegan2", {"latent": 0}),
            ("stylegan2", {"gamma": 0.0}),
            ("stylegan2", {"mixing": 1.5}),
            ("stylegan2", {"device": "tpu"}),
            ("vae", {"latent": 0}),
            ("vae", {"batch": 0}),
            ("vae", {"rate": 0.0}),
            ("vae", {"components": -1}),
            ("vae", {"components": 501}),
            ("wgan_gp", {"critic_steps": 0}),
            ("wgan_gp", {"rate": 0.0}),
            ("wgan_gp", {"depth": 0}),
            ("wgan_gp_images", {"kernel": 4}),
            ("wgan_gp_images", {"channels": 0}),
        ],
    )
    def test_impossible_parameters_are_refused(self, name: str, parameters: dict[str, Any]) -> None:
        with pytest.raises(
            ConfigurationError, match=f"{next(iter(parameters))}[= ].*{next(iter(parameters.values()))}"
        ):
            make_model(name, **parameters)

    def test_unknown_names_and_parameters(self) -> None:
        with pytest.raises(ConfigurationError, match=r"'gan'.*gaussian, mixture, kde"):
            make_model("gan")
        with pytest.raises(ConfigurationError, match=r"'mixture' has no parameter modes.*components, dimensions"):
            make_model("mixture", modes=3)
        with pytest.raises(ConfigurationError, match="bandwidth is 1"):
            make_model("kde", bandwidth=1.0)
        with pytest.raises(ConfigurationError, match="0 components"):
            make_model("mixture", components=0)


class TestWhatBiasMeans:
    def test_gaussian_scales_the_covariance(self) -> None:
        rng = np.random.default_rng(10)
        model = make_model("gaussian")
        model.fit(clouds(300), rng)
        full, narrow = model.sample(50_000, 1.0, rng), model.sample(50_000, 0.6, rng)
        np.testing.assert_allclose(narrow.var(axis=0) / full.var(axis=0), 0.6, rtol=4 * sqrt(4 / 50_000))

    def test_mixture_sharpens_weights_and_narrows_modes(self) -> None:
        rng = np.random.default_rng(11)
        model = make_model("mixture", components=2)
        model.fit(clouds(4_000), rng)
        full, narrow = model.sample(40_000, 1.0, rng), model.sample(40_000, 0.5, rng)
        light = [(rows[:, 0] > 0).mean() for rows in (full, narrow)]
        assert light[0] == pytest.approx(0.25, abs=0.02)
        assert light[1] == pytest.approx(0.25**2 / (0.25**2 + 0.75**2), abs=0.02)
        heavy = [rows[rows[:, 0] < 0].var(axis=0)[1:] for rows in (full, narrow)]
        np.testing.assert_allclose(heavy[1] / heavy[0], 0.5, rtol=0.1)

    def test_mixture_keeps_variance_outside_its_dimensions(self) -> None:
        rng = np.random.default_rng(12)
        rows = clouds(500)
        model = make_model("mixture", components=2, dimensions=1)
        model.fit(rows, rng)
        np.testing.assert_allclose(model.sample(50_000, 1.0, rng).var(axis=0), rows.var(axis=0), rtol=0.05)

    def test_pca_gaussian_has_one_variance_for_what_it_leaves_out(self) -> None:
        rng = np.random.default_rng(14)
        rows = clouds(500)
        model = make_model("pca_gaussian", components=2)
        model.fit(rows, rng)
        given, drawn = (np.linalg.eigvalsh(np.cov(each.T))[::-1] for each in (rows, model.sample(50_000, 0.5, rng)))
        expected = 0.5 * np.array([given[0], given[1], given[2:].mean(), given[2:].mean()])
        np.testing.assert_allclose(drawn, expected, rtol=4 * sqrt(2 / 50_000) + 0.01)

    def test_kde_scales_its_noise(self) -> None:
        # rows on a circle are all as dense as each other: only the noise, a share h² of the variance, shrinks
        angle = np.arange(200) * 2 * np.pi / 200
        rng = np.random.default_rng(13)
        model = make_model("kde", bandwidth=0.8)
        model.fit(np.stack([np.cos(angle), np.sin(angle)], axis=1), rng)
        variance = model.sample(50_000, 0.5, rng).var(axis=0)
        np.testing.assert_allclose(variance, 0.5 * (1 - 0.64 + 0.64 * 0.5), rtol=4 * sqrt(2 / 50_000))

    def test_kde_prefers_dense_rows(self) -> None:
        rows = np.concatenate([0.1 * clouds(100), clouds(100) + 300])
        weights = density_weights(rows, 0.5)
        # a cloud ten times smaller is 10^d times denser, d its number of directions
        ratio = 10 ** (0.5 * participation_ratio(rows))
        assert weights.sum() == pytest.approx(1)
        assert weights[:100].sum() == pytest.approx(ratio / (1 + ratio), rel=1e-6)
        np.testing.assert_allclose(density_weights(rows, 0.0), 1 / 200)

    @pytest.mark.parametrize("value", [0.0, 2.0, 1e-90])
    def test_kde_of_equal_rows_gives_them_back(self, value: float) -> None:
        rng = np.random.default_rng(14)
        model = make_model("kde")
        model.fit(np.full((20, 3), value), rng)
        np.testing.assert_array_equal(model.sample(10, 0.7, rng), np.full((10, 3), value))


def test_participation_ratio_counts_directions_at_any_size() -> None:
    cross = np.concatenate([np.eye(3), -np.eye(3)])
    for size in (1e-100, 1.0, 1e100):
        assert participation_ratio(size * cross) == pytest.approx(3)
        assert participation_ratio(size * cross[:, :1]) == pytest.approx(1)


@pytest.fixture(scope="module")
def net() -> LeNet:
    return LeNet(load_digits_halves(0)[0])


@pytest.fixture(scope="module")
def reference(net: LeNet) -> Reference:
    return Reference(net(load_digits_halves(0)[1].rows))


class TestSignsOnDigits:
    """Quality and diversity of fully synthetic loops (Alemohammad et al. 2023), twelve generations, three seeds."""

    def ends(
        self, name: str, bias: float, net: LeNet, reference: Reference
    ) -> tuple[dict[str, float], dict[str, float]]:
        runs = []
        for seed in range(3):
            rng = np.random.default_rng([32, seed])
            rows = load_digits_halves(0)[0].rows
            for t in range(1, 13):
                model = make_model(name)
                model.fit(rows, rng)
                rows = model.sample(len(rows), bias, rng)
                if t in (1, 12):
                    runs.append(measure(reference, net(rows)))
        first, final = (
            {key: float(np.median([run[key] for run in part])) for key in part[0]} for part in (runs[::2], runs[1::2])
        )
        return first, final

    @pytest.mark.parametrize("name", ["mixture", "kde"])
    def test_unbiased(self, name: str, net: LeNet, reference: Reference) -> None:
        first, final = self.ends(name, 1.0, net, reference)
        assert final["manifold_recall"] < first["manifold_recall"] - 0.03
        assert abs(final["manifold_precision"] - first["manifold_precision"]) < 0.05
        assert final["frechet_distance"] > 2 * first["frechet_distance"]
        assert final["coverage"] < first["coverage"] - 0.05

    @pytest.mark.parametrize("name", ["mixture", "kde"])
    def test_biased(self, name: str, net: LeNet, reference: Reference) -> None:
        first, final = self.ends(name, 0.7, net, reference)
        assert final["manifold_precision"] > 0.97
        assert final["manifold_recall"] < 0.5 * first["manifold_recall"]
        assert final["vendi"] < 0.6 * first["vendi"]
        assert final["frechet_distance"] > 20 * first["frechet_distance"]


class TestChains:
    @pytest.mark.parametrize("fixed_real", [False, True])
    @pytest.mark.parametrize("dimension", [1, 3])
    def test_same_distribution_as_drawing_every_sample(self, fixed_real: bool, dimension: int) -> None:
        n_real, n_synthetic, repeats = 8, 12, 1_500
        slow = []
        for seed in range(repeats):
            rng = np.random.default_rng([33, seed])
            first = real = rows = rng.standard_normal((n_real, dimension))
            for _ in range(4):
                model = make_model("gaussian")
                model.fit(rows, rng)
                real = first if fixed_real else rng.standard_normal((n_real, dimension))
                rows = np.concatenate([real, model.sample(n_synthetic, 0.8, rng)])
            slow.append([rows.mean(axis=0)[0] ** 2, rows.var(axis=0, ddof=1)[0]])
        chains = Chains(20_000, n_real, n_real, n_synthetic, 0.8, fixed_real, unbiased=True, dimension=dimension)
        mean, covariance = next(islice(chains.run(5, np.random.default_rng(1)), 4, None))
        one = (mean, covariance) if dimension == 1 else (mean[:, 0], covariance[:, 0, 0])
        for samples, fast in zip(np.array(slow).T, (one[0] ** 2, one[1]), strict=True):
            error = sqrt(samples.var() / repeats + fast.var() / fast.size)
            assert abs(samples.mean() - fast.mean()) <= 3 * error

    def test_pooling_is_the_statistics_of_both(self) -> None:
        rng = np.random.default_rng(2)
        a, b = (draw(np.zeros((4, 3)), np.broadcast_to(np.eye(3), (4, 3, 3)), n, rng) for n in (5, 9))
        both = a.pooled(b)
        second = sum(s.scatter + s.count * np.einsum("ci,cj->cij", s.mean, s.mean) for s in (a, b))
        expected = second - both.count * np.einsum("ci,cj->cij", both.mean, both.mean)
        np.testing.assert_allclose(both.scatter, expected, atol=1e-12)
        np.testing.assert_allclose(both.mean, (5 * a.mean + 9 * b.mean) / 14)

    def test_wishart_of_fewer_rows_than_dimensions(self) -> None:
        rng = np.random.default_rng(3)
        drawn = draw(np.zeros((4_000, 5)), np.broadcast_to(np.eye(5), (4_000, 5, 5)), 4, rng)
        assert np.linalg.matrix_rank(drawn.scatter[0]) == 3
        mean = drawn.scatter.mean(axis=0)
        error = drawn.scatter.std(axis=0) / sqrt(4_000)
        assert (np.abs(mean - 3 * np.eye(5)) < 4 * error).all()

    def test_a_million_chain_generations_a_second(self) -> None:
        rng = np.random.default_rng(4)
        started = time.perf_counter()
        for _ in Chains(20_000, 50, 50, 450, 0.8).run(50, rng):
            elapsed = time.perf_counter() - started
        assert 20_000 * 50 / elapsed > 1e6

    def test_contradiction_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="n_real is 5, n_ini 10"):
            Chains(10, 10, 5, 10, fixed_real=True)
