"""What pairs of networks that learn against each other share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.nn import Module


@contextmanager
def fixed(network: Module) -> Iterator[None]:
    """`network` hands gradients through and takes none for its own weights, which a rival's step would not use."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)
