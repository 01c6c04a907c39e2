"""Building by name from a table: what an unknown name, parameter or type is answered with."""

import inspect
import math
import types
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, Union, get_args, get_origin

from hygiene.errors import ConfigurationError

Built = TypeVar("Built")


def build(
    table: Mapping[str, Callable[..., Built]], kind: str, name: str, parameters: Mapping[str, Any], **given: Any
) -> Built:
    """table[name](**given, **parameters). Raises ConfigurationError as `check_parameters` does."""
    check_parameters(table, kind, name, parameters, tuple(given))
    return table[name](**given, **parameters)


def check_parameters(
    table: Mapping[str, Callable[..., Any]],
    kind: str,
    name: str,
    parameters: Mapping[str, Any],
    given: tuple[str, ...] = (),
) -> None:
    """Raises ConfigurationError for what is unknown, missing or of the wrong type, and says what exists.

    `given` are arguments that the caller adds: nobody may choose them, and they are not checked.
    """
    if name not in table:
        raise ConfigurationError(f"there is no {kind} {name!r}: choose one of {', '.join(table)}")
    takes = {
        key: parameter
        for key, parameter in inspect.signature(table[name], eval_str=True).parameters.items()
        if key not in given
    }
    unknown = [key for key in parameters if key not in takes]
    if unknown:
        known = ", ".join(takes) or "no parameters"
        raise ConfigurationError(f"the {kind} {name!r} has no parameter {', '.join(unknown)}: it takes {known}")
    missing = [key for key, item in takes.items() if item.default is item.empty and key not in parameters]
    if missing:
        raise ConfigurationError(f"the {kind} {name!r} lacks {', '.join(missing)}")
    for key, value in parameters.items():
        check_type(value, takes[key].annotation, f"{key} of the {kind} {name!r}")


def check_type(value: Any, hint: Any, what: str) -> None:
    """Raises ConfigurationError unless `value` is what the annotation `hint` says.

    As a file's user means it: an integer is a float too, a bool is no number, and a number is finite.
    """
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    plain = tuple(get_origin(kind) or kind for kind in kinds)
    accepted = (*plain, int) if float in plain else plain
    wanted = " or ".join(
        "a table, { name = value }" if kind is dict else kind.__name__ for kind in plain if kind is not types.NoneType
    )
    if not isinstance(value, accepted) or (isinstance(value, bool) and bool not in plain):
        raise ConfigurationError(f"{what} is {value!r}, expected {wanted}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigurationError(f"{what} is {value!r}, expected a finite number")
