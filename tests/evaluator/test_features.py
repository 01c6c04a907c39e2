"""Features: the network learns, repeats itself exactly, and refuses what it was not trained for."""

import numpy as np
import pytest

from evaluator.features import LeNet, make_features
from evaluator.features.lenet import default_epochs
from evaluator.sources import Labelled, load_digits_halves
from hygiene.errors import ConfigurationError


@pytest.fixture(scope="module")
def net() -> LeNet:
    return LeNet(load_digits_halves(0)[0])


def test_lenet_reads_digits_it_has_not_seen(net: LeNet) -> None:
    assert net.accuracy(load_digits_halves(0)[1]) > 0.92


def test_lenet_features(net: LeNet) -> None:
    rows = load_digits_halves(0)[1].rows
    features = net(rows)
    assert features.shape == (899, 84)
    assert features.dtype == np.float64
    np.testing.assert_allclose(net(rows[:10]), features[:10], atol=1e-5)
    assert (features.std(axis=0) > 0).all()


def test_lenet_is_deterministic_and_leaves_torch_alone() -> None:
    import torch

    training = load_digits_halves(0)[0]
    torch.manual_seed(3)
    before = torch.get_rng_state()
    digests = [LeNet(training, seed=seed, epochs=1).weights_digest for seed in (0, 0, 1)]
    assert digests[0] == digests[1] != digests[2]
    assert torch.equal(before, torch.get_rng_state())


def test_digest_covers_the_labels() -> None:
    rows, labels = load_digits_halves(0)[0]
    one, other = LeNet(Labelled(rows, labels), epochs=1), LeNet(Labelled(rows, (labels + 1) % 10), epochs=1)
    assert one.weights_digest != other.weights_digest


def test_other_square_images() -> None:
    rng = np.random.default_rng(1)
    labelled = Labelled(rng.random((30, 16 * 16)), rng.integers(0, 3, 30))
    assert LeNet(labelled, epochs=1)(labelled.rows).shape == (30, 84)


def test_wrong_sizes_are_refused(net: LeNet) -> None:
    with pytest.raises(ConfigurationError, match="trained on 8×8"):
        net(np.zeros((2, 100)))
    with pytest.raises(ConfigurationError, match="square"):
        LeNet(Labelled(np.zeros((5, 60)), np.zeros(5, dtype=np.int64)))
    with pytest.raises(ConfigurationError, match="labels"):
        LeNet(Labelled(np.zeros((5, 64)), np.zeros(4, dtype=np.int64)))


def test_large_sets_are_passed_over_less_often(net: LeNet) -> None:
    assert [default_epochs(n) for n in (2, 898, 6000, 10_000, 60_000, 10**7)] == [25, 25, 25, 15, 3, 3]
    assert LeNet(load_digits_halves(0)[0], epochs=25).weights_digest == net.weights_digest


def test_classes_are_those_that_accuracy_counts(net: LeNet) -> None:
    rows, labels = load_digits_halves(0)[1]
    classes = net.classes(net(rows))
    assert net.accuracy(Labelled(rows, classes)) == 1
    assert (classes == labels).mean() == net.accuracy(Labelled(rows, labels))


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"seed": -1}, {"seed": 2**70}])
def test_training_that_cannot_be_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match="expected at least 1, and 0 to"):
        LeNet(Labelled(np.zeros((5, 64)), np.zeros(5, dtype=np.int64)), **wrong)


def test_identity_and_unknown_names() -> None:
    rows = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(make_features("identity")(rows), rows)
    with pytest.raises(ConfigurationError, match=r"'clip'.*identity, lenet"):
        make_features("clip")
