"""Fitted models of a run, as safetensors: models/generation-0003.safetensors in its folder.

The header says which model it is, with which parameters, and of which training set; a digest of the weights tells a
damaged file. Nothing in such a file is ever executed (https://github.com/huggingface/safetensors, "Format").
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.config import LoopConfig
from evaluator.generation import State
from evaluator.models import GenerativeModel
from evaluator.models.base import Rows, Trainable, Weights
from evaluator.reading import refused
from evaluator.row_parts import RowParts, parts_of
from evaluator.run_state import write_whole
from evaluator.warm_start import new_model, parameters_of
from hygiene.errors import ConfigurationError

KEPT = ("none", "last", "all")
HEADER = "hygiene"  # one entry, as safetensors writes several in no fixed order


Tell = Callable[[str], object]
"""Called with one line about a stored model that cannot be used."""


def silent(line: str) -> None:
    """Tell nobody."""


class Checkpoints:
    """The models of one run.

    folder  models/ of the run folder
    kept    none, the last one, or all; a warm start keeps the last one whatever is chosen, as it goes on from it
    """

    def __init__(self, folder: Path, config: LoopConfig, kept: str, tell: Tell = silent) -> None:
        if kept not in KEPT:
            raise ConfigurationError(f"checkpoints is {kept!r}: choose one of {', '.join(KEPT)}")
        self.folder, self.config, self.tell = folder, config, tell
        self.kept = "last" if config.warm_start and kept == "none" else kept

    def store(self, state: State) -> None:
        """Write the model of `state`, whole or not at all, if it has weights."""
        if self.kept == "none" or not isinstance(state.model, Trainable):
            return
        self.folder.mkdir(exist_ok=True)
        write_whole(self._path(state.generation), _content(state.model.weights(), self._about(state)))

    def forget(self, generation: int) -> None:
        """Delete the model of `generation`, unless all are kept."""
        if self.kept == "last":
            self._path(generation).unlink(missing_ok=True)

    def with_model(self, state: State) -> State | None:
        """`state` with its stored model, or without, to be fitted again; None where a warm start has lost it.

        Raises ConfigurationError where a run had ended and cannot go on, its rows being gone; and where a whole file
        cannot be used here, as without the device of its model: a warm start that began again would throw its
        generations away for that.
        """
        path, warm = self._path(state.generation), self.config.warm_start
        model = new_model(self.config, state.generation)
        if state.ended:
            self._check_end(state, model)
        if not isinstance(model, Trainable) or not (path.exists() or warm):
            return state
        try:
            weights = _weights(path, self._about(state))
        except ConfigurationError as error:
            if state.ended:
                raise
            self.tell(f"{error}: {'the run starts' if warm else f'generation {state.generation} is fitted'} again")
            return None if warm else state
        _restore(model, weights, path)
        return replace(state, model=model)

    def need_rows(self, state: State) -> bool:
        """Whether a run that ends with `state`, and is to be longer after all, needs the rows beside the model."""
        return self.kept != "none" and (self.config.pool == "all" or not isinstance(state.model, Trainable))

    def _check_end(self, state: State, model: GenerativeModel) -> None:
        """Refuse to go on behind the end of a run of which too little is kept for that."""
        grows = self.config.pool == "all"
        if grows or not self._path(state.generation).is_file():
            lost = "the pool, which grows," if grows else f"the last model, {model.name!r},"
            raise ConfigurationError(
                f"{self.folder.parent} was finished at generation {state.generation}, and {lost} is not kept behind "
                "the end: choose a new folder for a longer run"
            )

    def _path(self, generation: int) -> Path:
        return self.folder / f"generation-{generation:04d}.safetensors"

    def _about(self, state: State) -> dict[str, Any]:
        parameters = parameters_of(self.config, state.generation)
        about = {
            "model": self.config.model.name,
            "parameters": json.loads(json.dumps(parameters)),
            "generation": state.generation,
            "seed": self.config.seed,
        }
        return about if state.ended else {**about, "training_set": _digest_of(state.training_set)}


def _digest_of(rows: Rows | RowParts) -> str:
    """SHA-256 over the numbers of rows [n, d], hexadecimal."""
    digest = hashlib.sha256()
    for part in parts_of(rows):
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def _content(weights: Weights, about: dict[str, Any]) -> bytes:
    from safetensors.numpy import save

    header = {**about, "weights": _digest(weights)}
    content: bytes = save(weights, {HEADER: json.dumps(header, sort_keys=True)})
    return content


def _weights(path: Path, about: dict[str, Any]) -> Weights:
    """What the file holds, if it is there and what it should be about."""
    from safetensors import safe_open

    if not path.is_file():
        raise ConfigurationError(f"{path} is missing")
    with refused(f"{path} is damaged"), safe_open(path, framework="numpy") as file:
        header = json.loads((file.metadata() or {}).get(HEADER, "{}"))
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    differences = [name for name, value in about.items() if header.get(name) != value]
    if differences:
        raise ConfigurationError(f"{path} is no checkpoint of this run: it has another {', '.join(differences)}")
    if header.get("weights") != _digest(weights):
        raise ConfigurationError(f"{path} is damaged (its weights are not those that were stored)")
    return weights


def _restore(model: Trainable, weights: Weights, path: Path) -> None:
    try:
        model.restore(weights)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path} cannot be used here: {error}") from None


def _digest(weights: Weights) -> str:
    """SHA-256 over names, types, shapes and values, hexadecimal."""
    digest = hashlib.sha256()
    for name, array in sorted(weights.items()):
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
