"""Which tagged pictures a detector misses: python -m benchmarks.what_leaks [FOLDER]

Without a folder, the first generation of every model of recall-u-curve-pictures, as it publishes: beside all the tenth
with the least statistic, which is what a filter of recall .9 lets through. With that experiment's folder, what came
of it: the samples that its runs keep of the last generation.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from evaluator.config import Filter
from evaluator.loop import LoopRun
from evaluator.models.base import Rows
from evaluator.presets import make_preset
from evaluator.presets.base import LoopArm
from evaluator.presets.recall_pictures import BIASES, JPEG, MODELS
from evaluator.run_record import stored_config
from evaluator.setup import prepare

DRAWN = 9000
SHARE = 0.1
WHITE = 250  # of 255: a mark that is added there is cut off
HEADER = ("model", "λ", "published as", "brightness: all", "the missed", "white pixels: all", "the missed")


def published(arm: LoopArm, way: str) -> tuple[Rows, Rows]:
    """Levels 0..255 [n, d] of what generation 1 publishes, and the statistic [n] of the mark in it."""
    processing = JPEG if way == "jpeg" else arm.config.processing
    config = replace(arm.config, processing=processing)
    run = LoopRun(config, prepare(config))
    _, _, state = run.next_step(None, None)
    rows = run.output(1, run.fitted(state), DRAWN, np.random.default_rng(55))
    codec = run.marking.codec(1)
    assert codec is not None
    return np.clip(np.rint(255 * rows), 0, 255), codec.project(rows)


def table() -> Iterator[str]:
    yield f"| {' | '.join(HEADER)} |"
    yield "| --- " + "| ---: " + "| --- " + "| ---: " * 4 + "|"
    arms = make_preset("recall-u-curve-pictures", "paper").arms
    for model in MODELS:
        for bias in BIASES:
            for way in ("png", "jpeg"):
                arm = arms[f"{model}, λ = {bias:g}, no filter"]
                assert isinstance(arm, LoopArm)
                levels, statistic = published(arm, way)
                missed = statistic < np.quantile(statistic, SHARE)
                brightness, white = levels.mean(axis=1), (levels >= WHITE).mean(axis=1)
                cells = [f"{each.mean():.0f}" for each in (brightness, brightness[missed])]
                cells += [f"{each.mean():.3f}" for each in (white, white[missed])]
                yield f"| `{model}` | {bias:g} | {way} | {' | '.join(cells)} |"


FILTERS = {
    "none": Filter(),
    "at random, 0.5": Filter("simulated", tpr=0.5),
    "at random, 1": Filter("simulated", tpr=1.0),
    "detector, asked for 0.5": Filter("detector", recall=0.5),
    "detector, p ≤ 1e-6": Filter("detector", max_p=1e-6),
}


def bred(folder: Path) -> Iterator[str]:
    yield "| model | λ | filter | brightness | white pixels |"
    yield "| --- | ---: | --- | ---: | ---: |"
    runs = {run: replace(stored_config(run)[0], seed=0) for run in folder.glob("runs/*")}
    preset = make_preset("recall-u-curve-pictures", "paper").arms
    for model in MODELS:
        for bias in BIASES:
            usual = preset[f"{model}, λ = {bias:g}, no filter"]
            assert isinstance(usual, LoopArm)
            for told, chosen in FILTERS.items():
                wanted = replace(usual.config, filter=chosen)
                alike = [run for run, config in runs.items() if config == wanted]
                samples = np.concatenate([np.load(max(run.glob("samples/*.npy"))) for run in alike])
                levels = np.clip(np.rint(255 * samples), 0, 255)
                yield f"| `{model}` | {bias:g} | {told} | {levels.mean():.0f} | {(levels >= WHITE).mean():.3f} |"


if __name__ == "__main__":
    for line in bred(Path(sys.argv[1])) if sys.argv[1:] else table():
        print(line, flush=True)
