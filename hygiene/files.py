"""Small files written whole or not at all, under a temporary name that is renamed: a stopped run leaves no half."""

import contextlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any


def write_json(path: Path, content: Any) -> None:
    """Indented JSON, renamed into place."""
    write_text(path, json.dumps(finite(content), indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """UTF-8, renamed into place."""
    renamed(path, lambda partial: partial.write_text(text, "utf-8"))


@contextlib.contextmanager
def lines(path: Path) -> Iterator[Callable[[Mapping[str, Any]], object]]:
    """A function that adds one JSON line; the file is renamed into place when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_name(path)
    with partial.open("w", encoding="ascii") as file:
        yield lambda row: file.write(json.dumps(finite(row)) + "\n")
    os.replace(partial, path)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The rows that `lines` wrote; none when the file is absent."""
    if path.exists():
        with path.open(encoding="ascii") as file:
            yield from map(json.loads, file)


def read_json(path: Path) -> Any:
    """The content, or None when the file is absent or torn."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def finite(value: Any) -> Any:
    """JSON has no infinity: infinite and undefined numbers become null, however deep they lie."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list | tuple) else value


def renamed(path: Path, write: Callable[[Path], Any]) -> None:
    """`write` makes the file under a temporary name; whole, it takes the place of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write(partial_name(path))
    os.replace(partial_name(path), path)


def partial_name(path: Path) -> Path:
    """Where a file is written before it is renamed."""
    return path.with_name(f".{path.name}.partial")
