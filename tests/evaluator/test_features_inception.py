"""The FID Inception network, against what torch-fidelity makes of the same weights and pictures."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from evaluator.config import Choice, LoopConfig
from evaluator.features import TorchFeatures, check_range, make_features
from evaluator.features.inception_network import resized
from evaluator.setup import prepare
from evaluator.sources import ArraySource, OracleSource
from hygiene.errors import ConfigurationError

HERE = Path(__file__).parent
SPEC = importlib.util.spec_from_file_location("inception_vectors", HERE / "inception_vectors.py")
VECTORS = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(VECTORS)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The drawn weights as safetensors, and as a .pth with what other packages store beside them."""
    folder, weights = tmp_path_factory.mktemp("weights"), VECTORS.weights()
    counted = ("num_batches_tracked",)
    save_file({name: value for name, value in weights.items() if not name.endswith(counted)}, folder / "w.safetensors")
    torch.save(weights | {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}, folder / "w.pth")
    return folder


@pytest.mark.parametrize(("file", "shape"), [("w.safetensors", VECTORS.SHAPES[0]), ("w.pth", VECTORS.SHAPES[1])])
def test_equals_torch_fidelity(files, file, shape):
    features = make_features("inception", path=str(files / file), shape=shape)
    found = features(VECTORS.pictures(shape).reshape(2, -1))
    theirs = np.load(HERE / "inception_vectors.npz")[f"features{len(shape)}"]
    assert theirs.std() > 0.01
    np.testing.assert_allclose(found, theirs, rtol=1e-4, atol=1e-5 * theirs.std())
    assert features.name == f"inception:{file}"


def test_resizing_is_tensorflow_1s():
    # at i·h/side, between neighbours, the last pixel repeated: not torch's half-pixel centres
    found = resized(torch.tensor([[[[0.0, 3.0]]]]).expand(1, 1, 2, 2), 6)
    assert found[0, 0, 0].tolist() == pytest.approx([0, 1, 2, 3, 3, 3])


def test_what_are_no_such_weights_is_refused(files, tmp_path):
    def refusal(file, shape=(8, 8)):
        with pytest.raises(ConfigurationError) as caught:
            make_features("inception", path=str(file), shape=shape)
        return str(caught.value)

    assert "nothing is downloaded" in refusal(tmp_path / "absent.pth")
    assert "grey or RGB" in refusal(files / "w.pth", (8, 8, 4))
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes((files / "w.safetensors").read_bytes()[:1000])
    assert "holds no weights of the FID Inception network" in refusal(torn)
    save_file({"conv.weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    assert "names are missing or too many" in refusal(tmp_path / "other.safetensors")
    code = tmp_path / "code.pth"
    torch.save({"a": Path("runs code when a pickle is trusted")}, code)
    assert "holds no weights" in refusal(code)


def stored(path, samples):
    np.savez(path, samples=samples)
    return Choice("npz", {"path": str(path)})


@pytest.mark.parametrize("wrong", ["source", "reference"])
def test_a_data_set_of_floats_in_another_range_is_refused_and_not_cut_off(files, tmp_path, wrong):
    levels = np.random.default_rng(0).integers(0, 256, (6, 8, 8))
    levels[0, 0, :2] = 0, 255
    choices = {
        "source": stored(tmp_path / "source.npz", levels.astype(np.uint8)),
        "reference": stored(tmp_path / "reference.npz", levels / 255),
        wrong: stored(tmp_path / "wrong.npz", levels.astype(np.float32)),
    }
    config = LoopConfig(
        "fully_synthetic", n_ini=4, n_s=4, features=Choice("inception", {"path": str(files / "w.pth")}), **choices
    )
    with pytest.raises(ConfigurationError) as caught:
        prepare(config)
    assert str(caught.value) == (
        "inception:w.pth takes pixels in 0..1, the source's lie in 0..255: scale them to 0..1, or store levels of "
        "0..255 as uint8"
    )


def of_range(low, high):
    return ArraySource(np.linspace(low, high, 32).reshape(8, 4), (2, 2))


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0, 255), (0, 1.003), (-0.003, 1)])
def test_what_rounding_to_8_bits_would_cut_off_is_refused(low, high):
    network = torch.nn.Flatten()
    with pytest.raises(ConfigurationError, match=rf"lie in {low:g}\.\.{high:g}: "):
        check_range(TorchFeatures(network, (2, 2), "rounds", levels=True), of_range(low, high))
    check_range(TorchFeatures(network, (2, 2), "takes any range"), of_range(low, high))


def test_pixels_pass_and_so_does_an_oracle_that_overshoots_them():
    features = TorchFeatures(torch.nn.Flatten(), (2, 2), "rounds", levels=True)
    check_range(features, of_range(0, 1))
    check_range(features, of_range(-0.001, 1.001))  # less than half a level
    check_range(features, ArraySource(np.arange(256, dtype=np.uint8).reshape(64, 4), (2, 2)))
    rng = np.random.default_rng(0)
    oracle = OracleSource(rng.uniform(0, 1, (200, 4)), (2, 2), rng)
    assert oracle.draw(2000, rng).max() > 1.01
    check_range(features, oracle)
