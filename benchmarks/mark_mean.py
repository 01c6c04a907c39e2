"""What of spread's mark in raw output lies in the mean of the output: docs/amplification.md.

    python -m benchmarks.mark_mean FOLDER

FOLDER: of a finished experiment or sweep, whose loops with blind tagging by spread, one key and no filter are told; of
their run folders' stored samples (16 of a generation's raw output), nothing is trained. Of the last generation, but
where another is named:

alike                     mean cosine between two pictures' phases, which is all that the codec reads
statistic                 of raw samples, in deviations over real pictures; less their mean, the real one in its place;
                          of real pictures, with the difference of the means added
log10 p                   of the samples' mean as one picture
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluator.config import Filter, LoopConfig, Processing, Tagging
from evaluator.loop import LoopRun
from evaluator.metrics.memorisation import COPY
from evaluator.metrics.neighbours import nearest
from evaluator.pixel_codecs import PixelCodec
from evaluator.run_record import RunRecord, read_run
from evaluator.setup import prepare
from evaluator.threads import one_thread
from hygiene.errors import ConfigurationError

Rows = NDArray[np.float64]
POOLS = {"fully_synthetic": "closed loop", "fresh_data": "half fresh data"}
OTHERS = 20  # wrong keys, the least p of which is told
HEADER = (
    *("model, pool", "pictures", "seed", "memorised, t = 1", "alike, real", "alike, t = 1", "alike, t = 2"),
    *("coherence, t = 2", "coherence", "statistic", "less the mean", "of real pictures with it", "log10 p of the mean"),
    f"least of {OTHERS} wrong keys",
)


def alike(codec: PixelCodec, rows: Rows) -> float:
    """Mean cosine between the waves' phases of two of rows [n, d], which is all that the codec reads."""
    found = np.asarray(codec.shared.mark.evidence(codec.shared.pictures.batch(rows))).reshape(len(rows), -1)
    found = found / np.linalg.norm(found, axis=1, keepdims=True)
    return float((found.conj() @ found.T).real[np.triu_indices(len(rows), 1)].mean())


def found_in(mean: Rows, codec: PixelCodec) -> float:
    """log10 p of one picture [d]."""
    return float(codec.score(mean[None]).log10_p[0])


def line(record: RunRecord) -> list[str]:
    """One loop, of one seed."""
    config, steps = record.config, record.generations
    setup = prepare(config)
    run = LoopRun(config, setup)
    codec = run.marking.codec(1)
    assert isinstance(codec, PixelCodec)
    others = [codec.shared(codec.key.subkey(f"other {i}")) for i in range(OTHERS)]
    real, samples = np.asarray(run.initial, dtype=np.float64), steps[-1].samples
    mean, ground = samples.mean(axis=0), real.mean(axis=0)
    first, second = np.sqrt(nearest(steps[0].samples, real, 2)).T
    numbers = [
        (first <= COPY * second).mean(),
        *(alike(codec, rows) for rows in (real[: len(samples)], steps[0].samples, steps[1].samples)),
        *(steps[at].mark["coherence"] for at in (1, -1)),
        *(codec.project(rows).mean() for rows in (samples, samples - mean + ground, setup.held_out + mean - ground)),
        found_in(mean, codec),
        min(found_in(mean, each) for each in others),
    ]
    told = f"`{config.model.name}`, {POOLS.get(config.loop, config.loop)}"
    return [told, f"{config.n_ini}", f"{config.seed}", *(f"{round(float(n), 2) + 0:.2f}" for n in numbers)]


def plain(config: LoopConfig) -> bool:
    """Whether all output of this loop is tagged blindly by spread, with one key, and learned from as it is."""
    return (config.tagging, config.filter, config.processing) == (
        Tagging("blind", codec="spread", psnr=config.tagging.psnr),
        Filter(),
        Processing(),
    )


def lines(folder: Path) -> Iterator[list[str]]:
    records = [read_run(each) for each in (folder / "runs").glob("*")]
    chosen = [record for record in records if plain(record.config) and len(record.generations) > 1]
    for record in sorted(chosen, key=lambda r: (r.config.model.name, r.config.loop, r.config.n_ini, r.config.seed)):
        yield line(record)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    folder = parser.parse_args().folder
    print(f"| {' | '.join(HEADER)} |", "| --- " + "| ---: " * (len(HEADER) - 1) + "|", sep="\n")
    try:
        with one_thread():
            for cells in lines(folder):
                print(f"| {' | '.join(cells)} |", flush=True)
    except ConfigurationError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
