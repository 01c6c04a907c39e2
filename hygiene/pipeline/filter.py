"""A pool, split by one policy or by several: `filter_dataset`."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from hygiene import engines, files, images, ledger
from hygiene.datasets import AUTO, Listing, Progress, Reader, open_reader
from hygiene.detectors.base import RULES, Detector, Statement
from hygiene.detectors.provenance import ProvenanceDetector
from hygiene.errors import ConfigurationError
from hygiene.filtering import GENERATED, Counts, Rule
from hygiene.pipeline.score import useful
from hygiene.policies import Calibration, Policy
from hygiene.scoring import Detectors, Scores, ScoreTask, detectors_of, names_of, score_shard, tracked
from hygiene.splitting import CopyTask, check_outputs, copy_shard, settle, write_lists


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


def filter_dataset(
    pool: Path | str,
    out: Path | str,
    detectors: Detectors,
    policies: Policy | Mapping[str, Policy],
    *,
    input_format: str = AUTO,
    picture: str = "",
    declared: Collection[Statement] = GENERATED,
    lists_only: bool = False,
    max_pixels: int = images.MAX_PIXELS,
    workers: int = 1,
    progress: Progress | None = None,
) -> FilterReport:
    """Score `pool` once, then split it by each policy: one policy into `out`, several into `out`/name each.

    An output holds kept/, excluded/ and unreadable/ with copies (byte for byte, sidecars too) unless `lists_only`,
    kept.jsonl, excluded.jsonl and unreadable.jsonl with a line per record, and manifest.json. The scores stay in
    `out`/scores: a stopped run continues, and another policy scores nothing anew. `pool` stays as it is. A picture with
    a sidecar that cannot be read is unreadable for it; its copy has what there is. `lists_only` looks at no sidecars.

    Of shards, tar or Parquet files, kept/ holds one of the same name for each (excluded/ and unreadable/ where there is
    something to hold): samples of a tar file byte for byte with all their members, rows of a Parquet file with all
    their columns, both in their order.

    input_format, picture  as `hygiene.datasets.open_reader` takes them
    declared  of the files that a detector reads statements from, those that say one of these are excluded as well
    """
    pool, out = Path(pool), Path(out)
    made, reader = detectors_of(detectors), open_reader(pool, input_format, picture)
    named = policies if isinstance(policies, Mapping) else {".": policies}
    _check_policies(named, names_of(made))
    earlier = ledger.claim(pool, out, "filter")
    listing = reader.listing(progress)
    ledger.check_apart(reader.root, listing.shards, out)
    check_outputs(out, named, reader, listing, lists_only)
    frame = ledger.manifest("filter", pool, {"detectors": [detector.name for detector in made]})
    said = frozenset(declared if any(isinstance(each, ProvenanceDetector) for each in made) else ())
    frame |= {"declared": sorted(said)} if said else {}
    frame |= {"lists_only": lists_only, "passed_over": listing.passed_over}
    frame |= {"picture": picture} if picture else {}
    settings = {"detectors": names_of(made), "max_pixels": max_pixels} | ({"picture": picture} if picture else {})
    scores = Scores(out / "scores", listing.shards, settings)
    with ledger.locked(out, earlier):
        files.write_json(out / ledger.MANIFEST, frame | {"complete": False})
        _score(reader, scores, made, max_pixels, workers, progress)
        evidence = scores.log10_p()
        outputs = tuple(_decide(out / name, reader, policy, scores, evidence, said) for name, policy in named.items())
        if not lists_only:
            flaws = _copy(reader, listing, scores, outputs, workers, progress)
            outputs = tuple(_relisted(output, scores, flaws) for output in outputs)
        return _filter_report(out, frame, outputs)


def _check_policies(policies: Mapping[str, Policy], detectors: str) -> None:
    """Refuse before the expensive part what cannot be met: most policies need no scores of the pool."""
    if not policies:
        raise ConfigurationError("no policy given: expected at least one")
    if strange := [name for name in policies if name != "." and (Path(name).name != name or name in ("", ".."))]:
        raise ConfigurationError(f"a policy is called {strange[0]!r}: expected the name of a folder in the output")
    for policy in policies.values():
        calibration = getattr(policy, "calibration", None)
        if isinstance(calibration, Calibration):
            _check_calibration(calibration, detectors)
        policy.threshold(np.empty(0))


def _check_calibration(calibration: Calibration, detectors: str) -> None:
    if calibration.detector != detectors:
        raise ConfigurationError(
            f"the calibration is for {calibration.detector}, this run looks for {detectors}: "
            "calibrate with the same key, generators and --detect"
        )
    if calibration.rules != RULES:
        raise ConfigurationError(
            f"the calibration was made by another version of hygiene (its scores follow rules {calibration.rules}, "
            f"this one's {RULES}): calibrate again"
        )


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
    with engines.processes(useful(workers, missing)) as run:
        _finish(tracked(run(score_shard, tasks), missing, "score", progress))
    scores.drop_others()


def _copy(
    reader: Reader,
    listing: Listing,
    scores: Scores,
    outputs: tuple[SplitReport, ...],
    workers: int,
    progress: Progress | None,
) -> dict[str, str]:
    """Returns the records that cannot be copied whole, id → reason."""
    targets = tuple((output.folder, output.rule) for output in outputs)
    tasks = (CopyTask(reader, shard, scores, targets) for shard in listing.shards)
    with engines.threads(workers) as run:
        found = tracked(run(copy_shard, tasks), listing, "copy", progress)
        return {id: flaw for flaws in found for id, flaw in flaws.items()}


def _finish(results: Iterator[object]) -> None:
    for _ in results:
        continue


def _decide(
    folder: Path, reader: Reader, policy: Policy, scores: Scores, evidence: Any, said: frozenset[Statement]
) -> SplitReport:
    """The rule, and the lists by it; copies of an earlier run follow first."""
    threshold = policy.threshold(evidence)
    rule = Rule(threshold.max_log10_p, said, threshold.give_back)
    settle(folder, reader, scores, rule)
    return SplitReport(folder, rule, threshold.facts, write_lists(folder, scores, rule, {}))


def _relisted(output: SplitReport, scores: Scores, flaws: Mapping[str, str]) -> SplitReport:
    """With the flaws that copying found in its lists and counts."""
    return replace(output, counts=write_lists(output.folder, scores, output.rule, flaws)) if flaws else output


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
        **({"given_back": counts.given_back} if output.rule.give_back else {}),
        "excluded": counts.total_excluded,
        "unreadable": counts.total_unreadable,
        "excluded_by": dict(counts.excluded),
        "unreadable_by_reason": dict(counts.unreadable),
    }
