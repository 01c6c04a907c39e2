"""Makes inception_vectors.npz: what torch-fidelity's FID Inception makes of small pictures, with drawn weights.

pip install --no-deps torch-fidelity==0.4.0
python tests/evaluator/inception_vectors.py
pip uninstall torch-fidelity  # without torchvision it breaks torchmetrics
"""

import importlib.util
import sys
import tempfile
import types
from pathlib import Path

import numpy as np
import torch

from evaluator.features.inception_network import Inception

FILE = Path(__file__).with_suffix(".npz")
SHAPES = ((28, 28), (320, 300, 3))


def weights():
    """Drawn weights that keep activations of order one, the same on every machine."""
    rng, drawn = np.random.default_rng(299), {}
    for name, value in sorted(Inception().state_dict().items()):
        scale = np.sqrt(2 / np.prod(value.shape[1:])) if value.ndim > 1 else 0.1
        values = scale * rng.standard_normal(value.shape)
        positive = name.endswith(("bn.weight", "running_var"))
        drawn[name] = torch.tensor(np.abs(1 + values) if positive else values).to(value.dtype)
    return drawn


def pictures(shape):
    """[2, *shape] in 0..1, some pixels outside."""
    return np.random.default_rng(len(shape)).uniform(-0.1, 1.1, (2, *shape))


def theirs():
    """torch-fidelity's class, without its package's other networks, which want torchvision."""
    folder = Path(next(iter(importlib.util.find_spec("torch_fidelity").submodule_search_locations)))
    package = types.ModuleType("torch_fidelity")
    package.__path__ = [str(folder)]
    sys.modules["torch_fidelity"] = package
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    return FeatureExtractorInceptionV3


def main():
    last = {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pth"
        torch.save(weights() | last, path)
        network = theirs()("inception", ["2048"], str(path))
    found = {}
    for shape in SHAPES:
        levels = np.clip(np.rint(pictures(shape) * 255), 0, 255).astype(np.uint8).reshape(2, *shape[:2], -1)
        batch = torch.from_numpy(levels).permute(0, 3, 1, 2).expand(-1, 3, -1, -1)
        found[f"features{len(shape)}"] = network(batch)[0].numpy()
    np.savez_compressed(FILE, **found)


if __name__ == "__main__":
    main()
