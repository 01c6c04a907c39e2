"""PCA, and networks of somebody else: ONNX files, torch modules, functions."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from evaluator.config import Choice, LoopConfig
from evaluator.features import FunctionFeatures, LeNet, OnnxFeatures, Pca, TorchFeatures, features_of, make_features
from evaluator.loop import run_loop
from evaluator.setup import prepare
from evaluator.sources import ArraySource, Labelled, make_source
from hygiene.errors import ConfigurationError

Floats = NDArray[np.float64]


def normal(seed: int, n: int, d: int) -> Floats:
    return np.random.default_rng([71, seed]).standard_normal((n, d))


class TestPca:
    @pytest.mark.parametrize("d", [9, 300])
    def test_equals_scikit_learns(self, d: int) -> None:
        from sklearn.decomposition import PCA

        training, rows = normal(0, 200, d) * np.arange(1, d + 1), normal(1, 30, d)
        theirs, ours = PCA(4, svd_solver="full").fit(training), Pca(training, 4)
        np.testing.assert_allclose(np.abs(ours(rows)), np.abs(theirs.transform(rows)), rtol=1e-9, atol=1e-9)
        assert ours.explained == pytest.approx(theirs.explained_variance_ratio_.sum())

    def test_all_components_keep_distances(self) -> None:
        rows = normal(0, 50, 6)
        turned = Pca(rows, 6)(rows)
        np.testing.assert_allclose(np.linalg.norm(turned[0] - turned, axis=1), np.linalg.norm(rows[0] - rows, axis=1))

    def test_fitted_to_the_training_half_only(self) -> None:
        source = make_source("digits")
        found = features_of(source, "pca", {"components": 5})
        np.testing.assert_allclose(found.mean, source.rows.mean(axis=0), atol=1e-12)
        assert np.abs(found.mean - source.held_out.rows.mean(axis=0)).max() > 1e-3

    def test_the_digest_is_of_the_fit(self) -> None:
        digests = [Pca(normal(seed, 40, 5), components).weights_digest for seed, components in ((0, 3), (0, 2), (1, 3))]
        assert len(set(digests)) == 3
        assert Pca(normal(0, 40, 5), 3).weights_digest == digests[0]

    def test_a_source_without_an_end_is_drawn(self) -> None:
        found = features_of(make_source("gaussian", dimension=3), "pca", {"components": 2})
        assert found(normal(0, 7, 3)).shape == (7, 2)

    def test_what_cannot_be_is_refused(self) -> None:
        for components in (0, 6):
            with pytest.raises(ConfigurationError, match=f"components is {components}, expected 1 to 5"):
                Pca(normal(0, 50, 5), components)
        with pytest.raises(ConfigurationError, match="fitted to rows of 5 numbers, got rows of 6"):
            Pca(normal(0, 50, 5), 2)(normal(0, 3, 6))


class TestLeNetOnOtherPictures:
    def test_colour_and_any_size(self) -> None:
        rng = np.random.default_rng(1)
        labelled = Labelled(rng.random((30, 9 * 11 * 3)), rng.integers(0, 3, 30))
        assert LeNet(labelled, epochs=1, shape=(9, 11, 3))(labelled.rows).shape == (30, 84)

    def test_colours_go_in_as_channels(self) -> None:
        # the class hangs on which channel is bright, which grey values cannot tell
        rng = np.random.default_rng(2)
        labels = np.arange(90) % 3
        pixels = 0.1 * rng.random((90, 8, 8, 3))
        pixels[np.arange(90), :, :, labels] += 0.5
        net = LeNet(Labelled(pixels.reshape(90, -1), labels), epochs=12, shape=(8, 8, 3))
        assert net.accuracy(Labelled(pixels.reshape(90, -1), labels)) == 1

    def test_labelled_sources_train_it(self) -> None:
        rng = np.random.default_rng(3)
        rows = rng.integers(0, 256, (40, 64), dtype=np.uint8)
        net = features_of(ArraySource(rows, (8, 8), np.arange(40) % 4), "lenet", {"epochs": 1})
        assert net(rows / 255.0).shape == (40, 84)
        with pytest.raises(ConfigurationError, match="the source has no labels"):
            features_of(ArraySource(rows, (8, 8)), "lenet", {})

    def test_impossible_labels_and_shapes_are_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="a label is -1"):
            LeNet(Labelled(np.zeros((2, 64)), np.array([0, -1])))
        with pytest.raises(ConfigurationError, match="all labels are 3: LeNet learns to tell classes apart"):
            LeNet(Labelled(np.zeros((2, 64)), np.array([3, 3])))
        for shape in ((4, 16), (64,), (8, 8, 2)):
            with pytest.raises(ConfigurationError, match="from 8×8 up"):
                LeNet(Labelled(np.zeros((2, 64)), np.array([0, 1])), shape=shape)


def write_network(path: Path, weights: NDArray[np.float32], inputs: int = 1, outside: bool = False) -> None:
    """pixels [n, c, h, w] → flat → × weights, with the flat pixels as a second output."""
    width = weights.shape[0]
    pixels = [
        helper.make_tensor_value_info(f"in{i}", TensorProto.FLOAT, ["n", 1, 2, width // 2]) for i in range(inputs)
    ]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size])
        for name, size in (("features", weights.shape[1]), ("flat", width))
    ]
    nodes = [helper.make_node("Flatten", ["in0"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["features"])]
    graph = helper.make_graph(nodes, "net", pixels, outputs, [numpy_helper.from_array(weights, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path, save_as_external_data=outside, size_threshold=0)


class TestOnnx:
    WEIGHTS = normal(5, 6, 4).astype(np.float32)

    def test_runs_the_network_in_batches(self, tmp_path: Path) -> None:
        write_network(tmp_path / "net.onnx", self.WEIGHTS)
        rows = normal(0, 10, 6)
        whole = make_features("onnx", path=str(tmp_path / "net.onnx"), shape=(2, 3))
        np.testing.assert_allclose(whole(rows), rows @ self.WEIGHTS, atol=1e-5)
        parts = OnnxFeatures(str(tmp_path / "net.onnx"), (2, 3), batch=3)
        np.testing.assert_allclose(parts(rows), whole(rows), atol=1e-6)
        flat = OnnxFeatures(str(tmp_path / "net.onnx"), (2, 3), output="flat")
        np.testing.assert_allclose(flat(rows), rows, atol=1e-6)
        assert whole.name == "onnx:net.onnx"

    def test_the_digest_is_of_the_file(self, tmp_path: Path) -> None:
        for name, weights in (("a", self.WEIGHTS), ("b", self.WEIGHTS), ("c", self.WEIGHTS + 1)):
            write_network(tmp_path / name, weights)
        a, b, c = (OnnxFeatures(str(tmp_path / name), (2, 3)).weights_digest for name in "abc")
        assert a == b != c

    def test_in_a_loop(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "real.npz", samples=np.random.default_rng(0).random((60, 2, 3)))
        write_network(tmp_path / "net.onnx", self.WEIGHTS)
        source = Choice("npz", {"path": str(tmp_path / "real.npz")})
        np.savez(tmp_path / "held.npz", samples=np.random.default_rng(1).random((60, 2, 3)))
        held = Choice("npz", {"path": str(tmp_path / "held.npz")})
        features = Choice("onnx", {"path": str(tmp_path / "net.onnx")})
        config = LoopConfig(
            "fully_synthetic", n_ini=40, n_s=40, generations=1, source=source, reference=held, features=features
        )
        assert next(run_loop(config)).metrics["frechet_distance"] >= 0

    def test_what_is_no_network_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"cannot read the network .*absent\.onnx: No such"):
            OnnxFeatures(str(tmp_path / "absent.onnx"), (2, 3))
        (tmp_path / "text.onnx").write_text("not a network")
        with pytest.raises(ConfigurationError, match="is no ONNX network that can be run"):
            OnnxFeatures(str(tmp_path / "text.onnx"), (2, 3))
        write_network(tmp_path / "two.onnx", self.WEIGHTS, inputs=2)
        with pytest.raises(ConfigurationError, match="has 2 inputs"):
            OnnxFeatures(str(tmp_path / "two.onnx"), (2, 3))
        write_network(tmp_path / "net.onnx", self.WEIGHTS)
        with pytest.raises(
            ConfigurationError, match="outputs features, flat: expected one input, and an output 'pool'"
        ):
            OnnxFeatures(str(tmp_path / "net.onnx"), (2, 3), output="pool")
        with pytest.raises(ConfigurationError, match=r"cannot be run on pictures \[n, 1, 3, 2\]"):
            OnnxFeatures(str(tmp_path / "net.onnx"), (3, 2))(normal(0, 2, 6))
        with pytest.raises(ConfigurationError, match="batch is 0"):
            OnnxFeatures(str(tmp_path / "net.onnx"), (2, 3), batch=0)

    def test_weights_in_another_file_are_refused(self, tmp_path: Path) -> None:
        write_network(tmp_path / "net.onnx", np.ones((600, 400), dtype=np.float32), outside=True)
        assert len(list(tmp_path.iterdir())) == 2
        with pytest.raises(ConfigurationError, match="is no ONNX network that can be run"):
            OnnxFeatures(str(tmp_path / "net.onnx"), (2, 300))


class TestTorchModulesAndFunctions:
    def test_a_module_in_evaluation_mode_and_batches(self) -> None:
        torch.manual_seed(0)
        module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Dropout(0.5))
        features = TorchFeatures(module, (6, 5, 3), "mine", batch=7)
        rows = np.random.default_rng(0).random((20, 90))
        found = features(rows)
        assert found.shape == (20, 4 * 4 * 3)
        np.testing.assert_array_equal(found, features(rows))
        images = torch.from_numpy(rows.reshape(20, 6, 5, 3).transpose(0, 3, 1, 2)).float()
        np.testing.assert_allclose(found, module(images).detach().flatten(1).numpy(), atol=1e-5)

    def test_the_digest_follows_weights_and_buffers(self) -> None:
        module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
        features = TorchFeatures(module, (1, 3), "mine")
        first = features.weights_digest
        module[1].running_mean += 1
        second = features.weights_digest
        with torch.no_grad():
            module[0].weight[0, 0] += 1
        assert len({first, second, features.weights_digest}) == 3

    def test_a_function_in_a_loop_takes_the_configurations_place(self) -> None:
        config = LoopConfig(
            "fully_synthetic", n_ini=40, n_s=40, generations=1, n_reference=50, model=Choice("gaussian")
        )
        setup = prepare(config, FunctionFeatures(lambda rows: rows[:, :3], "three pixels"))
        assert setup.reference.features.shape == (50, 3)
        assert next(run_loop(config, setup)).metrics["frechet_distance"] >= 0

    @pytest.mark.parametrize("bad", [lambda rows: rows[:3], lambda rows: rows[:, 0], lambda rows: rows * np.nan])
    def test_what_is_no_features_is_refused(self, bad) -> None:
        with pytest.raises(ConfigurationError, match=r"'mine' made an array .* out of 5 rows"):
            FunctionFeatures(bad, "mine")(normal(0, 5, 4))

    def test_complex_numbers_are_refused_and_not_halved(self) -> None:
        with pytest.raises(ConfigurationError, match="'mine' made complex numbers"):
            FunctionFeatures(lambda rows: rows * 1j, "mine")(normal(0, 5, 4))

    def test_what_a_function_does_to_its_rows_stays_with_it(self) -> None:
        rows = normal(0, 5, 4)
        before = rows.copy()
        FunctionFeatures(lambda own: own.__isub__(own.mean(axis=0)), "centred")(rows)
        np.testing.assert_array_equal(rows, before)

    def test_wrong_rows_are_refused(self) -> None:
        for shape in ((2, 3), (4,)):
            with pytest.raises(ConfigurationError, match=r"expected pictures \(h, w\) or"):
                TorchFeatures(torch.nn.Identity(), shape, "mine")(normal(0, 5, 4))
        with pytest.raises(ConfigurationError, match="batch is 0"):
            TorchFeatures(torch.nn.Identity(), (2, 2), "mine", batch=0)
