"""A generative adversarial network of vectors: a critic that measures a distance, a generator that shortens it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from evaluator.models.base import Rows, checked_bias, checked_rows
from evaluator.threads import one_thread
from hygiene.errors import ConfigurationError

if TYPE_CHECKING:
    import torch

    from evaluator.models.stacked import Scale, StackedMlp

PENALTY = 10.0  # of the gradient's distance from length 1
MOMENTS = (0.0, 0.9)  # of Adam, as in the paper's algorithm 1


@dataclass
class WganGp:
    """Wasserstein GAN with gradient penalty (Gulrajani et al. 2017, algorithm 1), perceptrons on both sides.

    The running mean of the generator's weights samples. Sampling bias: the latent is drawn from N(0, λI).

    latent        latent numbers
    width, depth  hidden units, residual layers of generator and critic
    steps         of the generator, each after critic_steps of the critic
    batch         rows per step; rate: learning rate of Adam
    """

    latent: int = 32
    width: int = 128
    depth: int = 2
    steps: int = 2500
    critic_steps: int = 3
    batch: int = 64
    rate: float = 2e-3
    name: str = field(default="wgan_gp", init=False)
    _scale: Scale = field(init=False, repr=False, compare=False)
    _generator: StackedMlp = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        whole = (self.latent, self.width, self.depth, self.steps, self.critic_steps, self.batch)
        if min(whole) < 1 or self.rate <= 0:
            raise ConfigurationError(f"{self!r}: expected whole numbers ≥ 1 and rate > 0")

    def fit(self, samples: Rows, rng: np.random.Generator) -> None:
        """Train on `samples` [n, d], n ≥ 2."""
        from evaluator.models.stacked import Scale, StackedMlp, batches, gathered, generators

        rows = checked_rows(samples, at_least=2)
        d = rows.shape[1]
        self._scale = Scale(rows)
        with one_thread():
            source, scaled = generators([rng]), self._scale.inward(rows)[None]
            self._generator = StackedMlp(self.latent, self.width, self.depth, d, source)
            critic = StackedMlp(d, self.width, self.depth, 1, source)
            real = (gathered(scaled, chosen) for chosen in batches(scaled, self.batch, source))
            self._compete(critic, real, source)

    def _compete(self, critic: StackedMlp, real: Iterator[torch.Tensor], source: list[torch.Generator]) -> None:
        """Critic and generator in turns, rates falling to 0 along a cosine."""
        from torch.optim import Adam

        from evaluator.models.stacked import ahead, normals, train, uniforms

        latents = ahead(normals, source, self.batch, self.latent)
        shares = ahead(uniforms, source, self.batch, 1)
        optimiser = Adam(critic.parameters(), lr=self.rate, betas=MOMENTS, fused=True)

        def loss() -> torch.Tensor:
            for _ in range(self.critic_steps):
                optimiser.zero_grad()
                fake = self._generator(next(latents)).detach()
                _critic_loss(critic, next(real), fake, next(shares)).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            judged: torch.Tensor = critic(self._generator(next(latents)))
            return -judged.mean(dim=(1, 2))

        train(self._generator, loss, self.steps, self.rate, MOMENTS)

    def sample(self, n: int, sampling_bias: float, rng: np.random.Generator) -> Rows:
        """`n` draws [n, d]."""
        import torch

        from evaluator.models.stacked import generators, normals

        spread = math.sqrt(checked_bias(sampling_bias))
        with one_thread(), torch.inference_mode():
            latent = spread * normals(generators([rng]), n, self.latent)
            return self._scale.outward(self._generator(latent)[0])


def _critic_loss(critic: StackedMlp, real: torch.Tensor, fake: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """E D(fake) − E D(real) + 10·E(|∇D| − 1)², the gradient at points between them (eq. 3)."""
    import torch

    between = (shares * real + (1 - shares) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty = torch.square(slope.norm(dim=2) - 1).mean()
    loss: torch.Tensor = critic(fake).mean() - critic(real).mean() + PENALTY * penalty
    return loss
