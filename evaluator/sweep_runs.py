"""Running a sweep into a folder.

The folder holds sweep.json (the claim), runs/ (a run folder per configuration, named by it), generations.csv (a line
per generation of every run), summary.csv (a line per combination and measured value) and summary.json.
"""

import csv
import io
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from evaluator.arms import run_arms
from evaluator.config import LoopConfig
from evaluator.generation import Generation
from evaluator.progress import Count, generations_of, uncounted
from evaluator.readings import values_of
from evaluator.run_inputs import check_generator
from evaluator.run_record import read_run, stored_config
from evaluator.runs import lengthened
from evaluator.sweep_summary import Runs, compared, summarised
from evaluator.sweeps import Sweep, run_name
from hygiene.datasets import Progress
from hygiene.errors import ConfigurationError, InfeasibleError
from hygiene.files import partial_name, write_json, write_text
from hygiene.ledger import OWN, locked

Arms = Generator[tuple[int, list[Generation]], None, None]
"""(index of the configuration, its generations), in the order in which they are done."""

CLAIM = "sweep.json"


def run_sweep(sweep: Sweep, out: Path, workers: int = 1, progress: Progress | None = None) -> dict[str, Any]:
    """Run what is not finished in `out` yet, write the tables, and return what summary.json holds.

    A stopped sweep goes on; one whose grid has grown runs what is new. Raises InfeasibleError when a loop could not be
    run to its end, after all others were run and the tables of those are written.
    """
    claim_folder(out, CLAIM, "a sweep")
    write_json(out / CLAIM, {"goal": asdict(sweep.goal), "seeds": sweep.seeds, "points": len(sweep.points)})
    runs: Runs = {}
    failure: InfeasibleError | None = None
    jobs = list(sweep.runs())
    kinds = {_kind(config) for _, config in jobs}
    configs = [config for _, config in jobs]
    with closing(stored_arms(configs, out / "runs", workers, generations_of(configs, progress))) as arms:
        try:
            for number, steps in arms:
                index, config = jobs[number]
                runs[index, config.seed] = steps
                if kinds and not (kinds := kinds - {_kind(config)}):
                    compared(sweep, runs)  # an unknown one is refused after one loop of each kind, not after all
        except InfeasibleError as error:
            failure = error
    summary = summarised(sweep, runs)
    _write_tables(out, sweep, runs, summary)
    if failure is not None:
        raise failure
    return summary


def claim_folder(out: Path, claim: str, what: str) -> None:
    """Make the folder; refuse one that holds something else than `what`, as the file `claim` in it would tell."""
    own = {OWN, claim, partial_name(out / claim).name}
    try:
        out.mkdir(parents=True, exist_ok=True)
        strange = any(path.name not in own for path in out.iterdir()) and not (out / claim).is_file()
    except OSError as error:
        raise ConfigurationError(f"cannot use {out} as the folder of {what}: {error.strerror}") from None
    if strange:
        raise ConfigurationError(f"{out} is not empty and no folder of {what}: choose a new one with --out")


def stored_arms(configs: Sequence[LoopConfig], folder: Path, workers: int, count: Count = uncounted) -> Arms:
    """`run_arms` in the run folders folder/`run_name`; finished ones are read, not run, and come first.

    Refuses while another process does so: each would fail on the runs that the other one holds.
    """
    with locked(folder.parent, {}):
        yield from _stored_arms(configs, folder, workers, count)


def _stored_arms(configs: Sequence[LoopConfig], folder: Path, workers: int, count: Count) -> Arms:
    waiting = []
    for index, config in enumerate(configs):
        finished = _finished(config, folder / run_name(config))
        if finished is None:
            waiting.append(index)
        else:
            count(config.generations)
            yield index, finished
    if waiting:
        chosen = [configs[index] for index in waiting]
        _take_up(chosen, folder)
        folders = [folder / run_name(config) for config in chosen]
        for number, steps in run_arms(chosen, workers, folders, count):
            yield waiting[number], steps


def _take_up(configs: Sequence[LoopConfig], folder: Path) -> None:
    """Begin new runs where runs of fewer generations have come to, which the folder holds of an earlier grid."""
    there: dict[str, dict[int, Path]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        with suppress(ConfigurationError):
            found, _ = stored_config(path)
            there.setdefault(_endless(found), {})[found.generations] = path
    for config in configs:
        known = there.get(_endless(config), {})
        shorter = [length for length in known if length < config.generations]
        if shorter:
            lengthened(config, known[max(shorter)], folder / run_name(config))


def _endless(config: LoopConfig) -> str:
    """What runs have in common that differ in their number of generations only."""
    return run_name(replace(config, generations=1))


def _finished(config: LoopConfig, folder: Path) -> list[Generation] | None:
    """The generations of a whole run of `config`; None where there is none, or a damaged one, which is run again.

    Refuses one that another generator made, of the same name.
    """
    try:
        record = read_run(folder)
    except ConfigurationError:
        return None
    if record.config != config or len(record.generations) < config.generations or not record.floors:
        return None
    check_generator(folder, config)
    return record.generations


def _kind(config: LoopConfig) -> str:
    """Equal for loops that measure the same values."""
    return repr((config.metrics, config.tagging, config.filter.mode, config.labels > 0))


def _write_tables(out: Path, sweep: Sweep, runs: Runs, summary: dict[str, Any]) -> None:
    write_json(out / "summary.json", summary)
    rows = [
        {**point["settings"], "metric": name, **estimate, "seeds": point["seeds"]}
        for point in summary["points"]
        for name, estimate in point["values"].items()
    ]
    write_csv(out / "summary.csv", rows)
    steps = [
        {**sweep.points[index].settings, "seed": seed, "generation": step.generation, "n_real": step.n_real}
        | {"n_synthetic": step.n_synthetic}
        | values_of(step)
        for (index, seed), generations in sorted(runs.items())
        for step in generations
    ]
    write_csv(out / "generations.csv", steps)


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Rows of one table; a column that a row lacks stays empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
