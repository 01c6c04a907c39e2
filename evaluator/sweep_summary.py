"""What the runs of a sweep come to: every combination with an interval over seeds, and the best value of a field."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from evaluator.collapse import bootstrap_interval
from evaluator.generation import Generation
from evaluator.optimum import least
from evaluator.readings import values_of
from evaluator.sweeps import Sweep, run_name, searched_field
from hygiene.errors import ConfigurationError

Runs = dict[tuple[int, int], list[Generation]]
"""(index of the point, seed) -> its generations."""


def summarised(sweep: Sweep, runs: Runs) -> dict[str, Any]:
    """What summary.json holds: every point with the mean of its seeds and its interval, and the best values."""
    return {
        "goal": asdict(sweep.goal) | {"metric": compared(sweep, runs), "over": searched_field(sweep)},
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


def compared(sweep: Sweep, runs: Runs) -> str | None:
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
    over, metric = searched_field(sweep), compared(sweep, runs)
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
