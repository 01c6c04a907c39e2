"""Inception v3 as TensorFlow published it on 2015-12-05 (Szegedy et al. 2016): the network behind FID.

Layers have the names of torch-fidelity and pytorch-fid. It differs from the later Inception v3 in its average pooling,
which does not count the padding, and in the last block, which pools by the maximum.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

SIDE = 299  # pixels that the network looks at

Layer = tuple[int, int, int | tuple[int, int], int]
"""Channels in and out, kernel, stride."""

Steps = Sequence[str | tuple[str, str]]
"""Layers in a row; a pair is two layers side by side."""


class Inception(nn.Module):
    """Pictures [n, 1 or 3, h, w] in 0..1, rounded to 8 bits, -> [n, 2048]."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "max", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "max"]
        self.Conv2d_1a_3x3 = Convolution(3, 32, 3, 2, padded=False)
        self.Conv2d_2a_3x3 = Convolution(32, 32, 3, padded=False)
        self.Conv2d_2b_3x3 = Convolution(32, 64, 3)
        self.Conv2d_3b_1x1 = Convolution(64, 80, 1)
        self.Conv2d_4a_3x3 = Convolution(80, 192, 3, padded=False)
        blocks = {"5b": _a(192, 32), "5c": _a(256, 64), "5d": _a(288, 64), "6a": _b(288), "6b": _c(768, 128)}
        blocks |= {"6c": _c(768, 160), "6d": _c(768, 160), "6e": _c(768, 192), "7a": _d(768)}
        blocks |= {"7b": _e(1280, "average"), "7c": _e(2048, "max same")}
        self.blocks = [f"Mixed_{name}" for name in blocks]
        for name, block in blocks.items():
            self.add_module(f"Mixed_{name}", block)

    def forward(self, pictures: Tensor) -> Tensor:
        levels = (pictures * 255).round().clamp(0, 255).expand(-1, 3, -1, -1)
        x = (resized(levels, SIDE) - 128) / 128
        x = _through(self, x, [*self.stem, *self.blocks])
        return x.mean(dim=(2, 3))


class Convolution(nn.Module):
    """Convolution without bias, batch normalisation, ReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int | tuple[int, int], stride: int = 1, padded: bool = True
    ) -> None:
        super().__init__()
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (sides[0] // 2, sides[1] // 2) if padded else (0, 0)
        self.conv = nn.Conv2d(inputs, outputs, sides, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(x)))


class Block(nn.Module):
    """Paths from one input, their outputs one after another."""

    def __init__(self, layers: dict[str, Layer], paths: list[Steps]) -> None:
        super().__init__()
        self.paths = paths
        for name, (inputs, outputs, kernel, stride) in layers.items():
            self.add_module(name, Convolution(inputs, outputs, kernel, stride, padded=stride == 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([_through(self, x, path) for path in self.paths], dim=1)


def _through(parts: nn.Module, x: Tensor, path: Steps) -> Tensor:
    for step in path:
        if isinstance(step, tuple):
            x = torch.cat([parts.get_submodule(name)(x) for name in step], dim=1)
        elif step == "average":  # TensorFlow's does not count the padding
            x = functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        elif step.startswith("max"):
            x = functional.max_pool2d(x, 3, 1, 1) if step == "max same" else functional.max_pool2d(x, 3, 2)
        else:
            x = parts.get_submodule(step)(x)
    return x


def _named(branch: str, count: int) -> Steps:
    return [f"branch{branch}_{number}" for number in range(1, count + 1)]


def _a(n: int, pooled: int) -> Block:
    layers: dict[str, Layer] = {
        "branch1x1": (n, 64, 1, 1),
        "branch5x5_1": (n, 48, 1, 1),
        "branch5x5_2": (48, 64, 5, 1),
        "branch3x3dbl_1": (n, 64, 1, 1),
        "branch3x3dbl_2": (64, 96, 3, 1),
        "branch3x3dbl_3": (96, 96, 3, 1),
        "branch_pool": (n, pooled, 1, 1),
    }
    return Block(layers, [["branch1x1"], _named("5x5", 2), _named("3x3dbl", 3), ["average", "branch_pool"]])


def _b(n: int) -> Block:
    layers: dict[str, Layer] = {
        "branch3x3": (n, 384, 3, 2),
        "branch3x3dbl_1": (n, 64, 1, 1),
        "branch3x3dbl_2": (64, 96, 3, 1),
        "branch3x3dbl_3": (96, 96, 3, 2),
    }
    return Block(layers, [["branch3x3"], _named("3x3dbl", 3), ["max"]])


def _c(n: int, m: int) -> Block:
    row, column = (1, 7), (7, 1)
    layers: dict[str, Layer] = {
        "branch1x1": (n, 192, 1, 1),
        "branch7x7_1": (n, m, 1, 1),
        "branch7x7_2": (m, m, row, 1),
        "branch7x7_3": (m, 192, column, 1),
        "branch7x7dbl_1": (n, m, 1, 1),
        "branch7x7dbl_2": (m, m, column, 1),
        "branch7x7dbl_3": (m, m, row, 1),
        "branch7x7dbl_4": (m, m, column, 1),
        "branch7x7dbl_5": (m, 192, row, 1),
        "branch_pool": (n, 192, 1, 1),
    }
    return Block(layers, [["branch1x1"], _named("7x7", 3), _named("7x7dbl", 5), ["average", "branch_pool"]])


def _d(n: int) -> Block:
    layers: dict[str, Layer] = {
        "branch3x3_1": (n, 192, 1, 1),
        "branch3x3_2": (192, 320, 3, 2),
        "branch7x7x3_1": (n, 192, 1, 1),
        "branch7x7x3_2": (192, 192, (1, 7), 1),
        "branch7x7x3_3": (192, 192, (7, 1), 1),
        "branch7x7x3_4": (192, 192, 3, 2),
    }
    return Block(layers, [_named("3x3", 2), _named("7x7x3", 4), ["max"]])


def _e(n: int, pool: str) -> Block:
    layers: dict[str, Layer] = {
        "branch1x1": (n, 320, 1, 1),
        "branch3x3_1": (n, 384, 1, 1),
        "branch3x3_2a": (384, 384, (1, 3), 1),
        "branch3x3_2b": (384, 384, (3, 1), 1),
        "branch3x3dbl_1": (n, 448, 1, 1),
        "branch3x3dbl_2": (448, 384, 3, 1),
        "branch3x3dbl_3a": (384, 384, (1, 3), 1),
        "branch3x3dbl_3b": (384, 384, (3, 1), 1),
        "branch_pool": (n, 192, 1, 1),
    }
    short: Steps = ["branch3x3_1", ("branch3x3_2a", "branch3x3_2b")]
    long: Steps = ["branch3x3dbl_1", "branch3x3dbl_2", ("branch3x3dbl_3a", "branch3x3dbl_3b")]
    return Block(layers, [["branch1x1"], short, long, [pool, "branch_pool"]])


def resized(pictures: Tensor, side: int) -> Tensor:
    """[n, c, h, w] -> [n, c, side, side], bilinear as TensorFlow 1 did it: pixel i of the result lies at i·h/side."""
    for axis in (2, 3):
        size = pictures.shape[axis]
        at = torch.arange(side, dtype=torch.float32, device=pictures.device) * (size / side)
        low = at.long()
        share = (at - low).reshape(-1, 1) if axis == 2 else at - low
        first, second = pictures.index_select(axis, low), pictures.index_select(axis, (low + 1).clamp(max=size - 1))
        pictures = first + (second - first) * share
    return pictures
