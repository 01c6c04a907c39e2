"""`hygiene detect`."""

import json
import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli import common
from cli.detectors import Wanted, detectors_options
from hygiene.errors import ConfigurationError, HygieneError

if TYPE_CHECKING:
    from hygiene.filtering import Evidence
    from hygiene.registry import Registry


class MarkFound(HygieneError):
    """The gate of --fail-on-found."""

    exit_code = 1


@click.command(cls=common.OneInput)
@click.argument("source", metavar="IN", type=common.FOLDER)
@detectors_options
@click.option("--payload", is_flag=True, help="Also read the payloads beside marks; they may name a generator.")
@common.registry_option
@click.option(
    "--max-p",
    type=click.FloatRange(0, 1, min_open=True),
    help="A mark counts as found at or under this p-value.  [default: 1e-9; 1e-6 when looking for public marks]",
)
@click.option("--fail-on-found", is_flag=True, help="Exit with 1 if a mark is found, or a file says it is generated.")
@common.input_format_option
@common.picture_option
@common.workers_option
@common.max_pixels_option
@common.max_unreadable_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "table"]),
    default="json",
    show_default=True,
    help="json: a line per picture, whatever stdout is; table: for people.",
)
def detect(
    source: Path,
    wanted: Wanted,
    payload: bool,
    registry: Path | None,
    max_p: float | None,
    fail_on_found: bool,
    input_format: str,
    picture: str,
    workers: int,
    max_pixels: int,
    max_unreadable: "int | float | None",
    form: str,
) -> None:
    """Look for marks, and for what files say of themselves, in IN: a folder of pictures, one picture,
    or shards (webdataset tar files, Parquet files; a folder of them, one, or a pattern in quotes).

    Each line on stdout has id, detector, log10_p, found, and what was found; a picture that cannot be scored has
    `unreadable` with the reason instead, and what its bytes declare all the same. p is the probability that an
    unmarked picture scores as high: over the random key for your own mark, over messages for public ones. `declared`
    is a statement, and true if its file is. A summary by source goes to stderr.

    With --registry, a mark that carries the payload of a registered generator brings name, generation and date; with
    --payload alone, the bits. A line without them says nothing against the mark: a payload needs more of it.

    \b
    Example:
      hygiene detect tagged --key my.key > found.jsonl
      hygiene detect picture.png --key my.key --format table
      hygiene detect tagged --key my.key --registry generators.json
      hygiene detect crawled --detect public,provenance --format table
    """
    from hygiene.pipeline import score_dataset
    from hygiene.registry import load_registry

    names: Registry | None = load_registry(registry) if registry else {} if payload else None
    detectors, limit = wanted.detectors(names), max_p or wanted.max_p
    if math.isnan(limit):  # which is in every range that click checks
        raise ConfigurationError("--max-p nan is out of range: expected a number above 0, at most 1")
    counts: Counter[str] = Counter()
    searches: Counter[str] = Counter()
    sources: Counter[str] = Counter()
    rows: list[tuple[str, str, str]] = []
    # A single picture is not worth the start of worker processes.
    with common.progress(streaming=form == "json") as progress:
        for evidence in score_dataset(
            source,
            detectors,
            input_format=input_format,
            picture=picture,
            max_pixels=max_pixels,
            workers=1 if source.is_file() else workers,
            progress=progress,
        ):
            line = _line(evidence, limit)
            counts["unreadable" if "unreadable" in line else "found" if line["found"] else "clean"] += 1
            counts["generated"] += line.get("declared") == "generated"
            sources.update(_sources(line))
            if form == "json":
                click.echo(json.dumps(line))
            else:
                rows.append(_cells(line))
            if "search" in line:
                searches[line["search"].partition(":")[0]] += 1
    if form == "table":
        common.print_table(("picture", "log10 p", "found"), rows)
    seen = counts["found"] + counts["clean"] + counts["unreadable"]
    common.note(
        f"mark found at p ≤ {limit:g}: {counts['found']} of {seen}, "
        f"not found: {counts['clean']}, unreadable: {counts['unreadable']}"
    )
    for name, n in sources.most_common() if len(detectors) > 1 else ():
        common.note(f"  {name}: {n}")
    if searches:
        common.note("decided by search: " + ", ".join(f"{name} {n}" for name, n in searches.items()))
    if fail_on_found and counts["found"] + counts["generated"]:
        facts = [f"a mark was found in {counts['found']} of {seen}"] if counts["found"] else []
        facts += [f"{counts['generated']} of {seen} say that they are generated"] if counts["generated"] else []
        raise MarkFound(f"{', '.join(facts)} (--fail-on-found)")
    common.check_unreadable(counts["unreadable"], seen, max_unreadable)


def _line(evidence: "Evidence", max_p: float) -> dict[str, Any]:
    from hygiene.detectors.base import Unreadable

    if isinstance(evidence, Unreadable):
        line: dict[str, Any] = {"id": evidence.id, "unreadable": evidence.reason}
    else:
        found = evidence.log10_p <= math.log10(max_p)
        line = {"id": evidence.id, "detector": evidence.detector, "log10_p": evidence.log10_p, "found": found}
    line |= {"declared": evidence.declared} if evidence.declared else {}
    return line | dict(evidence.finding)


def _sources(line: dict[str, Any]) -> list[str]:
    """What the picture counts for in the summary: the mark that was found, and the statement that was read."""
    named = []
    if line.get("found"):
        named.append(_whose(line))
    if line.get("declared"):
        named.append(f"declared {line['declared']}, {line['scheme']}")
    return named


def _whose(line: dict[str, Any]) -> str:
    """A public mark is named by its finding, unless --max-p is so loose that what is found may be any."""
    if "mark" in line:
        return f"mark of {line['mark']}"
    if line["detector"].startswith("public"):
        return "public mark, too weak to be named"
    return f"own mark {line.get('generator', line['detector'])}"


def _cells(line: dict[str, Any]) -> tuple[str, str, str]:
    declared = f", declared {line['declared']} ({line['scheme']})" if line.get("declared") else ""
    if "unreadable" in line:
        return line["id"], "–", f"unreadable: {line['unreadable']}{declared}"
    facts = [line[name] for name in ("mark", "search", "name") if name in line and line["found"]]
    facts += [f"generation {line['generation']}"] if "generation" in line else []
    facts += [f"payload {line['payload']}"] if "payload" in line else []
    found = (f"yes ({', '.join(facts)})" if facts else "yes") if line["found"] else "no"
    return line["id"], f"{line['log10_p']:.1f}", found + declared
