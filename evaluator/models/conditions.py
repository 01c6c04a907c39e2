"""What a denoising network is told of the class of each picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

Told = dict[str, Any]
"""Arguments of a network by name: of each a tensor, a row for every class, or a table of several."""


@dataclass(frozen=True)
class Conditions:
    """values: of the network's arguments, [classes + 1, ...] each, of each class and, last, of none; on its device."""

    classes: int
    values: Told

    @property
    def none(self) -> int:
        """Where `values` say that there is no condition."""
        return self.classes

    def of(self, classes: torch.Tensor) -> Told:
        """The network's arguments for pictures of `classes` [n]."""
        return _chosen(self.values, classes)


def _chosen(values: Told, classes: torch.Tensor) -> Told:
    return {
        name: _chosen(value, classes) if isinstance(value, dict) else value[classes] for name, value in values.items()
    }


def numbered(classes: int, device: str) -> Conditions | None:
    """Each of `classes` is told by its number, none by `classes`; None for a network without a condition."""
    from torch import arange

    return Conditions(classes, {"class_labels": arange(classes + 1, device=device)}) if classes else None
