"""Small networks of one shape, trained side by side: one batched matrix product serves all members.

A step of a small network costs mostly calls, not arithmetic, so members cost little more than one. They share
nothing: each has its own weights, rows and random numbers, and learns what it would learn alone, up to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evaluator.models.base import Rows, Weights
from evaluator.models.weights import one
from evaluator.row_parts import RowParts, blocks
from hygiene.errors import ConfigurationError

WARM_UP = 100  # steps until the learning rate is full
DECAY = 0.98  # of the running mean of the weights, taken every EVERY steps
EVERY = 10
LANES = 16  # numbers that a processor steps at once, at most
AHEAD = 16  # steps that random numbers are drawn for at once


class StackedMlp(nn.Module):
    """Residual perceptrons with SiLU: [members, n, inputs] -> [members, n, outputs]. They start at output 0."""

    def __init__(self, inputs: int, width: int, depth: int, outputs: int, generators: Sequence[torch.Generator]):
        super().__init__()
        sizes = [(inputs, width), *[(width, width)] * depth, (width, outputs)]
        self.weights = nn.ParameterList(_uniform(rows, columns, generators) for rows, columns in sizes)
        self.biases = nn.ParameterList(torch.zeros(len(generators), 1, columns) for _, columns in sizes)
        nn.init.zeros_(self.weights[-1])

    def forward(self, x: Tensor) -> Tensor:
        layers = list(zip(self.biases, self.weights, strict=True))
        (first, last), between = (layers[0], layers[-1]), layers[1:-1]
        hidden = nn.functional.silu(_affine(x, *first))
        for layer in between:
            hidden = hidden + nn.functional.silu(_affine(hidden, *layer))
        return _affine(hidden, *last)


def _affine(x: Tensor, bias: Tensor, weight: Tensor) -> Tensor:
    """x · weight + bias [members, n, columns] of x [members, n, rows]."""
    if len(x) > 1 and 1 in weight.shape[1:]:  # a batch of products with vectors rounds unlike a single one
        members = zip(*(each.chunk(len(x)) for each in (bias, x, weight)), strict=True)
        return torch.cat([torch.baddbmm(*member) for member in members])
    return torch.baddbmm(bias, x, weight)


def _uniform(rows: int, columns: int, generators: Sequence[torch.Generator]) -> Tensor:
    """Weights [members, rows, columns] within ±1/√rows, as torch.nn.Linear has them."""
    drawn = [torch.rand(rows, columns, generator=generator) for generator in generators]
    return (2 * torch.stack(drawn) - 1) / math.sqrt(rows)


def generators(rngs: Iterable[np.random.Generator]) -> list[torch.Generator]:
    """torch's generator for each of `rngs`, which moves on by one draw."""
    return [torch.Generator().manual_seed(int(rng.integers(2**63))) for rng in rngs]


def normals(generators: Sequence[torch.Generator], *shape: int) -> Tensor:
    """Standard normal numbers [members, *shape]."""
    return torch.stack([torch.randn(*shape, generator=generator) for generator in generators])


def uniforms(generators: Sequence[torch.Generator], *shape: int) -> Tensor:
    """Numbers in [0, 1), [members, *shape]."""
    return torch.stack([torch.rand(*shape, generator=generator) for generator in generators])


def ahead(draw: Callable[..., Tensor], generators: Sequence[torch.Generator], *shape: int) -> Iterator[Tensor]:
    """draw(generators, *shape), again and again; many at once, as a call for few numbers costs as much."""
    while True:
        yield from draw(generators, AHEAD, *shape).unbind(1)


def batches(sizes: Sequence[int], count: int, generators: Sequence[torch.Generator]) -> Iterator[Tensor]:
    """Indices [members, count] of every member's rows, of which it has `sizes`, with replacement; endless."""
    n = torch.tensor(sizes)[:, None]
    for share in ahead(uniforms, generators, count):
        yield (share * n).long().minimum(n - 1)


def together(rows: Sequence[Tensor]) -> Tensor:
    """Every member's rows [n, d] as [members, n, d]; those of a member that has fewer end in zeros."""
    return nn.utils.rnn.pad_sequence(list(rows), batch_first=True)


def gathered(rows: Tensor, indices: Tensor) -> Tensor:
    """rows [members, n, d] at indices [members, count]: [members, count, d]."""
    return rows[torch.arange(len(rows))[:, None], indices]


def train(
    parts: nn.Module,
    loss: Callable[[], Tensor],
    steps: int,
    rate: float,
    moments: tuple[float, float] = (0.9, 0.999),
    members: int = 1,
) -> None:
    """Adam on `loss` [members], a new batch at every call; leaves the running mean of the weights in `parts`.

    The rate rises for 100 steps and falls to 0 along a cosine. Raises ConfigurationError where a weight is no finite
    number in the end; a critic's that is none has made the generator's such by then.
    """
    weights = list(parts.parameters())
    averages = [weight.detach().clone() for weight in weights]
    optimiser = StackedAdam(weights, members, rate, moments)
    for step in range(steps):
        share = min((step + 1) / WARM_UP, 0.5 + 0.5 * np.cos(np.pi * step / steps))
        optimiser.step(loss, rate * share)
        if step % EVERY == 0 or step == steps - 1:
            _average(averages, weights, step // EVERY)
    if torch.stack([average.isfinite().logical_not().any() for average in averages]).any().cpu():
        raise ConfigurationError(
            f"training fell apart: its {steps} steps left weights that are not finite, "
            f"as too high a rate of learning does (rate = {rate:g})"
        )
    for weight, average in zip(weights, averages, strict=True):
        weight.requires_grad_(False).copy_(average)


class StackedAdam:
    """Adam (Kingma and Ba 2015) on weights whose first axis is that of `members`: of [members, …], or [members · d].

    Its steps round the last few numbers of a tensor unlike the others, so members are stepped one by one where a
    member's last would stand among others.
    """

    def __init__(
        self, weights: Iterable[nn.Parameter], members: int, rate: float, moments: tuple[float, float]
    ) -> None:
        self._weights, self._members = list(weights), members
        self._split = [each for each in self._weights if members > 1 and each.numel() // members % LANES]
        self._parts = [part for each in self._split for part in each.data.chunk(members)]
        whole = [each for each in self._weights if all(each is not other for other in self._split)]
        self._adam = torch.optim.Adam([*whole, *self._parts], lr=rate, betas=moments, fused=True)

    def step(self, loss: Callable[[], Tensor], rate: float) -> None:
        """Down the gradients of `loss` [members]: members do not mix, so those of its sum are each one's own."""
        for weight in self._weights:
            weight.grad = None
        torch.autograd.backward(loss().sum())
        gradients = [part for each in self._split if each.grad is not None for part in each.grad.chunk(self._members)]
        for part, gradient in zip(self._parts, gradients, strict=True):
            part.grad = gradient
        self._adam.param_groups[0]["lr"] = rate
        self._adam.step()


def _average(averages: list[Tensor], weights: list[nn.Parameter], times: int) -> None:
    share = max(1 - DECAY, 5 / (times + 5))  # a fifth of the steps so far at first: the start is soon forgotten
    for average, weight in zip(averages, weights, strict=True):
        average.lerp_(weight.detach(), share)


class Scale:
    """Rows [n, d] <-> float32 of mean 0 and mean variance 1; one factor for all columns keeps their proportions."""

    def __init__(self, rows: Rows | RowParts) -> None:
        self.mean: Rows = reduce(np.add, (block.sum(axis=0) for block in blocks(rows))) / len(rows)
        self.factor = max(_deviation(rows, self.mean), float(np.finfo(np.float64).tiny))

    @classmethod
    def restored(cls, weights: Weights) -> Scale:
        """The scale that gave `weights`."""
        scale = cls.__new__(cls)
        scale.mean, scale.factor = one(weights, "mean"), float(one(weights, "factor")[0])
        return scale

    def weights(self) -> Weights:
        return {"mean": self.mean, "factor": np.array([self.factor])}

    def inward(self, rows: Rows | RowParts) -> Tensor:
        scaled, start = np.empty(rows.shape, dtype=np.float32), 0
        for block in blocks(rows):
            scaled[start : start + len(block)] = (block - self.mean) / self.factor
            start += len(block)
        return torch.from_numpy(scaled)

    def inward_on(self, device: str) -> Callable[[NDArray[Any]], Tensor]:
        """The same on `device`, to the same bits, of rows [n, d] in any floating type: for batches of them."""
        mean = torch.from_numpy(self.mean).to(device)
        factor = torch.tensor(self.factor, dtype=mean.dtype, device=device)  # by a number CUDA would not divide
        return lambda rows: ((_sent(torch.from_numpy(rows), device).double() - mean) / factor).float()

    def outward(self, scaled: Tensor) -> Rows:
        rows: Rows = self.mean + self.factor * scaled.numpy().astype(np.float64)
        return rows


def _sent(tensor: Tensor, device: str) -> Tensor:
    """`tensor` on `device`; a GPU works on meanwhile, which out of pageable memory it would not."""
    return tensor.pin_memory().to(device, non_blocking=True) if device == "cuda" else tensor.to(device)


def _deviation(rows: Rows | RowParts, mean: Rows) -> float:
    """Of all numbers of rows [n, d] from their column's `mean` [d]."""
    if not isinstance(rows, RowParts):
        return float((rows - mean).std())
    squares = sum(float(np.square(block - mean).sum()) for block in blocks(rows))
    return math.sqrt(squares / (len(rows) * mean.size))
