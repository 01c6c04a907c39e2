"""What generators of pictures share: rows folded to pictures and back, and the device that they are trained on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from hygiene.errors import ConfigurationError

if TYPE_CHECKING:
    import torch

Made = TypeVar("Made")
DEVICES = ("cpu", "cuda")


def square_side(d: int, channels: int) -> int:
    """The side of square pictures whose rows have `d` = channels · side² numbers; refuses other rows."""
    side = math.isqrt(d // channels)
    if side**2 * channels != d or not side:
        raise ConfigurationError(f"rows of {d} numbers are no square images: expected side² · {channels}")
    return side


def folded(rows: torch.Tensor, channels: int, side: int) -> torch.Tensor:
    """Rows [n, side · side · channels] as pictures [n, channels, side, side]."""
    return rows.reshape(-1, side, side, channels).permute(0, 3, 1, 2).contiguous()


def unfolded(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures [n, channels, side, side] as rows [n, side · side · channels]."""
    return pictures.permute(0, 2, 3, 1).reshape(len(pictures), -1)


def check_device(device: str) -> None:
    """Refuse what is no name of a device."""
    if device not in DEVICES:
        raise ConfigurationError(f"device is {device!r}: choose one of {', '.join(DEVICES)}")


def check_machine(device: str) -> None:
    """Refuse a device that this machine has not."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError("device is cuda, but torch sees no CUDA device: use cpu")


def source_on(device: str, rng: np.random.Generator) -> torch.Generator:
    """torch's generator on `device`, seeded by `rng`, which moves on by one draw."""
    import torch

    return torch.Generator(device).manual_seed(int(rng.integers(2**63)))


def new_network(source: torch.Generator, make: Callable[[], Made]) -> Made:
    """What `make` makes, its weights fixed by `source`; layers draw them from torch's global generator, which is put
    back."""
    import torch

    with seeded(int(torch.randint(2**62, (), generator=source, device=source.device))):
        return make()


@contextmanager
def seeded(seed: int, device: str = "cpu") -> Iterator[None]:
    """torch's global generators of the CPU and of `device` begin at `seed`; afterwards they are as they were."""
    import torch

    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if device == "cuda" else []):
        torch.manual_seed(seed)
        yield


@contextmanager
def precision(device: str) -> Iterator[None]:
    """bfloat16 where the device is made for it."""
    import torch

    with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
        yield
