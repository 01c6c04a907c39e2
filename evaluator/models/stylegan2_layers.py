"""Layers of StyleGAN2 (Karras et al. 2020, arXiv:1912.04958): equalised rates, modulated convolutions, resampling."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

TAPS = (1.0, 3.0, 3.0, 1.0)  # of the low-pass filter before every drop and after every rise of the resolution
SLOPE = 0.2
TINY = 1e-8


class Linear(nn.Module):
    """x [n, inputs] -> [n, outputs]. Weights start at N(0, 1) and are scaled when used: the equalised learning rate
    (Karras et al. 2018, arXiv:1710.10196, §4.1), times `rate` for layers that shall learn slower.

    bias  what the outputs start at
    """

    def __init__(self, inputs: int, outputs: int, source: torch.Generator, bias: float = 0.0, rate: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(normal(outputs, inputs, source=source) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate, device=source.device))
        self.rate, self.factor = rate, rate / math.sqrt(inputs)

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight * self.factor, self.bias * self.rate)


class Convolution(nn.Module):
    """x [n, inputs, h, w] -> [n, outputs, h, w], with equalised rates; half the size with `down`."""

    def __init__(self, inputs: int, outputs: int, size: int, source: torch.Generator, down: bool = False):
        super().__init__()
        self.weight = nn.Parameter(normal(outputs, inputs, size, size, source=source))
        self.bias = nn.Parameter(torch.zeros(outputs, device=source.device))
        self.down, self.factor = down, 1 / math.sqrt(inputs * size**2)

    def forward(self, x: Tensor) -> Tensor:
        weight, size = self.weight * self.factor, self.weight.shape[2]
        if not self.down:
            return functional.conv2d(x, weight, self.bias, padding=size // 2)
        return functional.conv2d(_filtered(x, size // 2 + 1), weight, self.bias, stride=2)


class Modulated(nn.Module):
    """A convolution whose weights a style scales per sample: x [n, inputs, h, w], w [n, latent] -> [n, outputs, …]."""

    def __init__(self, latent: int, inputs: int, outputs: int, size: int, source: torch.Generator):
        super().__init__()
        self.style = Linear(latent, inputs, source, bias=1.0)
        self.weight = nn.Parameter(normal(outputs, inputs, size, size, source=source))

    def forward(self, x: Tensor, w: Tensor, demodulate: bool = True, up: bool = False) -> Tensor:
        return modulated(x, self.weight, self.style(w), demodulate, up)


def modulated(x: Tensor, weight: Tensor, style: Tensor, demodulate: bool = True, up: bool = False) -> Tensor:
    """x [n, i, h, w] convolved with s_i·w_oikk, for every sample its own s [n, i] (eq. 1); twice the size with `up`.

    Demodulated, every output of sample n is divided by the root of Σ(s_i·w_oikk)² (eq. 3), which gives independent
    inputs of unit variance unit variance. The style is put on the inputs and the divisor on the outputs: the same
    numbers, and one convolution for the whole batch.
    """
    weight = weight / math.sqrt(weight[0].numel())
    styled = x * style[:, :, None, None]
    y = _raised(styled, weight) if up else functional.conv2d(styled, weight, padding=weight.shape[2] // 2)
    if not demodulate:
        return y
    squares = style.square() @ weight.square().sum(dim=(2, 3)).T
    return y * torch.rsqrt(squares + TINY)[:, :, None, None]


def _raised(x: Tensor, weight: Tensor) -> Tensor:
    """Zeros between the pixels, convolution [o, i, 3, 3], low-pass filter: [n, i, h, w] -> [n, o, 2h, 2w]."""
    return 4 * _filtered(functional.conv_transpose2d(x, weight.transpose(0, 1).flip(2, 3), stride=2), 1)


def _filtered(x: Tensor, border: int) -> Tensor:
    """Low-pass filtered, after zeros on every side: [n, c, h, w] -> [n, c, h + 2·border − 3, w + 2·border − 3]."""
    return _along_both(x, lambda size: (size, size + 2 * border - 3, 1, 1, border))


def upsampled(x: Tensor) -> Tensor:
    """Twice the size: [n, c, h, w] -> [n, c, 2h, 2w]; zeros between the pixels, filtered, of the same mean inside."""
    return 4 * _along_both(x, lambda size: (size, 2 * size, 2, 1, 2))


def downsampled(x: Tensor) -> Tensor:
    """Half the size: [n, c, 2h, 2w] -> [n, c, h, w]; filtered, then every other pixel."""
    return _along_both(x, lambda size: (size, size // 2, 1, 2, 1))


def _along_both(x: Tensor, resampling: Callable[[int], tuple[int, ...]]) -> Tensor:
    """Both axes of pictures [n, c, h, w] times their matrix; for a few pixels much quicker than a convolution."""
    rows, columns = (_taps(*resampling(size), x.device, x.dtype) for size in x.shape[2:])
    return rows.T @ (x @ columns)


@cache
def _taps(size: int, made: int, up: int, down: int, before: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The matrix [size, made] that puts `up` − 1 zeros behind every number and `before` zeros in front, filters, and
    takes every `down`-th."""
    with torch.inference_mode(False):  # else what sampling makes first could be in no training
        at = up * torch.arange(size)[:, None] - down * torch.arange(made)[None] + before
        taps = torch.tensor(TAPS) / sum(TAPS)
        return torch.where((at >= 0) & (at < len(TAPS)), taps[at.clamp(0, len(TAPS) - 1)], 0.0).to(device, dtype)


def activated(x: Tensor) -> Tensor:
    """Leaky rectifier, scaled to keep the second moment of normal inputs nearly."""
    return math.sqrt(2) * functional.leaky_relu(x, SLOPE)


def deviation(x: Tensor) -> Tensor:
    """`x` [n, c, h, w] with one more channel: the mean deviation within groups of up to four samples.

    Minibatch standard deviation (Karras et al. 2018, §3): it lets a discriminator see that samples are alike.
    """
    n, _, h, w = x.shape
    groups = x.reshape(-1, n // math.gcd(n, 4), *x.shape[1:])
    squares = (groups - groups.mean(dim=0)).square().mean(dim=0)
    spread = torch.sqrt(squares + TINY).mean(dim=(1, 2, 3))
    return torch.cat([x, spread.repeat(len(groups))[:, None, None, None].expand(n, 1, h, w)], dim=1)


def normal(*shape: int, source: torch.Generator) -> Tensor:
    """Standard normal numbers, on the generator's device."""
    return torch.randn(*shape, generator=source, device=source.device)
