"""StyleGAN2's networks (Karras et al. 2020, arXiv:1912.04958): mapping, skip synthesis, residual discriminator."""

from __future__ import annotations

import itertools
import math

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

MAPPING_RATE = 0.01  # of the mapping network's learning, beside the others
FULL = 32  # pixels up to which layers have all their channels; they halve with every doubling above


def sides(side: int) -> list[int]:
    """Sizes of the pictures on the way up, from the first of at most 7 pixels: 32 -> [4, 8, 16, 32].

    Empty where halving ends at another odd number first.
    """
    found = [side]
    while found[0] > 4 and found[0] % 2 == 0:
        found.insert(0, found[0] // 2)
    return found if 2 <= found[0] <= 7 else []


def channels(side: int, width: int) -> int:
    return max(1, width * FULL // max(side, FULL))


class Mapping(nn.Module):
    """Latents [n, latent] -> w [n, latent]."""

    def __init__(self, latent: int, depth: int, source: torch.Generator):
        super().__init__()
        self.layers = nn.ModuleList(Linear(latent, latent, source, rate=MAPPING_RATE) for _ in range(depth))

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
    """w [n, latent] -> pictures [n, colours, side, side]: the sum of every size's picture, upsampled (fig. 7b)."""

    def __init__(self, latent: int, width: int, colours: int, side: int, source: torch.Generator):
        super().__init__()
        first, *larger = sides(side)
        self.constant = nn.Parameter(normal(1, channels(first, width), first, first, source=source))
        self.layers = nn.ModuleList([Layer(latent, channels(first, width), channels(first, width), source)])
        self.pictures = nn.ModuleList([ToColours(latent, channels(first, width), colours, source)])
        for size in larger:
            inputs, outputs = channels(size // 2, width), channels(size, width)
            self.layers += [Layer(latent, inputs, outputs, source, up=True), Layer(latent, outputs, outputs, source)]
            self.pictures.append(ToColours(latent, outputs, colours, source))

    def forward(self, w: Tensor, source: torch.Generator) -> Tensor:
        x = self.layers[0](self.constant.expand(len(w), -1, -1, -1), w, source)
        picture: Tensor = self.pictures[0](x, w)
        for index, to_colours in enumerate(self.pictures[1:]):
            for layer in self.layers[1 + 2 * index : 3 + 2 * index]:
                x = layer(x, w, source)
            picture = upsampled(picture) + to_colours(x, w)
        return picture


class Generator(nn.Module):
    """Latents [n, latent] -> pictures [n, colours, side, side]."""

    def __init__(self, latent: int, depth: int, width: int, colours: int, side: int, source: torch.Generator):
        super().__init__()
        self.latent = latent
        self.mapping = Mapping(latent, depth, source)
        self.synthesis = Synthesis(latent, width, colours, side, source)

    def forward(self, n: int, source: torch.Generator) -> Tensor:
        pictures: Tensor = self.synthesis(self.styles(n, source), source)
        return pictures

    def styles(self, n: int, source: torch.Generator) -> Tensor:
        """w of `n` new latents, [n, latent]."""
        w: Tensor = self.mapping(normal(n, self.latent, source=source))
        return w


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

    def __init__(self, width: int, colours: int, side: int, source: torch.Generator):
        super().__init__()
        sizes = sides(side)[::-1]
        widths = [channels(size, width) for size in sizes]
        self.colours = Convolution(colours, widths[0], 1, source)
        self.blocks = nn.ModuleList(Block(*pair, source) for pair in itertools.pairwise(widths))
        self.last = Convolution(widths[-1] + 1, widths[-1], 3, source)
        self.hidden = Linear(widths[-1] * sizes[-1] ** 2, widths[-1], source)
        self.logit = Linear(widths[-1], 1, source)

    def forward(self, pictures: Tensor) -> Tensor:
        x = activated(self.colours(pictures))
        for block in self.blocks:
            x = block(x)
        x = activated(self.last(deviation(x.float())))  # deviations of few samples need float32
        logits: Tensor = self.logit(activated(self.hidden(x.flatten(1))))
        return logits[:, 0]
