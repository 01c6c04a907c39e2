"""Which tagged pictures a detector misses: python -m benchmarks.what_leaks [FOLDER]

Without a folder, the first generation of every model of recall-u-curve-pictures, as it publishes: beside all the tenth
with the least statistic, which is what a filter of recall .9 lets through. With that experiment's folder, what came
of it: the samples that its runs keep of the last generation.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from evaluator.loop import LoopRun
from evaluator.models.base import Rows
from evaluator.pictures import Pictures
from evaluator.pixel_codecs import Bytes
from evaluator.presets import make_preset
from evaluator.presets.base import LoopArm
from evaluator.presets.recall_pictures import BIASES, JPEG, MODELS
from evaluator.run_record import read_run
from evaluator.setup import prepare
from hygiene.errors import ConfigurationError

DRAWN = 9000
SHARE = 0.1
PICTURES = Pictures((28, 28))
WHITE = 250  # of 255: a mark that is added there is cut off
HEADER = ("model", "λ", "published as", "brightness: all", "the missed", "white pixels: all", "the missed")


def published(arm: LoopArm, way: str) -> tuple[Bytes, Rows]:
    """The pictures [n, 28, 28] that generation 1 publishes, and the statistic [n] of the mark in them."""
    processing = JPEG if way == "jpeg" else arm.config.processing
    config = replace(arm.config, processing=processing)
    run = LoopRun(config, prepare(config))
    _, _, state = run.next_step(None, None)
    rows = run.output(1, run.fitted(state), DRAWN, np.random.default_rng(55))
    codec = run.marking.codec(1)
    assert codec is not None
    return PICTURES.batch(rows), codec.project(rows)


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
                brightness, white = levels.mean(axis=(1, 2)), (levels >= WHITE).mean(axis=(1, 2))
                cells = [f"{each.mean():.0f}" for each in (brightness, brightness[missed])]
                cells += [f"{each.mean():.3f}" for each in (white, white[missed])]
                yield f"| `{model}` | {bias:g} | {way} | {' | '.join(cells)} |"


FILTERS = {
    "no filter": "none",
    "simulated 0.5": "at random, .5",
    "simulated 1": "at random, all",
    "detector 0.5": "detector, asked for .5",
    "p ≤ 1e-6": "detector, p ≤ 1e-6",
}


def bred(folder: Path) -> Iterator[str]:
    yield "| model | λ | filter | brightness | white pixels |"
    yield "| --- | ---: | --- | ---: | ---: |"
    records = [read_run(run) for run in folder.glob("runs/*")]
    arms = make_preset("recall-u-curve-pictures", "paper").arms
    for model in MODELS:
        for bias in BIASES:
            for way, told in FILTERS.items():
                arm = arms[f"{model}, λ = {bias:g}, {way}"]
                assert isinstance(arm, LoopArm)
                alike = [each for each in records if replace(each.config, seed=arm.config.seed) == arm.config]
                if len(alike) < arm.seeds:
                    raise SystemExit(f"{folder} holds no finished recall-u-curve-pictures at --scale paper")
                levels = PICTURES.batch(np.concatenate([each.generations[-1].samples for each in alike]))
                yield f"| `{model}` | {bias:g} | {told} | {levels.mean():.0f} | {(levels >= WHITE).mean():.3f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", metavar="FOLDER")
    folder = parser.parse_args().folder
    try:
        for line in table() if folder is None else bred(folder):
            print(line, flush=True)
    except ConfigurationError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
