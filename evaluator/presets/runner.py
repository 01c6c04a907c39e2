"""Running an experiment: its arms into run folders and series, its comparisons into a table, its panels into a plot.

The folder receives experiment.json (the claim), runs/ (a run folder per loop and seed), series.csv (mean and interval
per arm, metric and generation), results.json, results.csv, results.md and plot.svg.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.generation import Generation
from evaluator.limits import distances
from evaluator.presets.base import ChainArm, Comparison, LoopArm, Measured, Preset, Series
from evaluator.presets.plots import write_plot
from evaluator.progress import generations_of
from evaluator.readings import values_of
from evaluator.sweep_runs import claim_folder, stored_arms, write_csv
from evaluator.threads import one_thread
from hygiene.datasets import Progress
from hygiene.errors import ConfigurationError
from hygiene.files import read_json, write_json, write_text

CLAIM = "experiment.json"


def run_preset(
    preset: Preset, scale: str, out: Path, workers: int = 1, progress: Progress | None = None
) -> dict[str, Any]:
    """Run what is not finished in `out` yet; return what results.json holds. Chains run in this process."""
    if preset.lacks:
        raise ConfigurationError(f"{preset.name} at scale {scale} needs pictures: give --data {preset.lacks}")
    began = time.perf_counter()
    _claim(out, {"experiment": preset.name, "scale": scale})
    with one_thread():
        measured: dict[str, dict[str, Series]] = _run_chains(preset, progress)
    measured |= _run_loops(preset, out / "runs", workers, progress)
    rows = [_row(comparison, measured) for comparison in preset.comparisons]
    results = {
        "experiment": preset.name,
        "scale": scale,
        "about": preset.about,
        "rows": rows,
        "seconds": round(time.perf_counter() - began, 1),
    }
    _write(out, preset, measured, results)
    return results


def _claim(out: Path, claim: dict[str, str]) -> None:
    claim_folder(out, CLAIM, "an experiment")
    stored = read_json(out / CLAIM)
    if stored is not None and stored != claim:
        raise ConfigurationError(f"{out} holds another experiment or scale: choose a new folder with --out")
    write_json(out / CLAIM, claim)


def _run_chains(preset: Preset, progress: Progress | None) -> dict[str, dict[str, Series]]:
    arms = {label: arm for label, arm in preset.arms.items() if isinstance(arm, ChainArm)}
    measured = {}
    for done, (label, arm) in enumerate(arms.items(), start=1):
        rng = np.random.default_rng(arm.seed)
        measured[label] = {"frechet_distance": distances(arm.chains, arm.generations, rng)}
        if progress:
            progress("chains", done, len(arms))
    return measured


def _run_loops(preset: Preset, folder: Path, workers: int, progress: Progress | None) -> dict[str, dict[str, Series]]:
    arms = {label: arm for label, arm in preset.arms.items() if isinstance(arm, LoopArm)}
    jobs = [(label, seed) for label, arm in arms.items() for seed in range(arm.seeds)]
    configs = [replace(arms[label].config, seed=seed) for label, seed in jobs]
    runs: dict[tuple[str, int], Sequence[Generation]] = {}
    for index, steps in stored_arms(configs, folder, workers, generations_of(configs, progress)):
        runs[jobs[index]] = steps
    return {label: _series([runs[label, seed] for seed in range(arm.seeds)]) for label, arm in arms.items()}


def _series(runs: Sequence[Sequence[Generation]]) -> dict[str, Series]:
    """Every value, [seeds, generations]; NaN where a generation has none of it."""
    rows = [[values_of(step) for step in steps] for steps in runs]
    names = dict.fromkeys(name for steps in rows for row in steps for name in row)
    return {name: np.array([[row.get(name, np.nan) for row in steps] for steps in rows]) for name in names}


def _row(comparison: Comparison, measured: Measured) -> dict[str, Any]:
    found = comparison.measure(measured)
    return {
        "what": comparison.what,
        "measured": None if found.undefined else found.value,
        "ci_low": None if found.undefined else found.low,
        "ci_high": None if found.undefined else found.high,
        "undefined": found.undefined,
        "expected": comparison.expected,
        "rule": comparison.rule,
        "holds": comparison.holds(found),
        "source": comparison.source,
    }


def _write(out: Path, preset: Preset, measured: Measured, results: dict[str, Any]) -> None:
    write_json(out / "results.json", results)
    write_csv(out / "results.csv", results["rows"])
    write_text(out / "results.md", markdown(results))
    write_csv(out / "series.csv", _series_rows(measured))
    write_plot(out / "plot.svg", preset.panels(measured))


def _series_rows(measured: Measured) -> list[dict[str, Any]]:
    return [
        {
            "arm": arm,
            "metric": name,
            "generation": t,
            "mean": column.mean(),
            "min": column.min(),
            "max": column.max(),
        }
        for arm, metrics in measured.items()
        for name, series in metrics.items()
        for t, column in enumerate(series.T, start=1)
        if not np.isnan(column).any()
    ]


def markdown(results: dict[str, Any]) -> str:
    """The table as it stands in the documentation."""
    lines = ["| figure | measured | 95 % interval | expected | rule | holds | expectation from |", "| --- " * 7 + "|"]
    lines += [f"| {' | '.join(cells(row))} | {row['source']} |" for row in results["rows"]]
    return "\n".join(lines) + "\n"


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """Figure, measured, interval, expected, rule and verdict of a row, as text."""
    expected = "" if row["expected"] is None else f"{row['expected']:.4g}"
    holds = {True: "yes", False: "no", None: ""}[row["holds"]]
    if row["measured"] is None:
        return row["what"], f"not defined: {row['undefined']}", "", expected, row["rule"], holds
    interval = f"{row['ci_low']:.4g} to {row['ci_high']:.4g}"
    return row["what"], f"{row['measured']:.4g}", interval, expected, row["rule"], holds
