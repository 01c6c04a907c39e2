"""Building by name from a table: what an unknown name or parameter is answered with."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from hygiene.errors import ConfigurationError

Built = TypeVar("Built")


def build(table: Mapping[str, Callable[..., Built]], kind: str, name: str, parameters: Mapping[str, Any]) -> Built:
    """table[name](**parameters); raises ConfigurationError naming what exists."""
    if name not in table:
        raise ConfigurationError(f"there is no {kind} {name!r}: choose one of {', '.join(table)}")
    known = inspect.signature(table[name]).parameters
    unknown = [key for key in parameters if key not in known]
    if unknown:
        takes = ", ".join(known) or "no parameters"
        raise ConfigurationError(f"the {kind} {name!r} has no parameter {', '.join(unknown)}: it takes {takes}")
    try:
        inspect.signature(table[name]).bind(**parameters)
    except TypeError as reason:
        raise ConfigurationError(f"the {kind} {name!r} cannot be built: {reason}") from reason
    return table[name](**parameters)
