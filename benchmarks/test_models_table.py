"""models_table's titles are those of what can learn from the rows of its world."""

import numpy as np
import pytest

from benchmarks.models_table import titles_of
from benchmarks.models_worlds import plane
from evaluator.models import MODELS, make_model
from hygiene.errors import ConfigurationError

STEPS = {"steps": 2}
LEARNED = ("ddpm_mlp", "ddpm_unet", "flow", "stylegan2", "vae", "wgan_gp", "wgan_gp_images")


def test_the_plane_is_for_all_models_but_those_of_pictures():
    world = plane()
    titles = titles_of(world)
    for name in MODELS:
        model, rng = make_model(name, **STEPS if name in LEARNED else {}), np.random.default_rng(0)
        if name in titles:
            model.fit(world.training.rows[:200], rng)
            assert model.sample(3, 1.0, rng).shape == (3, 2)
        else:
            with pytest.raises(ConfigurationError, match="no square images"):
                model.fit(world.training.rows[:200], rng)
    assert set(titles_of(world._replace(shape=(8, 8)))) == set(MODELS)
