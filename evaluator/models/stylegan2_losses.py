"""What StyleGAN2 minimises: the non-saturating logistic loss, R1 on real pictures, and the length of paths."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import softplus

PATH_DECAY = 0.01  # share of a new batch in the running mean of lengths


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Of logits [n] (Goodfellow et al. 2014, eq. 1)."""
    return softplus(-real).mean() + softplus(fake).mean()


def generator_loss(fake: Tensor) -> Tensor:
    """Of the discriminator's logits [n]: non-saturating, −log of the probability that they are real."""
    return softplus(-fake).mean()


def r1(discriminator: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """E|∇D|² at real pictures [n, …] (Mescheder et al. 2018, arXiv:1801.04406, eq. 9, without its γ/2)."""
    real = real.detach().requires_grad_()
    (slope,) = torch.autograd.grad(discriminator(real).sum(), real, create_graph=True)
    squares: Tensor = slope.square().flatten(1).sum(dim=1)
    return squares.mean()


class PathLength:
    """E(|Jᵀy| − a)²: how unevenly pictures change with w (Karras et al. 2020, eq. 4). a: running mean of |Jᵀy|."""

    def __init__(self) -> None:
        self.mean, self.seen = torch.zeros(()), 0

    def __call__(self, pictures: Tensor, w: Tensor, source: torch.Generator) -> Tensor:
        """Of `pictures` [n, colours, h, w], made out of `w` [n, latent]; per pixel of a picture."""
        noise = torch.randn(pictures.shape, generator=source, device=pictures.device)
        (slope,) = torch.autograd.grad((pictures * noise).sum(), w, create_graph=True)
        lengths = slope.norm(dim=1) / math.sqrt(pictures[0, 0].numel())
        self.seen += 1
        share = max(PATH_DECAY, 1 / self.seen)  # a mean of all batches at first: the start is soon forgotten
        self.mean = self.mean.to(lengths).lerp(lengths.detach().mean(), share)
        gaps: Tensor = lengths - self.mean
        return gaps.square().mean()


def path_weight(side: int) -> float:
    """Of PathLength for pictures of `side` pixels: ln 2 / (ln side − ln 2) (Karras et al. 2020, §B), per pixel."""
    return 1 / max(1.0, math.log2(side) - 1)
