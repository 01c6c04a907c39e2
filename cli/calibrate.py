"""`hygiene calibrate`."""

import os
import statistics
from pathlib import Path

import click

from cli import common
from cli.detectors import Wanted, detectors_options
from hygiene.errors import ConfigurationError


@click.command(cls=common.OneInput)
@click.argument("tagged", metavar="TAGGED", type=common.FOLDER)
@click.argument("out", metavar="OUT.json", type=common.FOLDER)
@detectors_options
@click.option("--untagged", type=common.FOLDER, help="Pictures without the mark; only `filter --fpr` needs them.")
@click.option("--processing", default="", metavar="TEXT", help="What TAGGED went through, in words, for the record.")
@common.input_format_option
@common.picture_option
@common.workers_option
@common.max_pixels_option
@common.max_unreadable_option
@common.format_option
def calibrate(
    tagged: Path,
    out: Path,
    wanted: Wanted,
    untagged: Path | None,
    processing: str,
    input_format: str,
    picture: str,
    workers: int,
    max_pixels: int,
    max_unreadable: "int | float | None",
    form: str,
) -> None:
    """Score pictures whose truth is known and write OUT.json, from which `filter --recall` and `--fpr` choose.

    TAGGED, a folder or shards, holds pictures with the mark, put through whatever the pool's pictures go through
    (resizing, JPEG): the promise of `--recall` holds for pools processed alike. At 95 % confidence, recall .9 takes
    at least 29 pictures, .95 takes 59, .99 takes 299.

    \b
    Example:
      hygiene calibrate tagged calibration.json --key my.key
      hygiene filter pool clean --key my.key --recall 0.9 --calibration calibration.json
    """
    from hygiene.files import write_text
    from hygiene.pipeline import calibrate as calibrate_dataset

    detectors = wanted.detectors()
    if out.is_dir() or not out.parent.is_dir() or not os.access(out.parent, os.W_OK):
        raise ConfigurationError(f"cannot write {out}: expected the name of a file in a folder that can be written to")
    if out.exists():
        common.load_calibration(out)  # refuses to overwrite what is no calibration
    with common.progress() as progress:
        report = calibrate_dataset(
            tagged,
            detectors,
            untagged=untagged,
            processing=processing,
            input_format=input_format,
            picture=picture,
            max_pixels=max_pixels,
            workers=workers,
            progress=progress,
        )
    made = report.calibration
    write_text(out, made.to_json() + "\n")
    facts = {
        "detector": made.detector,
        "tagged": len(made.tagged),
        "untagged": len(made.untagged),
        "unreadable": len(report.unreadable),
        "median_log10_p": round(statistics.median(made.tagged), 2),
    }
    if form == "json":
        common.print_json(facts | {"processing": made.processing})
    else:
        common.print_table(("fact", "value"), list(facts.items()))
    for item in report.unreadable:
        common.note(f"unreadable: {item.id}: {item.reason}")
    seen = len(made.tagged) + len(made.untagged) + len(report.unreadable)
    common.check_unreadable(len(report.unreadable), seen, max_unreadable)
