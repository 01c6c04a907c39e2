"""A run folder: config.json, floors.json, generations.jsonl and samples/. A killed run goes on where it stopped.

state.npz is the commit mark. It is replaced after the row of its generation is on disk, so rows beyond it (also a
torn last line) are dropped and computed again, to the same numbers.
"""

import io
import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.config import LoopConfig
from evaluator.loop import Generation, State, loop_key, run_loop
from evaluator.setup import Setup, check_choices, floors, prepare
from hygiene.errors import ConfigurationError

CONFIG, FLOORS, ROWS, STATE, SAMPLES = "config.json", "floors.json", "generations.jsonl", "state.npz", "samples"


@dataclass(frozen=True)
class RunRecord:
    """A run folder as it was read.

    floors      metrics of real against real, as many samples as a generation is measured on
    key_digest  of the key that the run tagged with; None without tagging
    """

    config: LoopConfig
    key_digest: str | None
    floors: dict[str, float]
    generations: list[Generation]


def run_in_folder(config: LoopConfig, folder: Path, setup: Setup | None = None) -> Iterator[Generation]:
    """Run `config` in `folder`, or go on there; yields every generation from the first, stored ones included.

    Refuses a folder that holds another configuration or something else. Any kill leaves a folder that goes on,
    and the finished generations.jsonl is the same, byte for byte, as without a stop.
    """
    check_choices(config)
    _claim(config, folder)
    state = _read_state(folder / STATE)
    rows = _committed_rows(folder, state)
    _replace(folder / ROWS, "".join(rows).encode())
    yield from (_generation(folder, row) for row in rows)
    if len(rows) == config.generations and _floors(folder):
        return
    ground = setup or prepare(config)
    _replace(folder / FLOORS, _json(floors(config, ground)))
    for step in run_loop(config, ground, state if rows else None):
        _store(folder, step)
        yield step


def read_run(folder: Path) -> RunRecord:
    """What a run folder holds so far, complete lines only."""
    if not (folder / CONFIG).is_file():
        raise ConfigurationError(f"{folder} is no run folder: it has no {CONFIG}; make one with `hygiene evaluate`")
    stored = _stored_config(folder)
    generations = [_generation(folder, line) for line in _complete_lines(folder)]
    return RunRecord(LoopConfig.from_dict(stored["config"]), stored["key_digest"], _floors(folder), generations)


def _claim(config: LoopConfig, folder: Path) -> None:
    """Write config.json into a new or empty folder; refuse one that holds anything but this configuration."""
    key = loop_key(config)
    wanted = json.loads(_json({"config": config.to_dict(), "key_digest": key and key.digest}))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise ConfigurationError(f"cannot use {folder} as a run folder: {error.strerror}") from None
    if not [name for name in found if not name.startswith(".tmp-")]:
        _replace(folder / CONFIG, _json(wanted))
    elif CONFIG not in found:
        raise ConfigurationError(f"{folder} is not empty and no run folder: choose a new one with --out")
    stored = _stored_config(folder)
    if stored != wanted:
        raise ConfigurationError(
            f"{folder} holds a run with another {', '.join(_differences(stored, wanted))}: choose a new folder, "
            "or the configuration it was made with"
        )


def _differences(stored: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Names of the configuration fields that differ."""
    mine, theirs = wanted["config"], stored["config"]
    fields = [name for name in {**mine, **theirs} if mine.get(name) != theirs.get(name)]
    return fields or ["key"]


def _stored_config(folder: Path) -> dict[str, Any]:
    try:
        stored: dict[str, Any] = json.loads((folder / CONFIG).read_text("utf-8"))
        return {"config": stored["config"], "key_digest": stored["key_digest"]}
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigurationError(f"{folder / CONFIG} is damaged: choose a new folder") from None


def _floors(folder: Path) -> dict[str, float]:
    """What floors.json holds; nothing where there is none yet."""
    try:
        found: dict[str, float] = json.loads((folder / FLOORS).read_text("utf-8"))
        return found
    except (OSError, ValueError):
        return {}


def _committed_rows(folder: Path, state: State | None) -> list[str]:
    """The stored lines that the state vouches for; none where the two do not fit together."""
    if state is None:
        return []
    lines = _complete_lines(folder)[: state.generation]
    return lines if len(lines) == state.generation else []


def _complete_lines(folder: Path) -> list[str]:
    """Lines of generations.jsonl, each with its line end; a torn last one is left out."""
    path = folder / ROWS
    lines = path.read_text("utf-8", errors="replace").splitlines(keepends=True) if path.is_file() else []
    return [line for line in lines if line.endswith("\n")]


def _generation(folder: Path, line: str) -> Generation:
    step = Generation.from_dict(json.loads(line))
    path = _samples_path(folder, step.generation)
    return replace(step, samples=np.load(path, allow_pickle=False)) if path.is_file() else step


def _samples_path(folder: Path, generation: int) -> Path:
    return folder / SAMPLES / f"{generation:05d}.npy"


def _store(folder: Path, step: Generation) -> None:
    """Samples, then the row, then the state that commits both."""
    (folder / SAMPLES).mkdir(exist_ok=True)
    buffer = io.BytesIO()
    np.save(buffer, step.samples, allow_pickle=False)
    _replace(_samples_path(folder, step.generation), buffer.getvalue())
    with (folder / ROWS).open("ab") as file:
        file.write(json.dumps(step.to_dict(), allow_nan=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    if step.state is not None:
        _replace(folder / STATE, _state_bytes(step.state))


def _state_bytes(state: State) -> bytes:
    buffer = io.BytesIO()
    threshold = np.nan if state.threshold is None else state.threshold
    np.savez(
        buffer,
        generation=np.array(state.generation),
        training_set=state.training_set,
        pool=state.pool,
        threshold=np.array(threshold),
    )
    return buffer.getvalue()


def _read_state(path: Path) -> State | None:
    """The stored state; None where there is none or it cannot be read, which starts the run again."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            threshold = float(stored["threshold"])
            return State(
                int(stored["generation"]),
                stored["training_set"],
                stored["pool"],
                None if np.isnan(threshold) else threshold,
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _json(values: Any) -> bytes:
    return (json.dumps(values, indent=2, allow_nan=False) + "\n").encode()


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that it is either the old or the new one, whenever the process dies."""
    temporary = path.with_name(f".tmp-{path.name}")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
