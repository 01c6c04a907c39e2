"""The Inception network of the published FID figures, from weights that its user has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluator.features.networks import TorchFeatures
from evaluator.reading import refused
from hygiene.errors import ConfigurationError

if TYPE_CHECKING:
    from torch import Tensor, nn

UNUSED = ("fc.", "AuxLogits.")  # behind the features
COUNTED = "num_batches_tracked"  # of training; not every file has it


def inception(path: str, shape: tuple[int, ...], device: str = "cpu", batch: int = 32) -> TorchFeatures:
    """2048 features of Inception v3 as TensorFlow published it on 2015-12-05, what FID is measured on (Heusel et al.
    2017): the Fréchet distance through it compares with published figures that stand on as many pictures.

    Pixels in 0..1 are rounded to 8 bits (a run refuses real rows of another range, `check_range`), grey is taken three
    times, any size is resized to 299 × 299 as TensorFlow 1 did it. Nothing is downloaded.

    path    of the weights, with the names of torch-fidelity (weights-inception-2015-12-05) and pytorch-fid
            (pt_inception-2015-12-05): safetensors, or a .pth, which is read with weights_only=True
    shape   of one row, (h, w) or (h, w, 3)
    device  where the network is put
    """
    from evaluator.features.inception_network import Inception

    if len(shape) not in (2, 3) or shape[2:] not in ((), (1,), (3,)):
        raise ConfigurationError(f"got rows of shape {shape}, inception looks at grey or RGB pictures")
    file, network = Path(path), Inception()
    if not file.is_file():
        raise ConfigurationError(f"there is no file {path}: nothing is downloaded, name the weights that you have")
    with refused(f"{path} holds no weights of the FID Inception network"):
        _fill(network, _weights(file))
    return TorchFeatures(network, shape, f"inception:{file.name}", device, batch, levels=True)


def _weights(file: Path) -> dict[str, Tensor]:
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(file)
    import torch

    found: Any = torch.load(file, map_location="cpu", weights_only=True)
    return dict(found)


def _fill(network: nn.Module, weights: dict[str, Tensor]) -> None:
    used = {name: value for name, value in weights.items() if not name.startswith(UNUSED) and COUNTED not in name}
    wanted = {name for name in network.state_dict() if COUNTED not in name}
    if different := wanted ^ set(used):
        raise ConfigurationError(f"{len(different)} names are missing or too many, such as {min(different)}")
    network.load_state_dict(used, strict=False)
