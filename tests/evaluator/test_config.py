"""Configurations: read, written, and refused by name."""

import json
import tomllib

import pytest
import torch

from evaluator.config import Choice, Filter, LoopConfig, Tagging
from evaluator.config_files import load_config
from evaluator.setup import prepare
from hygiene.errors import ConfigurationError

BASE = {"n_ini": 100, "n_s": 90}
FRESH = {**BASE, "loop": "fresh_data", "n_r": 10}
SYNTHETIC = {**BASE, "loop": "fully_synthetic"}
TIDE = {**BASE, "loop": "rising_tide"}

REFUSED = {
    "unknown field": ({**FRESH, "n_real": 3}, r"no field n_real: it has loop, n_ini"),
    "unknown field of a table": ({**FRESH, "filter": {"recal": 0.9}}, r"\[filter\] has no field recal: it has mode"),
    "missing fields": ({"loop": "fresh_data"}, "lacks n_ini, n_s"),
    "wrong type": ({**FRESH, "generations": "ten"}, "generations is 'ten', expected int"),
    "bool for a number": ({**FRESH, "seed": True}, "seed is True, expected int"),
    "no number": ({**FRESH, "sampling_bias": float("nan")}, "sampling_bias is nan, expected a finite number"),
    "no end": ({**TIDE, "initial_odds": float("inf")}, "initial_odds is inf, expected a finite number"),
    "a slip of the finger": ({**FRESH, "n_ini": 10**12}, "n_ini is 1000000000000, expected at most"),
    "a mark beyond arithmetic": (
        {**FRESH, "tagging": {"mode": "blind", "strength": 1e9}},
        "at most 1e.06 standard dev",
    ),
    "settings that are none": ({**FRESH, "metrics": {"frechet": 3}}, "metrics.frechet is 3, expected a table"),
    "parameters that are none": (
        {**FRESH, "model": {"name": "kde", "parameters": 3}},
        "model.parameters is 3, expected",
    ),
    "unknown loop": ({**BASE, "loop": "fresh"}, "loop is 'fresh': choose one of fully_synthetic, synthetic_aug"),
    "unknown pool": ({**FRESH, "pool": "some"}, "pool is 'some': choose one of previous, all"),
    "unknown filter": ({**FRESH, "filter": {"mode": "off"}}, "filter.mode is 'off': choose one of none, simul"),
    "verified tags of vectors": (
        {**FRESH, "tagging": {"mode": "blind", "verify": True}},
        "tagging.verify with tagging.codec = vectors: it is of spread alone",
    ),
    "verified tags of nobody": ({**FRESH, "tagging": {"verify": True}}, "tagging.verify with tagging.mode = none"),
    "unknown tagging": ({**FRESH, "tagging": {"mode": "loud"}}, "tagging.mode is 'loud': choose one of none, bl"),
    "real data in a synthetic loop": ({**SYNTHETIC, "n_r": 5}, "n_r is 5 in fully_synthetic"),
    "one row to learn from": (
        {**SYNTHETIC, "n_s": 1, "n_measure": 50},
        "n_s is 1 in fully_synthetic: a model learns from 2 samples or more",
    ),
    "real count in a tide": ({**TIDE, "n_r": 5}, "n_r is 5 in rising_tide"),
    "no real data in a fresh loop": ({**FRESH, "n_r": 0}, "n_r is 0 in fresh_data"),
    "tide with a growing pool": ({**TIDE, "pool": "all"}, "pool = all with a top-up"),
    "tide outside a tide": ({**FRESH, "initial_odds": 2.0}, "initial_odds is given in fresh_data"),
    "top-up without fresh data": (
        {**FRESH, "loop": "synthetic_augmentation", "top_up": True},
        "top_up in synthetic_augmentation",
    ),
    "tpr beyond one": ({**FRESH, "filter": {"mode": "simulated", "tpr": 1.2}}, "filter.tpr is 1.2"),
    "fpr of one": ({**FRESH, "filter": {"mode": "simulated", "tpr": 1.0, "fpr": 1.0}}, "filter.fpr is 1.0"),
    "simulated without tpr": ({**FRESH, "filter": {"mode": "simulated"}}, "needs filter.tpr"),
    "rates without a filter": ({**FRESH, "filter": {"tpr": 0.5}}, "filter.tpr with filter.mode = none"),
    "recall of a simulated filter": (
        {**FRESH, "filter": {"mode": "simulated", "tpr": 0.5, "recall": 0.5}},
        "filter.recall with filter.mode = simulated, which takes tpr and fpr",
    ),
    "given back by a simulated filter": (
        {**FRESH, "filter": {"mode": "simulated", "tpr": 0.5, "give_back": 0.5}},
        "filter.give_back with filter.mode = simulated: .* lower filter.tpr",
    ),
    "given back by no filter": ({**FRESH, "filter": {"give_back": 0.5}}, "filter.give_back with filter.mode = none"),
    "everything given back": (
        {**FRESH, "tagging": {"mode": "blind"}, "filter": {"mode": "detector", "max_p": 0.1, "give_back": 1.0}},
        "filter.give_back is 1.0, expected 0 or more, less than 1",
    ),
    "everything filtered": (
        {**SYNTHETIC, "filter": {"mode": "simulated", "tpr": 1.0}},
        "leaves nothing to train on",
    ),
    "detector without a mark": (
        {**FRESH, "filter": {"mode": "detector", "recall": 0.5}},
        "finds nothing with tagging.mode = none",
    ),
    "recall and max_p": (
        {**FRESH, "filter": {"mode": "detector", "recall": 0.5, "max_p": 0.1}, "tagging": {"mode": "blind"}},
        "either filter.recall or filter.max_p",
    ),
    "recall beyond calibration": (
        {**FRESH, "filter": {"mode": "detector", "recall": 0.99}, "tagging": {"mode": "blind"}},
        "n_s = 90 tagged samples: it needs at least 99",
    ),
    "strength without a mark": ({**FRESH, "tagging": {"strength": 3.0}}, "tagging.strength with tagging.mode = none"),
    "no strength": ({**FRESH, "tagging": {"mode": "blind", "strength": 0.0}}, "tagging.strength is 0.0"),
    "bias above one": ({**FRESH, "sampling_bias": 1.5}, "sampling_bias is 1.5"),
    "no generations": ({**FRESH, "generations": 0}, "generations is 0, expected at least 1"),
    "unknown codec": (
        {**FRESH, "tagging": {"mode": "blind", "codec": "ink"}},
        "tagging.codec is 'ink': choose one of vectors, spread, dwt_dct_svd, rivagan",
    ),
    "a codec without a mark": ({**FRESH, "tagging": {"codec": "spread"}}, "tagging.codec with tagging.mode = none"),
    "deviations for pixels": (
        {**FRESH, "tagging": {"mode": "blind", "codec": "spread", "strength": 4.0}},
        "tagging.strength with tagging.codec = spread: .*spread takes a psnr",
    ),
    "decibels for vectors": (
        {**FRESH, "tagging": {"mode": "blind", "psnr": 40.0}},
        "tagging.psnr is 40.0 with tagging.codec = vectors: expected 30 to 60 dB, of spread alone",
    ),
    "too strong": ({**FRESH, "tagging": {"mode": "blind", "codec": "spread", "psnr": 20}}, "tagging.psnr is 20 with"),
    "unknown format": ({**FRESH, "processing": {"format": "gif"}}, "processing.format is 'gif': choose one of none, p"),
    "a quality of png": (
        {**FRESH, "processing": {"format": "png", "quality": 75}},
        "processing.quality is 75 with processing.format = png: expected 1 to 95, with jpeg",
    ),
    "a quality of 100": ({**FRESH, "processing": {"format": "jpeg", "quality": 100}}, "processing.quality is 100"),
    "a resize of floats": (
        {**FRESH, "processing": {"resize": 0.5}},
        "processing.resize is 0.5 with processing.format = none: expected a scale between 0 and 1",
    ),
    "a resize that enlarges": (
        {**FRESH, "processing": {"format": "png", "resize": 2.0}},
        "processing.resize is 2.0 with processing.format = png",
    ),
    "processing by name": ({**FRESH, "processing": "jpeg"}, r"\[processing\] is 'jpeg', expected a table"),
    "nothing to measure": ({**FRESH, "n_measure": 1}, "1 samples to measure on"),
    "no metrics": ({**FRESH, "metrics": {}}, "metrics is empty"),
    "rows without a reference": ({**FRESH, "source": {"name": "npz", "path": "x"}}, r"npz needs a \[reference\]"),
    "a choice without a name": ({**FRESH, "model": {"bandwidth": 0.1}}, r"\[model\] is .*expected a name"),
    "a number for a choice": ({**FRESH, "model": 3}, r"\[model\] is 3, expected a name"),
    "a name for a table": ({**FRESH, "filter": "simulated"}, r"\[filter\] is 'simulated', expected a table"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_by_name(case):
    values, message = REFUSED[case]
    with pytest.raises(ConfigurationError, match=message):
        LoopConfig.from_dict(values)


TOML = """
loop = "fresh_data"
n_ini = 100
n_r = 10
n_s = 90
sampling_bias = 1
model = "mixture"
[source]
name = "gaussian"
dimension = 5
[filter]
mode = "simulated"
tpr = 0.5
[metrics.manifold]
k = 3
"""


def test_toml_is_read_and_json_gives_the_same_back(tmp_path):
    (tmp_path / "loop.toml").write_text(TOML)
    config = load_config(tmp_path / "loop.toml")
    assert config.source == Choice("gaussian", {"dimension": 5})
    assert config.model == Choice("mixture")
    assert config.filter == Filter("simulated", tpr=0.5)
    assert config.metrics == {"manifold": {"k": 3}}
    assert LoopConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert LoopConfig.from_dict(tomllib.loads(TOML)) == config


def test_later_choices_are_told_only_where_they_are_made_so_that_run_folders_keep_their_names():
    tagging = {"mode": "blind", "codec": "spread"}
    plain = LoopConfig.from_dict({**FRESH, "tagging": tagging}).to_dict()
    assert list(plain["tagging"]) == ["mode", "strength", "key_file", "rotate", "adoption", "codec", "psnr"]
    assert list(plain["filter"]) == ["mode", "tpr", "fpr", "recall", "max_p"]
    assert not plain.keys() & {"rows", "moment_draws"}
    later = {"rows": "float32", "moment_draws": 100}
    back = {"mode": "detector", "max_p": 0.1, "give_back": 0.5}
    assert (
        LoopConfig.from_dict({**FRESH, "tagging": tagging, "filter": back}).to_dict()["filter"].items() >= back.items()
    )
    chosen = LoopConfig.from_dict({**FRESH, **later, "tagging": {**tagging, "verify": True}}).to_dict()
    assert chosen["tagging"]["verify"] is True
    assert chosen.items() >= later.items()


def test_files_that_are_no_toml_or_not_there(tmp_path):
    (tmp_path / "bad.toml").write_text("loop = ")
    with pytest.raises(ConfigurationError, match="is not TOML"):
        load_config(tmp_path / "bad.toml")
    with pytest.raises(ConfigurationError, match="cannot read the configuration"):
        load_config(tmp_path / "absent.toml")


def test_the_tide_halves_its_odds_and_others_keep_theirs():
    tide = LoopConfig(**TIDE)
    assert [tide.odds(t) for t in (2, 3, 4)] == [1.0, 0.5, 0.25]
    assert LoopConfig(**TIDE, initial_odds=1.0).odds(3) == 0.125
    assert LoopConfig(**FRESH).odds(7) == 10 / 90


def test_what_is_allowed_and_probably_not_meant_is_said():
    drop = Filter("simulated", tpr=0.5)
    assert "only shrinks n" in LoopConfig(**SYNTHETIC, filter=drop).warnings()[0]
    assert LoopConfig(**FRESH, filter=drop).warnings() == []
    informed = LoopConfig(**FRESH, filter=Filter("detector", recall=0.5), tagging=Tagging("informed"))
    assert "excludes all" in informed.warnings()[0]
    repeats = Choice("digits", {"repeats": True})
    assert "share rows between generations" in LoopConfig(**FRESH, source=repeats).warnings()[0]
    assert LoopConfig(**FRESH, source=Choice("digits")).warnings() == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch sees a CUDA device")
def test_a_device_that_is_not_there_is_told_of_before_anything_is_trained(monkeypatch):
    monkeypatch.setattr("evaluator.setup.features_of", lambda *_: pytest.fail("features were trained"))
    config = LoopConfig("fully_synthetic", n_ini=50, n_s=50, model=Choice("wgan_gp_images", {"device": "cuda"}))
    with pytest.raises(ConfigurationError, match="torch sees no CUDA device: use cpu"):
        prepare(config)
