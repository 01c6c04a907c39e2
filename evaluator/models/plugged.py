"""A generator of one's own: any callable, named by its import path or handed over in Python."""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.models.base import Rows, checked_bias, checked_rows
from evaluator.models.labels import Labels, parted, with_labels
from hygiene.errors import ConfigurationError


class Plugged:
    """Somebody's generator behind the loop's checks; what its code raises becomes one line with its name.

    found   an object with sample(n, sampling_bias, rng) -> rows [n, d] and, if it learns, fit(rows [m, d], rng), of
            which every generation gets a copy; a class or a function without parameters that makes one; or a function
            (n, rng) -> rows [n, d], which knows no sampling bias
    label   what it is called in errors
    labels  classes that rows bring along as their last number, 0 for none. With them it is asked for
            sample(n, sampling_bias, rng, labels=[n]), in the shares of the training set, and fit(rows, rng, labels=[m])
    """

    name = "callable"

    def __init__(self, found: Any, label: str, labels: int = 0) -> None:
        if labels < 0 or labels == 1:
            raise ConfigurationError(f"{label}: labels is {labels}, expected 0 or ≥ 2")
        self._label, self._labels = label, labels
        with self._blamed("making it"):
            self._made = _made(found)
        self._width: int | None = None

    def fit(self, samples: Rows, rng: np.random.Generator) -> None:
        """Show it `samples` [n, d], with labels [n, d + 1], if it looks at any."""
        rows, labels = parted(checked_rows(samples, at_least=2), self._labels)
        self._width, self._shares = rows.shape[1], np.bincount(labels, minlength=self._labels) / len(rows)
        if hasattr(self._made, "fit"):
            with self._blamed("fit"):
                self._made.fit(rows.copy(), rng, **self._told(labels))

    def sample(self, n: int, sampling_bias: float, rng: np.random.Generator) -> Rows:
        """`n` rows [n, d], finite; with labels [n, d + 1]."""
        bias = checked_bias(sampling_bias)
        labels = rng.choice(self._labels, n, p=self._shares) if self._labels else np.zeros(n, dtype=np.int64)
        with self._blamed("sample"):
            rows = _real(self._made.sample(n, bias, rng, **self._told(labels)))
        if rows.shape != (n, self._width):
            raise ConfigurationError(
                f"{self._label}: sample gave an array of shape {rows.shape}, expected ({n}, {self._width})"
            )
        if not np.isfinite(rows).all():
            raise ConfigurationError(f"{self._label}: sample gave numbers that are not finite")
        return with_labels(rows, labels) if self._labels else rows

    def _told(self, labels: Labels) -> dict[str, Labels]:
        return {"labels": labels.copy()} if self._labels else {}

    @contextmanager
    def _blamed(self, what: str) -> Iterator[None]:
        try:
            yield
        except (Exception, SystemExit) as error:
            reason = " ".join(str(error).split())
            raise ConfigurationError(f"{self._label}: {what} raised {type(error).__name__}: {reason}") from error


class Imported(Plugged):
    """The generator that stands at the import path `entry`, package.module:attribute.

    Only what Python can import already is found (PYTHONPATH names other folders); nothing in a configuration is
    evaluated.
    """

    def __init__(self, entry: str, labels: int = 0) -> None:
        found = _imported(entry)
        super().__init__(found, entry, labels)
        self._modules = {entry.partition(":")[0], getattr(found, "__module__", None)}

    def files(self) -> dict[str, Path]:
        """The module that the entry names, and the one that what it names was written in; not what these import."""
        found = {name: getattr(sys.modules.get(str(name)), "__file__", None) for name in self._modules}
        return {f"module {name}": Path(file) for name, file in found.items() if file}


class _Sampler:
    """A plain function as a generator."""

    def __init__(self, function: Callable[[int, np.random.Generator], Any]) -> None:
        self._function = function

    def sample(self, n: int, sampling_bias: float, rng: np.random.Generator, labels: Labels | None = None) -> Any:
        if labels is not None:
            raise ValueError("a plain function knows no labels: leave labels out")
        if sampling_bias != 1:
            raise ValueError(
                f"a plain function knows no sampling bias, sampling_bias is {sampling_bias}: leave it at 1"
            )
        return self._function(n, rng)


def _made(found: Any) -> Any:
    """An object with `sample`, for one generation."""
    made = found() if inspect.isclass(found) or _takes(found) == 0 else copy.deepcopy(found)
    if not hasattr(made, "sample"):
        if _takes(made) != 2:
            raise TypeError("expected sample(n, sampling_bias, rng), or a function (n, rng)")
        made = _Sampler(made)
    return made


def _real(made: Any) -> Rows:
    """A copy in float64; of complex numbers numpy would drop a half, with a warning only."""
    if np.iscomplexobj(made):
        raise TypeError("expected real numbers, got complex ones")
    return np.array(made, dtype=np.float64)


def _takes(found: Any) -> int | None:
    """How many arguments a function must be given; None for what is no function."""
    if not callable(found) or hasattr(found, "sample"):
        return None
    parameters = inspect.signature(found).parameters.values()
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(each.kind in plain and each.default is each.empty for each in parameters)


def _imported(entry: str) -> Any:
    module, _, path = entry.partition(":")
    names = path.split(".")
    if not all(name.isidentifier() for name in (*module.split("."), *names)):
        raise ConfigurationError(f"entry is {entry!r}, expected package.module:name, as Python imports it")
    try:
        found = import_module(module)
        for name in names:
            found = getattr(found, name)
    except (Exception, SystemExit) as error:  # a script without a main guard ends in one
        reason = " ".join(str(error).split())
        if isinstance(error, ModuleNotFoundError) and error.name == module.partition(".")[0]:
            reason += " (one in the folder you are in is found with PYTHONPATH=.)"
        raise ConfigurationError(f"entry {entry!r} cannot be imported: {type(error).__name__}: {reason}") from error
    return found
