"""Generators that learn by steps: what each gets right of a distribution that is known, and what λ does to it."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from evaluator.models import GenerativeModel, ddpm_mlp, make_model, stacked
from evaluator.models.couplings import Couplings
from evaluator.models.ddpm_mlp import DdpmMlp
from evaluator.models.ddpm_unet import DdpmUnet
from evaluator.models.flow import Flow
from evaluator.models.latent_mixture import LatentMixture
from evaluator.models.members import fit_side_by_side
from evaluator.models.noise import Diffusion
from evaluator.models.principal import Principal
from evaluator.models.vae import Vae, _bound
from evaluator.models.wgan_gp import _critic_loss
from evaluator.sources import make_source
from hygiene.errors import ConfigurationError

Floats = NDArray[np.float64]

MEAN = np.array([5.0, -2.0, 0.5])
COVARIANCE = np.array([[4.0, 1.5, 0.0], [1.5, 1.0, 0.3], [0.0, 0.3, 0.5]])

# title -> parameters, greatest error of the mean in deviations, and of the covariance relative to its norm
GAUSSIAN: dict[str, tuple[dict[str, Any], float, float]] = {
    "ddpm_mlp": ({"steps": 1500, "width": 64, "depth": 2, "batch": 128}, 0.05, 0.1),
    "flow": ({"steps": 200, "layers": 4, "width": 16, "depth": 1, "noise": 0.01}, 0.05, 0.1),
    "vae": ({"latent": 2, "steps": 1500, "width": 32, "depth": 1, "rate": 0.01, "batch": 128}, 0.05, 0.1),
    "vae, mixture": (
        {"latent": 2, "steps": 1500, "width": 32, "depth": 1, "rate": 0.01, "batch": 128, "components": 1},
        0.1,
        0.15,
    ),
    "wgan_gp": ({"latent": 4, "steps": 600, "width": 32, "depth": 1, "rate": 0.005}, 0.15, 0.25),
}


def gaussian_rows(n: int, seed: int = 0) -> Floats:
    return np.random.default_rng([41, seed]).multivariate_normal(MEAN, COVARIANCE, n)


def relative(found: Floats, expected: Floats) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def made(title: str, **other: Any) -> GenerativeModel:
    """A model of GAUSSIAN, `other` parameters over its own."""
    return make_model(title.partition(",")[0], **GAUSSIAN[title][0] | other)


@cache
def learned(name: str) -> GenerativeModel:
    model = made(name)
    model.fit(gaussian_rows(3_000), np.random.default_rng(1))
    return model


@pytest.mark.parametrize("name", GAUSSIAN)
@pytest.mark.parametrize("bias", [1.0, 0.5])
def test_a_gaussian_is_learned(name: str, bias: float) -> None:
    """And λ scales its covariance: what turns noise into Gaussian data is linear, or nearly."""
    _, of_mean, of_covariance = GAUSSIAN[name]
    drawn = learned(name).sample(20_000, bias, np.random.default_rng(2))
    assert (np.abs(drawn.mean(axis=0) - MEAN) / np.sqrt(np.diag(COVARIANCE))).max() < of_mean
    assert relative(np.cov(drawn.T), bias * COVARIANCE) < of_covariance


@pytest.mark.parametrize("name", GAUSSIAN)
def test_torch_is_left_as_it_was(name: str) -> None:
    """No global seed is read or set, and the threads are given back."""
    state, threads, drawn = torch.get_rng_state(), torch.get_num_threads(), []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        model, rng = made(name, steps=3), np.random.default_rng(2)
        model.fit(gaussian_rows(50), rng)
        drawn.append(model.sample(5, 0.9, rng))
        assert torch.equal(torch.get_rng_state(), before)
    torch.set_rng_state(state)
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert torch.get_num_threads() == threads


class TestDdpmMlp:
    def test_side_by_side_is_one_after_the_other(self) -> None:
        """Also with conditions; two models that shared a number would be far off."""

        def made() -> list[DdpmMlp]:
            return [DdpmMlp(steps=20, width=16, depth=2, clusters=2) for _ in range(3)]

        def rngs() -> list[np.random.Generator]:
            return [np.random.default_rng([3, seed]) for seed in range(3)]

        together, alone = made(), made()
        rows = [gaussian_rows(40, seed) for seed in range(3)]
        fit_side_by_side(together, rows, rngs())
        for model, each, rng in zip(alone, rows, rngs(), strict=True):
            model.fit(each, rng)
        drawn = [[m.sample(20, 0.6, np.random.default_rng(4)) for m in models] for models in (together, alone)]
        np.testing.assert_allclose(drawn[0], drawn[1], rtol=1e-4, atol=1e-3)
        assert np.abs(drawn[0][0] - drawn[0][1]).max() > 0.1

    def test_unequal_models_do_not_go_side_by_side(self) -> None:
        rngs = [np.random.default_rng(seed) for seed in range(2)]
        rows = [gaussian_rows(10), gaussian_rows(10)]
        with pytest.raises(ConfigurationError, match="equal parameters"):
            fit_side_by_side([DdpmMlp(steps=1), DdpmMlp(steps=2)], rows, rngs)
        with pytest.raises(ConfigurationError, match="equal width"):
            fit_side_by_side([DdpmMlp(steps=1), DdpmMlp(steps=1)], [rows[0], rows[1][:, :1]], rngs)

    @pytest.mark.parametrize("variance", [0.1, 1.0, 4.0])
    def test_sampling_steps_take_no_variance(self, variance: float, monkeypatch: pytest.MonkeyPatch) -> None:
        """With the exact v of N(0, variance); DDIM's steps would take 5 to 8 %."""

        def exact(_: object, x: torch.Tensor, time: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
            cosine, sine = torch.cos(torch.pi / 2 * time), torch.sin(torch.pi / 2 * time)
            return x * cosine * sine * (1 - variance) / (cosine**2 * variance + sine**2)

        model = DdpmMlp(steps=1, sampling_steps=50)
        model.fit(np.array([[-1.0], [1.0]]), np.random.default_rng(6))
        monkeypatch.setattr(ddpm_mlp, "_velocity", exact)
        drawn = model.sample(1_000, 1.0, np.random.default_rng(7))
        start = torch.randn(1_000, 1, generator=stacked.generators([np.random.default_rng(7)])[0]).double()
        np.testing.assert_allclose(drawn, np.sqrt(variance) * start, rtol=0.01)

    def test_guidance_parts_the_classes(self) -> None:
        rng = np.random.default_rng(5)
        light = rng.random(2_000) < 0.25
        rows = rng.standard_normal((2_000, 2)) * 0.6 + np.where(light[:, None], 1.5, -1.5) * [1, 0]
        model = DdpmMlp(steps=800, width=64, depth=2, clusters=2)
        model.fit(rows, rng)
        np.testing.assert_allclose(np.sort(model.shares), [0.25, 0.75], atol=0.03)
        plain, guided = (model.sample(4_000, bias, rng)[:, 0] for bias in (1.0, 0.4))
        for drawn in (plain, guided):  # guidance keeps the classes' shares, which scaled noise does not
            assert (drawn > 0).mean() == pytest.approx(model.shares.min(), abs=0.03)
        assert guided[guided > 0].mean() > plain[plain > 0].mean() + 0.1
        with pytest.raises(ConfigurationError, match=r"guidance takes λ from 0\.05"):
            model.sample(5, 0.01, rng)


def stripes(n: int, rng: np.random.Generator) -> Floats:
    """8×8 images, half with upright and half with level stripes, of random brightness around 1."""
    upright = np.tile([0.0, 0.0, 1.0, 1.0], (8, 2))
    brightness = rng.normal(1, 0.2, (n, 1))
    return np.where(rng.random((n, 1)) < 0.5, upright.ravel(), upright.T.ravel()) * brightness


@cache
def striped() -> DdpmUnet:
    rng = np.random.default_rng(15)
    model = DdpmUnet(width=8, steps=150, batch=32, rate=5e-3, sampling_steps=10, clusters=2)
    model.fit(stripes(400, rng), rng)
    return model


class TestDdpmUnet:
    def test_images_of_both_classes_are_drawn_and_none_between(self) -> None:
        drawn = striped().sample(200, 1.0, np.random.default_rng(16))
        kinds = np.stack([np.tile([-1.0, -1.0, 1.0, 1.0], (8, 2)).ravel(), np.repeat([-1.0, -1, 1, 1] * 2, 8)])
        scores = drawn @ kinds.T / 32  # the contrast along each kind's stripes: 1 and 0, or 0 and 1
        assert scores.max(axis=1).mean() == pytest.approx(1, abs=0.15)
        assert scores.min(axis=1).mean() == pytest.approx(0, abs=0.15)
        assert (scores[:, 0] > scores[:, 1]).mean() == pytest.approx(0.5, abs=0.15)

    def test_guidance_has_a_limit(self) -> None:
        drawn = [striped().sample(20, bias, np.random.default_rng(17)) for bias in (1.0, 0.5)]
        assert np.abs(drawn[0] - drawn[1]).max() > 0.01
        with pytest.raises(ConfigurationError, match=r"guidance takes λ from 0\.05"):
            striped().sample(5, 0.01, np.random.default_rng(17))

    def test_colours_keep_their_place(self) -> None:
        """Rows are side × side × channels: only red varies, and of every three numbers it stays the first."""
        rng = np.random.default_rng(18)
        rows = rng.standard_normal((200, 1, 1, 1)) * [1.0, 0.0, 0.0] + 0.05 * rng.standard_normal((200, 4, 4, 3))
        model = DdpmUnet(channels=3, width=8, steps=150, batch=32, rate=5e-3, sampling_steps=5)
        model.fit(rows.reshape(200, -1), rng)
        red, green, blue = model.sample(100, 1.0, rng).reshape(100, 16, 3).var(axis=(0, 1))
        assert red > 2.5 * max(green, blue)

    @pytest.mark.parametrize(
        "way",
        [{"prediction": kind, **way} for kind in ("v", "epsilon") for way in ({}, {"eta": 1.0}, {"order": 2})],
        ids=str,
    )
    def test_every_way_of_sampling_is_scaled_by_the_bias(self, way: dict[str, Any]) -> None:
        rng = np.random.default_rng(19)
        model = DdpmUnet(width=8, steps=10, batch=8, sampling_steps=4, **way)
        model.fit(rng.standard_normal((100, 16)), rng)
        spreads = [model.sample(100, bias, rng).var(axis=0).sum() for bias in (1.0, 0.5)]
        assert spreads[0] > 1.3 * spreads[1]

    def test_samples_of_a_network_that_learned_noise_keep_their_size(self) -> None:
        """A network of normalised layers that says ε itself cannot say how large x is, and its samples are too wide."""
        rng = np.random.default_rng(26)
        rows = stripes(400, rng)
        model = DdpmUnet(width=8, steps=150, batch=32, rate=5e-3, sampling_steps=20, prediction="epsilon", order=2)
        model.fit(rows, rng)
        drawn = model.sample(300, 1.0, rng)
        assert 0.4 < drawn.var(axis=0).sum() / rows.var(axis=0).sum() < 1.5

    def test_what_is_no_image_and_what_is_no_device(self) -> None:
        rng = np.random.default_rng(20)
        for parameters, numbers in (({}, 60), ({}, 49), ({"channels": 3}, 64)):
            with pytest.raises(ConfigurationError, match=f"rows of {numbers} numbers are no square images"):
                DdpmUnet(**parameters).fit(rng.standard_normal((9, numbers)), rng)
        if not torch.cuda.is_available():
            with pytest.raises(ConfigurationError, match="torch sees no CUDA device"):
                DdpmUnet(device="cuda").fit(rng.standard_normal((9, 64)), rng)

    @pytest.mark.parametrize(
        ("side", "widths"), [(16, (8, 16)), (28, (8, 16, 16)), (32, (8, 16, 16)), (64, (8, 16, 16, 32))]
    )
    def test_larger_images_have_deeper_networks(self, side: int, widths: tuple[int, ...]) -> None:
        rng = np.random.default_rng(21)
        model = DdpmUnet(width=8, steps=1, batch=2, sampling_steps=1)
        model.fit(rng.standard_normal((2, side**2)), rng)
        assert tuple(model._denoiser.network.config.block_out_channels) == widths
        assert model.sample(2, 1.0, rng).shape == (2, side**2)


class TestDenoiser:
    """The whole denoising loop and every training step stay on the device."""

    @pytest.fixture
    def moved(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Every move between devices that is asked for."""
        asked: list[str] = []
        for name in ("cpu", "cuda", "numpy", "item", "tolist"):
            original = getattr(torch.Tensor, name)

            def move(tensor: torch.Tensor, *to: Any, _name: str = name, _original: Any = original) -> Any:
                if tensor.numel() > 1000:
                    asked.append(_name)
                return _original(tensor, *to)

            monkeypatch.setattr(torch.Tensor, name, move)
        return asked

    @pytest.mark.parametrize("eta", [0.0, 1.0])
    def test_a_batch_comes_back_once_however_many_steps_it_takes(self, eta: float, moved: list[str]) -> None:
        rng = np.random.default_rng(23)
        model = DdpmUnet(width=8, steps=1, batch=2, sampling_steps=4, eta=eta, clusters=2)
        model.fit(rng.standard_normal((20, 16)), rng)
        moved.clear()
        model.sample(300, 0.5, rng)
        assert moved == ["cpu", "numpy"]  # of 256 pictures; the other 44 have too few numbers to count

    def test_sampling_in_batches_draws_every_picture_once(self) -> None:
        rng = np.random.default_rng(24)
        model = DdpmUnet(width=8, steps=1, batch=2, sampling_steps=2)
        model.fit(rng.standard_normal((20, 16)), rng)
        drawn = model.sample(300, 1.0, rng)
        assert len(np.unique(drawn, axis=0)) == 300

    @pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
    def test_each_prediction_is_asked_for_what_samples_need(self, kind: str) -> None:
        """A network that says exactly what it was asked for: a single step brings the clean pictures back."""
        settings = {"num_train_timesteps": 100, "prediction_type": kind, "clip_sample": False}
        diffusion = Diffusion(settings)
        source = torch.Generator().manual_seed(25)
        clean, noise = (torch.randn(5, 1, 4, 4, generator=source) for _ in range(2))
        times = torch.full((5,), 60)
        noisy, asked = diffusion.added(clean, noise, times), diffusion.wanted(clean, noise, times)
        scheduler = diffusion.scheduler()
        scheduler.set_timesteps(100)
        found = scheduler.step(asked, 60, noisy).pred_original_sample
        torch.testing.assert_close(found, clean, atol=1e-4, rtol=1e-4)


def some_couplings(d: int) -> Couplings:
    """Far from the identity."""
    source = torch.Generator().manual_seed(8)
    couplings = Couplings(d, 5, 16, 1, [source]).double()
    for weight in couplings.parameters():
        torch.nn.init.normal_(weight, 0.0, 0.5, source)
    return couplings


class TestFlow:
    @pytest.mark.parametrize("d", [1, 2, 5])
    def test_inverse_undoes_forward(self, d: int) -> None:
        x = torch.randn(1, 50, d, generator=torch.Generator().manual_seed(9)).double()
        couplings = some_couplings(d)
        z, _ = couplings(x)
        assert (z - x).abs().max() > 0.5
        torch.testing.assert_close(couplings.inverse(z), x, rtol=1e-7, atol=1e-7)

    @pytest.mark.parametrize("d", [1, 2, 5])
    def test_log_determinant_is_autograds(self, d: int) -> None:
        x = torch.randn(6, d, generator=torch.Generator().manual_seed(9)).double()
        couplings = some_couplings(d)
        (log_dets,) = couplings(x[None])[1]
        for row, found in zip(x, log_dets, strict=True):
            jacobian = torch.autograd.functional.jacobian(lambda one: couplings(one[None, None])[0][0, 0], row)
            torch.testing.assert_close(found, torch.linalg.slogdet(jacobian).logabsdet)

    def test_density_integrates_to_one(self) -> None:
        grid = torch.linspace(-60, 60, 60_001, dtype=torch.float64)[None, :, None]
        assert torch.exp(some_couplings(1).log_density(grid)).sum().item() * 0.002 == pytest.approx(1, abs=1e-6)

    def test_rosenbrock(self) -> None:
        """Mean and variance along the banana and across it; the Gaussian fitted has variance 1.07 across."""
        rng = np.random.default_rng(10)
        model = Flow(layers=6, width=32, depth=1, steps=700, rate=3e-3)
        model.fit(make_source("rosenbrock").draw(5_000, rng), rng)
        drawn = model.sample(20_000, 1.0, rng)
        across = drawn[:, 1] - drawn[:, 0] ** 2
        assert drawn[:, 0].mean() == pytest.approx(1, abs=0.07)
        assert drawn[:, 0].var() == pytest.approx(0.5, rel=0.15)
        assert across.mean() == pytest.approx(0, abs=0.07)
        assert 0.08 < across.var() < 0.18
        assert np.var(model.sample(20_000, 0.75, rng)[:, 0]) == pytest.approx(0.75 * 0.5, rel=0.2)


class TestVae:
    def test_the_bound_is_below_the_likelihood_and_close_to_it(self) -> None:
        """For rows whose density is known, on rows that it was not fitted to; nats per row."""
        from scipy.stats import multivariate_normal

        model = learned("vae")
        assert isinstance(model, Vae)
        rows = gaussian_rows(4_000, seed=1)
        scaled = model._scale.inward(rows)[None]
        noise = torch.randn(1, len(rows), model.latent, generator=torch.Generator().manual_seed(13))
        bounds = _bound(model.networks, scaled, noise)[0].numpy() - 3 * np.log(model._scale.factor)
        gaps = multivariate_normal(MEAN, COVARIANCE).logpdf(rows) - bounds
        error = gaps.std() / np.sqrt(len(rows))
        assert -3 * error < gaps.mean() < 0.1

    def test_samples_carry_the_decoders_noise(self) -> None:
        """One latent number cannot hold three directions: the columns' variances are kept all the same."""
        rows, rng = gaussian_rows(2_000), np.random.default_rng(14)
        model = Vae(latent=1, steps=1000, width=32, depth=1, rate=1e-2, batch=128)
        model.fit(rows, rng)
        np.testing.assert_allclose(model.sample(20_000, 1.0, rng).var(axis=0), rows.var(axis=0), rtol=0.15)

    def test_rows_are_rebuilt_from_their_own_latents_with_the_decoders_noise(self) -> None:
        """A tail of the rows stays there, nearly: draws from the prior lie 5 lower. All rows keep their spread."""
        model, rows, rng = learned("vae"), gaussian_rows(3_000), np.random.default_rng(15)
        assert isinstance(model, Vae)
        tail = rows[rows[:, 0] > MEAN[0] + 2 * np.sqrt(COVARIANCE[0, 0])]
        np.testing.assert_allclose(model.rebuilt(tail, rng).mean(axis=0), tail.mean(axis=0), atol=1)
        assert relative(np.cov(model.rebuilt(rows, rng).T), np.cov(rows.T)) < 0.1

    def test_a_mixture_of_latents_leaves_gaps_empty(self) -> None:
        """Two clouds and nothing between them: draws from N(0, I) are decoded to what lies there."""
        between = []
        for components in (0, 4):
            rng = np.random.default_rng(16)
            sides = np.where(rng.random(2_000) < 0.75, -4.0, 4.0)
            rows = sides[:, None] * [1, 1, 0] + rng.standard_normal((2_000, 3)) * [0.5, 0.5, 1]
            model = Vae(latent=2, steps=600, width=32, depth=1, rate=0.01, batch=128, components=components)
            model.fit(rows, rng)
            drawn = model.sample(20_000, 1.0, rng)
            between.append((np.abs(drawn[:, 0]) < 2).mean())
        assert between[0] > 0.05 > 0.01 > between[1]
        assert (drawn[:, 0] < 0).mean() == pytest.approx(0.75, abs=0.03)
        assert relative(np.cov(drawn.T), np.cov(rows.T)) < 0.1


class TestLatentMixture:
    CENTRES = np.array([[-5.0, 0.0], [5.0, 0.0], [0.0, 9.0]])
    WEIGHTS = np.array([0.2, 0.3, 0.5])
    COVARIANCE = np.array([[1.0, 0.5], [0.5, 0.4]])

    def known(self) -> tuple[LatentMixture, list[torch.Generator]]:
        """Fitted to the draws of a mixture whose numbers are known."""
        sources = [torch.Generator().manual_seed(seed) for seed in (17, 18)]
        rng = np.random.default_rng(19)

        def draw() -> torch.Tensor:
            chosen = rng.choice(3, p=self.WEIGHTS, size=(2, 1000))
            noise = rng.multivariate_normal(np.zeros(2), self.COVARIANCE, (2, 1000))
            return torch.from_numpy(self.CENTRES[chosen] + noise).float()

        mixture = LatentMixture(2, 3, 2)
        mixture.fit(draw, sources)
        return mixture, sources

    def test_a_known_mixture_is_found_for_every_member(self) -> None:
        mixture, _ = self.known()
        for member in range(2):
            shares, centres, roots = (each[member].numpy() for each in mixture.buffers())
            order = [int(np.linalg.norm(centres - centre, axis=1).argmin()) for centre in self.CENTRES]
            np.testing.assert_allclose(shares[order], self.WEIGHTS, atol=0.03)
            np.testing.assert_allclose(centres[order], self.CENTRES, atol=0.15)
            covariances = roots @ roots.swapaxes(1, 2)
            np.testing.assert_allclose(covariances, np.broadcast_to(self.COVARIANCE, (3, 2, 2)), atol=0.12)

    @pytest.mark.parametrize("bias", [1.0, 0.5])
    def test_a_bias_scales_covariances_and_sharpens_shares(self, bias: float) -> None:
        mixture, sources = self.known()
        drawn = mixture.sample(40_000, bias, sources[0])[0].numpy()
        nearest = np.linalg.norm(drawn[:, None] - self.CENTRES, axis=2).argmin(axis=1)
        shares = self.WEIGHTS ** (1 / bias) / (self.WEIGHTS ** (1 / bias)).sum()
        np.testing.assert_allclose(np.bincount(nearest) / len(drawn), shares, atol=0.03)
        for index in range(3):
            np.testing.assert_allclose(np.cov(drawn[nearest == index].T), bias * self.COVARIANCE, atol=0.12)


class TestWganGp:
    @pytest.mark.parametrize("length", [0.5, 1.0, 3.0])
    def test_the_critics_loss_of_a_linear_critic(self, length: float) -> None:
        """D(x) = a·x: the means' distance along a, and 10·(|a| − 1)² wherever the gradient is taken."""
        source = torch.Generator().manual_seed(22)
        direction = torch.randn(4, generator=source).double()
        direction = (length * direction / direction.norm())[:, None]
        real, fake = (torch.randn(1, 50, 4, generator=source).double() for _ in range(2))
        shares = torch.rand(1, 50, 1, generator=source).double()
        found = _critic_loss(lambda x: x @ direction, real, fake, shares)
        gap = ((fake - real).mean(dim=1) @ direction).item()
        assert found.item() == pytest.approx(gap + 10 * (length - 1) ** 2, rel=1e-9)


class TestPrincipal:
    def test_there_and_back(self) -> None:
        rows = gaussian_rows(200)
        ground = Principal(rows, 3)
        scores = ground.inward(rows)
        np.testing.assert_allclose(np.cov(scores.T, ddof=0), np.eye(3), atol=1e-12)
        np.testing.assert_allclose(ground.outward(scores, 1.0, np.random.default_rng(0)), rows, atol=1e-12)

    def test_what_is_left_out_comes_back_as_noise(self) -> None:
        rows, rng = gaussian_rows(200), np.random.default_rng(11)
        drawn = Principal(rows, 1).outward(rng.standard_normal((50_000, 1)), 1.0, rng)
        assert relative(np.cov(drawn.T), np.cov(rows.T, ddof=0)) < 0.03

    def test_directions_without_variance_are_not_components(self) -> None:
        assert Principal(np.outer(np.arange(5.0), [1, 2, 3]), 3).kept == 1
        assert Principal(np.full((5, 3), 0.1), 3).kept == 1
