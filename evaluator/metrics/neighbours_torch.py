"""The same neighbours on a CUDA device, in double precision: what `neighbours` hands over where there is one."""

import importlib.util
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evaluator.models.base import Rows

if TYPE_CHECKING:
    import torch

LEAST = 1 << 22  # distances below which sending them there takes longer than computing them here
CELLS = 1 << 27  # of one block: 1 GiB in double precision


def device_for(distances: int) -> "torch.device | None":
    """The CUDA device for so many distances; None where there is none, or the work is too small."""
    return _cuda() if distances >= LEAST else None


@cache
def _cuda() -> "torch.device | None":
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    return torch.device("cuda") if torch.cuda.is_available() else None


def nearest(queries: Rows, rows: Rows, k: int, same: bool, device: "torch.device") -> Rows:
    """As `neighbours.nearest`, for a k that was checked."""
    import torch

    a, b = _sent(queries, rows, device)
    found = []
    for start, near in _blocks(a, b):
        if same:
            near.diagonal(offset=start).fill_(torch.inf)
        found.append(near.topk(k, dim=1, largest=False).values)
    nearest_first: Rows = torch.cat(found).cpu().numpy()
    return nearest_first


def balls(
    real: Rows, synthetic: Rows, real_radii: Rows, synthetic_radii: Rows, device: "torch.device"
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """As `neighbours.balls`."""
    import torch

    a, b = _sent(real, synthetic, device)
    radii, others = (torch.from_numpy(np.ascontiguousarray(each)).to(device) for each in (real_radii, synthetic_radii))
    counts = torch.zeros(len(b), dtype=torch.int64, device=device)
    covered, reached = [], []
    for start, near in _blocks(a, b):
        inside = near < radii[start : start + len(near), None]
        counts += inside.sum(dim=0)
        covered.append(inside.any(dim=1))
        reached.append((near < others).any(dim=1))
    return counts.cpu().numpy(), torch.cat(covered).cpu().numpy(), torch.cat(reached).cpu().numpy()


def _sent(a: Rows, b: Rows, device: "torch.device") -> "tuple[torch.Tensor, torch.Tensor]":
    """Both on the device, about the median of the second: expanding squares loses digits far from 0, where one row that
    came out far away would have drawn a mean."""
    import torch

    left, right = (torch.from_numpy(np.ascontiguousarray(each)).to(device) for each in (a, b))
    centre = right.median(dim=0).values
    return left - centre, right - centre


def _blocks(a: "torch.Tensor", b: "torch.Tensor") -> "Iterator[tuple[int, torch.Tensor]]":
    """(first row, squared distances [r, m]) after another, at most max(CELLS, m) distances each."""
    squares_a, squares_b = a.square().sum(dim=1), b.square().sum(dim=1)
    step = max(CELLS // len(b), 1)
    for start in range(0, len(a), step):
        rows = slice(start, start + step)
        near = (a[rows] @ b.T).mul_(-2.0).add_(squares_a[rows, None]).add_(squares_b)
        yield start, near.clamp_(min=0.0)
