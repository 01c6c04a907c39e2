"""Whole loops, as sweeps and experiments run them: side by side, against one after another."""

from dataclasses import replace
from typing import Any

import pytest

from evaluator.config import Choice, Filter, LoopConfig
from evaluator.loop import run_loop
from evaluator.setup import prepare
from evaluator.side_by_side import SIDE_BY_SIDE, run_side_by_side
from evaluator.threads import one_thread

SEEDS = 8
RECALLS = (0.0, 0.5, 0.9, 1.0)
SMALL: dict[str, Any] = {"width": 64, "depth": 2, "batch": 32}
STEPS = {"ddpm_mlp": 400, "flow": 60, "vae": 200, "wgan_gp": 40}
CONFIG = LoopConfig(
    loop="fresh_data",
    n_ini=300,
    n_r=150,
    n_s=150,
    generations=2,
    n_reference=400,
    metrics={"frechet": {}},
)


@pytest.mark.parametrize("name", SIDE_BY_SIDE)
def test_loops_side_by_side(compare, name):
    loops = replace(CONFIG, model=Choice(name, SMALL | {"steps": STEPS[name]}))
    check(compare, [replace(loops, seed=seed) for seed in range(SEEDS)])


@pytest.mark.parametrize("name", SIDE_BY_SIDE)
def test_recalls_side_by_side(compare, name):
    """Two seeds of a sweep over a filter's recall: every loop learns from its own number of rows."""
    loops = replace(CONFIG, model=Choice(name, SMALL | {"steps": STEPS[name]}))
    filters = [Filter("simulated", tpr=recall, fpr=0.01) for recall in RECALLS]
    check(compare, [replace(loops, filter=each, seed=seed) for seed in range(2) for each in filters])


def check(compare, configs):
    setup = prepare(configs[0])
    with one_thread():
        ours, expected = compare(
            lambda: run_side_by_side(configs, [None] * len(configs), setup),
            lambda: [list(run_loop(config, setup)) for config in configs],
            "the same loops one after another, to the last bit",
            len(configs) * CONFIG.generations,
            "generations",
        )
    assert ours == expected
