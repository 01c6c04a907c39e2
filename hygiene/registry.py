"""A registry names payloads: which generator, which generation of it, since when. One JSON file, made to be read."""

import datetime
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hygiene.errors import ConfigurationError
from hygiene.files import alone_in, write_json
from hygiene.payloads import Payload


@dataclass(frozen=True)
class Entry:
    """Whom a payload names. generation: which training of the generator, if that matters; date: ISO 8601, or empty."""

    name: str
    generation: int | None = None
    date: str = ""

    def __post_init__(self) -> None:
        if not self.name or not self.name.isprintable():
            raise ConfigurationError(f"a generator named {self.name!r}: expected a printable name")
        if self.generation is not None and self.generation < 0:
            raise ConfigurationError(f"generation {self.generation}: expected 0 or more")
        if self.date and not _is_date(self.date):
            raise ConfigurationError(f"date {self.date!r}: expected a day such as 2026-03-01")

    def as_finding(self) -> dict[str, str | int]:
        """What is known, as a finding or the file says it."""
        return {name: value for name, value in asdict(self).items() if value not in (None, "")}


Registry = Mapping[Payload, Entry]


def load_registry(path: Path) -> dict[Payload, Entry]:
    """{"0000002a": {"name": "painter", "generation": 3, "date": "2026-03-01"}, …}; generation and date may lack."""
    try:
        content = json.loads(path.read_text("utf-8"), object_pairs_hook=_unique)
    except FileNotFoundError:
        raise ConfigurationError(f"no registry {path}: make one with `hygiene register {path} NAME`") from None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} is not a registry: {error}") from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} is not a registry: expected an object that maps payloads to entries")
    try:
        return {Payload.parse(payload): _entry(fields) for payload, fields in content.items()}
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def register(path: Path, entry: Entry, bits: int) -> Payload:
    """Add `entry` under a payload drawn at random, so that two registries hardly meet; makes the file if it lacks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with alone_in(path.parent):  # or of two that register at once one would be forgotten
        registry = load_registry(path) if path.exists() else {}
        taken = next((payload for payload, each in registry.items() if _same(each, entry)), None)
        if taken is not None:
            raise ConfigurationError(f"{path} names {_title(entry)} already: payload {taken}")
        payload = Payload(secrets.randbits(bits), bits)
        while payload in registry:
            payload = Payload(secrets.randbits(bits), bits)
        registry[payload] = entry
        write_json(path, {str(each): registry[each].as_finding() for each in registry})
    return payload


def find(registry: Registry, text: str) -> Payload:
    """The payload that `text` says: its digits, or the name of a generator, whose latest generation is meant."""
    named = {payload: entry for payload, entry in registry.items() if entry.name == text}
    if named:
        return max(named, key=lambda payload: named[payload].generation or 0)
    try:
        payload = Payload.parse(text)
    except ConfigurationError:
        names = ", ".join(sorted({entry.name for entry in registry.values()})) or "nobody"
        raise ConfigurationError(f"{text!r} is neither a payload nor registered: the registry names {names}") from None
    if payload not in registry:
        raise ConfigurationError(f"payload {payload} is not in the registry: `hygiene register` adds to it")
    return payload


def _entry(fields: Any) -> Entry:
    expected = "expected name, and perhaps generation (a whole number) and date"
    if not isinstance(fields, dict) or set(fields) - {"name", "generation", "date"} or "name" not in fields:
        raise ConfigurationError(f"an entry {json.dumps(fields)[:80]}: {expected}")
    kinds = {"name": str, "generation": int, "date": str}
    if any(type(value) is not kinds[name] for name, value in fields.items()):
        raise ConfigurationError(f"an entry {json.dumps(fields)[:80]}: {expected}")
    return Entry(**fields)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON lets a name stand twice and the last one win; of a registry that would lose an entry."""
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("an entry stands in it twice")
    return content


def _same(one: Entry, other: Entry) -> bool:
    return (one.name, one.generation) == (other.name, other.generation)


def _title(entry: Entry) -> str:
    return entry.name if entry.generation is None else f"generation {entry.generation} of {entry.name}"


def _is_date(text: str) -> bool:
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return True
