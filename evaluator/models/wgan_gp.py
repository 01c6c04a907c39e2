"""A generative adversarial network: a critic that measures a distance, a generator that shortens it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from evaluator.models.base import Rows, Weights, checked_bias, kept_rows
from evaluator.models.weights import part, prefixed, taken
from evaluator.threads import one_thread
from hygiene.errors import ConfigurationError

if TYPE_CHECKING:
    import torch
    from torch.nn import Module, ModuleDict

    from evaluator.models.stacked import Scale
    from evaluator.row_parts import RowParts

    Scaled = tuple[Rows | RowParts, Scale]

PENALTY = 10.0  # of the gradient's distance from length 1
MOMENTS = (0.0, 0.9)  # of Adam, as in the paper's algorithm 1
AT_ONCE = 1024  # rows sampled in one batch


@dataclass
class Wasserstein(ABC):
    """Wasserstein GAN with gradient penalty (Gulrajani et al. 2017, algorithm 1); each kind brings its networks.

    The running mean of the generator's weights samples. Sampling bias: the latent is drawn from N(0, λI).

    latent  latent numbers
    width   hidden units
    steps   of the generator, each after critic_steps of the critic
    batch   rows per step; rate: learning rate of Adam
    """

    latent: int = 32
    width: int = 128
    steps: int = 2500
    critic_steps: int = 3
    batch: int = 64
    rate: float = 2e-3
    device: str = field(default="cpu", init=False)
    name: str = field(init=False)
    _scale: Scale = field(init=False, repr=False, compare=False)
    networks: ModuleDict = field(init=False, repr=False, compare=False)
    draws_anyway: ClassVar[bool] = False

    def __post_init__(self) -> None:
        whole = (self.latent, self.width, self.steps, self.critic_steps, self.batch)
        if min(whole) < 1 or self.rate <= 0:
            raise ConfigurationError(f"{self!r}: expected whole numbers ≥ 1 and rate > 0")

    @abstractmethod
    def _networks(self, d: int, sources: Sequence[torch.Generator]) -> tuple[Module, Module]:
        """New generators [members, n, latent] -> [members, n, d], new critics [members, n, d] -> [members, n, 1]."""

    def fit(self, samples: Rows, rng: np.random.Generator, start: Weights | None = None) -> None:
        """Train on `samples` [n, d], n ≥ 2; on from `start`, both networks of it."""
        from evaluator.models.members import fit_side_by_side

        fit_side_by_side([self], [samples], [rng], None if start is None else [start])

    def begin(self, samples: Rows, rng: np.random.Generator, start: Weights | None) -> Scaled:
        """The rows as they are kept, and their scale: a batch at a time is scaled."""
        from evaluator.models.stacked import Scale

        rows = kept_rows(samples, at_least=2)
        self._scale = Scale(rows) if start is None else Scale.restored(part(start, "scale"))
        return rows, self._scale

    def made(self, sources: Sequence[torch.Generator]) -> ModuleDict:
        from torch.nn import ModuleDict

        generator, critic = self._networks(self._scale.mean.size, sources)
        return ModuleDict({"generator": generator, "critic": critic}).to(self.device)

    def weights(self) -> Weights:
        networks = {name: taken(network) for name, network in self.networks.items()}
        return prefixed(scale=self._scale.weights(), **networks)

    def restore(self, weights: Weights) -> None:
        from torch import Generator

        from evaluator.models.members import take_up
        from evaluator.models.stacked import Scale

        self._scale = Scale.restored(part(weights, "scale"))
        self.networks = self.made([Generator()])
        take_up(self.networks, [weights])

    def learn(self, networks: ModuleDict, rows: Sequence[Scaled], sources: Sequence[torch.Generator]) -> None:
        """Critic and generator in turns; the generator's rate falls to 0 along a cosine."""
        import torch

        from evaluator.models.adversaries import fixed
        from evaluator.models.stacked import StackedAdam, ahead, normals, train, uniforms

        latents = self._placed(ahead(normals, sources, self.batch, self.latent))
        shares = self._placed(ahead(uniforms, sources, self.batch, 1))
        real, generator, critic = self._batches(rows, sources), networks["generator"], networks["critic"]
        optimiser = StackedAdam(critic.parameters(), len(rows), self.rate, MOMENTS)

        def critics_loss() -> torch.Tensor:
            with torch.no_grad():
                fake = generator(next(latents))
            return _critic_loss(critic, next(real), fake, next(shares))

        def loss() -> torch.Tensor:
            for _ in range(self.critic_steps):
                optimiser.step(critics_loss, self.rate)
            with fixed(critic):
                judged: torch.Tensor = critic(generator(next(latents)))
            return -judged.mean(dim=(1, 2))

        train(generator, loss, self.steps, self.rate, MOMENTS, len(rows))

    def _batches(self, rows: Sequence[Scaled], sources: Sequence[torch.Generator]) -> Iterator[torch.Tensor]:
        """Scaled rows [members, batch, d]; endless."""
        from torch import stack

        from evaluator.models.stacked import batches

        inward = [(kept, scale.inward_on(self.device)) for kept, scale in rows]
        for chosen in batches([len(kept) for kept, _ in rows], self.batch, sources):
            yield stack([scaled(kept[each.numpy()]) for (kept, scaled), each in zip(inward, chosen, strict=True)])

    def _placed(self, tensors: Iterator[torch.Tensor]) -> Iterator[torch.Tensor]:
        return (each.to(self.device) for each in tensors)

    def sample(self, n: int, sampling_bias: float, rng: np.random.Generator) -> Rows:
        """`n` draws [n, d]."""
        rows = np.empty((n, self._scale.mean.size))
        self.sample_into(rows, sampling_bias, rng)
        return rows

    def sample_into(self, rows: Rows, sampling_bias: float, rng: np.random.Generator) -> None:
        """Fill `rows` [n, d] with draws."""
        import torch

        from evaluator.models.stacked import generators, normals

        spread = math.sqrt(checked_bias(sampling_bias))
        with one_thread(), torch.inference_mode():
            latents = spread * normals(generators([rng]), len(rows), self.latent)
            for start in range(0, len(rows), AT_ONCE):
                part = latents[:, start : start + AT_ONCE].to(self.device)
                rows[start : start + AT_ONCE] = self._scale.outward(self.networks["generator"](part)[0].cpu())


@dataclass
class WganGp(Wasserstein):
    """WGAN-GP (Gulrajani et al. 2017) of vectors, perceptrons on both sides.

    Sampling bias: the latent is drawn from N(0, λI).

    depth  residual layers of generator and critic; `width` is their hidden units, the rest as in Wasserstein
    """

    depth: int = 2
    name: str = field(default="wgan_gp", init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.depth < 1:
            raise ConfigurationError(f"{self!r}: expected depth ≥ 1")

    def _networks(self, d: int, sources: Sequence[torch.Generator]) -> tuple[Module, Module]:
        from evaluator.models.stacked import StackedMlp

        generator = StackedMlp(self.latent, self.width, self.depth, d, sources)
        return generator, StackedMlp(d, self.width, self.depth, 1, sources)


def _critic_loss(critic: Module, real: torch.Tensor, fake: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """E D(fake) − E D(real) + 10·E(|∇D| − 1)² [members], the gradient at points between them (eq. 3)."""
    import torch

    between = (shares * real + (1 - shares) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty = torch.square(slope.norm(dim=2) - 1).mean(dim=1)
    loss: torch.Tensor = critic(fake).mean(dim=(1, 2)) - critic(real).mean(dim=(1, 2)) + PENALTY * penalty
    return loss
