"""Noise of flow matching: what is added, what is asked for, how a step back goes. Of diffusion see `TestDenoiser`, but
for what its steps do to the variance."""

from types import SimpleNamespace

import diffusers
import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm

from evaluator.models.conditions import numbered
from evaluator.models.denoising import Denoiser
from evaluator.models.noise import Diffusion, Flow

SETTINGS = {"num_train_timesteps": 1000, "shift": 3.0}


def source() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def test_a_network_that_says_what_it_was_asked_for_leads_back_to_the_clean_pictures() -> None:
    """Exactly, in one step or in several: its way is straight (Liu et al. 2022)."""
    flow = Flow(SETTINGS)
    clean, noise = torch.randn(2, 4, 3, 8, 8, generator=source())
    for steps in (1, 7):
        x = noise
        for time, stepped in flow.back(steps, 0.0):
            times = torch.full((4,), time)
            torch.testing.assert_close(x, flow.added(clean, noise, times), atol=1e-5, rtol=1e-5)
            x = stepped(flow.wanted(clean, noise, times), x, None)
        torch.testing.assert_close(x, clean, atol=1e-5, rtol=1e-5)


def test_noise_is_added_and_taken_away_as_by_diffusers() -> None:
    flow = Flow(SETTINGS)
    theirs = diffusers.FlowMatchEulerDiscreteScheduler(**SETTINGS)
    clean, noise = torch.randn(2, 4, 3, 8, 8, generator=source())
    times = flow.times(4, source(), "cpu")
    torch.testing.assert_close(flow.added(clean, noise, times), theirs.scale_noise(clean, times, noise))
    theirs.set_timesteps(6)
    steps = list(flow.back(6, 0.0))
    assert [time for time, _ in steps] == theirs.timesteps.tolist()
    for time, (_, stepped) in zip(theirs.timesteps, steps, strict=True):
        torch.testing.assert_close(stepped(noise, clean, None), theirs.step(noise, time, clean).prev_sample)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_times_of_training_are_logistic_of_normal_numbers_and_then_shifted(shift: float) -> None:
    """Esser et al. 2024, section 3.1; the shift of their section 5 undone, the logits are normal."""
    times = Flow({**SETTINGS, "shift": shift}).times(4000, source(), "cpu").double().numpy() / 1000
    shares = times / (shift - (shift - 1) * times)
    np.testing.assert_allclose(1000 * shares, (1000 * shares).round(), atol=1e-2)
    inner = (shares - 0.0005).clip(1e-4, 1 - 1e-4)  # of a thousand levels, from the middle of each
    assert kstest(np.log(inner / (1 - inner)), norm.cdf).pvalue > 0.001


class Means(torch.nn.Module):
    """Says the velocity of pictures that are all the mean of their class: what is left to be learned is the mean."""

    config = SimpleNamespace(sample_size=4, in_channels=1)

    def __init__(self) -> None:
        super().__init__()
        self.means = torch.nn.Parameter(torch.zeros(3, 1, 4, 4))

    def forward(self, noisy: torch.Tensor, timestep: torch.Tensor, class_labels: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(sample=(noisy - self.means[class_labels]) / (timestep / 1000)[:, None, None, None])


def test_a_denoiser_learns_the_pictures_of_each_class_and_goes_there() -> None:
    """The loss is that of the mean, E|x − m|² / σ², whatever the noise: its least is in closed form."""
    kinds = torch.tensor([0, 1]).repeat(20)
    pictures = kinds[:, None, None, None] * 2.0 - 0.5 + torch.zeros(40, 1, 4, 4)
    denoiser = Denoiser(Means(), Flow(SETTINGS), "cpu", numbered(2, "cpu"))
    denoiser.learn(pictures, kinds, 400, 20, 0.05, source())
    with torch.inference_mode():
        found = torch.cat([*denoiser.samples(torch.tensor([0, 1, 1]), 1.0, 6, 0.0, source())])
        guided = torch.cat([*denoiser.samples(torch.tensor([0, 1, 1]), 0.5, 6, 0.0, source())])
    torch.testing.assert_close(found.mean(dim=(1, 2, 3)), torch.tensor([-0.5, 1.5, 1.5]), atol=0.02, rtol=0)
    of_none = denoiser.network.means[2].mean()
    assert 0.2 < of_none < 0.8  # of both classes
    expected = 2 * found - of_none  # w = 1/λ − 1 = 1
    torch.testing.assert_close(guided.mean(dim=(1, 2, 3)), expected.mean(dim=(1, 2, 3)), atol=0.02, rtol=0)


def test_the_error_that_is_learned_from_is_that_of_the_noise_or_of_v() -> None:
    """Of any network that says v; what it says of ε is √(1 − ᾱ) x + √ᾱ v."""
    settings = {"num_train_timesteps": 1000, "beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"}
    said, clean, noise = torch.randn(3, 6, 1, 4, 4, generator=source(), dtype=torch.float64)
    times = torch.tensor([0, 10, 300, 700, 990, 999])
    diffusion = Diffusion(settings, of_noise=True)
    kept = diffusion.scheduler().alphas_cumprod.double()[times][:, None, None, None]
    noisy = diffusion.added(clean, noise, times)
    of_noise = torch.square((1 - kept).sqrt() * noisy + kept.sqrt() * said - noise)
    of_velocity = torch.square(said - diffusion.wanted(clean, noise, times))
    torch.testing.assert_close(diffusion.weights(times) * of_velocity, of_noise, atol=1e-6, rtol=1e-5)
    assert Diffusion(settings).weights(times) == 1


class Constant(torch.nn.Module):
    """Says the same v of all pictures at all times."""

    config = SimpleNamespace(sample_size=2, in_channels=1)

    def __init__(self) -> None:
        super().__init__()
        self.said = torch.nn.Parameter(torch.zeros(1))

    def forward(self, noisy: torch.Tensor, timestep: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(sample=self.said.expand_as(noisy))


@pytest.mark.parametrize(("of_noise", "expected"), [(False, -2 / np.pi), (True, -4 / (3 * np.pi))])
def test_a_denoiser_learns_from_the_error_that_it_is_told_to(of_noise: bool, expected: float) -> None:
    """Of pictures that are all 1, v is √ᾱ ε − √(1 − ᾱ). With √ᾱ the cosine of an angle that is uniform in 0..π/2, the
    best constant is −E[sin], or by the error in ε −E[cos² sin] / E[cos²]."""
    settings = {"num_train_timesteps": 1000, "beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"}
    denoiser = Denoiser(Constant(), Diffusion(settings, of_noise=of_noise), "cpu")
    denoiser.learn(torch.ones(2, 1, 2, 2), torch.zeros(2, dtype=torch.long), 400, 200, 0.02, source())
    assert denoiser.network.said.item() == pytest.approx(expected, abs=0.02)


def spread_left(order: int, steps: int, deviation: float) -> float:
    """Standard deviation of what an exact network makes of N(0, deviation²), over `deviation`. Its velocity is linear
    in x at every angle φ, cos φ = √ᾱ: E[cos φ·ε − sin φ·x₀ | x]. So pictures keep their direction, and shrink."""
    settings = {"num_train_timesteps": 1000, "beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"}
    diffusion = Diffusion({**settings, "clip_sample": False, "timestep_spacing": "trailing"}, order)
    angles = diffusion.scheduler().alphas_cumprod.double().sqrt().arccos()
    x = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    for time, stepped in diffusion.back(steps, 0.0):
        cosine, sine = angles[int(time)].cos(), angles[int(time)].sin()
        slope = cosine * sine * (1 - deviation**2) / (cosine**2 * deviation**2 + sine**2)
        x = stepped(slope * x, x, None)
    return float(x) / deviation


@pytest.mark.parametrize("deviation", [0.4, 1.5])
def test_steps_of_second_order_take_no_variance_away_where_those_of_the_first_do(deviation: float) -> None:
    errors = {(order, steps): abs(spread_left(order, steps, deviation) - 1) for order in (1, 2) for steps in (15, 30)}
    assert errors[2, 15] < 0.025 < 0.08 < errors[1, 15]
    assert errors[2, 30] < errors[2, 15] / 2.5  # a quarter, but for the levels' rounding
    assert errors[1, 30] > errors[1, 15] / 2.5  # a half
