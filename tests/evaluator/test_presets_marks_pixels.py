"""The marks of pixel codecs in loops: each arm has its untagged twin, and each row reads its own two."""

from dataclasses import asdict

import numpy as np
import pytest

from evaluator.models import make_model
from evaluator.presets import make_preset
from evaluator.presets.base import LoopArm
from evaluator.presets.marks_twins import RESIDUAL, Twins, paired, residual_transfer
from evaluator.presets.plots import COLOURS

NAMES = ("mark-amplification-pixels", "mark-amplification-colours", "mark-amplification-pictures")
ROWS = {
    "mean residual of raw output over the twin's": ("raw_residual", True),
    "the part of it that no wrong key has": ("raw_keyed", True),
    "statistic of raw output over the twin's, in deviations": ("raw_mark_sd", True),
    "Fréchet distance added by the mark": ("frechet_distance", True),
    "share of published output found": ("published_found", False),
    "AUC of a single raw sample": ("raw_auc", False),
    "z of 100 raw samples": ("raw_z", False),
    "mark of the last key in raw output": ("last_key_mark", False),
    "mean absolute z of 100 raw samples under wrong keys": ("wrong_key_z", False),
    "realised tpr": ("tpr", False),
    "realised fpr": ("fpr", False),
    "TPR of a single raw sample at 1 % FPR": ("raw_tpr", False),
    "share of raw output found": ("raw_found", False),
}
"""Figure -> the probe it is, and whether the twin's is taken off."""

OF_PICTURES = ("wgan_gp_images", "ddpm_unet", "stylegan2")
PROBES = [probe for probe, _ in ROWS.values()]
ARMS = [arm for name in NAMES for arm in make_preset(name, "paper").arms]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", ["small", "paper"])
def test_every_arm_that_tags_has_a_twin_that_differs_in_nothing_else(name, scale):
    arms = make_preset(name, scale).arms
    tagging = [label for label in arms if not label.endswith(", untagged")]
    assert len(tagging) >= 3
    for label in tagging:
        arm, twin = arms[label], arms[", ".join([*label.split(", ")[:3], "untagged"])]
        assert isinstance(arm, LoopArm)
        assert arm.seeds == twin.seeds
        mine, others = asdict(arm.config), asdict(twin.config)
        assert {key for key in mine if mine[key] != others[key]} <= {"tagging", "filter", "processing"}
        assert twin.config.tagging.adoption == 0
        assert (arm.config.tagging.codec, arm.config.model.name) == tuple(label.split(", ")[1::-1])


def test_the_models_of_pictures_learn_three_colours_at_their_sizes():
    """One step of training, and samples as wide as what was learned from."""
    rng = np.random.default_rng(0)
    presets = [make_preset(f"mark-amplification-{name}", "paper") for name in ("colours", "pictures")]
    configs = [arm.config for preset in presets for arm in preset.arms.values()]
    kinds = {(each.model.name, each.source.parameters["size"]): each.model for each in configs}
    chosen = {kind: model for kind, model in kinds.items() if kind[0] in OF_PICTURES}
    assert set(chosen) == {(name, side) for name in OF_PICTURES[:2] for side in (32, 40)} | {("stylegan2", 64)}
    for (name, side), choice in chosen.items():
        model = make_model(name, **choice.parameters | {"steps": 1, "batch": 2})
        model.fit(rng.random((2, 3 * side**2)), rng)
        assert model.sample(2, 1.0, rng).shape == (2, 3 * side**2)
        assert choice.parameters["channels"] == 3


def test_the_small_scale_of_the_colours_trains_no_slow_model():
    arms = make_preset("mark-amplification-colours", "small").arms
    assert {arm.config.model.name for arm in arms.values()} == {"vae", "gaussian"}
    assert len(arms) == 7


WAYS_OF_TAGGING = {
    ("mark-amplification-colours", "vae", "rivagan", "fully_synthetic"): ("blind", "rotating keys"),
    ("mark-amplification-colours", "vae", "rivagan", "fresh_data"): ("blind", "half tag", "filter recall .9"),
    ("mark-amplification-colours", "ddpm_unet", "rivagan", "fully_synthetic"): ("blind",),
    ("mark-amplification-colours", "ddpm_unet", "rivagan", "fresh_data"): ("blind",),
    ("mark-amplification-colours", "wgan_gp_images", "dwt_dct_svd", "fully_synthetic"): ("blind",),
    ("mark-amplification-pixels", "ddpm_mlp", "spread", "fresh_data"): (
        "blind", "rotating keys", "half tag", "filter p ≤ 1e-6", "filter recall .9", "informed, filter p ≤ 1e-6"
    ),
    ("mark-amplification-pixels", "wgan_gp_images", "spread", "fresh_data"): (
        "blind", "rotating keys", "half tag", "filter p ≤ 1e-6", "filter recall .9"
    ),
    ("mark-amplification-pixels", "ddpm_unet", "spread", "fresh_data"): (
        "blind", "rotating keys", "half tag", "filter p ≤ 1e-6", "filter recall .9"
    ),
    ("mark-amplification-pictures", "kde", "spread", "fresh_data"): (
        "blind", "informed", "filter p ≤ 1e-6", "informed, filter p ≤ 1e-6"
    ),
    ("mark-amplification-pictures", "stylegan2", "spread", "fully_synthetic"): ("blind",),
    ("mark-amplification-pictures", "stylegan2", "spread", "fresh_data"): ("blind",),
    ("mark-amplification-pictures", "stylegan2", "dwt_dct_svd", "fully_synthetic"): ("blind",),
    ("mark-amplification-pictures", "ddpm_mlp", "dwt_dct_svd", "fully_synthetic"): ("blind",),
    ("mark-amplification-pictures", "ddpm_mlp", "dwt_dct_svd", "fresh_data"): ("blind",),
}  # fmt: skip


@pytest.mark.parametrize("loop", WAYS_OF_TAGGING)
def test_an_arm_does_what_its_label_says(loop):
    name, *words = loop
    arms = make_preset(name, "paper").arms
    told = ", ".join(words)
    found = {label.removeprefix(f"{told}, "): arm.config for label, arm in arms.items() if label.startswith(told)}
    ways = {way.removeprefix("blind, "): config for way, config in found.items() if way != "untagged"}
    assert tuple(ways) == WAYS_OF_TAGGING[loop]
    for way, config in ways.items():
        assert (config.model.name, config.tagging.codec, config.loop) == tuple(words)
        assert config.tagging.mode == ("informed" if way.startswith("informed") else "blind")
        assert config.tagging.rotate == (way == "rotating keys")
        assert config.tagging.adoption == (0.5 if way == "half tag" else 1.0)
        assert (config.filter.recall, config.filter.max_p) == {
            "filter p ≤ 1e-6": (None, 1e-6),
            "filter recall .9": (0.9, None),
        }.get(way.removeprefix("informed, "), (None, None))
        assert config.n_r == (config.n_s if config.loop == "fresh_data" else 0)


def at_random(preset):
    """Of two seeds and three generations: a number of its own for each probe of each arm."""
    rng = np.random.default_rng(0)
    return {arm: {probe: rng.standard_normal((2, 3)) for probe in PROBES} for arm in preset.arms}


@pytest.mark.parametrize("name", NAMES)
def test_each_row_reads_its_own_arm_and_twin(name):
    preset = make_preset(name, "paper")
    measured = at_random(preset)
    seen = []
    for row in preset.comparisons:
        what, arm = told(row.what, preset.arms)
        if what.startswith("transfer"):
            continue
        probe, is_difference = ROWS[what]
        value = measured[arm][probe][:, -1].mean()
        if is_difference:
            value -= measured[", ".join([*arm.split(", ")[:3], "untagged"])][probe][:, -1].mean()
        assert row.measure(measured).value == pytest.approx(value), row.what
        assert not (is_difference and "rotating" in arm and probe != "frechet_distance")  # the twin has other keys
        seen.append((what, arm))
    assert len(set(seen)) == len(seen) > 20


@pytest.mark.parametrize("name", NAMES)
def test_each_line_of_the_plot_is_drawn_once_in_the_panels_of_its_codec_and_loop(name):
    preset = make_preset(name, "paper")
    measured = at_random(preset)
    drawn, panels = [], preset.panels(measured)
    assert len({curve.label for panel in panels for curve in panel.curves}) <= len(COLOURS)
    for panel in panels:
        title, codec, loop = panel.title.split(", ")
        probe = "raw_residual" if title.startswith("mean residual") else "raw_mark_sd"
        for curve in panel.curves:
            model, way = curve.label.split(", ")
            arm = ", ".join([model, codec, loop.replace(" ", "_"), way])
            twin = arm.replace(way, "untagged")
            difference = measured[arm][probe] - measured[twin][probe]
            np.testing.assert_allclose(curve.median, np.median(difference, axis=0))
            drawn.append((arm, probe))
    told = [arm for arm in preset.arms if arm.endswith((", blind", ", informed"))]
    assert sorted(drawn) == sorted((arm, probe) for arm in told for probe in ("raw_residual", "raw_mark_sd"))


def told(what, arms):
    """A row's figure and arm, from its words."""
    plain = what.replace("closed loop", "fully_synthetic").replace("half fresh data", "fresh_data")
    for arm in sorted(arms, key=len, reverse=True):
        if f", {arm}" in plain:
            return plain.split(f", {arm}")[0], arm
    raise AssertionError(what)


def test_the_law_is_expected_of_what_keeps_the_mean():
    """Of what is linear in a row, and of two learned models what they, or the like, were found to do elsewhere; the
    other rules are those of single pictures, below."""
    rows = [row for name in NAMES for row in make_preset(name, "paper").comparisons if row.expected is not None]
    laws = [row for row in rows if row.what.startswith("transfer κ")]
    assert len(laws) == 16
    keeping = ("gaussian, ", "kde, ", "stylegan2, dwt_dct_svd, closed loop, blind", "ddpm_mlp, dwt_dct_svd, ")
    for row in laws:
        assert row.what.removeprefix("transfer κ of the mean residual, ").startswith(keeping)
        assert (row.expected, row.tolerance, row.absolute) == (1.0, 0.1, False)


def test_what_is_expected_of_a_difference_to_the_twin_is_asked_of_it():
    rows = [row for name in NAMES for row in make_preset(name, "paper").comparisons if row.expected is not None]
    found = [row for row in rows if told(row.what, ARMS)[0] == "statistic of raw output over the twin's, in deviations"]
    assert [told(row.what, ARMS)[1] for row in found] == [
        "stylegan2, spread, fully_synthetic, blind",
        "stylegan2, spread, fresh_data, blind",
    ]
    assert {(row.expected, row.tolerance, row.absolute) for row in found} == {(0.0, 0.5, True)}


def test_who_draws_pictures_again_is_expected_to_be_found_and_nobody_else():
    preset = make_preset("mark-amplification-pictures", "paper")
    expected = {told(row.what, preset.arms): row.expected for row in preset.comparisons}
    found = {arm: value for (what, arm), value in expected.items() if what == "share of raw output found"}
    assert {arm: value for arm, value in found.items() if value} == {
        "kde, spread, fully_synthetic, blind": 1.0,
        "kde, spread, fully_synthetic, informed": 1.0,
        "kde, spread, fresh_data, blind": 0.5,  # the tagged half of what it learns from
        "kde, spread, fresh_data, informed": 0.5,
    }
    assert {arm for arm, value in found.items() if value is None} == {
        "gaussian, spread, fresh_data, blind, JPEG 75, filter p ≤ 1e-6",
        "gaussian, spread, fresh_data, blind, half size, JPEG 75, filter p ≤ 1e-6",
    }
    assert len(found) == 21
    caught = {arm: value for (what, arm), value in expected.items() if what == "realised tpr"}
    assert {arm for arm, value in caught.items() if "JPEG" in arm} == {
        arm for arm, value in caught.items() if value == 0
    }
    assert sorted(caught.values()) == [0.0, 0.0, 1.0, 1.0, 1.0, 1.0]


def test_pictures_of_a_folder_are_cut_instead_of_scikit_learns(tmp_path):
    arms = make_preset("mark-amplification-pictures", "small", tmp_path).arms
    assert {arm.config.source.parameters["path"] for arm in arms.values()} == {str(tmp_path)}
    assert {arm.config.source.parameters["size"] for arm in arms.values()} == {64}


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_the_transfer_that_was_put_in_is_found_whatever_the_twin_does(share):
    """Residuals that follow m' = κq'(m + α) beside a twin that wanders."""
    kept, step = 0.8, 0.6
    raw = [0.0]
    for _ in range(3):
        raw.append(kept * share * (raw[-1] + step))
    twin = np.random.default_rng(0).standard_normal((5, 4))
    tagged = {RESIDUAL: twin + raw, "published_residual": twin + np.array(raw) + step}
    measured = {"tagged": tagged, "untagged": {RESIDUAL: twin, "published_residual": twin}}
    twins = Twins("tagged", "untagged", share, lawful=True)
    found = residual_transfer(twins, measured)
    assert (found.value, found.low, found.high) == pytest.approx((kept, kept, kept))
    np.testing.assert_allclose(paired(twins, RESIDUAL, measured), np.tile(raw, (5, 1)))
