"""A dataset of pictures, marked: `tag_dataset`."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hygiene import engines, files, images, ledger
from hygiene.codecs.spread import Spread
from hygiene.datasets import AUTO, Listing, Progress, Reader, open_reader
from hygiene.errors import ConfigurationError
from hygiene.filtering import kind
from hygiene.keys import Key
from hygiene.payloads import Payload
from hygiene.pipeline.score import useful
from hygiene.provenance import Signer
from hygiene.scoring import tracked
from hygiene.tagging import TagTask, as_line, tag_shard

TAGS = "tags.jsonl"
_SAME = ("codec", "key", "psnr", "payload", "two_keys", "picture", "declare", "copy_refused")


@dataclass(frozen=True)
class TagReport:
    """What `tag_dataset` did: records per outcome, refused and unreadable per kind of reason."""

    seen: int
    tagged: int
    already: int
    refused: Mapping[str, int]
    unreadable: Mapping[str, int]
    manifest: Mapping[str, Any] = field(repr=False)


def tag_dataset(
    source: Path | str,
    out: Path | str,
    key: Key,
    *,
    psnr: float | None = None,
    payload: Payload | None = None,
    two_keys: bool = False,
    declare: bool = False,
    signer: Signer | None = None,
    copy_refused: bool = False,
    input_format: str = AUTO,
    picture: str = "",
    max_pixels: int = images.MAX_PIXELS,
    workers: int = 1,
    progress: Progress | None = None,
) -> TagReport:
    """Write the pictures of `source` with `key`'s mark to the same relative paths under `out`.

    Each written picture is read back and scored. tags.jsonl has a line per picture, manifest.json the counts.
    psnr: strength in dB, None for adaptive. payload: bits to put beside the mark where there is room for them.
    two_keys: also mark with `key.twin`, for `TwoKeyDetector`. copy_refused: also copy, unmarked, what cannot be tagged.
    declare: also say in each file's metadata that it is generated. signer: say it in a C2PA manifest too.
    input_format, picture: as `hygiene.datasets.open_reader` takes them; shards are written as shards of the same names.
    """
    source, out = Path(source), Path(out)
    codec, reader = Spread(psnr, payload=payload), open_reader(source, input_format, picture)
    settings: dict[str, Any] = {"codec": codec.name, "key": key.digest, "psnr": psnr}
    settings |= {} if payload is None else {"payload": str(payload)}
    settings |= {"two_keys": True} if two_keys else {}
    settings |= {"picture": picture} if picture else {}
    declare = declare or signer is not None
    settings |= {"declare": signer.digest if signer else "unsigned"} if declare else {}
    settings |= {"copy_refused": copy_refused, "max_pixels": max_pixels}
    earlier = ledger.claim(source, out, "tag")
    _check_same(earlier, settings, out)
    listing = reader.listing(progress)
    ledger.check_apart(reader.root, listing.shards, out)
    _check_names(reader, listing, out)
    frame = ledger.manifest("tag", source, {"settings": settings, "passed_over": listing.passed_over})
    paths = [out / ledger.OWN / f"{shard.name}.json" for shard in listing.shards]
    tasks = (
        TagTask(
            reader,
            shard,
            out,
            codec,
            key,
            two_keys,
            copy_refused,
            max_pixels,
            path,
            ledger.fingerprint(shard, settings),
            declare,
            signer,
        )
        for shard, path in zip(listing.shards, paths, strict=True)
    )
    counts: Counter[tuple[str, str]] = Counter()
    named = 0
    with ledger.locked(out, earlier):
        files.write_json(out / ledger.MANIFEST, frame | {"complete": False})
        with engines.processes(useful(workers, listing)) as run, files.lines(out / TAGS) as add:
            done = tracked(run(tag_shard, tasks), listing, "tag", progress)
            for outcome in (outcome for shard in done for outcome in shard):
                add(as_line(outcome))
                counts[outcome.outcome, kind(outcome.reason)] += 1
                named += payload is not None and outcome.payload == str(payload)
        return _tag_report(out, frame if payload is None else frame | {"with_payload": named}, counts)


def _check_same(earlier: Mapping[str, Any], settings: Mapping[str, Any], out: Path) -> None:
    before = earlier.get("settings", settings)
    # A larger pixel limit continues the same output; another mark, or other pictures in it, would mix two.
    changed = [name for name in _SAME if before.get(name) != settings.get(name)]
    if changed:
        values = ", ".join(f"{name} {_told(before, name)} then, {_told(settings, name)} now" for name in changed)
        raise ConfigurationError(f"{out} was tagged with other settings ({values}): choose another output folder")


def _told(settings: Mapping[str, Any], name: str) -> Any:
    value = settings.get(name)
    if isinstance(value, bool):
        return "on" if value else "off"
    return "not given" if value is None else value


def _check_names(reader: Reader, listing: Listing, out: Path) -> None:
    """Refuse a listing whose output would collide with `tag`'s own files, or leave old pictures in `out`."""
    writer = reader.writer(out)
    names = (name for entry in listing.entries() for name in (entry.id, *entry.sidecars))
    if writer.by_shard:
        names = (shard.name for shard in listing.shards)
    if taken := {ledger.MANIFEST, TAGS}.intersection(names):
        raise ConfigurationError(f"the input holds {taken.pop()}, which `tag` writes itself: rename it")
    written = (row["id"] for row in files.read_lines(out / TAGS) if "bytes" in row)
    if left := writer.strays(listing, written):
        raise ConfigurationError(
            f"{out} holds pictures of an earlier run that are no longer in the input ({len(left)}, such as "
            f"{left[0].relative_to(out)}): remove them there, or choose another output folder"
        )


def _tag_report(out: Path, frame: Mapping[str, Any], counts: Mapping[tuple[str, str], int]) -> TagReport:
    def of(outcome: str) -> dict[str, int]:
        return {reason: n for (what, reason), n in sorted(counts.items()) if what == outcome}

    totals = {name: sum(of(name).values()) for name in ("tagged", "already", "refused", "unreadable")}
    seen, refused, unreadable = sum(totals.values()), of("refused"), of("unreadable")
    reasons = {"refused_by_reason": refused, "unreadable_by_reason": unreadable}
    manifest = dict(frame) | {"complete": True, "seen": seen} | totals | reasons
    files.write_json(out / ledger.MANIFEST, manifest)
    return TagReport(seen, totals["tagged"], totals["already"], refused, unreadable, manifest)
