"""`hygiene filter`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import common
from cli.detectors import Wanted, detectors_options
from hygiene.errors import ConfigurationError

if TYPE_CHECKING:
    from hygiene.detectors.base import Statement
    from hygiene.pipeline import FilterReport
    from hygiene.policies import Policy

SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)
SHARE.name = "number"  # click says "float range", also in "… is not a valid float range"
LOOSE = 0.01
DECLARED: "dict[str, frozenset[Statement]]" = {
    "generated": frozenset({"generated"}),
    "generative": frozenset({"generated", "generative edit"}),
    "edited": frozenset({"generated", "generative edit", "edited"}),
    "none": frozenset(),
}


@click.command(cls=common.OneInput)
@click.argument("pool", metavar="POOL", type=common.FOLDER)
@click.argument("out", metavar="OUT", type=common.FOLDER)
@detectors_options
@click.option(
    "--max-p",
    type=SHARE,
    help="Exclude at or under this p-value.  [default: 1e-9 if no policy is given, 1e-6 with public marks]",
)
@click.option("--fpr", type=SHARE, help="Exclude at most this share of untagged pictures; takes --calibration.")
@click.option(
    "--recall",
    "recalls",
    type=SHARE,
    multiple=True,
    help="Exclude at least this share of tagged pictures; takes --calibration. Repeated: one output per level.",
)
@click.option("--fdr", type=SHARE, help="At most this share of untagged ones among the excluded (Benjamini-Hochberg).")
@click.option(
    "--give-back",
    "give_backs",
    type=SHARE,
    multiple=True,
    help="Of what is excluded for a mark, keep this share after all, at random. Repeated: one output per share.",
)
@click.option("--calibration", "calibration_file", type=common.FOLDER, help="File made by `hygiene calibrate`.")
@click.option("--confidence", type=SHARE, default=0.95, show_default=True, help="Of --recall and --fpr.")
@click.option(
    "--declared",
    type=click.Choice(list(DECLARED)),
    default="generated",
    show_default=True,
    help="With --detect provenance: exclude files that say they are generated; generative: or edited by generative AI; "
    "edited: or edited in any way; none: only list what they say.",
)
@click.option("--lists-only", is_flag=True, help="Write the lists and copy nothing.")
@common.input_format_option
@common.picture_option
@common.workers_option
@common.max_pixels_option
@common.max_unreadable_option
@common.format_option
def filter(
    pool: Path,
    out: Path,
    wanted: Wanted,
    max_p: float | None,
    fpr: float | None,
    recalls: tuple[float, ...],
    fdr: float | None,
    give_backs: tuple[float, ...],
    calibration_file: Path | None,
    confidence: float,
    declared: str,
    lists_only: bool,
    input_format: str,
    picture: str,
    workers: int,
    max_pixels: int,
    max_unreadable: "int | float | None",
    form: str,
) -> None:
    """Split POOL by the evidence for the key's mark; POOL itself stays as it is.

    OUT gets kept/, excluded/ and unreadable/ with copies byte for byte (sidecars too), a list of each
    (excluded.jsonl has id, detector, log10_p, threshold, finding, excluded_by), manifest.json, and scores/ in Parquet.
    One policy decides over p: --max-p, --fpr, --recall or --fdr. Over what files say of themselves --declared decides,
    which is no matter of chance. With --recall, --max-p is a limit: a recall that would need a larger
    p is refused. Several --recall give OUT/recall-0.9/ and so on, from one scoring. The table's nominal FPR is the
    share of untagged pictures that the threshold excludes at most, over random keys.

    For a low recall do not lower --recall: what a threshold misses is alike, and generators that learn from it make
    more of it. Ask for a high one, or for a --max-p, and --give-back a share: kept/ then has a random part of what was
    found (given_back in kept.jsonl), the same one in every run. Several --give-back give OUT/give-back-0.1/ and so on.

    POOL is a folder of pictures, or shards: tar files as webdataset writes them, or Parquet files; a folder of them,
    one, or a pattern in quotes. kept/ then holds a shard of the same name for each, excluded/ and unreadable/ where
    they have something to hold: samples byte for byte with all their members, rows with all their columns.

    Run again after a stop, it continues. Run again with another threshold, it scores nothing anew and moves the
    copies; shards that change are written anew.

    \b
    Example:
      hygiene filter pool clean --key my.key --max-p 1e-9
      hygiene filter pool levels --key my.key --recall 0.5 --recall 0.9 --calibration calibration.json
      hygiene filter pool half --key my.key --max-p 1e-6 --give-back 0.5
      hygiene filter crawled clean --detect public,provenance --max-p 1e-6
      hygiene filter 'shards/{00000..00031}.tar' clean --key my.key --workers 16
    """
    from hygiene.detectors import ProvenanceDetector
    from hygiene.pipeline import filter_dataset

    detectors = wanted.detectors()
    statements = [isinstance(detector, ProvenanceDetector) for detector in detectors]
    statements_only = all(statements)
    if common.was_given("declared") and not any(statements):
        raise ConfigurationError("--declared is about what files say of themselves: add --detect provenance")
    policies = choose_policies(max_p, fpr, recalls, fdr, calibration_file, confidence, statements_only, wanted.max_p)
    policies = giving_back(policies, give_backs)
    with common.progress() as progress:
        report = filter_dataset(
            pool,
            out,
            detectors,
            policies,
            declared=DECLARED[declared],
            lists_only=lists_only,
            input_format=input_format,
            picture=picture,
            max_pixels=max_pixels,
            workers=workers,
            progress=progress,
        )
    if form == "json":
        common.print_json(report.manifest)
    else:
        _print_report(report)
    _warn_if_loose(report)
    common.note_passed_over(report.manifest["passed_over"])
    common.check_unreadable(report.unreadable, report.seen, max_unreadable)


def choose_policies(
    max_p: float | None,
    fpr: float | None,
    recalls: tuple[float, ...],
    fdr: float | None,
    calibration_file: Path | None,
    confidence: float,
    statements_only: bool = False,
    default_max_p: float = 1e-9,
) -> "Policy | dict[str, Policy]":
    """One policy, or one per recall level under the name of its folder; conflicting requests are refused.

    statements_only: nothing that is looked for has a p-value.
    """
    from hygiene.policies import DeclaredOnly, Fdr, MaxP, TargetFpr, TargetRecall

    if statements_only:
        if max_p or fpr or recalls or fdr or calibration_file:
            raise ConfigurationError(
                "what files say of themselves has no p-value: leave the policy out, or --detect more"
            )
        return DeclaredOnly()
    _refuse_conflicts(max_p, fpr, recalls, fdr, calibration_file)
    if fdr is not None:
        return Fdr(fdr)
    if calibration_file is None:
        return MaxP(default_max_p if max_p is None else max_p)
    calibration = common.load_calibration(calibration_file)
    if fpr is not None:
        return TargetFpr(fpr, calibration, confidence)
    levels: dict[str, Policy] = {
        f"recall-{recall:g}": TargetRecall(recall, calibration, confidence, max_p) for recall in recalls
    }
    return next(iter(levels.values())) if len(levels) == 1 else levels


def giving_back(policies: "Policy | dict[str, Policy]", shares: tuple[float, ...]) -> "Policy | dict[str, Policy]":
    """Every policy with every share given back, under the name of its folder where there are several."""
    from hygiene.policies import GiveBack

    if len({f"{share:g}" for share in shares}) < len(shares):
        raise ConfigurationError("--give-back was given the same share twice")
    if not shares:
        return policies
    named = policies if isinstance(policies, dict) else {"": policies}
    if len(shares) == 1:
        made: dict[str, Policy] = {name: GiveBack(policy, shares[0]) for name, policy in named.items()}
        return made if isinstance(policies, dict) else made[""]
    return {
        f"{name}-give-back-{share:g}".removeprefix("-"): GiveBack(policy, share)
        for name, policy in named.items()
        for share in shares
    }


def _refuse_conflicts(
    max_p: float | None,
    fpr: float | None,
    recalls: tuple[float, ...],
    fdr: float | None,
    calibration_file: Path | None,
) -> None:
    asked = {"--fpr": fpr is not None, "--recall": bool(recalls), "--fdr": fdr is not None}
    given = [name for name, is_given in asked.items() if is_given]
    if max_p is not None and given != ["--recall"]:
        given.append("--max-p")
    if len(given) > 1:
        raise ConfigurationError(f"{' and '.join(given)} are different policies: choose one")
    calibrated = bool(recalls) or fpr is not None
    if calibrated and calibration_file is None:
        raise ConfigurationError(f"{given[0]} takes --calibration: make one with `hygiene calibrate`")
    if calibration_file is not None and not calibrated:
        raise ConfigurationError("--calibration is for --recall and --fpr: give one of them, or leave it out")
    if len({f"{recall:g}" for recall in recalls}) < len(recalls):
        raise ConfigurationError("--recall was given the same level twice")


def _print_report(report: "FilterReport") -> None:
    from hygiene.policies import nominal_fpr

    returns = any(output.rule.give_back for output in report.outputs)
    rows = []
    for output in report.outputs:
        counts, limit = output.counts, output.rule.max_log10_p
        places: tuple[object, ...] = (counts.seen, counts.kept)
        places += ((counts.given_back,) if returns else ()) + (counts.total_excluded,)
        rows.append(
            (
                output.folder,
                f"{limit:.2f}",
                f"{nominal_fpr(limit):.1e}",
                *places,
                common.reasons(dict(counts.unreadable)),
            )
        )
    kept = ("seen", "kept", *(("given back",) if returns else ()), "excluded", "unreadable")
    common.print_table(("output", "max log10 p", "nominal FPR", *kept), rows)
    for output in report.outputs:
        if len(output.counts.excluded) > 1:
            by = ", ".join(f"{name} {n:,}" for name, n in sorted(output.counts.excluded.items()))
            common.note(f"excluded from {output.folder} by: {by}")


def _warn_if_loose(report: "FilterReport") -> None:
    """A recall level is kept at whatever price: say so when the price in untagged pictures is high."""
    from hygiene.policies import nominal_fpr

    for output in report.outputs:
        price = nominal_fpr(output.rule.max_log10_p)
        if output.facts["policy"] == "recall" and price > LOOSE:
            common.note(
                f"warning: recall {output.facts['recall']:g} takes a threshold that excludes up to {price:.1%} of the "
                f"untagged pictures too ({output.folder}); --max-p sets a limit"
            )
