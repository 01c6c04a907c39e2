"""Tag the pictures of one shard, check each by reading back what was written, and remember the outcomes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hygiene import files, images
from hygiene.codecs.base import Batch
from hygiene.codecs.layouts import SMALLEST_SIDE
from hygiene.codecs.spread import REQUIRED_LOG10_P, Spread
from hygiene.datasets import Reader, Shard, Sink, Writer
from hygiene.datasets.base import may_pass
from hygiene.detectors.base import Unreadable
from hygiene.detectors.keyed import KeyedDetector
from hygiene.detectors.two_keys import TwoKeyDetector, embed_both
from hygiene.errors import TagRefused, UnreadableImage
from hygiene.keys import Key
from hygiene.looks import Look
from hygiene.provenance import Signer, declare, read_provenance
from hygiene.records import Record


@dataclass(frozen=True)
class TagOutcome:
    """What became of one picture.

    tagged      written with the mark; psnr (dB) of the mark alone, log10_p as read back from the written file
    already     carried this key's mark; copied byte for byte, but for a declaration where one was asked for
    refused     cannot be tagged invisibly or without loss; reason says why
    unreadable  no still picture, or one with a sidecar that cannot be read; reason says why
    payload     as read back; empty where none was asked for or none is there: a picture may lack the room
    bytes       size of the written file, −1 where nothing was written
    """

    id: str
    outcome: Literal["tagged", "already", "refused", "unreadable"]
    reason: str = ""
    psnr: float | None = None
    log10_p: float | None = None
    payload: str = ""
    bytes: int = -1


@dataclass(frozen=True)
class TagTask:
    """path, mark: where the shard's outcomes are kept and under which fingerprint.

    declare, signer: also say in each file that it is generated, in a C2PA manifest too if there is a signer.
    """

    reader: Reader
    shard: Shard
    out: Path
    codec: Spread
    key: Key
    two_keys: bool
    copy_refused: bool
    max_pixels: int
    path: Path
    mark: str
    declare: bool = False
    signer: Signer | None = None

    def __str__(self) -> str:
        return str(self.shard)


def tag_shard(task: TagTask) -> list[TagOutcome]:
    """One outcome per record, in order. What was finished before, and is still there, is left alone; a shard that is
    one file is finished as a whole."""
    writer = task.reader.writer(task.out)
    found = _stored(task, writer)
    rest = task.shard.without(found)
    if writer.by_shard and (rest.entries or writer.state(task.shard) < 0):
        found, rest = {}, task.shard
    elif not rest.entries:
        return [found[entry.id] for entry in task.shard.entries]
    with writer.open(rest, even_empty=True) as sink:
        found |= {each.id: each for each in (_tag(item, task, sink) for item in task.reader.read(rest, sidecars=True))}
    outcomes = [found[entry.id] for entry in task.shard.entries]
    facts = {"fingerprint": task.mark, "state": writer.state(task.shard)}
    files.write_json(task.path, facts | {"outcomes": [asdict(each) for each in outcomes]})
    return outcomes


def _stored(task: TagTask, writer: Writer) -> dict[str, TagOutcome]:
    """id → outcome, of the records that an earlier run settled."""
    content = files.read_json(task.path)
    if not isinstance(content, Mapping) or content.get("fingerprint") != task.mark:
        return {}
    if content.get("state") != writer.state(task.shard):
        return {}
    outcomes = [TagOutcome(**each) for each in content["outcomes"]]
    return {each.id: each for each in outcomes if _is_settled(each, writer)}


def _is_settled(outcome: TagOutcome, writer: Writer) -> bool:
    """Written and still there, or not written for what the picture is."""
    if may_pass(outcome.reason):
        return False
    return outcome.bytes < 0 or writer.holds(outcome.id, outcome.bytes)


def _tag(item: Record | Unreadable, task: TagTask, sink: Sink) -> TagOutcome:
    if isinstance(item, Unreadable):
        return TagOutcome(item.id, "unreadable", item.reason)
    if item.flaw:
        return TagOutcome(item.id, "unreadable", item.flaw)
    try:
        outcome, data = _tagged(item, task)
    except UnreadableImage as error:
        return TagOutcome(item.id, "unreadable", str(error))
    except TagRefused as error:
        size = len(item.data) if task.copy_refused else -1
        outcome, data = TagOutcome(item.id, "refused", str(error), bytes=size), item.data
    if outcome.bytes >= 0:
        sink.write(item, None if data == item.data else data)
    return outcome


def _tagged(record: Record, task: TagTask) -> tuple[TagOutcome, bytes]:
    """The outcome and the bytes to write."""
    raster = images.decode_raster(record.data, task.max_pixels)
    if min(raster.pixels.shape[:2]) < SMALLEST_SIDE:
        raise TagRefused(f"too small: the short side must have at least {SMALLEST_SIDE} pixels")
    marked = images.from_batch(_embedded(images.to_batch(raster.pixels), task))
    if np.array_equal(marked, raster.pixels):
        return _already(record, task)
    data = _declared(images.encode(raster, marked), task)
    log10_p, payload = _read_back(record.id, data, task)
    if log10_p > REQUIRED_LOG10_P:
        raise TagRefused(f"the mark does not survive writing: log10 p is {log10_p:.1f}, needed {REQUIRED_LOG10_P:g}")
    psnr = images.psnr(raster.pixels, marked)
    return TagOutcome(record.id, "tagged", psnr=psnr, log10_p=log10_p, payload=payload, bytes=len(data)), data


def _embedded(batch: Batch, task: TagTask) -> Batch:
    return (embed_both if task.two_keys else Spread.embed)(task.codec, batch, task.key)


def _already(record: Record, task: TagTask) -> tuple[TagOutcome, bytes]:
    """The codec left the picture as it was: either the mark is there, or there is no room for one."""
    log10_p, payload = _read_back(record.id, record.data, task)
    if log10_p > REQUIRED_LOG10_P:
        raise TagRefused("no room: an invisible mark would be lost in the texture of so small a picture")
    data = _declared(record.data, task)
    return TagOutcome(record.id, "already", log10_p=log10_p, payload=payload, bytes=len(data)), data


def _declared(data: bytes, task: TagTask) -> bytes:
    """The file, saying of itself that it is generated, if that was asked for. One whose manifest says so is done."""
    if not task.declare:
        return data
    said = read_provenance(data).declarations
    done = any(each.source == "C2PA" and each.kind == "generated" for each in said)
    return data if done else declare(data, task.signer)


def _read_back(id: str, data: bytes, task: TagTask) -> tuple[float, str]:
    """log10 p of an encoded picture, and its payload if one was asked for, by the detector's own path."""
    detector = KeyedDetector(task.codec, task.key, registry=None if task.codec.payload is None else {})
    detection = (TwoKeyDetector(detector) if task.two_keys else detector).detect(id, Look(data, task.max_pixels))
    return detection.log10_p, str(detection.finding.get("payload", ""))


def as_line(outcome: TagOutcome) -> dict[str, Any]:
    """As tags.jsonl says it: what does not apply is left out."""
    return {name: value for name, value in asdict(outcome).items() if value not in (None, "", -1)}
