"""Pictures in webdataset shards: tar files in which members of one stem belong together (000123.jpg, 000123.cls).

Members are read where they lie: nothing is extracted, and no name in an archive becomes a path.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from evaluator.reading import refused
from evaluator.sources.arrays import ArraySource
from evaluator.sources.squares import Squares
from hygiene.datasets.tar import Member, members_of
from hygiene.datasets.webdataset import stem_and_ending
from hygiene.errors import ConfigurationError
from hygiene.records import Record

PICTURES = ("jpg", "jpeg", "png", "webp")
MAX_BYTES = {"picture": 1 << 28, "label": 1 << 20}  # of one member
MOST_CLASSES = 1 << 20


def shards(
    path: str,
    size: int,
    colour: str = "rgb",
    reference_share: float = 0.5,
    seed: int = 0,
    repeats: bool = False,
    label: str = "label",
) -> ArraySource:
    """The pictures (PNG, JPEG, WebP) of a .tar file, or of all in a folder in the order of their names.

    Made into rows as `Squares` says. A sample's class is the number in its .cls, or else the one called `label` in
    its .json; all samples have one, or none.
    """
    squares = Squares(size, colour, reference_share, seed)
    archives = [(tar, _samples(tar)) for tar in _archives(Path(path))]
    samples = [sample for _, found in archives for sample in found]
    if not samples:
        raise ConfigurationError(f"{path} holds no pictures: expected members ending in .{', .'.join(PICTURES)}")
    labels = _labels([each for tar, found in archives for each in _classes(tar, found, label)], path)
    records = (record for tar, found in archives for record in _records(tar, found))
    return squares.source(squares.loaded(records, len(samples), path), labels, repeats)


@dataclass
class _Sample:
    """Members of one stem. labels: ending -> member."""

    id: str
    picture: Member
    labels: dict[str, Member] = field(default_factory=dict)


def _archives(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found = sorted(each for each in path.glob("*.tar") if each.is_file()) if path.is_dir() else []
    if not found:
        raise ConfigurationError(f"{path} is no .tar file, and no folder that holds any")
    return found


def _samples(path: Path) -> list[_Sample]:
    """What the archive's headers tell, in its order; the members themselves are read later."""
    with refused(f"{path} is no uncompressed tar file that can be read"):
        members, fault = members_of(path)
        if fault:
            raise ValueError(fault)
    named = [(*stem_and_ending(member.name), member) for member in members if member.is_file]
    pictures: dict[str, _Sample] = {}
    for stem, ending, member in named:
        if ending in PICTURES:
            if stem in pictures:
                raise ConfigurationError(f"{path} holds two pictures called {stem!r}: expected one in every sample")
            pictures[stem] = _Sample(f"{path.name}/{member.name}", member)
    for stem, ending, member in named:
        if ending in ("cls", "json") and stem in pictures:
            pictures[stem].labels[ending] = member
    return list(pictures.values())


def _records(path: Path, samples: Sequence[_Sample]) -> Iterator[Record]:
    with refused(f"{path} cannot be read"), path.open("rb") as file:
        for sample in samples:
            yield Record(sample.id, _bytes(file, sample.picture, "picture"))


def _bytes(file: IO[bytes], member: Member, kind: str) -> bytes:
    if member.size > MAX_BYTES[kind]:
        raise ValueError(f"{member.name!r} has {member.size} bytes, expected at most {MAX_BYTES[kind]} of a {kind}")
    file.seek(member.at)
    return file.read(member.size)


def _classes(path: Path, samples: Sequence[_Sample], label: str) -> Iterator[int | None]:
    with path.open("rb") as file:
        for sample in samples:
            with refused(f"{path}: the class of {sample.id!r} cannot be read"):
                yield _class(file, sample, label)


def _class(file: IO[bytes], sample: _Sample, label: str) -> int | None:
    if "cls" in sample.labels:
        found = json.loads(_bytes(file, sample.labels["cls"], "label"))
    elif "json" in sample.labels:
        content = json.loads(_bytes(file, sample.labels["json"], "label"))
        found = content.get(label) if isinstance(content, dict) else None
    else:
        return None
    if found is not None and (type(found) is not int or not 0 <= found < MOST_CLASSES):
        raise ValueError(f"it is {str(found)[:50]!r}, expected a whole number from 0")
    return found


def _labels(classes: list[int | None], where: str) -> NDArray[np.int64] | None:
    known = [each for each in classes if each is not None]
    if known and len(known) < len(classes):
        raise ConfigurationError(
            f"{where}: {len(known)} of {len(classes)} samples have a class: give one to all of them, or to none"
        )
    return np.array(known, dtype=np.int64) if known else None
