"""mad-moments-matched: pairs of loops that differ in one field, and rows that read what they say."""

from dataclasses import replace

import numpy as np
import pytest

from evaluator.presets import make_preset
from evaluator.presets.base import LoopArm
from evaluator.presets.moments_matched import DRAWS, MATCHED, TRAINED


@pytest.mark.parametrize("scale", ["small", "paper"])
def test_a_pair_differs_in_the_draws_alone(scale: str) -> None:
    arms = make_preset("mad-moments-matched", scale).arms
    trained = {label.removesuffix(TRAINED): arm for label, arm in arms.items() if label.endswith(TRAINED)}
    assert len(arms) == 2 * len(trained) > 0
    for name, arm in trained.items():
        other = arms[name + MATCHED]
        assert isinstance(arm, LoopArm)
        assert isinstance(other, LoopArm)
        assert (arm.config.sampling_bias, arm.config.loop) == (1.0, "fully_synthetic")
        assert arm.config.moment_draws == 0
        assert replace(arm.config, moment_draws=DRAWS) == other.config
        assert arm.seeds == other.seeds


def test_rows_read_their_arms() -> None:
    preset = make_preset("mad-moments-matched", "small")
    one = np.ones((2, 1))
    measured = {
        label: {
            "frechet_distance": one * ([1, 2, 3] if label.endswith(MATCHED) else [1, 4, 9]),
            "manifold_precision": one * ([0.9, 0.8, 0.7] if label.endswith(MATCHED) else [0.9, 0.9, 0.95]),
            "manifold_recall": one * ([0.9, 0.9, 0.9] if label.endswith(MATCHED) else [0.9, 0.8, 0.6]),
            "moment_stretch": one * [1.0, 2.0, 4.0],
        }
        for label in preset.arms
    }
    found = {each.what: (each.measure(measured).value, each.sign) for each in preset.comparisons}
    assert found["change of Fréchet distance, vae, as trained"] == (8, 1)
    assert found["change of manifold precision, vae, as trained"] == (pytest.approx(0.05), -1)
    assert found["change of manifold precision, vae, moments matched"] == (pytest.approx(-0.2), -1)
    assert found["Fréchet distance at t = 3, flow, moments matched less as trained"] == (-6, -1)
    assert found["manifold precision at t = 3, flow, moments matched less as trained"] == (pytest.approx(-0.25), None)
    assert found["manifold recall at t = 3, flow, moments matched less as trained"] == (pytest.approx(0.3), 1)
    assert found["stretch per generation, vae, moments matched"] == (pytest.approx(2), None)
    assert [panel.title for panel in preset.panels(measured)] == ["vae", "vae", "flow", "flow"]
