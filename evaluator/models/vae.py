"""A variational autoencoder: a few latent numbers, a network that decodes them, and a little noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np

from evaluator.models.base import Rows, Weights, checked_bias, checked_rows
from evaluator.models.weights import part, prefixed, taken
from evaluator.threads import one_thread
from hygiene.errors import ConfigurationError

if TYPE_CHECKING:
    import torch
    from torch.nn import ModuleDict

    from evaluator.models.latent_mixture import LatentMixture
    from evaluator.models.stacked import Scale

LEAST_NOISE = 0.01  # of the rows' deviation: columns that never change would have infinite density
MOST = 500  # components: each has a dozen latents to be fitted to
HASTE = 10  # Adam moves all weights equally far per step, and the noise has orders of magnitude to go


@dataclass
class Vae:
    """Variational autoencoder (Kingma and Welling 2014), Gaussian decoder with one learned deviation per column.

    Samples carry the decoder's noise: its means alone are smoother than any real row, a sampling bias that nobody
    asked for. Sampling bias: prior and decoder noise are drawn with variance λ.

    N(0, I) is not where training leaves the latents: rows decoded from it lie between real ones, and are narrower. With
    `components` the prior becomes a mixture fitted to them after training (ex-post density estimation, Ghosh et al.
    2020, §4), whose weights become π^{1/λ} as those of `Mixture` do.

    latent         latent numbers
    components     Gaussians of the prior; 0: N(0, I)
    width, depth   hidden units, residual layers of encoder and decoder
    steps, batch   of training; rate: learning rate of Adam; with 512 units and pictures of 28 pixels training falls
                   apart, at half the rate not
    """

    latent: int = 16
    width: int = 128
    depth: int = 2
    steps: int = 2000
    batch: int = 64
    rate: float = 2e-3
    components: int = 0
    name: str = field(default="vae", init=False)
    _scale: Scale = field(init=False, repr=False, compare=False)
    networks: ModuleDict = field(init=False, repr=False, compare=False)
    draws_anyway: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if min(self.latent, self.width, self.depth, self.steps, self.batch) < 1 or self.rate <= 0:
            raise ConfigurationError(f"{self!r}: expected whole numbers ≥ 1 and rate > 0")
        if not 0 <= self.components <= MOST:
            raise ConfigurationError(f"{self!r}: expected 0 (N(0, I)) to {MOST} components")

    def fit(self, samples: Rows, rng: np.random.Generator, start: Weights | None = None) -> None:
        """Train on `samples` [n, d], n ≥ 2; on from `start`."""
        from evaluator.models.members import fit_side_by_side

        fit_side_by_side([self], [samples], [rng], None if start is None else [start])

    def begin(self, samples: Rows, rng: np.random.Generator, start: Weights | None) -> torch.Tensor:
        """Scaled rows [n, d]."""
        from evaluator.models.stacked import Scale

        rows = checked_rows(samples, at_least=2)
        self._scale = Scale(rows) if start is None else Scale.restored(part(start, "scale"))
        return self._scale.inward(rows)

    def made(self, sources: Sequence[torch.Generator]) -> ModuleDict:
        import torch

        from evaluator.models.latent_mixture import LatentMixture
        from evaluator.models.stacked import StackedMlp

        d = self._scale.mean.size
        parts = torch.nn.ModuleDict(
            {
                "encoder": StackedMlp(d, self.width, self.depth, 2 * self.latent, sources),
                "decoder": StackedMlp(self.latent, self.width, self.depth, d, sources),
                "noise": torch.nn.ParameterList([torch.zeros(len(sources) * d)]),
            }
        )
        if self.components:
            parts["prior"] = LatentMixture(len(sources), self.components, self.latent)
        return torch.nn.ModuleDict({"parts": parts})

    def learn(self, networks: ModuleDict, rows: Sequence[torch.Tensor], sources: Sequence[torch.Generator]) -> None:
        import torch

        from evaluator.models.stacked import ahead, batches, gathered, normals, together, train

        seen, sizes = together(rows), [len(each) for each in rows]
        draws = zip(batches(sizes, self.batch, sources), ahead(normals, sources, self.batch, self.latent), strict=True)

        def loss() -> torch.Tensor:
            chosen, noise = next(draws)
            return -_bound(networks, gathered(seen, chosen), noise).mean(dim=1) / seen.shape[2]

        train(networks, loss, self.steps, self.rate, members=len(rows))
        if self.components:

            def latents() -> torch.Tensor:
                chosen, noise = next(draws)
                return _latents(networks, gathered(seen, chosen), noise)

            with torch.inference_mode():
                _prior(networks).fit(latents, sources)

    def weights(self) -> Weights:
        return prefixed(scale=self._scale.weights(), parts=taken(self.networks["parts"]))

    def restore(self, weights: Weights) -> None:
        from torch import Generator

        from evaluator.models.members import take_up
        from evaluator.models.stacked import Scale

        self._scale = Scale.restored(part(weights, "scale"))
        self.networks = self.made([Generator()])
        take_up(self.networks, [weights])

    def sample(self, n: int, sampling_bias: float, rng: np.random.Generator) -> Rows:
        """`n` draws [n, d]."""
        import torch

        from evaluator.models.stacked import generators, normals

        spread = math.sqrt(checked_bias(sampling_bias))
        with one_thread(), torch.inference_mode():
            source = generators([rng])
            if self.components:
                latent = _prior(self.networks).sample(n, sampling_bias, source[0])
            else:
                latent = spread * normals(source, n, self.latent)
            return self._decoded(latent, spread, source)

    def rebuilt(self, rows: Rows, rng: np.random.Generator) -> Rows:
        """`rows` [n, d] encoded, with one latent draw each, and decoded. Of training rows: what `sample` would give if
        the prior were the aggregate posterior, where their latents lie."""
        import torch

        from evaluator.models.stacked import generators, normals

        with one_thread(), torch.inference_mode():
            source = generators([rng])
            noise = normals(source, len(rows), self.latent)
            return self._decoded(_latents(self.networks, self._scale.inward(rows)[None], noise), 1.0, source)

    def _decoded(self, latent: torch.Tensor, spread: float, source: list[torch.Generator]) -> Rows:
        """Rows [n, d] of latents [1, n, latent], with the decoder's noise `spread` times as wide."""
        from evaluator.models.stacked import normals

        means = _parts(self.networks)["decoder"](latent)
        noise = spread * _deviation(self.networks, 1) * normals(source, *means.shape[1:])
        return self._scale.outward((means + noise)[0])


def _bound(networks: ModuleDict, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Evidence lower bound [members, n] of x [members, n, d] (eq. 10), with one latent draw each."""
    import torch

    parts = _parts(networks)
    mean, log_deviation = parts["encoder"](x).chunk(2, dim=2)
    latent = mean + torch.exp(log_deviation) * noise
    divergence = 0.5 * (mean**2 + torch.exp(2 * log_deviation) - 1 - 2 * log_deviation).sum(dim=2)
    deviation = _deviation(networks, len(x))
    gap = (x - parts["decoder"](latent)) / deviation
    bound: torch.Tensor = -(0.5 * gap**2 + torch.log(deviation)).sum(dim=2) - divergence
    return bound - 0.5 * math.log(2 * math.pi) * x.shape[2]


def _latents(networks: ModuleDict, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Draws [members, n, latent] of the latents of x [members, n, d]."""
    mean, log_deviation = _parts(networks)["encoder"](x).chunk(2, dim=2)
    drawn: torch.Tensor = mean + log_deviation.exp() * noise
    return drawn


def _prior(networks: ModuleDict) -> LatentMixture:
    return cast("LatentMixture", _parts(networks)["prior"])


def _parts(networks: ModuleDict) -> ModuleDict:
    return cast("ModuleDict", networks["parts"])


def _deviation(networks: ModuleDict, members: int) -> torch.Tensor:
    """Of the decoder's noise, [members, 1, d]."""
    from torch import exp

    (slow,) = _parts(networks)["noise"].parameters()
    return LEAST_NOISE + exp(HASTE * slow.view(members, 1, -1))
