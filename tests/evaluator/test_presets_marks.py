"""The mark in loops of learned models: what its table expects, and that each row reads its own arm."""

import numpy as np
import pytest

from evaluator.presets import make_preset

LOOPS = {
    "blind fresh data": (0.5, 0.875, 1.875),
    "informed fresh data": (0.5, 0.5, 1.0),
    "blind fully synthetic": (1.0, 3.0, 4.0),
    "informed fully synthetic": (1.0, 1.0, 1.0),
}
"""Loop -> tagged share, raw and published mark of generation 4 by the laws with κ = 1."""


@pytest.fixture(scope="module")
def preset():
    return make_preset("mark-amplification-learned", "paper")


def said(arm):
    return arm.replace("_", " ").replace(" r=0", ", r = 0")


def test_the_mixture_is_held_to_the_laws_and_the_learned_models_to_nothing(preset):
    expected = {row.what: row.expected for row in preset.comparisons if row.expected is not None}
    assert expected == {
        f"{mark} mark, mixture, {loop}, r = 0, t = 4": pytest.approx(law)
        for loop, (_, *laws) in LOOPS.items()
        for mark, law in zip(("raw", "published"), laws, strict=True)
    }


def test_every_kind_of_learned_model_is_asked(preset):
    assert {label.split(", ")[0] for label in preset.arms} == {"mixture", "vae", "ddpm_mlp", "flow", "wgan_gp"}


def test_each_arm_runs_its_own_model_and_tagging(preset):
    for label, arm in preset.arms.items():
        model, rest = label.split(", ")
        mode, loop, _ = rest.split(" ")
        config = arm.config
        assert (config.model.name, config.tagging.mode, config.loop) == (model, mode, loop)
        assert config.n_s / (config.n_r + config.n_s) == LOOPS[f"{mode} {loop}".replace("_", " ")][0]


def test_each_row_reads_its_own_arm_and_finds_the_transfer_that_was_put_in(preset):
    """Three seeds of marks that follow m' = κq'a with a κ of the arm's own; the other probes hold one number each."""
    found, measured, kept = {}, {}, {}
    for index, arm in enumerate(preset.arms):
        loop = said(arm).removesuffix(", r = 0").split(", ")[1]
        kept[arm] = 0.6 + 0.02 * index
        raw = [0.0]
        for _ in range(3):
            raw.append(kept[arm] * LOOPS[loop][0] * (raw[-1] + 1))
        marks = np.tile(raw, (3, 1))
        plain = {name: np.full((3, 4), 100.0 * index + k) for k, name in enumerate(("raw_auc", "raw_z", "wrong_key_z"))}
        measured[arm] = {"raw_mark": marks, "published_mark": marks + 1} | plain
    for row in preset.comparisons:
        found[row.what] = row.measure(measured).value
    for index, arm in enumerate(preset.arms):
        end = f"{said(arm)}, t = 4"
        assert found.pop(f"transfer κ, {said(arm)}") == pytest.approx(kept[arm])
        assert found.pop(f"raw mark, {end}") == pytest.approx(measured[arm]["raw_mark"][0, -1])
        assert found.pop(f"published mark, {end}") == pytest.approx(1 + measured[arm]["raw_mark"][0, -1])
        assert found.pop(f"AUC of a single raw sample, {end}") == 100 * index
        assert found.pop(f"z of 100 raw samples, {end}") == 100 * index + 1
        assert found.pop(f"mean absolute z of 100 raw samples under wrong keys, {end}") == 100 * index + 2
    assert found == {}
