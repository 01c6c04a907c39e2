"""The names that a configuration will measure, told before it runs, against what it measures."""

from dataclasses import replace

import numpy as np
import pytest

from evaluator.config import Choice, Filter, LoopConfig, Tagging
from evaluator.loop import run_loop
from evaluator.metrics import MEASURES, METRICS, Reference, measure
from evaluator.readings import among, names_of, values_of

PLAIN = LoopConfig(
    loop="fully_synthetic",
    n_ini=40,
    n_s=40,
    generations=2,
    n_reference=40,
    source=Choice("gaussian", {"dimension": 3}),
    model=Choice("gaussian"),
    metrics={"frechet": {}},
)
FRESH = replace(PLAIN, loop="fresh_data", n_r=40)


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_has_its_names_told(name):
    rows = np.random.default_rng(0).standard_normal((40, 2))
    real = Reference(rows, training=rows + 1, classify=lambda each: (each[:, 0] > 0).astype(np.int64))
    values = measure(real, rows[::-1] + 0.1, {name: {}})
    if any("*" in each for each in MEASURES[name]):
        assert all(among(each, list(MEASURES[name])) for each in values)
    else:
        assert list(values) == list(MEASURES[name])


@pytest.mark.parametrize(
    "config",
    [
        PLAIN,
        FRESH,
        replace(FRESH, filter=Filter("simulated", tpr=0.5, fpr=0.2)),
        replace(FRESH, tagging=Tagging("blind", rotate=True), probe_keys=0),
        replace(FRESH, tagging=Tagging("informed", adoption=0.0), filter=Filter("detector", max_p=0.3)),
        replace(PLAIN, tagging=Tagging("blind"), metrics={"diversity": {}, "memorisation": {}}),
    ],
)
def test_a_loop_measures_what_is_told_of_it(config):
    for step in run_loop(config):
        assert set(values_of(step)) == set(names_of(config, step.generation))


@pytest.mark.parametrize(("probe_keys", "verify"), [(0, False), (2, False), (0, True)])
def test_a_loop_of_marked_pictures_measures_what_is_told_of_it(tmp_path, probe_keys, verify):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 60, 28, 28), dtype=np.uint8)
    for name, samples in zip(("train", "held"), pixels, strict=True):
        np.savez(tmp_path / f"{name}.npz", samples=samples)
    sources = {name: Choice("npz", {"path": str(tmp_path / f"{name}.npz")}) for name in ("train", "held")}
    config = replace(
        PLAIN,
        source=sources["train"],
        reference=sources["held"],
        model=Choice("kde"),
        tagging=Tagging("blind", codec="spread", psnr=30.0 if verify else None, verify=verify),
        probe_keys=probe_keys,
    )
    for step in run_loop(config):
        assert set(values_of(step)) == set(names_of(config, step.generation))


def test_labels_are_read_back_where_a_metric_looks_at_classes():
    config = replace(
        PLAIN,
        source=Choice("digits"),
        model=Choice("ddpm_mlp", {"labels": 10, "steps": 1, "width": 8}),
        metrics={"class_entropy": {}},
    )
    assert set(values_of(next(run_loop(config)))) == set(names_of(config, 1))
    assert "label_agreement" in names_of(config, 1)
