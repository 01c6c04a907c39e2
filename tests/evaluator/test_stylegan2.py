"""StyleGAN2: layers and losses against what they are said to be, and what the whole learns."""

import itertools

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.signal import upfirdn
from torch import Tensor
from torch.nn import functional

from evaluator.models import stylegan2_layers as layers
from evaluator.models import stylegan2_losses as losses
from evaluator.models.stylegan2 import StyleGan2
from evaluator.models.stylegan2_networks import Discriminator, Generator, Mapping, Synthesis, Widths, sides
from hygiene.errors import ConfigurationError

Floats = NDArray[np.float64]
TAPS = np.array([1, 3, 3, 1]) / 8


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=source(seed), dtype=torch.float64)


def networks(colours: int, side: int, full: int = 32) -> tuple[Generator, Discriminator]:
    widths = Widths(8, full)
    generator = Generator(Mapping(4, 2, 0.01, source()), Synthesis(4, widths, colours, side, source(1)))
    return generator, Discriminator(widths, colours, side, source(2))


def upfirdn2(x: Tensor, up: int, down: int, cut: tuple[int, int]) -> Floats:
    """scipy's, along both axes of [n, c, h, w], less `cut` numbers in front and behind."""
    found = x.numpy()
    for axis in (2, 3):
        found = upfirdn(TAPS * up, found, up=up, axis=axis)
        found = np.take(found, np.arange(cut[0], found.shape[axis] - cut[1]), axis=axis)
        found = np.take(found, np.arange(0, found.shape[axis], down), axis=axis)
    return found


class TestModulatedConvolution:
    @pytest.mark.parametrize("demodulate", [False, True])
    @pytest.mark.parametrize("size", [1, 3])
    def test_every_sample_has_weights_of_its_own(self, demodulate: bool, size: int) -> None:
        """Eq. 1 and 3 as they are written, a convolution per sample."""
        x, weight, style = numbers(3, 4, 5, 6), numbers(2, 4, size, size, seed=1), numbers(3, 4, seed=2)
        found = layers.modulated(x, weight, style, demodulate)
        for n in range(3):
            own = style[n][None, :, None, None] * weight / np.sqrt(4 * size**2)
            if demodulate:
                own = own / torch.sqrt((own**2).sum(dim=(1, 2, 3), keepdim=True) + 1e-8)
            expected = functional.conv2d(x[n : n + 1], own, padding=size // 2)
            torch.testing.assert_close(found[n : n + 1], expected)

    def test_demodulation_gives_unit_variance(self) -> None:
        x, weight, style = numbers(4, 32, 40, 40), 7 * numbers(6, 32, 3, 3, seed=1), 3 * numbers(4, 32, seed=2)
        inside = layers.modulated(x, weight, style)[:, :, 1:-1, 1:-1]
        np.testing.assert_allclose(inside.var(dim=(2, 3)), 1, atol=0.15)
        assert inside.var().item() == pytest.approx(1, abs=0.03)

    def test_upsampling_first_or_between_is_the_same_inside(self) -> None:
        x, weight, style = numbers(2, 3, 6, 6), numbers(4, 3, 3, 3, seed=1), numbers(2, 3, seed=2)
        found = layers.modulated(x, weight, style, up=True)
        expected = layers.modulated(layers.upsampled(x), weight, style)
        assert found.shape == (2, 4, 12, 12)
        torch.testing.assert_close(found[:, :, 1:-1, 1:-1], expected[:, :, 1:-1, 1:-1])


class TestResampling:
    def test_against_scipy(self) -> None:
        x = numbers(2, 3, 6, 8)
        np.testing.assert_allclose(layers.upsampled(x), upfirdn2(x, 2, 1, (1, 1)), atol=1e-6)
        np.testing.assert_allclose(layers.downsampled(x), upfirdn2(x, 1, 2, (2, 0))[:, :, :3, :4], atol=1e-6)

    def test_smooth_pictures_keep_their_values(self) -> None:
        flat = torch.ones(1, 1, 8, 8)
        for made in (layers.upsampled(flat), layers.downsampled(flat)):
            np.testing.assert_allclose(made[:, :, 1:-1, 1:-1], 1, atol=1e-6)

    def test_convolution_that_halves(self) -> None:
        """Filter, then stride: without padding inside the picture, that is to convolve and then to filter and halve."""
        convolution = layers.Convolution(2, 3, 3, source(), down=True).double()
        x = numbers(2, 2, 12, 12)
        whole = functional.conv2d(x, convolution.weight / np.sqrt(18), padding=1)
        expected = layers.downsampled(whole)[:, :, 1:-1, 1:-1]
        torch.testing.assert_close(convolution(x)[:, :, 1:-1, 1:-1], expected)


class TestLayers:
    @pytest.mark.parametrize("rate", [1.0, 0.01])
    def test_equalised_rates_start_at_unit_variance(self, rate: float) -> None:
        linear = layers.Linear(400, 300, source(), bias=0.5, rate=rate)
        found = linear(torch.randn(200, 400, generator=source(1)))
        assert found.mean().item() == pytest.approx(0.5, abs=0.02)
        assert found.var().item() == pytest.approx(1, abs=0.03)
        assert linear.weight.std().item() == pytest.approx(1 / rate, rel=0.01)

    def test_deviation_of_a_batch(self) -> None:
        x = numbers(8, 3, 4, 4)
        found = layers.deviation(x)
        torch.testing.assert_close(found[:, :3], x)
        for first in range(2):  # groups of four: every other sample
            expected = x[first::2].std(dim=0, correction=0).mean()
            torch.testing.assert_close(found[first::2, 3], expected.expand(4, 4, 4), rtol=1e-5, atol=0)
        assert layers.deviation(x[:1].repeat(4, 1, 1, 1))[:, 3].max() < 2e-4

    def test_activation_keeps_the_second_moment(self) -> None:
        assert layers.activated(numbers(100_000)).square().mean().item() == pytest.approx(1.04, abs=0.02)


class TestLosses:
    def test_r1_of_a_linear_critic(self) -> None:
        direction = numbers(2 * 5 * 5)
        found = losses.r1(lambda x: x.flatten(1) @ direction, numbers(7, 2, 5, 5, seed=1))
        assert found.item() == pytest.approx((direction**2).sum().item())

    def test_r1_is_a_mean_over_pictures(self) -> None:
        x = numbers(7, 2, 5, 5)
        found = losses.r1(lambda each: each.square().flatten(1).sum(dim=1), x)
        assert found.item() == pytest.approx(4 * x.square().flatten(1).sum(dim=1).mean().item())

    def test_logistic_losses(self) -> None:
        real, fake = numbers(50), numbers(50, seed=1)
        probability = 1 / (1 + np.exp(-real.numpy())), 1 / (1 + np.exp(-fake.numpy()))
        expected = -np.log(probability[0]).mean() - np.log(1 - probability[1]).mean()
        assert losses.discriminator_loss(real, fake).item() == pytest.approx(expected)
        assert losses.generator_loss(fake).item() == pytest.approx(-np.log(probability[1]).mean())

    def test_path_length_of_a_linear_generator(self) -> None:
        """g(w) = Aw: |Jᵀy| = |Aᵀy| for the y that was drawn, and its mean square is |A|² over the pixels."""
        matrix, w = numbers(2 * 4 * 4, 6), numbers(3_000, 6, seed=1).requires_grad_()
        lengths = losses.PathLength()
        found = lengths((w @ matrix.T).reshape(-1, 2, 4, 4), w, source(3)).item()
        y = torch.randn(3_000, 2, 4, 4, generator=source(3)).double().flatten(1) / 4
        expected = (y @ matrix).norm(dim=1)
        assert lengths.mean is not None
        assert lengths.mean.item() == pytest.approx(expected.mean().item(), rel=1e-5)
        assert found == pytest.approx((expected - lengths.mean).square().mean().item(), rel=1e-5)
        assert expected.square().mean().item() == pytest.approx(matrix.square().sum().item() / 16, rel=0.05)

    def test_the_running_mean_of_lengths(self) -> None:
        """Of all batches at first, then a hundredth of each new one."""
        lengths, w = losses.PathLength(), numbers(4, 16).requires_grad_()
        means = []
        for scale in (1.0, 100.0, *[1.0] * 198, 100.0):
            lengths((scale * w).reshape(-1, 1, 4, 4), w, source(3))
            means.append(lengths.mean.item())
        one = means[0]
        assert means[1] == pytest.approx(50.5 * one)
        assert means[-2] == pytest.approx(one * (1 + 99 * 0.01 * 0.99**100), rel=1e-6)
        assert means[-1] == pytest.approx(0.99 * means[-2] + one)

    def test_the_papers_weight(self) -> None:
        """γ = ln 2 / (r² (ln r − ln 2)) for lengths that are not divided by r."""
        for side in (8, 256, 1024):
            expected = np.log(2) / (np.log(side) - np.log(2))
            assert losses.path_weight(side) == pytest.approx(expected)


class TestNetworks:
    @pytest.mark.parametrize(
        ("side", "expected"),
        [(2, [2]), (8, [4, 8]), (28, [7, 14, 28]), (256, [4, 8, 16, 32, 64, 128, 256]), (9, []), (22, []), (1, [])],
    )
    def test_sides(self, side: int, expected: list[int]) -> None:
        assert sides(side) == expected

    @pytest.mark.parametrize(("side", "colours"), [(8, 1), (28, 1), (128, 3)])
    def test_shapes(self, side: int, colours: int) -> None:
        generator, discriminator = networks(colours, side)
        made = generator(3, source(1))
        assert made.shape == (3, colours, side, side)
        assert discriminator(made).shape == (3,)
        assert generator.synthesis.pictures[-1].convolution.weight.shape[1] == 8 * 32 // max(side, 32)

    def test_channels_halve_above_a_size(self) -> None:
        generator, discriminator = networks(1, 32, full=8)
        assert [layer.convolution.weight.shape[0] for layer in generator.synthesis.layers] == [8, 8, 8, 4, 4, 2, 2]
        assert [block.second.weight.shape[0] for block in discriminator.blocks] == [4, 8, 8]

    def test_mixed_precision_is_near_float32(self) -> None:
        """On the CPU's bfloat16, as precision("cuda") switches it on."""
        generator, discriminator = networks(1, 16)
        found = []
        for mixed in (False, True):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mixed):
                loss = losses.generator_loss(discriminator(generator(16, source(1))))
            found.append((loss, *torch.autograd.grad(loss, generator.synthesis.constant)))
        assert 0 < abs(found[1][0] - found[0][0]) < 0.05 * found[0][0]
        assert (found[1][1] - found[0][1]).norm() < 0.2 * found[0][1].norm()

    def test_noise_is_an_input_of_its_own(self) -> None:
        generator, _ = networks(1, 8)
        w = generator.styles(3, source(1))
        plain = [generator.synthesis(w, source(seed)) for seed in (2, 3)]
        torch.testing.assert_close(*plain)  # its strength starts at 0
        for layer in generator.synthesis.layers:
            layer.strength.data.fill_(0.5)
        assert (generator.synthesis(w, source(2)) - generator.synthesis(w, source(3))).abs().max() > 0.1


class TestStyleMixing:
    def test_a_picture_follows_each_style_where_it_is_used(self) -> None:
        """Behind the crossover the second style counts, before it the first: all of one is the unmixed picture."""
        generator, _ = networks(1, 16)
        count = generator.synthesis.styles
        one, two = (generator.styles(3, source(seed)) for seed in (1, 2))
        made = [
            generator.synthesis(torch.stack([one] * first + [two] * (count - first)), source(3))
            for first in range(count + 1)
        ]
        torch.testing.assert_close(made[-1], generator.synthesis(one, source(3)))
        torch.testing.assert_close(made[0], generator.synthesis(two, source(3)))
        assert all((a - b).abs().amax(dim=(1, 2, 3)).min() > 1e-3 for a, b in itertools.pairwise(made))

    def test_two_latents_share_a_picture_as_often_as_said(self) -> None:
        generator, _ = networks(1, 16)
        w = generator.mixed(4_000, 0.7, source(1))
        changes = (w[1:] != w[:-1]).any(dim=2).sum(dim=0)
        assert changes.max() == 1
        assert (changes == 1).float().mean().item() == pytest.approx(0.7, abs=0.03)
        places = (w[1:] != w[:-1]).any(dim=2)[:, changes == 1].float().mean(dim=1)
        np.testing.assert_allclose(places, 1 / len(places), atol=0.04)  # every style but the first may begin it
        assert (generator.mixed(50, 0.0, source(1)).diff(dim=0) == 0).all()
        torch.testing.assert_close(generator.mixed(4_000, 0.7, source(1)), w, rtol=0, atol=0)

    def test_only_training_mixes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shares: list[float] = []
        plain = Generator.mixed

        def noted(self, n, mixing, source):  # type: ignore[no-untyped-def]
            shares.append(mixing)
            return plain(self, n, mixing, source)

        monkeypatch.setattr(Generator, "mixed", noted)
        rng = np.random.default_rng(0)
        model = StyleGan2(latent=4, width=4, steps=3, batch=4, mixing=0.3)
        model.fit(rng.standard_normal((20, 64)), rng)
        assert shares == [0.3] * 6  # both networks' pictures, at every step
        model.sample(10, 1.0, rng)
        assert len(shares) == 6


@pytest.fixture(scope="module")
def striped(stripes) -> StyleGan2:
    rng = np.random.default_rng(0)
    model = StyleGan2(latent=8, width=8, full=8, steps=200, batch=32)
    model.fit(stripes.rows(400, rng), rng)
    return model


class TestStyleGan2:
    def test_a_distribution_of_pictures_is_learned(self, striped, stripes) -> None:
        stripes.check(striped.sample(1_000, 1.0, np.random.default_rng(1)))

    def test_truncation_moves_towards_the_centre(self, striped) -> None:
        """ψ = 1 is w itself; towards 0 all pictures become the one of the mean w, but for the noise inputs."""
        model = striped
        whole, none = (model.sample(50, bias, np.random.default_rng(2)) for bias in (1.0, 1e-9))
        seeded = np.random.default_rng(2)
        start = torch.Generator().manual_seed(int(seeded.integers(2**63)))
        with torch.inference_mode():
            w = model._generator.styles(50, start)
            untouched = model._generator.synthesis(w, start)
            middle = model._generator.synthesis(model._centre.expand(50, -1), start)
        np.testing.assert_allclose(whole, model._scale.outward(untouched.flatten(1)), atol=1e-5)
        assert none.std(axis=0).max() < 0.1 * whole.std(axis=0).max()
        np.testing.assert_allclose(none.mean(axis=0), model._scale.outward(middle.flatten(1)).mean(axis=0), atol=0.05)
        half = model.sample(400, 0.5, np.random.default_rng(3)).var(axis=0).sum()
        assert half < 0.8 * model.sample(400, 1.0, np.random.default_rng(3)).var(axis=0).sum()

    def test_the_centre_is_the_mean_of_w(self, striped) -> None:
        model = striped
        with torch.inference_mode():
            w = model._generator.styles(20_000, source(4))
        error = w.std(dim=0) * np.sqrt(1 / 20_000 + 1 / 10_000)
        assert ((w.mean(dim=0) - model._centre).abs() < 5 * error).all()

    def test_regularisations_are_lazy_and_weigh_as_much(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """R1 at every 16th step, 16 times as heavy; lengths at every 4th, 4 times. Here both are worth 1."""
        seen: dict[str, list[Tensor]] = {"_judgement": [], "_persuasion": []}
        for name, found in seen.items():
            plain = getattr(StyleGan2, name)

            def noted(self, *given, plain=plain, found=found):  # type: ignore[no-untyped-def]
                found.append(plain(self, *given))
                return found[-1]

            monkeypatch.setattr(StyleGan2, name, noted)
        model = StyleGan2(latent=4, width=4, steps=17, batch=4, gamma=0.5, rate=1e-9)
        plain_steps = self.losses_of(model, seen, monkeypatch, 0.0)
        heavy_steps = self.losses_of(model, seen, monkeypatch, 1.0)
        extra = heavy_steps - plain_steps
        np.testing.assert_allclose(extra[0], [16 * 0.25 if step % 16 == 0 else 0 for step in range(17)], atol=1e-4)
        weight = 4 * losses.path_weight(8)
        np.testing.assert_allclose(extra[1], [weight if step % 4 == 0 else 0 for step in range(17)], atol=1e-4)

    def losses_of(
        self, model: StyleGan2, seen: dict[str, list[Tensor]], monkeypatch: pytest.MonkeyPatch, worth: float
    ) -> Floats:
        """Both networks' losses of 17 steps, [2, 17], where the regularisations are `worth` it."""
        for found in seen.values():
            found.clear()
        monkeypatch.setattr(losses, "r1", lambda discriminator, real: torch.tensor(worth))
        monkeypatch.setattr(losses.PathLength, "__call__", lambda self, pictures, w, source: torch.tensor(worth))
        rows = np.random.default_rng(0).standard_normal((20, 64))
        model.fit(rows, np.random.default_rng(1))
        return np.array([[loss.item() for loss in found] for found in seen.values()])

    def test_colours_keep_their_place(self) -> None:
        """Rows are side × side × channels: only red varies, and of every three numbers it stays the first."""
        rng = np.random.default_rng(18)
        rows = rng.standard_normal((200, 1, 1, 1)) * [1.0, 0.0, 0.0] + 0.05 * rng.standard_normal((200, 4, 4, 3))
        model = StyleGan2(channels=3, width=8, latent=8, steps=100, batch=32, rate=2e-2)
        model.fit(rows.reshape(200, -1), rng)
        red, green, blue = model.sample(200, 1.0, rng).reshape(200, 16, 3).var(axis=(0, 1))
        assert red > 2.5 * max(green, blue)

    @pytest.mark.parametrize(("d", "message"), [(60, "no square images"), (81, "side 9 do not grow"), (1, "side 1")])
    def test_what_is_no_picture(self, d: int, message: str) -> None:
        with pytest.raises(ConfigurationError, match=message):
            StyleGan2().fit(np.random.default_rng(0).standard_normal((9, d)), np.random.default_rng(0))

    def test_it_learns_where_it_was_restored_and_sampled_first(self) -> None:
        """What resamples pictures is kept, and may first be wanted in sampling, where torch traces no gradients."""
        rows, rng = np.random.default_rng(0).random((20, 64)), np.random.default_rng(1)
        learned = StyleGan2(steps=1, batch=4)
        learned.fit(rows, rng)
        layers._taps.cache_clear()
        again = StyleGan2(steps=1, batch=4)
        again.restore(learned.weights())
        again.sample(2, 1.0, rng)
        again.fit(rows, rng)
        assert np.isfinite(again.sample(2, 1.0, rng)).all()

    def test_devices(self) -> None:
        with pytest.raises(ConfigurationError, match="device is 'tpu': choose one of cpu, cuda"):
            StyleGan2(device="tpu")
        if not torch.cuda.is_available():
            with pytest.raises(ConfigurationError, match="torch sees no CUDA device"):
                StyleGan2(device="cuda").fit(np.ones((9, 64)), np.random.default_rng(0))
