"""Running a sweep into a folder, and what its runs come to.

The folder holds sweep.json (the claim), runs/ (a run folder per configuration, named by it), generations.csv (a line
per generation of every run), summary.csv (a line per combination and measured value) and summary.json.
"""

import csv
import io
import json
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.arms import run_arms
from evaluator.collapse import bootstrap_interval
from evaluator.config import LoopConfig
from evaluator.generation import Generation
from evaluator.optimum import least
from evaluator.run_inputs import check_generator
from evaluator.runs import lengthened, read_run, stored_config
from evaluator.sweeps import Sweep, run_name, searched_field
from hygiene.errors import ConfigurationError, InfeasibleError
from hygiene.files import partial_name, write_json, write_text
from hygiene.ledger import OWN, locked

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, done, in all)."""

Runs = dict[tuple[int, int], list[Generation]]
"""(index of the point, seed) -> its generations."""

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
    with closing(stored_arms([config for _, config in jobs], out / "runs", workers)) as arms:
        try:
            for done, (number, steps) in enumerate(arms, start=1):
                index, config = jobs[number]
                runs[index, config.seed] = steps
                if kinds and not (kinds := kinds - {_kind(config)}):
                    _metric(sweep, runs)  # an unknown one is refused after one loop of each kind, not after all
                if progress:
                    progress("loops", done, len(jobs))
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


def stored_arms(configs: Sequence[LoopConfig], folder: Path, workers: int) -> Arms:
    """`run_arms` in the run folders folder/`run_name`; finished ones are read, not run, and come first.

    Refuses while another process does so: each would fail on the runs that the other one holds.
    """
    with locked(folder.parent, {}):
        yield from _stored_arms(configs, folder, workers)


def _stored_arms(configs: Sequence[LoopConfig], folder: Path, workers: int) -> Arms:
    waiting = []
    for index, config in enumerate(configs):
        finished = _finished(config, folder / run_name(config))
        if finished is None:
            waiting.append(index)
        else:
            yield index, finished
    if waiting:
        chosen = [configs[index] for index in waiting]
        _take_up(chosen, folder)
        for number, steps in run_arms(chosen, workers, [folder / run_name(config) for config in chosen]):
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


def values_of(step: Generation) -> dict[str, float]:
    """Everything that one generation measured: metrics, readings of the mark, shares of the filter."""
    shares = {} if step.filter is None else step.filter.to_dict()
    counted = {name: share for name, share in shares.items() if isinstance(share, float)}
    return {**step.metrics, **step.mark, **counted}


def summarised(sweep: Sweep, runs: Runs) -> dict[str, Any]:
    """What summary.json holds: every point with the mean of its seeds and its interval, and the best values."""
    return {
        "goal": asdict(sweep.goal) | {"metric": _metric(sweep, runs), "over": searched_field(sweep)},
        "seeds": list(sweep.seeds),
        "fields": sweep.fields,
        "points": [_point_row(sweep, index, runs) for index in range(len(sweep.points))],
        "best": best_rows(sweep, runs),
    }


def _point_row(sweep: Sweep, index: int, runs: Runs) -> dict[str, Any]:
    point = sweep.points[index]
    found = [_run_values(runs[index, seed], sweep.goal.last) for seed in sweep.seeds if (index, seed) in runs]
    names = [name for name in (found[0] if found else {}) if all(name in each for each in found)]
    return {
        "settings": point.settings,
        "runs": [run_name(config) for number, config in sweep.runs() if number == index],
        "seeds": len(found),
        "values": {name: _estimate([each[name] for each in found]) for name in names},
    }


def _run_values(steps: Sequence[Generation], last: int) -> dict[str, float]:
    """Each value of a run, averaged over its last generations."""
    rows = [values_of(step) for step in steps[-last:]]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[-1] if all(name in row for row in rows)}


def _estimate(values: Sequence[float]) -> dict[str, float]:
    low, high = bootstrap_interval(values)
    return {"mean": float(np.mean(values)), "median": float(np.median(values)), "ci_low": low, "ci_high": high}


def _kind(config: LoopConfig) -> str:
    """Equal for loops that measure the same values."""
    return repr((config.metrics, config.tagging, config.filter.mode, config.labels > 0))


def _metric(sweep: Sweep, runs: Runs) -> str | None:
    """The value that is compared, where it is not given the first one of the first loop; None before any has run."""
    if not runs:
        return sweep.goal.metric
    name = sweep.goal.metric or next(iter(runs[min(runs)][-1].metrics))
    known = dict.fromkeys(each for steps in runs.values() for each in values_of(steps[-1]))
    if name not in known:
        raise ConfigurationError(f"sweep.metric is {name!r}, which no loop measured: choose one of {', '.join(known)}")
    return name


def best_rows(sweep: Sweep, runs: Runs) -> list[dict[str, Any]]:
    """The best value of the searched field, for every combination of the other fields that has two values or more at
    which the metric was measured.

    Only seeds that every one of these loops finished count.
    """
    over, metric = searched_field(sweep), _metric(sweep, runs)
    if over is None or metric is None or not runs:
        return []
    groups: dict[str, list[int]] = {}
    for index, point in enumerate(sweep.points):
        others = {name: value for name, value in point.settings.items() if name != over}
        if point.settings[over] is not None:
            groups.setdefault(json.dumps(others, sort_keys=True), []).append(index)
    rows = [_best_row(sweep, json.loads(others), indices, metric, runs) for others, indices in groups.items()]
    return [row for row in rows if row is not None]


def _best_row(
    sweep: Sweep, others: dict[str, Any], indices: list[int], metric: str, runs: Runs
) -> dict[str, Any] | None:
    over = str(searched_field(sweep))
    indices = [index for index in indices if _measured(sweep, index, metric, runs)]
    seeds = [seed for seed in sweep.seeds if all((index, seed) in runs for index in indices)]
    if len(indices) < 2 or not seeds:
        return None
    indices = sorted(indices, key=lambda index: sweep.points[index].settings[over])
    points = [float(sweep.points[index].settings[over]) for index in indices]
    table = [[_run_values(runs[index, seed], sweep.goal.last)[metric] for index in indices] for seed in seeds]
    sign = 1.0 if sweep.goal.best == "least" else -1.0
    best = least(points, sign * np.array(table))
    return {
        "settings": others, "over": over, "metric": metric, "best": best.point, "ci_low": best.low,
        "ci_high": best.high, "value": sign * best.value, "most": points[-1],
        "value_at_most": float(np.mean(table, axis=0)[-1]), "seeds": len(seeds),
    }  # fmt: skip


def _measured(sweep: Sweep, index: int, metric: str, runs: Runs) -> bool:
    """Whether the loops of a point have a value of `metric`: of a mark, for instance, only where somebody tags."""
    found = [runs[index, seed] for seed in sweep.seeds if (index, seed) in runs]
    return all(metric in _run_values(steps, sweep.goal.last) for steps in found)


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
