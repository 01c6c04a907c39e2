"""`hygiene detect`."""

import json
import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli import common
from hygiene.errors import HygieneError

if TYPE_CHECKING:
    from hygiene.filtering import Evidence
    from hygiene.registry import Registry


class MarkFound(HygieneError):
    """The gate of --fail-on-found."""

    exit_code = 1


@click.command()
@click.argument("source", metavar="IN", type=common.FOLDER)
@common.key_option
@common.generators_option
@common.search_option
@common.two_keys_option
@click.option("--payload", is_flag=True, help="Also read the payloads beside marks; they may name a generator.")
@common.registry_option
@click.option(
    "--max-p",
    type=click.FloatRange(0, 1, min_open=True),
    default=1e-9,
    show_default=True,
    help="A mark counts as found at or under this p-value.",
)
@click.option("--fail-on-found", is_flag=True, help="Exit with 1 if any picture carries the mark.")
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
    key_file: Path,
    generators: tuple[str, ...],
    search: str,
    two_keys: bool,
    payload: bool,
    registry: Path | None,
    max_p: float,
    fail_on_found: bool,
    workers: int,
    max_pixels: int,
    max_unreadable: "int | float | None",
    form: str,
) -> None:
    """Look for the key's mark in IN, a folder of pictures or one picture.

    Each line on stdout has id, detector, log10_p and found; a picture that cannot be scored has `unreadable` with
    the reason instead. p is the probability, over the random key, that an unmarked picture scores as high. A
    summary goes to stderr.

    With --registry, a mark that carries the payload of a registered generator brings name, generation and date; with
    --payload alone, the bits. A line without them says nothing against the mark: a payload needs more of it.

    \b
    Example:
      hygiene detect tagged --key my.key > found.jsonl
      hygiene detect picture.png --key my.key --format table
      hygiene detect tagged --key my.key --registry generators.json
    """
    from hygiene.pipeline import score_dataset
    from hygiene.registry import load_registry

    names: Registry | None = load_registry(registry) if registry else {} if payload else None
    detectors = common.load_detectors(key_file, generators, search, two_keys, names)
    counts: Counter[str] = Counter()
    searches: Counter[str] = Counter()
    rows: list[tuple[str, str, str]] = []
    # A single picture is not worth the start of worker processes.
    with common.progress(streaming=form == "json") as progress:
        for evidence in score_dataset(
            source,
            detectors,
            max_pixels=max_pixels,
            workers=1 if source.is_file() else workers,
            progress=progress,
        ):
            line = _line(evidence, max_p)
            counts["unreadable" if "unreadable" in line else "found" if line["found"] else "clean"] += 1
            if form == "json":
                click.echo(json.dumps(line))
            else:
                rows.append(_cells(line))
            if "search" in line:
                searches[line["search"].partition(":")[0]] += 1
    if form == "table":
        common.print_table(("picture", "log10 p", "found"), rows)
    seen = sum(counts.values())
    common.note(
        f"mark found at p ≤ {max_p:g}: {counts['found']} of {seen}, "
        f"not found: {counts['clean']}, unreadable: {counts['unreadable']}"
    )
    if searches:
        common.note("decided by search: " + ", ".join(f"{name} {n}" for name, n in searches.items()))
    if fail_on_found and counts["found"]:
        raise MarkFound(f"the mark was found in {counts['found']} of {seen} (--fail-on-found)")
    common.check_unreadable(counts["unreadable"], seen, max_unreadable)


def _line(evidence: "Evidence", max_p: float) -> dict[str, Any]:
    from hygiene.detectors.base import Unreadable

    if isinstance(evidence, Unreadable):
        return {"id": evidence.id, "unreadable": evidence.reason}
    found = evidence.log10_p <= math.log10(max_p)
    line = {"id": evidence.id, "detector": evidence.detector, "log10_p": evidence.log10_p, "found": found}
    return line | dict(evidence.finding)


def _cells(line: dict[str, Any]) -> tuple[str, str, str]:
    if "unreadable" in line:
        return line["id"], "–", f"unreadable: {line['unreadable']}"
    if not line["found"]:
        return line["id"], f"{line['log10_p']:.1f}", "no"
    facts = [line[name] for name in ("search", "name") if name in line]
    facts += [f"generation {line['generation']}"] if "generation" in line else []
    facts += [f"payload {line['payload']}"] if "payload" in line else []
    return line["id"], f"{line['log10_p']:.1f}", f"yes ({', '.join(facts)})" if facts else "yes"
