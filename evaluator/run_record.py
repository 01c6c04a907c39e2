"""What a run folder holds, read: config.json, floors.json, generations.jsonl and samples/."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from evaluator.config import LoopConfig
from evaluator.generation import Generation, State
from evaluator.reading import refused
from evaluator.run_inputs import stored_features
from hygiene.errors import ConfigurationError

CONFIG, FLOORS, ROWS, SAMPLES = "config.json", "floors.json", "generations.jsonl", "samples"


@dataclass(frozen=True)
class RunRecord:
    """A run folder as it was read.

    floors      metrics of real against real, as many samples as a generation is measured on
    key_digest  of the key that the run tagged with; None without tagging
    features    {"name", "weights_digest"} of what the metrics looked at; empty before the first generation
    """

    config: LoopConfig
    key_digest: str | None
    floors: dict[str, float]
    generations: list[Generation]
    features: dict[str, str | None] = field(default_factory=dict)


def read_run(folder: Path) -> RunRecord:
    """What a run folder holds so far, complete lines only; refuses one that is damaged."""
    if not (folder / CONFIG).is_file():
        raise ConfigurationError(f"{folder} is no run folder: it has no {CONFIG}; make one with `hygiene evaluate`")
    config, key_digest = stored_config(folder)
    generations = [read_generation(folder, t, line) for t, line in enumerate(complete_lines(folder), start=1)]
    return RunRecord(config, key_digest, stored_floors(folder), generations, stored_features(folder))


def stored_config(folder: Path) -> tuple[LoopConfig, str | None]:
    """The configuration, and the digest of the key, that config.json holds."""
    with refused(f"{folder / CONFIG} is damaged, or no run's: choose a new folder"):
        stored = json.loads((folder / CONFIG).read_text("utf-8"))
        return LoopConfig.from_dict(stored["config"]), stored["key_digest"]


def stored_floors(folder: Path) -> dict[str, float]:
    """What floors.json holds; nothing where there is none yet, or a damaged one."""
    try:
        found = json.loads((folder / FLOORS).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and all(isinstance(value, float) for value in found.values()) else {}


def committed_rows(folder: Path, state: State | None) -> list[str]:
    """The stored lines that the state vouches for; none where the two do not fit together, or one is damaged."""
    if state is None:
        return []
    lines = complete_lines(folder)[: state.generation]
    try:
        for t, line in enumerate(lines, start=1):
            read_generation(folder, t, line)
    except ConfigurationError:
        return []
    return lines if len(lines) == state.generation else []


def complete_lines(folder: Path) -> list[str]:
    """Lines of generations.jsonl, each with its line end; a torn last one is left out."""
    path = folder / ROWS
    lines = path.read_text("utf-8", errors="replace").splitlines(keepends=True) if path.is_file() else []
    return [line for line in lines if line.endswith("\n")]


def read_generation(folder: Path, t: int, line: str) -> Generation:
    """Line t of generations.jsonl, with its samples where they are still there."""
    path = samples_path(folder, t)
    with refused(f"{folder} is damaged at generation {t}: run its configuration again to make it again"):
        step = Generation.from_dict(json.loads(line))
        if step.generation != t or not isinstance(step.metrics, dict) or not isinstance(step.mark, dict):
            raise ValueError(f"no row of generation {t}")
        return replace(step, samples=np.load(path, allow_pickle=False)) if path.is_file() else step


def samples_path(folder: Path, generation: int) -> Path:
    return folder / SAMPLES / f"{generation:05d}.npy"
