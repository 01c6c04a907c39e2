"""StyleGAN2's networks (Karras et al. 2020, arXiv:1912.04958): mapping, skip synthesis, residual discriminator."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from evaluator.models.stylegan2_layers import (
    TINY,
    Convolution,
    Linear,
    Modulated,
    activated,
    deviation,
    downsampled,
    normal,
    upsampled,
)


def sides(side: int) -> list[int]:
    """Sizes of the pictures on the way up, from the first of at most 7 pixels: 32 -> [4, 8, 16, 32].

    Empty where halving ends at another odd number first.
    """
    found = [side]
    while found[0] > 4 and found[0] % 2 == 0:
        found.insert(0, found[0] // 2)
    return found if 2 <= found[0] <= 7 else []


class Widths(NamedTuple):
    """Channels of a layer: `width` up to pictures of `full` pixels, half as many with every doubling above."""

    width: int
    full: int

    def at(self, side: int) -> int:
        return max(1, self.width * self.full // max(side, self.full))


class Mapping(nn.Module):
    """Latents [n, latent] -> w [n, latent]. rate: of its learning, beside the others."""

    def __init__(self, latent: int, depth: int, rate: float, source: torch.Generator):
        super().__init__()
        self.latent = latent
        self.layers = nn.ModuleList(Linear(latent, latent, source, rate=rate) for _ in range(depth))

    def forward(self, z: Tensor) -> Tensor:
        w = z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + TINY)
        for layer in self.layers:
            w = activated(layer(w))
        return w


class Layer(nn.Module):
    """A modulated convolution, noise of a learned strength, a bias and the rectifier (fig. 2d)."""

    def __init__(self, latent: int, inputs: int, outputs: int, source: torch.Generator, up: bool = False):
        super().__init__()
        self.convolution = Modulated(latent, inputs, outputs, 3, source)
        self.strength = nn.Parameter(torch.zeros((), device=source.device))
        self.bias = nn.Parameter(torch.zeros(outputs, 1, 1, device=source.device))
        self.up = up

    def forward(self, x: Tensor, w: Tensor, source: torch.Generator) -> Tensor:
        y: Tensor = self.convolution(x, w, up=self.up)
        noise = normal(len(y), 1, *y.shape[2:], source=source)
        return activated(y + self.strength * noise + self.bias)


class ToColours(nn.Module):
    """Features to colours, modulated and not demodulated."""

    def __init__(self, latent: int, inputs: int, colours: int, source: torch.Generator):
        super().__init__()
        self.convolution = Modulated(latent, inputs, colours, 1, source)
        self.bias = nn.Parameter(torch.zeros(colours, 1, 1, device=source.device))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        found: Tensor = self.convolution(x, w, demodulate=False) + self.bias
        return found


class Synthesis(nn.Module):
    """w -> pictures [n, colours, side, side]: the sum of every size's picture, upsampled (fig. 7b).

    w is one [n, latent] for all layers, or [styles, n, latent]: one for every convolution and one for the last colours.
    Colours between take the style of the convolution behind them.
    """

    def __init__(self, latent: int, widths: Widths, colours: int, side: int, source: torch.Generator):
        super().__init__()
        first, *larger = sides(side)
        inputs = widths.at(first)
        self.constant = nn.Parameter(normal(1, inputs, first, first, source=source))
        self.layers = nn.ModuleList([Layer(latent, inputs, inputs, source)])
        self.pictures = nn.ModuleList([ToColours(latent, inputs, colours, source)])
        for size in larger:
            inputs, outputs = widths.at(size // 2), widths.at(size)
            self.layers += [Layer(latent, inputs, outputs, source, up=True), Layer(latent, outputs, outputs, source)]
            self.pictures.append(ToColours(latent, outputs, colours, source))
        self.styles = len(self.layers) + 1

    def forward(self, w: Tensor, source: torch.Generator) -> Tensor:
        w = w.expand(self.styles, *w.shape[-2:])
        x = self.layers[0](self.constant.expand(w.shape[1], -1, -1, -1), w[0], source)
        picture: Tensor = self.pictures[0](x, w[1])
        for at, to_colours in zip(range(1, len(self.layers), 2), self.pictures[1:], strict=True):
            x = self.layers[at + 1](self.layers[at](x, w[at], source), w[at + 1], source)
            picture = upsampled(picture) + to_colours(x, w[at + 2])
        return picture


class Generator(nn.Module):
    """Latents [n, latent] -> pictures [n, colours, side, side]."""

    def __init__(self, mapping: Mapping, synthesis: Synthesis):
        super().__init__()
        self.mapping, self.synthesis = mapping, synthesis

    def forward(self, n: int, source: torch.Generator, mixing: float = 0.0) -> Tensor:
        w = self.mixed(n, mixing, source) if mixing else self.styles(n, source)
        pictures: Tensor = self.synthesis(w, source)
        return pictures

    def styles(self, n: int, source: torch.Generator) -> Tensor:
        """w of `n` new latents, [n, latent]."""
        w: Tensor = self.mapping(normal(n, self.mapping.latent, source=source))
        return w

    def mixed(self, n: int, mixing: float, source: torch.Generator) -> Tensor:
        """w of every style [styles, n, latent], of two latents for a share `mixing` of the pictures: one up to a style
        that is drawn, the other from there on (style mixing, Karras et al. 2019, arXiv:1812.04948, §3.1)."""
        count = self.synthesis.styles
        chance, place = torch.rand(2, n, 1, generator=source, device=source.device)
        first = torch.where(chance < mixing, 1 + (place * (count - 1)).floor(), count)
        behind = torch.arange(count, device=source.device)[:, None, None] >= first
        return torch.where(behind, self.styles(n, source), self.styles(n, source))


class Block(nn.Module):
    """Half the size, residual: [n, inputs, h, w] -> [n, outputs, h/2, w/2] (fig. 7c)."""

    def __init__(self, inputs: int, outputs: int, source: torch.Generator):
        super().__init__()
        self.first = Convolution(inputs, inputs, 3, source)
        self.second = Convolution(inputs, outputs, 3, source, down=True)
        self.past = nn.Parameter(normal(outputs, inputs, 1, 1, source=source))

    def forward(self, x: Tensor) -> Tensor:
        past = nn.functional.conv2d(downsampled(x), self.past / math.sqrt(x.shape[1]))
        return (activated(self.second(activated(self.first(x)))) + past) / math.sqrt(2)


class Discriminator(nn.Module):
    """Pictures [n, colours, side, side] -> logits [n], large for what looks real."""

    def __init__(self, widths: Widths, colours: int, side: int, source: torch.Generator):
        super().__init__()
        sizes = sides(side)[::-1]
        found = [widths.at(size) for size in sizes]
        self.colours = Convolution(colours, found[0], 1, source)
        self.blocks = nn.ModuleList(Block(*pair, source) for pair in itertools.pairwise(found))
        self.last = Convolution(found[-1] + 1, found[-1], 3, source)
        self.hidden = Linear(found[-1] * sizes[-1] ** 2, found[-1], source)
        self.logit = Linear(found[-1], 1, source)

    def forward(self, pictures: Tensor) -> Tensor:
        x = activated(self.colours(pictures))
        for block in self.blocks:
            x = block(x)
        x = activated(self.last(deviation(x.float())))  # deviations of few samples need float32
        logits: Tensor = self.logit(activated(self.hidden(x.flatten(1))))
        return logits[:, 0]
