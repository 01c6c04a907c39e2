"""Training and sampling of a network that takes noise away, wholly on its device: pictures go there and back once."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from evaluator.models.base import Weights
from evaluator.models.conditions import Conditions
from evaluator.models.noise import Noise
from evaluator.models.pictures import precision, seeded
from evaluator.models.weights import given
from hygiene.errors import ConfigurationError

if TYPE_CHECKING:
    import torch

INSTALL = "pip install 'hygiene-toolkit[diffusion]'"
DROPOUT = 0.1  # share of pictures that the network sees without their condition (Ho and Salimans 2022)
AT_ONCE = 256  # pictures sampled in one batch, if they are small
PIXELS = 2**18  # of all pictures of one batch
TOLD = r"Dynamo detected a call to a `functools\.lru_cache`-wrapped function at 'upsampling\.py:"
"""Of diffusers' question for torch's version, whose answer stays the same."""
OTHER = 1  # what tells the seed of a network's own dropout from that of noise


def check_diffusers(model: str) -> None:
    """Refuse a `model` that is made of what is not installed."""
    if find_spec("diffusers") is None:
        raise ConfigurationError(f"{model} needs diffusers: {INSTALL}")


@dataclass(frozen=True)
class Denoiser:
    """A diffusers network on its device, and the noise it knows.

    conditions  of the classes, and of none; None: the network has no condition
    embedded    whether the network is itself told how much guidance its answer is to have (Meng et al. 2023): it then
                learns and samples without the condition of none
    """

    network: Any
    noise: Noise
    device: str
    conditions: Conditions | None = None
    embedded: bool = False

    @cached_property
    def compiled(self) -> Any:
        """What to call: the network, on a GPU made into few kernels, once."""
        import torch

        if self.device != "cuda":
            return self.network
        warnings.filterwarnings("ignore", TOLD, UserWarning)
        return torch.compile(self.network)

    def take(self, weights: Weights) -> None:
        """Become the trained network that gave `weights`. It wants no gradients: one that does rounds differently."""
        given(self.network, weights)
        self.network.requires_grad_(False)

    def learn(
        self,
        pictures: torch.Tensor,
        classes: torch.Tensor,
        steps: int,
        batch: int,
        rate: float,
        source: torch.Generator,
        drawn: Callable[[torch.Tensor, torch.Generator], torch.Tensor] | None = None,
    ) -> None:
        """Train on pictures [n, channels, side, side] of classes [n]; `source` is on the device.

        drawn  makes the pictures of a step of what was chosen for it, where that is more than themselves
        """
        import torch

        from evaluator.models.stacked import train

        pictures, classes = pictures.to(self.device), classes.to(self.device)
        device, shape, none = self.device, _shape(self.network), self._none
        share = 0.0 if self.embedded else DROPOUT

        def loss() -> torch.Tensor:
            chosen = torch.randint(len(pictures), (batch,), generator=source, device=device)
            noise = torch.randn(batch, *shape, generator=source, device=device)
            times = self.noise.times(batch, source, device)
            dropped = torch.rand(batch, generator=source, device=device) < share
            told = torch.where(dropped, none, classes[chosen])
            clean = drawn(pictures[chosen], source) if drawn else pictures[chosen]
            noisy, wanted = self.noise.added(clean, noise, times), self.noise.wanted(clean, noise, times)
            return (self.noise.weights(times) * torch.square(self._predicted(noisy, times, told) - wanted)).mean()

        self.network.train().requires_grad_(True)
        with seeded(source.initial_seed() ^ OTHER, device):  # layers with dropout draw from torch's global generator
            train(self.network, loss, steps, rate)
        self.network.eval()

    def samples(
        self, classes: torch.Tensor, bias: float, steps: int, eta: float, source: torch.Generator
    ) -> Iterator[torch.Tensor]:
        """A picture of each of classes [n], some [k, channels, side, side] after others, on the CPU; `source` is on the
        device.

        Without conditions classes only say how many.

        bias  λ: with classes guidance w = 1/λ − 1, else the variance of all noise
        """
        import torch

        _, height, width = _shape(self.network)
        for part in torch.split(classes, max(1, min(AT_ONCE, PIXELS // (height * width)))):
            yield self._denoised(part.to(self.device), bias, steps, eta, source).cpu()

    def _denoised(
        self, classes: torch.Tensor, bias: float, steps: int, eta: float, source: torch.Generator
    ) -> torch.Tensor:
        import torch

        spread, guidance = (1.0, 1 / bias - 1) if self.conditions else (math.sqrt(bias), 0.0)
        scale = 1 / bias if self.embedded else None
        shape = (len(classes), *_shape(self.network))
        none = torch.full_like(classes, self._none)
        x = spread * torch.randn(shape, generator=source, device=self.device)
        for time, stepped in self.noise.back(steps, eta):
            times = torch.full(classes.shape, time, device=self.device)
            output = self._predicted(x, times, classes, scale)
            if guidance and not self.embedded:
                output = output + guidance * (output - self._predicted(x, times, none))
            fresh = spread * torch.randn(shape, generator=source, device=self.device) if eta else None
            x = stepped(output, x, fresh)
        return x

    def _predicted(
        self, noisy: torch.Tensor, times: torch.Tensor, classes: torch.Tensor, scale: float | None = None
    ) -> torch.Tensor:
        """What the network says of the pictures; DDIM has no use for what some also say of the variance.

        scale  of guidance that a network is told, 1: none; None: it is not told
        """
        told = self.conditions.of(classes) if self.conditions else {}
        if scale is not None:
            told["guidance"] = noisy.new_full(classes.shape, scale)
        with precision(self.device):
            output: torch.Tensor = self.compiled(noisy, timestep=times, **told).sample
        return output[:, : noisy.shape[1]].float()

    @property
    def _none(self) -> int:
        """The class that stands for no condition."""
        return self.conditions.none if self.conditions else 0


def _shape(network: Any) -> tuple[int, int, int]:
    """Channels, height, width."""
    size = network.config.sample_size
    height, width = (size, size) if isinstance(size, int) else size
    return network.config.in_channels, height, width
