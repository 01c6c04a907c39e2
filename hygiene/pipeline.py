"""Tag, score, calibrate, filter whole datasets: the pieces of this package in a row.

Each function takes paths and keys, works shard by shard on `workers` processes, can be stopped and called again,
and returns what it did as a small report. Nothing here prints. With several workers, a script needs
`if __name__ == "__main__":` around its calls, as with any use of multiprocessing.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hygiene import engines, files, images, ledger
from hygiene.codecs.spread import Spread
from hygiene.datasets import Listing, Reader, open_reader
from hygiene.datasets.folder import inside
from hygiene.detectors.base import Detection, Detector, Statement, Unreadable
from hygiene.detectors.provenance import ProvenanceDetector
from hygiene.errors import ConfigurationError
from hygiene.filtering import GENERATED, Counts, Evidence, Rule, kind
from hygiene.keys import Key
from hygiene.payloads import Payload
from hygiene.policies import Calibration, Policy
from hygiene.provenance import Signer
from hygiene.scoring import Detectors, Progress, Scores, ScoreTask, detectors_of, names_of, score_shard, tracked
from hygiene.splitting import CopyTask, check_outputs, copy_shard, settle, write_lists
from hygiene.tagging import TagTask, as_line, tag_shard

TAGS = "tags.jsonl"


@dataclass(frozen=True)
class TagReport:
    """What `tag_dataset` did: records per outcome, refused and unreadable per kind of reason."""

    seen: int
    tagged: int
    already: int
    refused: Mapping[str, int]
    unreadable: Mapping[str, int]
    manifest: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class SplitReport:
    """One output of `filter_dataset`: where it is, the rule it came to and how, and the counts."""

    folder: Path
    rule: Rule
    facts: Mapping[str, str | float | int]
    counts: Counts


@dataclass(frozen=True)
class FilterReport:
    """What `filter_dataset` did: one entry of `outputs` per policy, in the order given."""

    seen: int
    unreadable: int
    outputs: tuple[SplitReport, ...]
    manifest: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class CalibrationReport:
    """A calibration, and the records of its folders that could not be used."""

    calibration: Calibration
    unreadable: tuple[Unreadable, ...]


def tag_dataset(
    source: Path,
    out: Path,
    key: Key,
    *,
    psnr: float | None = None,
    payload: Payload | None = None,
    two_keys: bool = False,
    declare: bool = False,
    signer: Signer | None = None,
    copy_refused: bool = False,
    max_pixels: int = images.MAX_PIXELS,
    workers: int = 1,
    progress: Progress | None = None,
) -> TagReport:
    """Write the pictures of `source` with `key`'s mark to the same relative paths under `out`.

    Each written picture is read back and scored. tags.jsonl has a line per picture, manifest.json the counts.
    psnr: strength in dB, None for adaptive. payload: bits to put beside the mark where there is room for them.
    two_keys: also mark with `key.twin`, for `TwoKeyDetector`. copy_refused: also copy, unmarked, what cannot be tagged.
    declare: also say in each file's metadata that it is generated. signer: say it in a C2PA manifest too.
    """
    codec, reader = Spread(psnr, payload=payload), open_reader(source)
    settings: dict[str, Any] = {"codec": codec.name, "key": key.digest, "psnr": psnr}
    settings |= {} if payload is None else {"payload": str(payload)}
    settings |= {"two_keys": True} if two_keys else {}
    declare = declare or signer is not None
    settings |= {"declare": signer.digest if signer else "unsigned"} if declare else {}
    settings |= {"copy_refused": copy_refused, "max_pixels": max_pixels}
    earlier = ledger.claim(source, out, "tag")
    _check_same(earlier, settings, out)
    listing = reader.listing()
    _check_names(listing, out)
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
        with engines.processes(_useful(workers, listing)) as run, files.lines(out / TAGS) as add:
            done = tracked(run(tag_shard, tasks), listing, "tag", progress)
            for outcome in (outcome for shard in done for outcome in shard):
                add(as_line(outcome))
                counts[outcome.outcome, kind(outcome.reason)] += 1
                named += payload is not None and outcome.payload == str(payload)
        return _tag_report(out, frame if payload is None else frame | {"with_payload": named}, counts)


def score_dataset(
    source: Path,
    detectors: Detectors,
    *,
    max_pixels: int = images.MAX_PIXELS,
    workers: int = 1,
    progress: Progress | None = None,
) -> Iterator[Evidence]:
    """Evidence about every record of `source`, in the order of its ids, as it is found.

    Of several detectors the strongest evidence counts, and pays for all of them.
    """
    reader, made = open_reader(source), detectors_of(detectors)
    listing = reader.listing()
    tasks = (ScoreTask(reader, shard, made, max_pixels) for shard in listing.shards)
    with engines.processes(_useful(workers, listing)) as run:
        for scored in tracked(run(score_shard, tasks), listing, "score", progress):
            yield from scored


def calibrate(
    tagged: Path,
    detectors: Detectors,
    *,
    untagged: Path | None = None,
    processing: str = "",
    max_pixels: int = images.MAX_PIXELS,
    workers: int = 1,
    progress: Progress | None = None,
) -> CalibrationReport:
    """Score samples whose truth is known: `TargetRecall` and `TargetFpr` draw their thresholds from them.

    tagged      pictures that carry the mark, after the processing that the pool's pictures went through
    untagged    pictures without it; only `TargetFpr` needs them
    processing  what the tagged samples went through, in words, kept in the calibration
    """
    made = detectors_of(detectors)
    known: list[list[float]] = []
    unreadable: list[Unreadable] = []
    for part in (tagged, untagged):
        known.append([])
        if part is None:
            continue
        for item in score_dataset(part, made, max_pixels=max_pixels, workers=workers, progress=progress):
            if isinstance(item, Detection):
                known[-1].append(item.log10_p)
            else:
                unreadable.append(item)
    if not known[0]:
        raise ConfigurationError(f"{tagged} holds no readable picture to calibrate on")
    return CalibrationReport(
        Calibration(names_of(made), tuple(known[0]), tuple(known[1]), processing), tuple(unreadable)
    )


def filter_dataset(
    pool: Path,
    out: Path,
    detectors: Detectors,
    policies: Policy | Mapping[str, Policy],
    *,
    declared: Collection[Statement] = GENERATED,
    lists_only: bool = False,
    max_pixels: int = images.MAX_PIXELS,
    workers: int = 1,
    progress: Progress | None = None,
) -> FilterReport:
    """Score `pool` once, then split it by each policy: one policy into `out`, several into `out`/name each.

    An output holds kept/, excluded/ and unreadable/ with copies (byte for byte, sidecars too) unless `lists_only`,
    kept.jsonl, excluded.jsonl and unreadable.jsonl with a line per record, and manifest.json. The scores stay in
    `out`/scores: a stopped run continues, and another policy scores nothing anew. `pool` stays as it is.

    declared  of the files that a detector reads statements from, those that say one of these are excluded as well
    """
    made, reader = detectors_of(detectors), open_reader(pool)
    named = policies if isinstance(policies, Mapping) else {".": policies}
    _check_policies(named, names_of(made))
    earlier = ledger.claim(pool, out, "filter")
    listing = reader.listing()
    check_outputs(out, named, listing, lists_only)
    frame = ledger.manifest("filter", pool, {"detectors": [detector.name for detector in made]})
    said = frozenset(declared if any(isinstance(each, ProvenanceDetector) for each in made) else ())
    frame |= {"declared": sorted(said)} if said else {}
    frame |= {"lists_only": lists_only, "passed_over": listing.passed_over}
    scores = Scores(out / "scores", listing.shards, {"detectors": names_of(made), "max_pixels": max_pixels})
    with ledger.locked(out, earlier):
        files.write_json(out / ledger.MANIFEST, frame | {"complete": False})
        _score(reader, scores, made, max_pixels, workers, progress)
        evidence = scores.log10_p()
        outputs = tuple(_decide(out / name, policy, scores, evidence, said) for name, policy in named.items())
        if not lists_only:
            _copy(reader, listing, scores, outputs, workers, progress)
        return _filter_report(out, frame, outputs)


def _score(
    reader: Reader,
    scores: Scores,
    detectors: tuple[Detector, ...],
    max_pixels: int,
    workers: int,
    progress: Progress | None,
) -> None:
    """Make the score files that are missing, and only those."""
    missing = Listing(scores.missing())
    tasks = (
        ScoreTask(reader, shard, detectors, max_pixels, scores.path(shard), scores.mark(shard))
        for shard in missing.shards
    )
    with engines.processes(_useful(workers, missing)) as run:
        _finish(tracked(run(score_shard, tasks), missing, "score", progress))
    scores.drop_others()


def _copy(
    reader: Reader,
    listing: Listing,
    scores: Scores,
    outputs: tuple[SplitReport, ...],
    workers: int,
    progress: Progress | None,
) -> None:
    targets = tuple((output.folder, output.rule) for output in outputs)
    tasks = (CopyTask(reader, shard, scores, targets) for shard in listing.shards)
    with engines.threads(workers) as run:
        _finish(tracked(run(copy_shard, tasks), listing, "copy", progress))


def _useful(workers: int, listing: Listing) -> int:
    return min(workers, len(listing.shards))


def _finish(results: Iterator[object]) -> None:
    for _ in results:
        continue


_SAME = ("codec", "key", "psnr", "payload", "two_keys", "declare", "copy_refused")


def _check_same(earlier: Mapping[str, Any], settings: Mapping[str, Any], out: Path) -> None:
    before = earlier.get("settings", settings)
    # A larger pixel limit continues the same output; another mark, or other pictures in it, would mix two.
    changed = [name for name in _SAME if before.get(name) != settings.get(name)]
    if changed:
        values = ", ".join(f"{name} {before.get(name)} then, {settings.get(name)} now" for name in changed)
        raise ConfigurationError(f"{out} was tagged with other settings ({values}): choose another output folder")


def _check_names(listing: Listing, out: Path) -> None:
    """Refuse a listing whose output would collide with `tag`'s own files, or leave old pictures in `out`."""
    listed = {entry.id for entry in listing.entries()}
    taken = {name for entry in listing.entries() for name in (entry.id, *entry.sidecars)} & {ledger.MANIFEST, TAGS}
    if taken:
        raise ConfigurationError(f"the input holds {taken.pop()}, which `tag` writes itself: rename it")
    gone = [row["id"] for row in files.read_lines(out / TAGS) if "bytes" in row and row["id"] not in listed]
    left = [id for id in gone if inside(out, id).exists()]
    if left:
        raise ConfigurationError(
            f"{out} holds pictures of an earlier run that are no longer in the input ({len(left)}, such as {left[0]}): "
            "remove them there, or choose another output folder"
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


def _check_policies(policies: Mapping[str, Policy], detectors: str) -> None:
    """Refuse before the expensive part what cannot be met: most policies need no scores of the pool."""
    if not policies:
        raise ConfigurationError("no policy given: expected at least one")
    for policy in policies.values():
        calibration = getattr(policy, "calibration", None)
        if isinstance(calibration, Calibration) and calibration.detector != detectors:
            raise ConfigurationError(
                f"the calibration is for {calibration.detector}, this run looks for {detectors}: "
                "calibrate with the same key and generators"
            )
        policy.threshold(np.empty(0))


def _decide(folder: Path, policy: Policy, scores: Scores, evidence: Any, said: frozenset[Statement]) -> SplitReport:
    """The rule, and the lists by it; copies of an earlier run follow first."""
    threshold = policy.threshold(evidence)
    rule = Rule(threshold.max_log10_p, said)
    settle(folder, scores, rule)
    return SplitReport(folder, rule, threshold.facts, write_lists(folder, scores, rule))


def _filter_report(out: Path, frame: Mapping[str, Any], outputs: tuple[SplitReport, ...]) -> FilterReport:
    """The manifest of the run, and for several outputs one of the same shape in each."""
    complete = dict(frame) | {"complete": True, "seen": outputs[0].counts.seen}
    entries = [_output_entry(output) for output in outputs]
    for output, entry in zip(outputs, entries, strict=True):
        if output.folder != out:
            files.write_json(output.folder / ledger.MANIFEST, complete | {"outputs": [entry | {"folder": "."}]})
    named = [
        entry | {"folder": str(output.folder.relative_to(out))} for entry, output in zip(entries, outputs, strict=True)
    ]
    manifest = complete | {"outputs": named}
    files.write_json(out / ledger.MANIFEST, manifest)
    counts = outputs[0].counts
    return FilterReport(counts.seen, counts.total_unreadable, outputs, manifest)


def _output_entry(output: SplitReport) -> dict[str, Any]:
    counts = output.counts
    return {
        "policy": dict(output.facts),
        "max_log10_p": output.rule.max_log10_p,
        "seen": counts.seen,
        "kept": counts.kept,
        "excluded": counts.total_excluded,
        "unreadable": counts.total_unreadable,
        "excluded_by": dict(counts.excluded),
        "unreadable_by_reason": dict(counts.unreadable),
    }
