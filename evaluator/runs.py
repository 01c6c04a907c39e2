"""A run folder: config.json, what it stands on (`run_inputs`), floors.json, generations.jsonl, samples/ and models/. A
killed run goes on where it stopped, and a finished one whose number of generations is raised.

state.npz, of which pool/ may hold a part, is the commit mark. It is replaced after the row of its generation is on
disk, so rows beyond it (also a torn last line) are dropped and computed again, to the same numbers.
"""

import io
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np

from evaluator.checkpoints import Checkpoints, Tell, silent
from evaluator.config import LoopConfig
from evaluator.generation import Generation, State
from evaluator.ground_checks import check_unread
from evaluator.loop import run_loop
from evaluator.marking import loop_key
from evaluator.models.base import Trainable
from evaluator.row_parts import parts_of
from evaluator.run_inputs import claim_generator, claim_ground
from evaluator.run_record import (
    CONFIG,
    FLOORS,
    ROWS,
    SAMPLES,
    committed_rows,
    complete_lines,
    read_generation,
    samples_path,
    stored_config,
    stored_floors,
)
from evaluator.run_state import as_json, read_state, store_end, store_state, write_whole
from evaluator.setup import Setup, check_choices, floors, prepare
from hygiene.errors import ConfigurationError
from hygiene.ledger import OWN, locked

MODELS = "models"
SMALL = 1 << 27  # bytes of rows that every finished run of many may keep


class OpenRun:
    """A run folder that is being written to; `opened` gives one.

    stored  the generations that are there already
    state   what the next one starts from; None before the first
    """

    def __init__(
        self, config: LoopConfig, folder: Path, models: Checkpoints, rows: list[str], state: State | None, keeps: bool
    ) -> None:
        self._keeps = keeps
        self._pool_parts = 0  # none is known to be stored, of a run that goes on neither
        write_whole(folder / ROWS, "".join(rows).encode())
        self.config, self._folder, self._models = config, folder, models
        self.stored = [read_generation(folder, t, row) for t, row in enumerate(rows, start=1)]
        self.state = state

    @property
    def finished(self) -> bool:
        return len(self.stored) == self.config.generations and bool(stored_floors(self._folder))

    def begin(self, setup: Setup) -> None:
        """Store what the run stands on, and the floors; refuse to go on through another network, or on other data."""
        claim_ground(self._folder, setup, bool(self.stored))
        write_whole(self._folder / FLOORS, as_json(floors(self.config, setup)))

    def store(self, step: Generation) -> None:
        """Add the next generation: samples, then its row, then the model, then the state that commits them."""
        _store(self._folder, step)
        if step.state is None:
            return
        self._models.store(step.state)
        if step.generation < self.config.generations or self._keeps_rows(step.state):
            self._pool_parts = store_state(self._folder, step.state, self._pool_parts)
        else:
            store_end(self._folder, step.state)
        self._models.forget(step.generation - 1)

    def _keeps_rows(self, state: State) -> bool:
        """Of one run among many a small pool only, and beside a trained model: others are soon run again."""
        small = (
            isinstance(state.model, Trainable) and sum(each.nbytes for each in parts_of(state.training_set)) <= SMALL
        )
        return self._models.need_rows(state) and (self._keeps or small)


@contextmanager
def opened(
    config: LoopConfig, folder: Path, checkpoints: str = "last", tell: Tell = silent, keeps: bool = False
) -> Iterator[OpenRun]:
    """The run of `config` in `folder`, new or to go on with, held against other processes.

    Refuses a folder that holds generations of another configuration or generator, or something else, or that another
    process is writing to.

    checkpoints  which fitted models stay in models/: none, last, all; a run that goes on reads its last one there
    keeps        whether a finished run keeps its rows as well, where more generations could not go on without them;
                 otherwise it keeps a pool that is small and whose model was trained
    """
    check_choices(config)
    models = Checkpoints(folder / MODELS, config, checkpoints, tell)
    key = loop_key(config)
    _open(folder)
    with locked(folder, {}):
        digest, lines = None if key is None else key.digest, len(complete_lines(folder))
        _check_claim(folder, config, digest, lines)
        begun = _begun(folder, config, models)
        write_whole(folder / CONFIG, as_json({"config": config.to_dict(), "key_digest": digest}))
        claim_generator(folder, config, lines > 0)
        yield OpenRun(config, folder, models, *begun, keeps)


def run_in_folder(
    config: LoopConfig, folder: Path, setup: Setup | None = None, checkpoints: str = "last", tell: Tell = silent
) -> Iterator[Generation]:
    """Run `config` in `folder`, or go on there; yields every generation from the first, stored ones included.

    Refuses what `opened` refuses. Any kill leaves a folder that goes on, and the finished generations.jsonl is the
    same, byte for byte, as without a stop. What is damaged there is computed again. A finished run goes on to more
    generations, unless nothing was kept of it: `checkpoints` = none.
    """
    if setup is None:
        check_unread(config, new=not folder.exists())
    with opened(config, folder, checkpoints, tell, keeps=True) as run:
        yield from run.stored
        if run.finished:
            return
        ground = setup or prepare(config)
        run.begin(ground)
        for step in run_loop(config, ground, run.state):
            run.store(step)
            yield step


def lengthened(config: LoopConfig, shorter: Path, folder: Path) -> None:
    """Make `folder` the run of `config` as far as `shorter` has come, a run of fewer generations, if that can go on and
    `folder` is not there yet."""
    copy = folder.with_name(f".tmp-{folder.name}")
    shutil.rmtree(copy, ignore_errors=True)  # what a kill left
    if folder.exists():
        return
    try:
        rows, _ = _begun(shorter, config, Checkpoints(shorter / MODELS, config, "last"))
    except ConfigurationError:
        return
    if rows:
        shutil.copytree(shorter, copy)
        os.replace(copy, folder)


def _open(folder: Path) -> None:
    """Make the folder; refuse one that holds something else than a run."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = {path.name for path in folder.iterdir() if not path.name.startswith(".tmp-")} - {OWN}
    except OSError as error:
        raise ConfigurationError(f"cannot use {folder} as a run folder: {error.strerror}") from None
    if found and CONFIG not in found:
        raise ConfigurationError(f"{folder} is not empty and no run folder: choose a new one with --out")


def _check_claim(folder: Path, config: LoopConfig, digest: str | None, lines: int) -> None:
    """Refuse a folder with `lines` generations of another configuration, but for how many there are to be."""
    if not (folder / CONFIG).exists():
        return
    differences = _differences(config, digest, *stored_config(folder))
    if differences == ["generations"] and lines > config.generations:
        raise ConfigurationError(
            f"{folder} holds {lines} generations, and {config.generations} are asked for: choose a new folder, "
            f"or at least {lines} generations"
        )
    if lines and differences not in ([], ["generations"]):
        raise ConfigurationError(
            f"{folder} holds a run with another {', '.join(differences)}: choose a new folder, "
            "or the configuration it was made with"
        )


def _begun(folder: Path, config: LoopConfig, models: Checkpoints) -> tuple[list[str], State | None]:
    """The rows and the state to go on from; none where the run starts."""
    state = read_state(folder)
    rows = committed_rows(folder, state)
    if state is not None and 0 < len(rows) < config.generations:
        state = models.with_model(state)
    return (rows, state) if rows and state else ([], None)


def _differences(config: LoopConfig, digest: str | None, stored: LoopConfig, stored_digest: str | None) -> list[str]:
    """Names of what differs: fields of the configuration, or else the key."""
    mine, theirs = asdict(config), asdict(stored)
    return [name for name in mine if mine[name] != theirs[name]] or ["key"] * (digest != stored_digest)


def _store(folder: Path, step: Generation) -> None:
    (folder / SAMPLES).mkdir(exist_ok=True)
    buffer = io.BytesIO()
    np.save(buffer, step.samples, allow_pickle=False)
    write_whole(samples_path(folder, step.generation), buffer.getvalue())
    with (folder / ROWS).open("ab") as file:
        file.write(json.dumps(step.to_dict(), allow_nan=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
