"""A normalizing flow: an invertible network between the data and independent normal numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from evaluator.models.base import Rows, Weights, checked_bias, checked_rows
from evaluator.models.principal import Principal
from evaluator.models.weights import given, part, prefixed, taken
from evaluator.threads import one_thread
from hygiene.errors import ConfigurationError

if TYPE_CHECKING:
    import torch

    from evaluator.models.couplings import Couplings


@dataclass
class Flow:
    """RealNVP (Dinh et al. 2017) by maximum likelihood, on principal components of unit variance.

    Rows are seen with a little noise, √(1−h²)·x + h·z: grey levels and rows that repeat would have infinite density
    otherwise, and the shrink keeps every variance. Sampling bias: the latent is drawn from N(0, λI)
    (Alemohammad et al. 2023), and so is what the components leave out.

    dimensions     principal components that the flow models, at most d; the others are independent noise
    layers         couplings; each moves half of the coordinates by functions of the other half
    width, depth   hidden units, residual layers of each coupling's network
    steps, batch   of training; rate: learning rate of Adam
    noise          h, in (0, 1)
    """

    dimensions: int = 32
    layers: int = 8
    width: int = 64
    depth: int = 2
    steps: int = 1500
    batch: int = 128
    rate: float = 1e-3
    noise: float = 0.05
    name: str = field(default="flow", init=False)
    _ground: Principal = field(init=False, repr=False, compare=False)
    _couplings: Couplings = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        sizes = (self.dimensions, self.layers, self.width, self.depth, self.steps, self.batch)
        if min(sizes) < 1 or self.rate <= 0 or not 0 < self.noise < 1:
            raise ConfigurationError(f"{self!r}: expected whole numbers ≥ 1, rate > 0 and 0 < noise < 1")

    def fit(self, samples: Rows, rng: np.random.Generator, start: Weights | None = None) -> None:
        """Train on `samples` [n, d], n ≥ 2; on from `start`, on its components."""
        from torch import from_numpy

        from evaluator.models.stacked import generators

        rows = checked_rows(samples, at_least=2)
        with one_thread():
            (source,) = generators([rng])
            if start is None:
                self._ground = Principal(rows, self.dimensions)
                self._couplings = self._made(source)
            else:
                self.restore(start)
            self._learn(from_numpy(self._ground.inward(rows).astype(np.float32)), source)

    def _made(self, source: torch.Generator) -> Couplings:
        from evaluator.models.couplings import Couplings

        return Couplings(self._ground.kept, self.layers, self.width, self.depth, source)

    def weights(self) -> Weights:
        return prefixed(ground=self._ground.weights(), couplings=taken(self._couplings))

    def restore(self, weights: Weights) -> None:
        from torch import Generator

        self._ground = Principal.restored(part(weights, "ground"), self.dimensions)
        self._couplings = self._made(Generator())
        given(self._couplings, part(weights, "couplings"))

    def _learn(self, scores: torch.Tensor, source: torch.Generator) -> None:
        from evaluator.models.stacked import ahead, batches, normals, train

        draws = zip(
            batches(len(scores), self.batch, [source]),
            ahead(normals, [source], self.batch, scores.shape[1]),
            strict=True,
        )

        def loss() -> torch.Tensor:
            chosen, noise = next(draws)
            seen = math.sqrt(1 - self.noise**2) * scores[chosen[0]] + self.noise * noise[0]
            return -self._couplings.log_density(seen).mean() / scores.shape[1]

        train(self._couplings, loss, self.steps, self.rate)

    def sample(self, n: int, sampling_bias: float, rng: np.random.Generator) -> Rows:
        """`n` draws [n, d]."""
        import torch

        from evaluator.models.stacked import generators

        spread = math.sqrt(checked_bias(sampling_bias))
        with one_thread(), torch.inference_mode():
            latent = spread * torch.randn(n, self._ground.kept, generator=generators([rng])[0])
            scores = self._couplings.inverse(latent).numpy().astype(np.float64)
        return self._ground.outward(scores, spread, rng)
