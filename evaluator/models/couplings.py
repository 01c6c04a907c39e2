"""Affine couplings (Dinh et al. 2017): invertible layers whose log-determinant is a sum."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from evaluator.models.stacked import StackedMlp

REACH = 2.0  # the log-scale of a layer stays within ±2


class Couplings(nn.Module):
    """x [members, n, d] <-> z [members, n, d], d ≥ 1; the identity, up to the order of columns, before it has learned.

    z_b = (x_b − t(x_a))·exp(−s(x_a)), z_a = x_a (eq. 4 to 8); between layers the halves change places, in a
    random order within each. The first half, a, is the smaller one: in one dimension it is empty.
    """

    def __init__(self, d: int, layers: int, width: int, depth: int, sources: Sequence[torch.Generator]) -> None:
        super().__init__()
        self.still = d // 2
        moved = d - self.still
        self.networks = nn.ModuleList(StackedMlp(self.still, width, depth, 2 * moved, sources) for _ in range(layers))
        orders = [_order(self.still, moved, source) for source in sources for _ in range(layers)]
        self.orders: Tensor  # [members · layers, d]
        self.register_buffer("orders", torch.stack(orders))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z [members, n, d], and log |det ∂z/∂x| [members, n]."""
        log_det = x.new_zeros(x.shape[:2])
        for network, order in zip(self.networks, self._orders(len(x)), strict=True):
            a, b = x[:, :, : self.still], x[:, :, self.still :]
            shift, log_scale = _affine(network, a)
            x = _ordered(torch.cat([a, (b - shift) * torch.exp(-log_scale)], dim=2), order)
            log_det = log_det - log_scale.sum(dim=2)
        return x, log_det

    def inverse(self, z: Tensor) -> Tensor:
        """x [members, n, d]."""
        for network, order in zip(reversed(self.networks), reversed(self._orders(len(z))), strict=True):
            z = _ordered(z, torch.argsort(order))
            a, b = z[:, :, : self.still], z[:, :, self.still :]
            shift, log_scale = _affine(network, a)
            z = torch.cat([a, b * torch.exp(log_scale) + shift], dim=2)
        return z

    def log_density(self, x: Tensor) -> Tensor:
        """ln p(x) [members, n], by change of variables from N(0, I)."""
        z, log_det = self(x)
        density: Tensor = log_det - 0.5 * (torch.square(z) + math.log(2 * math.pi)).sum(dim=2)
        return density

    def _orders(self, members: int) -> Sequence[Tensor]:
        """Of each layer, [members, d]."""
        return self.orders.view(members, len(self.networks), -1).unbind(1)


def _order(still: int, moved: int, source: torch.Generator) -> Tensor:
    """Of columns: the halves change places."""
    return torch.cat([torch.randperm(moved, generator=source) + still, torch.randperm(still, generator=source)])


def _ordered(x: Tensor, order: Tensor) -> Tensor:
    """Columns of x [members, n, d], in each member's order [members, d]."""
    return x.gather(2, order[:, None].expand_as(x))


def _affine(network: nn.Module, a: Tensor) -> tuple[Tensor, Tensor]:
    shift, log_scale = network(a).chunk(2, dim=2)
    return shift, REACH * torch.tanh(log_scale / REACH)
