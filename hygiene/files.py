"""Small files written whole or not at all, under a temporary name that is renamed: a stopped run leaves no half."""

import contextlib
import json
import math
import os
import sys
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
    with _replacing(path) as partial, partial.open("w", encoding="ascii") as file:
        yield lambda row: file.write(json.dumps(finite(row)) + "\n")


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
    with _replacing(path) as partial:
        write(partial)


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary name: what is under it takes the place of `path` when the block ends well, and goes when it fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_name(path)
    try:
        yield partial
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def partial_name(path: Path) -> Path:
    """Where a file is written before it is renamed."""
    return path.with_name(f".{path.name}.partial")


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Waits while another process is in this block for the same folder. Where none can be locked, nobody waits."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
