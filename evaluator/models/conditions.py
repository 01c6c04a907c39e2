"""What a denoising network is told of the class of each picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Conditions:
    """name: of the network's argument; values [classes + 1, ...]: of each class and, last, of none, on its device."""

    name: str
    values: torch.Tensor

    @property
    def none(self) -> int:
        """Where `values` says that there is no condition."""
        return len(self.values) - 1

    def of(self, classes: torch.Tensor) -> dict[str, torch.Tensor]:
        """The network's argument for pictures of `classes` [n]."""
        return {self.name: self.values[classes]}


def numbered(classes: int, device: str) -> Conditions | None:
    """Each of `classes` is told by its number, none by `classes`; None for a network without a condition."""
    from torch import arange

    return Conditions("class_labels", arange(classes + 1, device=device)) if classes else None
