"""The main job in one go: real digits, a generator, tags, a pool on disk, filters, loops, one report."""

import importlib
import json
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evaluator import demo_loops
from evaluator.arms import run_arms
from evaluator.demo_pool import PoolSizes, run_pool
from evaluator.demo_recall import curve_rows
from evaluator.progress import generations_of
from evaluator.report import write_report
from evaluator.setup import floors, prepare
from hygiene import __version__
from hygiene.datasets import Progress
from hygiene.errors import ConfigurationError
from hygiene.files import write_json

STUDIES = ("tide", "classic", "mark")


@dataclass(frozen=True)
class DemoScale:
    """How much of everything; the default takes about a minute on two cores."""

    pool: PoolSizes = field(default_factory=PoolSizes)
    loops: demo_loops.Scale = field(default_factory=demo_loops.Scale)


def run_demo(
    out: Path, workers: int = 1, scale: DemoScale | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Run everything into the new folder `out`; return what summary.json holds.

    Leaves summary.json, report.html, loops.jsonl (a line per generation of every loop), samples.npz and pictures/
    (key, pictures, pool, filtered outputs). Randomness is fixed except for the key, which is new every time.
    """
    chosen, began = scale or DemoScale(), time.perf_counter()
    for needed in ("jinja2", "matplotlib", "sklearn", "torch"):
        importlib.import_module(needed)  # what is missing is missed now, not after a minute
    _claim(out)
    filter_rows = run_pool(out / "pictures", chosen.pool, workers, progress)
    studies = _run_studies(chosen.loops, workers, progress)
    _write_loops(out, studies)
    summary = _summary(filter_rows, studies, chosen.loops)
    summary["seconds"] = round(time.perf_counter() - began, 1)
    write_json(out / "summary.json", summary)
    write_report(out)
    return summary


def _claim(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigurationError(f"{out} exists already: remove it, or choose another name with --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"cannot make the folder {out}: {error.strerror}") from None


def _run_studies(scale: demo_loops.Scale, workers: int, progress: Progress | None) -> dict[str, demo_loops.Runs]:
    """Every arm with every seed, the long ones first, as one list of work."""
    seeds = {"tide": scale.seeds, "classic": scale.loop_seeds, "mark": scale.mark_seeds}
    arms = [*demo_loops.classic_arms(scale), *demo_loops.tide_arms(scale), *demo_loops.mark_arms(scale)]
    jobs = [(arm, seed) for arm in arms for seed in range(seeds[arm.study])]
    studies: dict[str, demo_loops.Runs] = {study: {} for study in STUDIES}
    for arm in arms:
        studies[arm.study][arm.label] = [[] for _ in range(seeds[arm.study])]
    configs = [arm.seeded(seed) for arm, seed in jobs]
    for index, generations in run_arms(configs, workers, count=generations_of(configs, progress)):
        arm, seed = jobs[index]
        studies[arm.study][arm.label][seed] = generations
    return studies


def _write_loops(out: Path, studies: dict[str, demo_loops.Runs]) -> None:
    samples = {}
    with (out / "loops.jsonl").open("w") as file:
        for study, runs in studies.items():
            for label, seeds in runs.items():
                samples[f"{study} {label}"] = np.stack([step.samples for step in seeds[0]]).astype(np.float32)
                for seed, generations in enumerate(seeds):
                    for step in generations:
                        file.write(json.dumps({"study": study, "arm": label, "seed": seed} | step.to_dict()) + "\n")
    np.savez_compressed(out / "samples.npz", **samples)  # type: ignore[arg-type]


def _summary(
    filter_rows: list[dict[str, Any]], studies: dict[str, demo_loops.Runs], scale: demo_loops.Scale
) -> dict[str, Any]:
    tide = demo_loops.tide_arms(scale)[0].config
    return {
        "versions": {"hygiene": __version__, "python": platform.python_version(), "numpy": np.__version__},
        "filter": filter_rows,
        "delay": demo_loops.delay_rows(studies["tide"]),
        "amplification": demo_loops.amplification_rows(studies["mark"]),
        "closed_loop": demo_loops.closed_loop_rows(studies["mark"]),
        "loops": demo_loops.classic_rows(studies["classic"]),
        "recall_curve": curve_rows(),
        "floors": floors(tide, prepare(tide)),
    }
