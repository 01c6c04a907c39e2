"""Networks that somebody else trained, handed over in Python: a torch module, or any function."""

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluator.features.base import as_features, image_batches
from evaluator.models.base import Rows, checked_rows
from hygiene.errors import ConfigurationError

if TYPE_CHECKING:
    import torch


class FunctionFeatures:
    """Any function from rows [n, d] to an array [n, …]. It may change the rows that it is given: they are a copy.

    name  what stands beside the figures; it should say the network and its version
    """

    def __init__(self, function: Callable[[Rows], Any], name: str) -> None:
        self.name, self._function = name, function

    def __call__(self, rows: Rows) -> Rows:
        """Features [n, f], float64."""
        return as_features(self._function(checked_rows(rows, at_least=1).copy()), len(rows), self.name)


class TorchFeatures:
    """A torch module from float32 pictures [n, channels, h, w], pixels as the source has them (0..1), to [n, …].

    The module is built in Python and its weights come from safetensors, or from torch.load(…, weights_only=True):
    files that carry their own code (torch.jit, torch.export, pickles) are nobody's business here.

    shape   of one row, (h, w) or (h, w, channels)
    device  where the module is put
    batch   rows at a time
    levels  whether the module rounds to 8 bits what it is given, so that what lies outside 0..1 is cut off
    """

    def __init__(
        self,
        module: "torch.nn.Module",
        shape: tuple[int, ...],
        name: str,
        device: str = "cpu",
        batch: int = 256,
        levels: bool = False,
    ) -> None:
        if batch < 1:
            raise ConfigurationError(f"batch is {batch}, expected at least 1")
        self.name, self.levels, self._shape, self._device, self._batch = name, levels, shape, device, batch
        self._module = module.to(device).eval()

    def __call__(self, rows: Rows) -> Rows:
        """Features [n, f], float64."""
        import torch

        parts = map(torch.from_numpy, image_batches(rows, self._shape, self._batch))
        with torch.inference_mode():
            made = [self._module(part.to(self._device)).float().cpu().numpy() for part in parts]
        return as_features(np.concatenate(made), len(rows), self.name)

    @property
    def weights_digest(self) -> str:
        """SHA-256 of all parameters and buffers with their names, hexadecimal."""
        import torch

        digest = hashlib.sha256()
        for name, tensor in sorted(self._module.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()
