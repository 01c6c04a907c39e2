"""Where an encoder's latents lie: a Gaussian mixture, in place of the N(0, I) that it was trained towards."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from evaluator.models.mixture import gaussian_mixture

DRAWS = 6000  # of latents that a mixture is fitted to
AT_ONCE = 4096  # samples, as each takes a matrix


class LatentMixture(nn.Module):
    """Density of the aggregate posterior, fitted after training (Ghosh et al. 2020, §4), of every member its own."""

    def __init__(self, members: int, components: int, latent: int) -> None:
        super().__init__()
        self.shares: Tensor
        self.centres: Tensor
        self.roots: Tensor  # of the covariances, lower
        self.register_buffer("shares", torch.full((members, components), 1 / components))
        self.register_buffer("centres", torch.zeros(members, components, latent))
        self.register_buffer("roots", torch.eye(latent).repeat(members, components, 1, 1))

    def fit(self, draw: Callable[[], Tensor], sources: Sequence[torch.Generator]) -> None:
        """By EM, to latents [members, n, latent] out of `draw`, called until there are enough."""
        drawn = [draw()]
        while sum(each.shape[1] for each in drawn) < DRAWS:
            drawn.append(draw())
        latents = torch.cat(drawn, dim=1)[:, :DRAWS].double().numpy()
        for index, source in enumerate(sources):
            seed = int(torch.randint(2**31, (), generator=source))
            found = gaussian_mixture(latents[index], self.shares.shape[1], seed)
            for buffer, array in zip((self.shares, self.centres, self.roots), found, strict=True):
                buffer[index] = torch.from_numpy(array)

    def sample(self, n: int, sampling_bias: float, source: torch.Generator) -> Tensor:
        """`n` latents [1, n, latent] of a single member; a bias does what it does to `Mixture`."""
        shares = torch.softmax(torch.log(self.shares[0].double()) / sampling_bias, dim=0)
        chosen = torch.multinomial(shares, n, replacement=True, generator=source)
        noise = torch.randn(n, self.centres.shape[2], generator=source)
        parts = zip(torch.split(chosen, AT_ONCE), torch.split(noise, AT_ONCE), strict=True)
        moved = torch.cat([torch.einsum("nij,nj->ni", self.roots[0][each], drawn) for each, drawn in parts])
        latents: Tensor = self.centres[0][chosen] + sampling_bias**0.5 * moved
        return latents[None]
