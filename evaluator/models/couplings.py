"""Affine couplings (Dinh et al. 2017): invertible layers whose log-determinant is a sum."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from evaluator.models.stacked import StackedMlp

REACH = 2.0  # the log-scale of a layer stays within ±2


class Couplings(nn.Module):
    """x [n, d] <-> z [n, d], d ≥ 1; the identity, up to the order of columns, before it has learned.

    z_b = (x_b − t(x_a))·exp(−s(x_a)), z_a = x_a (eq. 4 to 8); between layers the halves change places, in a
    random order within each. The first half, a, is the smaller one: in one dimension it is empty.
    """

    def __init__(self, d: int, layers: int, width: int, depth: int, source: torch.Generator) -> None:
        super().__init__()
        self.still = d // 2
        moved = d - self.still
        self.networks = nn.ModuleList(StackedMlp(self.still, width, depth, 2 * moved, [source]) for _ in range(layers))
        orders = [
            torch.cat(
                [torch.randperm(moved, generator=source) + self.still, torch.randperm(self.still, generator=source)]
            )
            for _ in range(layers)
        ]
        self.orders: Tensor  # [layers, d]
        self.register_buffer("orders", torch.stack(orders))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z [n, d], and log |det ∂z/∂x| [n]."""
        log_det = x.new_zeros(len(x))
        for network, order in zip(self.networks, self.orders, strict=True):
            a, b = x[:, : self.still], x[:, self.still :]
            shift, log_scale = self._affine(network, a)
            x = torch.cat([a, (b - shift) * torch.exp(-log_scale)], dim=1)[:, order]
            log_det = log_det - log_scale.sum(dim=1)
        return x, log_det

    def inverse(self, z: Tensor) -> Tensor:
        """x [n, d]."""
        for network, order in zip(reversed(self.networks), self.orders.flip(0), strict=True):
            z = z[:, torch.argsort(order)]
            a, b = z[:, : self.still], z[:, self.still :]
            shift, log_scale = self._affine(network, a)
            z = torch.cat([a, b * torch.exp(log_scale) + shift], dim=1)
        return z

    def log_density(self, x: Tensor) -> Tensor:
        """ln p(x) [n], by change of variables from N(0, I)."""
        z, log_det = self(x)
        density: Tensor = log_det - 0.5 * (torch.square(z) + math.log(2 * math.pi)).sum(dim=1)
        return density

    @staticmethod
    def _affine(network: nn.Module, a: Tensor) -> tuple[Tensor, Tensor]:
        shift, log_scale = network(a[None])[0].chunk(2, dim=1)
        return shift, REACH * torch.tanh(log_scale / REACH)
