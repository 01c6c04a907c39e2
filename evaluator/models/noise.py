"""The two kinds of noise of diffusion models: how it is added, what a network says of it, how a step back goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    import torch

Back = Callable[["torch.Tensor", "torch.Tensor", "torch.Tensor | None"], "torch.Tensor"]
"""Of what the network says, the noisy pictures and fresh noise for them, if any: the pictures one step back."""


class Noise(Protocol):
    """Pictures are [n, channels, side, side], times [n] what the network is told of the noise on them."""

    def times(self, n: int, source: torch.Generator, device: str) -> torch.Tensor:
        """Of `n` pictures in training; `source` is on the device."""
        ...

    def added(self, clean: torch.Tensor, noise: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        """`clean` with standard normal `noise` on them."""
        ...

    def wanted(self, clean: torch.Tensor, noise: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        """What the network is to say about what was `added`."""
        ...

    def weights(self, times: torch.Tensor) -> torch.Tensor | float:
        """Of the squared errors in training, to be multiplied with pictures."""
        ...

    def back(self, steps: int, eta: float) -> Iterator[tuple[float, Back]]:
        """From noise to pictures: the time of each of `steps`, and how it goes. eta: share of fresh noise, 0..1."""
        ...


@dataclass(frozen=True)
class Diffusion:
    """x_t = √ᾱ_t x + √(1 − ᾱ_t) ε (Ho et al. 2020), back by DDIM (Song et al. 2021), at eta = 1 ancestral sampling.

    settings  of a diffusers scheduler: noise levels, their schedule, what the network predicts
    order     1: DDIM; 2: the same path in steps of second order, of a network that predicts v, without fresh noise
    of_noise  whether a network that predicts v learns by the error that its v makes in ε (Ho et al. 2020, eq. 14)
    """

    settings: dict[str, Any]
    order: int = 1
    of_noise: bool = False

    def scheduler(self) -> Any:
        import diffusers

        ddim: Any = diffusers.DDIMScheduler
        return ddim.from_config(self.settings)

    @cached_property
    def _training(self) -> Any:
        """Made once, and not for sampling: it moves what it knows to the device of the pictures."""
        return self.scheduler()

    def times(self, n: int, source: torch.Generator, device: str) -> torch.Tensor:
        import torch

        return torch.randint(self._training.config.num_train_timesteps, (n,), generator=source, device=device)

    def added(self, clean: torch.Tensor, noise: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        noisy: torch.Tensor = self._training.add_noise(clean, noise, times)
        return noisy

    def wanted(self, clean: torch.Tensor, noise: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        kind = self._training.config.prediction_type
        if kind != "v_prediction":
            return noise if kind == "epsilon" else clean
        velocity: torch.Tensor = self._training.get_velocity(clean, noise, times)
        return velocity

    def weights(self, times: torch.Tensor) -> torch.Tensor | float:
        """ε = √(1 − ᾱ) x + √ᾱ v, so an error in v makes one √ᾱ times as large in ε."""
        if not self.of_noise:
            return 1.0
        shares: torch.Tensor = self._training.alphas_cumprod.to(times.device)
        return shares[times][:, None, None, None]

    def back(self, steps: int, eta: float) -> Iterator[tuple[float, Back]]:
        if self.order == 2:
            return self._along_the_angle(steps)
        scheduler = self.scheduler()
        scheduler.set_timesteps(steps)
        return ((time, partial(_ddim, scheduler, time, eta)) for time in scheduler.timesteps.tolist())

    def _along_the_angle(self, steps: int) -> Iterator[tuple[float, Back]]:
        """Along the angle φ, cos φ = √ᾱ, the path is dx/dφ = v (Salimans and Ho 2022, eq. 12), DDIM its Euler steps.
        These are of Adams and Bashforth's second order: with few of them, too, no variance is lost."""
        import torch

        angles = torch.arccos(self.scheduler().alphas_cumprod.double().sqrt())
        times = torch.linspace(len(angles) - 1, 0, steps + 1).round().long()
        ends = angles[times]
        ends[-1] = 0.0  # no noise at all
        before: list[torch.Tensor] = []
        for time, width, last in zip(times.tolist(), -ends.diff(), [None, *-ends.diff()], strict=False):
            yield time, partial(_bent, before, float(width), 0.0 if last is None else float(width / last) / 2)


def _ddim(
    scheduler: Any, time: int, eta: float, output: torch.Tensor, x: torch.Tensor, fresh: torch.Tensor | None
) -> torch.Tensor:
    before: torch.Tensor = scheduler.step(output, time, x, eta=eta, variance_noise=fresh).prev_sample
    return before


def _bent(
    before: list[torch.Tensor], width: float, bend: float, v: torch.Tensor, x: torch.Tensor, fresh: torch.Tensor | None
) -> torch.Tensor:
    """x − width · (v + bend · (v − the last v)); `before` holds that, and holds `v` from here on."""
    straight = v + bend * (v - before.pop()) if before else v
    before.append(v)
    return x - width * straight


@dataclass(frozen=True)
class Flow:
    """x_σ = (1 − σ) x + σ ε: the network says the velocity ε − x, and Euler's steps follow it back (Liu et al. 2022).

    settings  of diffusers' FlowMatchEulerDiscreteScheduler: how many σ from 1 to nearly 0, and their shift to noise
    patches   of a picture: of FLUX, whose σ are even before their shift, which may hang on them; 0: as SD3's σ
    """

    settings: dict[str, Any]
    patches: int = 0

    def scheduler(self) -> Any:
        import diffusers

        euler: Any = diffusers.FlowMatchEulerDiscreteScheduler
        return euler.from_config(self.settings)

    @cached_property
    def _levels(self) -> torch.Tensor:
        """Times from noise to pictures, [num_train_timesteps]."""
        scheduler = self._stepped(self.settings["num_train_timesteps"]) if self.patches else self.scheduler()
        levels: torch.Tensor = scheduler.timesteps
        return levels

    def _stepped(self, steps: int) -> Any:
        """The scheduler with as many σ as `steps`, from noise to pictures."""
        scheduler = self.scheduler()
        if self.patches:
            scheduler.set_timesteps(sigmas=np.linspace(1, 1 / steps, steps), mu=_shift(scheduler.config, self.patches))
        else:
            scheduler.set_timesteps(steps)
        return scheduler

    def times(self, n: int, source: torch.Generator, device: str) -> torch.Tensor:
        """Most often from the middle of the schedule: logistic of a normal number (Esser et al. 2024, section 3.1)."""
        import torch

        levels = self._levels.to(device)
        shares = torch.sigmoid(torch.randn(n, generator=source, device=device))
        chosen: torch.Tensor = levels[(shares * len(levels)).long()]
        return chosen

    def added(self, clean: torch.Tensor, noise: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        sigma: torch.Tensor = (times / self.settings["num_train_timesteps"])[:, None, None, None]
        return (1 - sigma) * clean + sigma * noise

    def wanted(self, clean: torch.Tensor, noise: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        return noise - clean

    def weights(self, times: torch.Tensor) -> torch.Tensor | float:
        return 1.0

    def back(self, steps: int, eta: float) -> Iterator[tuple[float, Back]]:
        """Without fresh noise: `eta` must be 0."""
        scheduler = self._stepped(steps)
        widths = scheduler.sigmas.diff().tolist()
        for time, width in zip(scheduler.timesteps.tolist(), widths, strict=True):
            yield time, partial(_euler, width)


def _shift(settings: Any, patches: int) -> float:
    """Logarithm of FLUX's shift: it grows with the patches of a picture, on a line between two sizes of pictures."""
    few, many = settings["base_image_seq_len"], settings["max_image_seq_len"]
    low, high = settings["base_shift"], settings["max_shift"]
    shift: float = low + (high - low) * (patches - few) / (many - few)
    return shift


def _euler(width: float, output: torch.Tensor, x: torch.Tensor, fresh: torch.Tensor | None) -> torch.Tensor:
    return x + width * output
