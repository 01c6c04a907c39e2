"""Convolutional networks of a WGAN: a critic that halves pictures, a generator that doubles them."""

from __future__ import annotations

import itertools

from torch import Tensor, nn

from evaluator.models.pictures import folded, unfolded

LEAST = 4  # pixels where halving stops
LAYERS = 3  # of either network, at least
SLOPE = 0.2


def sides(side: int) -> list[int]:
    """Sizes of the pictures between the critic's layers, halved and rounded up: 28 -> [28, 14, 7, 4]."""
    found = [side]
    while found[-1] > LEAST:
        found.append(-(-found[-1] // 2))
    return found + found[-1:] * (LAYERS + 1 - len(found))


class Rows(nn.Module):
    """A network of pictures as one of rows: [1, n, ...] on both ends."""

    def __init__(self, body: nn.Module, channels: int, side: int, makes: bool):
        super().__init__()
        self.body, self.channels, self.side, self.makes = body, channels, side, makes

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = unfolded(self.body(x[0])) if self.makes else self.body(folded(x[0], self.channels, self.side))
        return found[None]


class Doubled(nn.Module):
    """A transposed convolution of stride 2, cut to `side`: [n, inputs, h, h] -> [n, outputs, side, side]."""

    def __init__(self, inputs: int, outputs: int, kernel: int, side: int):
        super().__init__()
        self.convolution = nn.ConvTranspose2d(inputs, outputs, kernel, 2, padding=kernel // 2, output_padding=1)
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        raised: Tensor = self.convolution(x)
        return raised[:, :, : self.side, : self.side]


def critic(width: int, channels: int, side: int, kernel: int, smooth: bool) -> nn.Module:
    """Rows [1, n, channels · side²] -> [1, n, 1]; SiLU between the layers if `smooth`, else leaky rectifiers."""
    sizes, widths = sides(side), _widths(width, channels, side)
    layers: list[nn.Module] = []
    for (wide, narrow), (before, after) in zip(itertools.pairwise(sizes), itertools.pairwise(widths), strict=True):
        stride = 1 if wide == narrow else 2
        layers += [nn.Conv2d(before, after, kernel, stride, padding=kernel // 2)]
        layers.append(nn.SiLU() if smooth else nn.LeakyReLU(SLOPE))
    body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * sizes[-1] ** 2, 1))
    return Rows(body, channels, side, makes=False)


def generator(latent: int, width: int, channels: int, side: int, kernel: int, smooth: bool) -> nn.Module:
    """Latents [1, n, latent] -> rows [1, n, channels · side²]; SiLU between the layers if `smooth`, else rectifiers."""
    sizes, widths = sides(side)[::-1], _widths(width, channels, side)[::-1]
    start = widths[0], sizes[0], sizes[0]
    layers: list[nn.Module] = [nn.Linear(latent, widths[0] * sizes[0] ** 2), nn.Unflatten(1, start)]
    for (narrow, wide), (before, after) in zip(itertools.pairwise(sizes), itertools.pairwise(widths), strict=True):
        same = narrow == wide
        layers.append(nn.SiLU() if smooth else nn.ReLU())
        layers.append(
            nn.Conv2d(before, after, kernel, padding=kernel // 2) if same else Doubled(before, after, kernel, wide)
        )
    return Rows(nn.Sequential(*layers), channels, side, makes=True)


def _widths(width: int, channels: int, side: int) -> list[int]:
    """Channels between the layers: colours, then `width`, twice as many, and so on."""
    return [channels, *(width * 2**layer for layer in range(len(sides(side)) - 1))]
