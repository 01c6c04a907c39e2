"""A normalizing flow: an invertible network between the data and independent normal numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np

from evaluator.models.base import Rows, Weights, checked_bias, checked_rows
from evaluator.models.principal import Principal
from evaluator.models.weights import part, prefixed, taken
from evaluator.threads import one_thread
from hygiene.errors import ConfigurationError

if TYPE_CHECKING:
    import torch
    from torch.nn import ModuleDict

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
    networks: ModuleDict = field(init=False, repr=False, compare=False)
    draws_anyway: ClassVar[bool] = False

    def __post_init__(self) -> None:
        sizes = (self.dimensions, self.layers, self.width, self.depth, self.steps, self.batch)
        if min(sizes) < 1 or self.rate <= 0 or not 0 < self.noise < 1:
            raise ConfigurationError(f"{self!r}: expected whole numbers ≥ 1, rate > 0 and 0 < noise < 1")

    def fit(self, samples: Rows, rng: np.random.Generator, start: Weights | None = None) -> None:
        """Train on `samples` [n, d], n ≥ 2; on from `start`, on its components."""
        from evaluator.models.members import fit_side_by_side

        fit_side_by_side([self], [samples], [rng], None if start is None else [start])

    def begin(self, samples: Rows, rng: np.random.Generator, start: Weights | None) -> torch.Tensor:
        """Scores [n, kept] on the components."""
        from torch import from_numpy

        rows = checked_rows(samples, at_least=2)
        self._ground = Principal(rows, self.dimensions) if start is None else self._restored(start)
        return from_numpy(self._ground.inward(rows).astype(np.float32))

    def made(self, sources: Sequence[torch.Generator]) -> ModuleDict:
        from torch.nn import ModuleDict

        from evaluator.models.couplings import Couplings

        return ModuleDict({"couplings": Couplings(self._ground.kept, self.layers, self.width, self.depth, sources)})

    def learn(self, networks: ModuleDict, rows: Sequence[torch.Tensor], sources: Sequence[torch.Generator]) -> None:
        from evaluator.models.stacked import ahead, batches, gathered, normals, together, train

        if len(rows) > 1 and {each.shape[1] for each in rows} != {min(self.dimensions, self._ground.mean.size)}:
            raise ConfigurationError("side by side go rows that have all of their components, not fewer dimensions")
        scores, sizes = together(rows), [len(each) for each in rows]
        d = scores.shape[2]
        draws = zip(batches(sizes, self.batch, sources), ahead(normals, sources, self.batch, d), strict=True)

        def loss() -> torch.Tensor:
            chosen, noise = next(draws)
            seen = math.sqrt(1 - self.noise**2) * gathered(scores, chosen) + self.noise * noise
            return -_couplings(networks).log_density(seen).mean(dim=1) / d

        train(networks, loss, self.steps, self.rate, members=len(rows))

    def weights(self) -> Weights:
        return prefixed(ground=self._ground.weights(), couplings=taken(self.networks["couplings"]))

    def restore(self, weights: Weights) -> None:
        from torch import Generator

        from evaluator.models.members import take_up

        self._ground = self._restored(weights)
        self.networks = self.made([Generator()])
        take_up(self.networks, [weights])

    def _restored(self, weights: Weights) -> Principal:
        return Principal.restored(part(weights, "ground"), self.dimensions)

    def sample(self, n: int, sampling_bias: float, rng: np.random.Generator) -> Rows:
        """`n` draws [n, d]."""
        import torch

        from evaluator.models.stacked import generators, normals

        spread = math.sqrt(checked_bias(sampling_bias))
        with one_thread(), torch.inference_mode():
            latent = spread * normals(generators([rng]), n, self._ground.kept)
            scores = _couplings(self.networks).inverse(latent)[0].numpy().astype(np.float64)
        return self._ground.outward(scores, spread, rng)


def _couplings(networks: ModuleDict) -> Couplings:
    return cast("Couplings", networks["couplings"])
