"""Weights of networks, by name: out of torch modules as numpy arrays, and back into modules of the same shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evaluator.models.base import Weights
from hygiene.errors import ConfigurationError

if TYPE_CHECKING:
    import torch


def prefixed(**parts: Weights) -> Weights:
    """Copies of all of `parts`, the name of each before the names of its arrays."""
    return {
        f"{part}.{name}": np.array(array, order="C")
        for part, weights in parts.items()
        for name, array in weights.items()
    }


def part(weights: Weights, name: str) -> Weights:
    """What `prefixed` put under `name`."""
    return {key.removeprefix(f"{name}."): array for key, array in weights.items() if key.startswith(f"{name}.")}


def one(weights: Weights, name: str) -> NDArray[Any]:
    """A copy of one array; refuses weights without it."""
    if name not in weights:
        raise ConfigurationError(f"these are no weights of this model: {name} is missing")
    return weights[name].copy()


def taken(module: torch.nn.Module) -> Weights:
    """Every parameter and buffer of `module`."""
    return {name: tensor.detach().cpu().numpy() for name, tensor in module.state_dict().items()}


def given(module: torch.nn.Module, weights: Weights) -> None:
    """Copy `weights` into `module`; refuses other names and shapes."""
    import torch

    own = module.state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in own.items()}
    found = {name: array.shape for name, array in weights.items()}
    if shapes != found:
        name = next(name for name in (shapes | found) if shapes.get(name) != found.get(name))
        raise ConfigurationError(
            f"these weights are not of this model's sizes: {name} is {found.get(name, 'missing')}, "
            f"expected {shapes.get(name, 'none of that name')}"
        )
    module.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
