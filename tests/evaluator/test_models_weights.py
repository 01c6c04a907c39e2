"""What models have learned: out as arrays and back without a changed bit, and a start for the next generation."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluator.models import make_model
from evaluator.models.base import Trainable
from evaluator.models.ddpm_mlp import DdpmMlp
from evaluator.models.members import fit_side_by_side
from hygiene.errors import ConfigurationError

Floats = NDArray[np.float64]

SMALL: dict[str, dict[str, Any]] = {
    "ddpm_mlp": {"steps": 120, "width": 16, "depth": 1, "sampling_steps": 5, "clusters": 2},
    "ddpm_unet": {"steps": 6, "width": 8, "batch": 8, "sampling_steps": 3, "clusters": 2},
    "flow": {"steps": 40, "layers": 4, "width": 16, "depth": 1, "dimensions": 3},
    "stylegan2": {"steps": 6, "latent": 4, "width": 8, "batch": 8},
    "vae": {"steps": 60, "latent": 4, "width": 16, "depth": 1},
    "wgan_gp": {"steps": 20, "latent": 4, "width": 16, "depth": 1, "rate": 0.02},
    "wgan_gp_images": {"steps": 15, "latent": 4, "width": 4, "rate": 0.02},
}
STILL = {"steps": 1, "rate": 1e-12}  # no learning at all
WIDER = {"flow": {"dimensions": 2}}  # of another size, where `width` is not what shows


def clouds(n: int, seed: int = 0, shift: float = 0.0) -> Floats:
    rng = np.random.default_rng([61, seed])
    centres = np.where(rng.random((n, 1)) < 0.75, -3.0, 3.0) * np.array([1, 1, 0, 0])
    return centres + shift + rng.standard_normal((n, 4)) * [1, 0.5, 0.5, 0.1]


def made(name: str, **changes: Any) -> Trainable:
    model = make_model(name, **{**SMALL[name], **changes})
    assert isinstance(model, Trainable)
    return model


@cache
def learned(name: str) -> Trainable:
    model = made(name)
    model.fit(clouds(200), np.random.default_rng(1))
    return model


def drawn(model: Trainable, n: int = 40) -> Floats:
    return model.sample(n, 0.8, np.random.default_rng(2))


def test_every_model_that_is_learned_by_steps_can_be_stored() -> None:
    """The others are fitted in a moment, and again when they are needed."""
    assert all(isinstance(make_model(name), Trainable) for name in SMALL)
    assert not isinstance(make_model("kde"), Trainable)


def test_the_mixture_of_a_vaes_latents_is_stored_with_it() -> None:
    """And a VAE of another prior takes it for another model's."""
    model = made("vae", components=3)
    model.fit(clouds(200), np.random.default_rng(1))
    again, plain = made("vae", components=3), made("vae")
    again.restore(model.weights())
    np.testing.assert_array_equal(drawn(again), drawn(model))
    with pytest.raises(ConfigurationError, match=r"not of this model's sizes: parts\.prior\.\w+ is \(1, 3"):
        plain.restore(model.weights())
    with pytest.raises(ConfigurationError, match=r"parts\.prior\.\w+ is missing"):
        again.restore(learned("vae").weights())


@pytest.mark.parametrize("name", SMALL)
def test_restored_weights_sample_the_same_to_the_bit(name: str) -> None:
    again = made(name)
    again.restore({key: np.array(array) for key, array in learned(name).weights().items()})
    np.testing.assert_array_equal(drawn(again), drawn(learned(name)))
    assert again.weights().keys() == learned(name).weights().keys()


@pytest.mark.parametrize("name", SMALL)
def test_weights_are_a_copy(name: str) -> None:
    model = made(name)
    model.restore(learned(name).weights())
    before = drawn(model)
    for array in model.weights().values():
        array[...] = 0
    for key, array in learned(name).weights().items():
        assert array.dtype.isnative, key
    np.testing.assert_array_equal(drawn(model), before)


@pytest.mark.parametrize("name", SMALL)
def test_a_warm_start_begins_where_the_last_model_stood(name: str) -> None:
    """On other rows: what it begins with is the last model, scale included, and nothing of the new rows."""
    start, rows = learned(name).weights(), clouds(200, seed=1, shift=2.0)
    still, further, fresh = made(name, **STILL), made(name), made(name)
    still.fit(rows, np.random.default_rng(3), start)
    further.fit(rows, np.random.default_rng(3), start)
    fresh.fit(rows, np.random.default_rng(3))
    # shares of clusters are those of the new rows, and the order of k-means' centres stays
    np.testing.assert_allclose(drawn(still), drawn(learned(name)), atol=1e-4)
    assert np.abs(drawn(further) - drawn(still)).max() > 0.01
    assert np.abs(drawn(further) - drawn(fresh)).max() > 0.01


@pytest.mark.parametrize("name", SMALL)
def test_weights_of_another_size_are_refused(name: str) -> None:
    other = made(name, **WIDER.get(name, {"width": 24}))
    with pytest.raises(ConfigurationError, match=r"these weights are not of this model's sizes: .* expected"):
        other.restore(learned(name).weights())
    with pytest.raises(ConfigurationError, match=r"are no weights of this model|not of this model's sizes"):
        made(name).restore({"bias": np.zeros(3)})


def test_clusters_keep_their_numbers_in_a_warm_start() -> None:
    rows = clouds(300)
    model, next_one = made("ddpm_mlp"), made("ddpm_mlp", **STILL)
    model.fit(rows, np.random.default_rng(4))
    for seed in range(4):  # k-means of its own would number two clusters either way round
        next_one.fit(clouds(300, seed), np.random.default_rng(seed), model.weights())
        np.testing.assert_allclose(
            next_one.weights()["clusters.centres"], model.weights()["clusters.centres"], atol=0.2
        )


def test_warm_starts_go_side_by_side() -> None:
    rows = [clouds(100, seed) for seed in range(2)]
    starts = []
    for each in rows:
        model = DdpmMlp(**SMALL["ddpm_mlp"])
        model.fit(each, np.random.default_rng(5))
        starts.append(model.weights())
    together, alone = ([DdpmMlp(**SMALL["ddpm_mlp"]) for _ in range(2)] for _ in range(2))
    fit_side_by_side(together, rows, [np.random.default_rng(seed) for seed in range(2)], starts)
    for seed, model in enumerate(alone):
        model.fit(rows[seed], np.random.default_rng(seed), starts[seed])
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(
            one.sample(20, 1.0, np.random.default_rng(6)), other.sample(20, 1.0, np.random.default_rng(6)), atol=1e-3
        )
