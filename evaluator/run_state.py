"""How the files of a run folder are written, and its state, an .npz file, read."""

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.generation import State


def state_bytes(state: State) -> bytes:
    """All of it but the model."""
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


def read_state(path: Path) -> State | None:
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
    except Exception:  # see `refused`
        return None


def as_json(values: Any) -> bytes:
    """Indented, with a line end; numbers are finite."""
    return (json.dumps(values, indent=2, allow_nan=False) + "\n").encode()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is either the old or the new one, whenever the process dies."""
    temporary = path.with_name(f".tmp-{path.name}")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
