"""The pictures in what a generator returns: found in containers and output objects, and others put in their place."""

import copy
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from hygiene.outputs.pictures import flaw_of, is_picture

_VIDEO = {"frames", "video", "videos"}
_ENCODED = (bytes, bytearray, memoryview)


@dataclass(frozen=True)
class Leaf:
    """A picture, or a batch of them in one array, and where it is, as Python says it: output.images[0].

    flaw  why it cannot be marked, whatever it shows; empty for pictures
    """

    place: str
    value: Any
    flaw: str = ""


def leaves_of(output: Any) -> list[Leaf]:
    """All that is a picture, or holds some that cannot be got at, in the order in which `rebuilt` asks for them."""
    leaves: list[Leaf] = []

    def kept(leaf: Leaf) -> Any:
        leaves.append(leaf)
        return leaf.value

    _mapped(output, kept, "output", 0)
    return leaves


def rebuilt(output: Any, values: Iterator[Any]) -> Any:
    """`output` with `values` as its leaves: itself where they are the same, else a copy of its containers."""
    return _mapped(output, lambda leaf: next(values), "output", 0)


def _mapped(value: Any, change: Callable[[Leaf], Any], place: str, lists: int) -> Any:
    """lists: how many lists `value` lies in."""
    flaw = _flaw(value, lists)
    if flaw or is_picture(value):
        return change(Leaf(place, value, flaw))
    if isinstance(value, list | tuple):
        deeper = lists + isinstance(value, list)
        parts = [_mapped(each, change, f"{place}[{i}]", deeper) for i, each in enumerate(value)]
        return value if all(map(operator.is_, parts, value)) else _as(value, parts)
    named = {name: _field(each, change, f"{place}{how}", name, lists) for name, (each, how) in _fields(value).items()}
    return _with(value, named)


def _as(value: Any, parts: list[Any]) -> Any:
    """A list or tuple of the type of `value`."""
    return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)


def _field(value: Any, change: Callable[[Leaf], Any], place: str, name: str, lists: int) -> Any:
    if name in _VIDEO and value is not None:
        return change(Leaf(place, value, "a video: only still pictures are marked"))
    return _mapped(value, change, place, lists)


def _flaw(value: Any, lists: int) -> str:
    if is_picture(value):
        nested = "pictures in a list of lists, as of frames or layers: hand a Tagger each list of still pictures"
        return nested if lists > 1 else flaw_of(value)
    if isinstance(value, _ENCODED):
        return "encoded bytes: expected a picture or an array; mark it before it is encoded"
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and len(shape) > 1:
        return f"a {type(value).__name__}: expected a picture of Pillow, or an array of NumPy or torch"
    return ""


def _fields(value: Any) -> dict[str, tuple[Any, str]]:
    """What `value` holds by name, and how Python asks for it. Nothing, of what is not known to hold pictures."""
    if is_dataclass(value) and not isinstance(value, type):  # an output of diffusers is a mapping as well
        return {each.name: (getattr(value, each.name), f".{each.name}") for each in fields(value)}
    if isinstance(value, Mapping):
        return {name: (each, f"[{name!r}]") for name, each in value.items()}
    return {"images": (value.images, ".images")} if hasattr(value, "images") else {}


def _with(value: Any, named: dict[str, Any]) -> Any:
    """A copy of `value` with these fields, or `value` itself where none of them is another one."""
    changed = {name: each for name, each in named.items() if each is not _fields(value)[name][0]}
    if not changed:
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **changed)
    made = copy.copy(value)
    for name, each in changed.items():
        if isinstance(value, Mapping):
            made[name] = each
        else:
            setattr(made, name, each)
    return made
