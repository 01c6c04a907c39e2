"""Configurations as files: TOML, one loop's or a sweep's."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluator.config import LoopConfig
from hygiene.errors import ConfigurationError


def load_config(path: Path) -> LoopConfig:
    """Read a TOML file."""
    values = read_toml(path)
    found = [name for name in values if name in ("seeds", "sweep", "arm")]
    if found := found or [f"a list as {name}" for name in _listed(values)]:
        raise ConfigurationError(f"{path} has {', '.join(found)}, as a sweep does: run it with `hygiene sweep`")
    return LoopConfig.from_dict(values)


def _listed(values: Mapping[str, Any]) -> list[str]:
    """Dotted names of lists among the loop's own fields; parameters of a model may be lists."""
    tables = {"": values, **{f"{name}.": values.get(name) for name in ("filter", "tagging", "processing")}}
    return [
        f"{above}{name}"
        for above, table in tables.items()
        if isinstance(table, Mapping)
        for name, value in table.items()
        if isinstance(value, list)
    ]


def read_toml(path: Path) -> dict[str, Any]:
    """What a configuration file holds; refuses one that cannot be read or is not TOML."""
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise ConfigurationError(f"cannot read the configuration {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from None
