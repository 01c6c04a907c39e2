"""How the files of a run folder are written, and its state: state.npz, and pool/ beside it where a pool grows.

The pool only gets longer, so each of its parts is written once, before the state.npz that counts it.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from evaluator.generation import State
from evaluator.row_parts import RowParts, parts_of

STATE, POOL = "state.npz", "pool"


def store_state(folder: Path, state: State, known: int) -> int:
    """Replace the stored state by `state`, all of it but the model; returns how many parts of its pool are stored.

    known  so many of them are stored already
    """
    parts = state.pool.parts if len(state.pool) else ()
    for index, part in enumerate(parts[known:], start=known):
        (folder / POOL).mkdir(exist_ok=True)
        _write_arrays(_part_path(folder, index), rows=part)
    _write_arrays(
        folder / STATE,
        generation=np.array(state.generation),
        training_set=parts_of(state.training_set)[0],  # with a pool, the real rows: its parts are the others
        pool_parts=np.array(len(parts)),
        threshold=np.array(np.nan if state.threshold is None else state.threshold),
    )
    return len(parts)


def store_end(folder: Path, state: State) -> None:
    """Store that `state` was the last one, without its rows, which take up the disk: a run that is to be longer after
    all goes on from the stored model, if there is one."""
    store_state(folder, State(state.generation, np.empty((0, 0)), RowParts((np.empty((0, 0)),)), state.threshold), 0)
    shutil.rmtree(folder / POOL, ignore_errors=True)


def read_state(folder: Path) -> State | None:
    """The stored state; None where there is none or it cannot be read, which starts the run again."""
    try:
        with np.load(folder / STATE, allow_pickle=False) as stored:
            threshold = float(stored["threshold"])
            return State(
                int(stored["generation"]),
                *_rows(folder, stored),
                None if np.isnan(threshold) else threshold,
            )
    except Exception:  # see `refused`
        return None


def _rows(folder: Path, stored: Any) -> tuple[NDArray[Any] | RowParts, RowParts]:
    """Training set and pool. Folders of earlier versions have both of them whole in state.npz."""
    own: NDArray[Any] = stored["training_set"]
    if "pool" in stored:
        return own, RowParts((stored["pool"],))
    pool = RowParts(tuple(_part(folder, index) for index in range(int(stored["pool_parts"]))) or (own[:0],))
    return (RowParts((own, *pool.parts)) if len(pool) else own), pool


def _part(folder: Path, index: int) -> NDArray[Any]:
    with np.load(_part_path(folder, index), allow_pickle=False) as stored:
        rows: NDArray[Any] = stored["rows"]
    return rows


def _part_path(folder: Path, index: int) -> Path:
    return folder / POOL / f"{index:04d}.npz"


def as_json(values: Any) -> bytes:
    """Indented, with a line end; numbers are finite."""
    return (json.dumps(values, indent=2, allow_nan=False) + "\n").encode()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is either the old or the new one, whenever the process dies."""
    _written_whole(path, lambda file: file.write(content))


def _write_arrays(path: Path, **arrays: Any) -> None:
    """The same, of an .npz file: straight to the disk, as arrays may be most of the memory."""
    _written_whole(path, lambda file: np.savez(file, **arrays))


def _written_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    temporary = path.with_name(f".tmp-{path.name}")
    with temporary.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
