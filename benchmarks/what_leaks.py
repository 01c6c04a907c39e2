"""Which tagged pictures a detector misses: python -m benchmarks.what_leaks [--large | FOLDER]

Without a folder, the first generation of every model of recall-u-curve-pictures, as it publishes: beside all the tenth
with the least statistic, which is what a filter of recall .9 lets through. With that experiment's folder, what came
of it: the samples that its runs keep of the last generation. --large: the squares of 64 pixels of
recall-u-curve-given-back, in their first generation.
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


def published(arm: LoopArm, way: str = "", pictures: Pictures = PICTURES, drawn: int = DRAWN) -> tuple[Bytes, Rows]:
    """The pictures [n, …] that generation 1 publishes, and the statistic [n] of the mark in them."""
    processing = JPEG if way == "jpeg" else arm.config.processing
    config = replace(arm.config, processing=processing)
    run = LoopRun(config, prepare(config))
    _, _, state = run.next_step(None, None)
    rows = run.output(1, run.fitted(state), drawn, np.random.default_rng(55))
    codec = run.marking.codec(1)
    assert codec is not None
    return pictures.batch(rows), codec.project(rows)


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


def large() -> Iterator[str]:
    yield "| λ | brightness: all | the missed | white pixels: all | the missed | contrast: all | the missed |"
    yield "| ---: " * 7 + "|"
    arms = make_preset("recall-u-curve-given-back", "paper").arms
    for bias in BIASES:
        arm = arms[f"mixture at 64 pixels, λ = {bias:g}, recall 0"]
        assert isinstance(arm, LoopArm)
        levels, statistic = published(arm, pictures=Pictures((64, 64, 3)), drawn=2000)
        missed = statistic < np.quantile(statistic, SHARE)
        grey = levels.mean(axis=3)
        looks = (grey.mean(axis=(1, 2)), (levels >= WHITE).mean(axis=(1, 2, 3)), grey.std(axis=(1, 2)))
        pairs = [(each.mean(), each[missed].mean()) for each in looks]
        cells = [f"{value:{form}}" for pair, form in zip(pairs, (".0f", ".3f", ".0f"), strict=True) for value in pair]
        yield f"| {bias:g} | {' | '.join(cells)} |"


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
    parser.add_argument("--large", action="store_true")
    asked = parser.parse_args()
    if asked.large and asked.folder:
        parser.error("--large takes no FOLDER")
    lines = large() if asked.large else table() if asked.folder is None else bred(asked.folder)
    try:
        for line in lines:
            print(line, flush=True)
    except ConfigurationError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
