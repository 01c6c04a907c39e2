"""Trained feature networks on disk, so that the next run on the same data need not train the same network again.

Files lie in $XDG_CACHE_HOME/hygiene, ~/.cache/hygiene without it; HYGIENE_CACHE names another folder, or is "off".
They may be deleted at any time.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from hygiene.files import renamed

if TYPE_CHECKING:
    import torch

OFF = "off"
DIGEST = "weights_digest"


def cache_folder() -> Path | None:
    """Where trained networks are kept; None when they are not."""
    chosen = os.environ.get("HYGIENE_CACHE", "")
    if chosen:
        return None if chosen == OFF else Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hygiene"


def cache_path(name: str, code: Path, settings: str, *arrays: ArrayLike) -> Path | None:
    """The file of a network that `code` trains with `settings` on `arrays`; another version, another file."""
    import torch

    folder = cache_folder()
    if folder is None:
        return None
    digest = hashlib.sha256(code.read_bytes())
    digest.update(f"{settings} torch {torch.__version__} numpy {np.__version__}".encode())
    for array in map(np.ascontiguousarray, arrays):
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return folder / f"{name}-{digest.hexdigest()[:32]}.safetensors"


def load(path: Path | None, weights: "Sequence[torch.Tensor]") -> bool:
    """Fill `weights` from the file; False, and nothing is changed, where there is none or it is damaged."""
    from safetensors import safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            digest = file.metadata()[DIGEST]
            found = [file.get_tensor(str(index)) for index in range(len(weights))]
    except Exception:  # of a damaged file nearly anything; the network is then trained
        return False
    if digest != digest_of(found) or any(a.shape != b.shape for a, b in zip(found, weights, strict=True)):
        return False
    for weight, value in zip(weights, found, strict=True):
        weight.data.copy_(value)
    return True


def store(path: Path | None, weights: "Sequence[torch.Tensor]") -> None:
    """Keep `weights` in the file, with their digest; does without where it cannot be written."""
    from safetensors.torch import save

    if path is None:
        return
    tensors = {str(index): weight.detach().contiguous() for index, weight in enumerate(weights)}
    content = save(tensors, {DIGEST: digest_of(weights)})
    with contextlib.suppress(OSError):
        renamed(path, lambda partial: partial.write_bytes(content))


def digest_of(weights: "Iterable[torch.Tensor]") -> str:
    """SHA-256 of all values in their order, hexadecimal."""
    digest = hashlib.sha256()
    for tensor in weights:
        digest.update(tensor.detach().numpy().tobytes())
    return digest.hexdigest()
