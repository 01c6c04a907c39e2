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

OTHERS = {
    "rotating keys, blind fresh data, r = 0": (0.5, 0.5, 1.0),
    "rotating keys, blind fully synthetic, r = 0": (1.0, 1.0, 1.0),
    "50% tag, blind fresh data, r = 0": (0.5, 0.25 + 0.125 + 0.0625, 0.5 + 0.4375),
    "blind fresh data, r = 0.9": (1 / 11, 1 / 11 + 1 / 11**2 + 1 / 11**3, 1 + 1 / 11 + 1 / 11**2 + 1 / 11**3),
    "informed fresh data, r = 0.9": (1 / 11, 1 / 11, 1.0),
}
"""The same of loops that only a mixture goes through at the small scale. With rotating keys the raw mark is that of the
last key."""

MODELS = {"mixture", "vae", "ddpm_mlp", "flow", "wgan_gp"}
UNTAGGED = "none fully_synthetic r=0"


@pytest.fixture(scope="module")
def preset():
    return make_preset("mark-amplification-learned", "paper")


def said(arm):
    return arm.replace("_", " ").replace(" r=", ", r = ")


def loop_of(arm):
    """What is said of an arm's loop."""
    return said(arm).split(", ", 1)[1]


def arms_in(preset, loops):
    return [arm for arm in preset.arms if loop_of(arm).removesuffix(", r = 0") in loops or loop_of(arm) in loops]


def test_the_mixture_is_held_to_the_laws_and_the_learned_models_to_nothing(preset):
    expected = {row.what: row.expected for row in preset.comparisons if row.expected is not None}
    laws = {
        f"{mark} mark, mixture, {loop}, r = 0, t = 4": law
        for loop, (_, *laws) in LOOPS.items()
        for mark, law in zip(("raw", "published"), laws, strict=True)
    }
    for loop, (_, raw, published) in OTHERS.items():
        mark, when = ("last key", "t = 2 … 4") if "rotating" in loop else ("raw", "t = 4")
        laws |= {f"{mark} mark, mixture, {loop}, {when}": raw, f"published mark, mixture, {loop}, {when}": published}
    assert expected == {what: pytest.approx(law) for what, law in laws.items()}


def test_what_a_filter_leaves_is_held_to_less_than_itself(preset):
    """10 % of .1 is less than a measurement of 900 rows can tell; a tolerance of .1 would let 0 pass."""
    rows = [row for row in preset.comparisons if row.absolute]
    assert [row.what for row in rows] == [
        f"raw mark, mixture, {mode} fresh data, r = 0.9, t = 4" for mode in ("blind", "informed")
    ]
    for row in rows:
        assert row.tolerance < row.expected


def test_every_kind_of_learned_model_is_asked(preset):
    models = {label.split(", ")[0] for label in arms_in(preset, LOOPS)}
    assert models == MODELS
    for loop in (*OTHERS, said(UNTAGGED)):
        assert {label.split(", ")[0] for label in preset.arms if loop_of(label) == loop} == MODELS


def test_a_first_look_takes_other_loops_of_the_mixture_only():
    small = make_preset("mark-amplification-learned", "small").arms
    more = [label for label in small if label not in arms_in(make_preset("mark-amplification-learned", "small"), LOOPS)]
    assert len(more) == len(OTHERS) + 1
    assert {label.split(", ")[0] for label in more} == {"mixture"}


def test_each_arm_runs_its_own_model_and_tagging(preset):
    for label, arm in preset.arms.items():
        model, *turned, rest = label.split(", ")
        mode, loop, recall = rest.split(" ")
        config, tagging = arm.config, arm.config.tagging
        assert (config.model.name, tagging.mode, config.loop) == (model, mode, loop)
        assert (tagging.rotate, tagging.adoption) == ("rotating keys" in turned, 0.5 if "50% tag" in turned else 1)
        assert config.n_s / (config.n_r + config.n_s) == (0.5 if loop == "fresh_data" else 1)
        assert (config.filter.tpr or 0) == float(recall.removeprefix("r="))


def test_each_row_reads_its_own_arm_and_finds_the_transfer_that_was_put_in(preset):
    """Three seeds of marks that follow m' = κq'a with a κ of the arm's own; the other probes hold one number each."""
    found, measured, kept = {}, {}, {}
    for index, arm in enumerate(preset.arms):
        measured[arm] = {"frechet_distance": np.full((3, 4), 100.0 * index + 10)}
        if UNTAGGED in arm:
            continue
        kept[arm] = 0.6 + 0.01 * index
        measured[arm] |= {name: np.full((3, 4), 100.0 * index + k) for k, name in enumerate(READ)}
        measured[arm] |= marks_of(loop_of(arm), kept[arm])
    for row in preset.comparisons:
        found[row.what] = row.measure(measured).value
    for index, arm in enumerate(preset.arms):
        if UNTAGGED in arm:
            continue
        loop, end, values = loop_of(arm), f"{said(arm)}, t = 4", measured[arm]
        assert found.pop(f"transfer κ, {said(arm)}") == pytest.approx(kept[arm])
        if "rotating" in loop:
            late = f"{said(arm)}, t = 2 … 4"
            assert found.pop(f"last key mark, {late}") == pytest.approx(values["last_key_mark"][0, 1:].mean())
            assert found.pop(f"published mark, {late}") == pytest.approx(values["published_mark"][0, 1:].mean())
        else:
            assert found.pop(f"raw mark, {end}") == pytest.approx(values["raw_mark"][0, -1])
            assert found.pop(f"published mark, {end}") == pytest.approx(values["published_mark"][0, -1])
        for k, what in enumerate(READ.values()):
            if k < 2 or loop not in OTHERS:
                assert found.pop(f"{what}, {end}") == 100 * index + k
        if "fully_synthetic" in arm:
            untagged = list(preset.arms).index(f"{arm.split(', ')[0]}, {UNTAGGED}")
            assert found.pop(f"Fréchet distance added by the mark, {end}") == 100 * (index - untagged)
    assert found == {}


READ = {
    "raw_auc": "AUC of a single raw sample",
    "raw_z": "z of 100 raw samples",
    "wrong_key_z": "mean absolute z of 100 raw samples under wrong keys",
}


def marks_of(loop, kept):
    """Marks [3 seeds, 4 generations] of a loop in which each generation's training set is tagged to a share of its own.

    Behind a filter the share moves from generation to generation, and is told; with rotating keys the mark in raw
    output is that of the key before.
    """
    share = OTHERS[loop][0] if loop in OTHERS else LOOPS[loop.removesuffix(", r = 0")][0]
    shares = np.array([np.nan, 0.5, 1.5, 1.2]) * share if "r = 0.9" in loop else np.full(4, share)
    adoption = 0.5 if "50%" in loop else 1.0
    raw, published = [0.0], [adoption]
    for t in range(1, 4):
        raw.append(kept * shares[t] * published[-1])
        published.append(adoption + (0.1 * t if "rotating" in loop else raw[-1]))
    marks = {"published_mark": published, "residual_synthetic": shares}
    marks |= {"last_key_mark": [np.nan, *raw[1:]], "raw_mark": [7.0] * 4} if "rotating" in loop else {"raw_mark": raw}
    return {name: np.tile(series, (3, 1)) for name, series in marks.items()}
