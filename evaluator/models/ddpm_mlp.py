"""A small diffusion model of vectors: a residual perceptron that takes noise away, step by step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from evaluator.models.base import Rows, Weights, checked_bias, checked_rows
from evaluator.models.clusters import check_classes, classes_of
from evaluator.models.labels import parted, with_labels
from evaluator.models.weights import one, part, prefixed, taken
from evaluator.threads import one_thread
from hygiene.errors import ConfigurationError

if TYPE_CHECKING:
    import torch
    from torch.nn import Module, ModuleDict

    from evaluator.models.stacked import Scale

FREQUENCIES = 8  # of the features that tell the network the time
DROPOUT = 0.1  # share of rows that the network sees without their condition (Ho and Salimans 2022)
LEAST_GUIDED = 0.05  # λ of guidance w = 19: less lets samples run away from the data


@dataclass
class DdpmMlp:
    """Denoising diffusion (Ho et al. 2020) on rows, with a cosine schedule in continuous time.

    x_t = cos(πt/2)·x_0 + sin(πt/2)·ε. The network predicts v = cos(πt/2)·ε − sin(πt/2)·x_0 (Salimans and Ho 2022); the
    running mean of its weights samples, from noise along the deterministic flow (Song et al. 2021).

    Sampling bias. By default the model has no condition and λ scales the variance of the noise that sampling starts
    from; of a Gaussian it scales the covariance. With classes it learns with 10 % condition dropout and samples by
    classifier-free guidance w = 1/λ − 1 (Alemohammad et al. 2023), classes in their training shares, λ ≥ .05. With
    `labels` they are what rows bring along as their last number (`evaluator.models.labels`), and samples have the label
    that they were made for; with `clusters` they are those that k-means finds in the training rows.

    steps           training steps
    width, depth    hidden units, residual layers; a network narrower than rows are long adds variance to them
    batch           rows per step
    rate            learning rate of Adam
    sampling_steps  from noise to sample
    clusters        classes that k-means finds; 0 for none
    labels          classes that rows bring along; 0 for none
    """

    steps: int = 4000
    width: int = 128
    depth: int = 4
    batch: int = 64
    rate: float = 2e-3
    sampling_steps: int = 50
    clusters: int = 0
    labels: int = 0
    name: str = field(default="ddpm_mlp", init=False)
    shares: Rows = field(init=False, repr=False, compare=False)  # of the training rows, [classes]; without them [1]
    _centres: Rows = field(init=False, repr=False, compare=False)  # of the clusters, [clusters, d]
    _scale: Scale = field(init=False, repr=False, compare=False)
    networks: ModuleDict = field(init=False, repr=False, compare=False)
    draws_anyway: ClassVar[bool] = True

    def __post_init__(self) -> None:
        least = min(self.steps, self.width, self.depth, self.batch, self.sampling_steps)
        if least < 1 or self.rate <= 0:
            raise ConfigurationError(
                f"{self!r}: steps, width, depth, batch and sampling_steps must be ≥ 1, and rate > 0"
            )
        check_classes(self)

    @property
    def classes(self) -> int:
        """Conditions, of either kind."""
        return self.labels or self.clusters

    def fit(self, samples: Rows, rng: np.random.Generator, start: Weights | None = None) -> None:
        """Train on `samples` [n, d], n ≥ 2 and ≥ clusters; on from `start`, whose clusters go on.

        With labels the samples are [n, d + 1].
        """
        from evaluator.models.members import fit_side_by_side

        fit_side_by_side([self], [samples], [rng], None if start is None else [start])

    def begin(self, samples: Rows, rng: np.random.Generator, start: Weights | None) -> torch.Tensor:
        """Scaled rows [n, d], and beside them what they are conditioned on [n, classes]."""
        from torch import cat, from_numpy

        from evaluator.models.stacked import Scale

        rows, labels = parted(checked_rows(samples, at_least=max(2, self.clusters)), self.labels)
        self._scale = Scale(rows) if start is None else Scale.restored(part(start, "scale"))
        scaled = self._scale.inward(rows)
        centres = None if start is None else one(start, "clusters.centres")
        found = classes_of(self, scaled.numpy(), labels, rng, centres)
        self.shares, self._centres = found.shares, found.centres
        return cat([scaled, _one_hot(from_numpy(found.labels), self.classes)], dim=1)

    def made(self, sources: Sequence[torch.Generator]) -> ModuleDict:
        from torch.nn import ModuleDict

        from evaluator.models.stacked import StackedMlp

        d = self._scale.mean.size
        return ModuleDict(
            {"network": StackedMlp(d + 2 * FREQUENCIES + self.classes, self.width, self.depth, d, sources)}
        )

    def learn(self, networks: ModuleDict, rows: Sequence[torch.Tensor], sources: Sequence[torch.Generator]) -> None:
        import torch

        from evaluator.models.stacked import ahead, batches, gathered, normals, together, train, uniforms

        seen, sizes, d = together(rows), [len(each) for each in rows], self._scale.mean.size
        even = torch.arange(self.batch) / self.batch
        draws = zip(
            batches(sizes, self.batch, sources),
            ahead(normals, sources, self.batch, d),
            ahead(uniforms, sources, 1 + self.batch),
            strict=True,
        )

        def loss() -> torch.Tensor:
            chosen, noise, uniform = next(draws)
            clean, condition = gathered(seen, chosen).tensor_split([d], dim=2)
            time = (uniform[:, :1] + even) % 1  # evenly spread: the loss varies less between batches
            told = (uniform[:, 1:] >= DROPOUT).float()[:, :, None]
            cosine, sine = (wave(0.5 * math.pi * time)[:, :, None] for wave in (torch.cos, torch.sin))
            v = _velocity(networks["network"], cosine * clean + sine * noise, time, condition * told)
            return torch.square(v - (cosine * noise - sine * clean)).mean(dim=(1, 2))

        train(networks, loss, self.steps, self.rate, members=len(rows))

    def weights(self) -> Weights:
        return prefixed(
            scale=self._scale.weights(),
            clusters={"shares": self.shares, "centres": self._centres},
            network=taken(self.networks["network"]),
        )

    def restore(self, weights: Weights) -> None:
        from torch import Generator

        from evaluator.models.members import take_up
        from evaluator.models.stacked import Scale

        self._scale = Scale.restored(part(weights, "scale"))
        self.shares, self._centres = one(weights, "clusters.shares"), one(weights, "clusters.centres")
        self.networks = self.made([Generator()])
        take_up(self.networks, [weights])

    def sample(self, n: int, sampling_bias: float, rng: np.random.Generator) -> Rows:
        """`n` draws [n, d]; with labels [n, d + 1]."""
        import torch

        from evaluator.models import stacked

        bias = checked_bias(sampling_bias)
        if self.classes and bias < LEAST_GUIDED:
            raise ConfigurationError(f"sampling_bias is {bias}, guidance takes λ from {LEAST_GUIDED} to 1")
        with one_thread(), torch.inference_mode():
            chosen = rng.choice(self.classes, n, p=self.shares) if self.classes else np.zeros(n, dtype=np.int64)
            condition = _one_hot(torch.from_numpy(chosen), self.classes)[None]
            rows = self._scale.outward(self._denoised(condition, bias, stacked.generators([rng])))
        return with_labels(rows, chosen) if self.labels else rows

    def _denoised(self, condition: torch.Tensor, bias: float, source: list[torch.Generator]) -> torch.Tensor:
        """Along the angle φ = πt/2 the probability flow is dx/dφ = v: Adams-Bashforth of order 2 from noise to data.

        The first-order step, which is DDIM's, takes 5 % of a unit variance at 50 steps, and ancestral steps 9 %: a
        sampling bias that nobody asked for, once per generation. This one takes none.
        """
        from evaluator.models.stacked import normals

        spread, guidance = (1.0, 1 / bias - 1) if self.classes else (math.sqrt(bias), 0.0)
        x = spread * normals(source, condition.shape[1], self._scale.mean.size)
        before = None
        for step in range(self.sampling_steps, 0, -1):
            v = self._guided(x, step / self.sampling_steps, condition, guidance)
            x = x - 0.5 * math.pi / self.sampling_steps * (v if before is None else 1.5 * v - 0.5 * before)
            before = v
        return x[0]

    def _guided(self, x: torch.Tensor, time: float, condition: torch.Tensor, guidance: float) -> torch.Tensor:
        """v, and `guidance` times again what the condition changes in it (Ho and Salimans 2022, eq. 6)."""
        from torch import tensor

        network = self.networks["network"]
        v = _velocity(network, x, tensor(time), condition)
        if not guidance:
            return v
        return v + guidance * (v - _velocity(network, x, tensor(time), 0 * condition))


def _one_hot(chosen: torch.Tensor, classes: int) -> torch.Tensor:
    import torch

    return torch.nn.functional.one_hot(chosen, classes).float() if classes else torch.zeros(len(chosen), 0)


def _velocity(network: Module, x: torch.Tensor, time: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
    """The network's v [members, n, d] at time 0..1: [members, n], or one for all."""
    import torch

    angles = time[..., None] * math.pi * torch.logspace(-1, 4, FREQUENCIES, base=2)
    waves = torch.cat([angles.sin(), angles.cos()], dim=-1).expand(*x.shape[:2], 2 * FREQUENCIES)
    velocity: torch.Tensor = network(torch.cat([x, waves, condition], dim=2))
    return velocity
