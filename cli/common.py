"""What several commands share: their options, progress on a terminal, the check on unreadable pictures."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hygiene.errors import ConfigurationError, HygieneError

if TYPE_CHECKING:
    from hygiene.datasets import Progress
    from hygiene.keys import Key
    from hygiene.payloads import Payload
    from hygiene.policies import Calibration

F = TypeVar("F", bound=Callable[..., Any])

FOLDER = click.Path(path_type=Path)

key_option = click.option("--key", "key_file", required=True, type=FOLDER, help="Key file made by `hygiene keygen`.")
payload_option = click.option(
    "--payload",
    metavar="HEX|NAME",
    help="Bits to put beside the mark: 8, 12 or 16 hexadecimal digits, or a generator's name in --registry.",
)
registry_option = click.option(
    "--registry", type=FOLDER, metavar="FILE", help="Names of payloads, made by `hygiene register`."
)
workers_option = click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=os.cpu_count() or 1,
    show_default="one per CPU",
    help="Number of worker processes.",
)
input_format_option = click.option(
    "--input-format",
    type=click.Choice(["auto", "folder", "webdataset", "parquet"]),
    default="auto",
    show_default=True,
    help="What the input is: pictures in a folder, tar shards, Parquet files. auto: what lies there tells.",
)
picture_option = click.option(
    "--picture",
    default="",
    metavar="NAME",
    help="In shards whose samples hold several pictures: the ending (webdataset: jpg) or column (Parquet) that counts.",
)
max_pixels_option = click.option(
    "--max-pixels",
    type=click.IntRange(min=1),
    default=1 << 27,
    show_default=True,
    help="Larger pictures are reported as unreadable, before they are decoded.",
)


class OneInput(click.Command):
    """A command with one input, which may be a pattern: of one that the shell has expanded it says what to do."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        names = [each for each in args if each.lower().endswith((".tar", ".parquet"))]
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if "unexpected extra argument" not in error.message or len(names) < 2:
                raise
            raise ConfigurationError(
                f"{len(names)} shards were given, such as {names[0]}, expected one input: put the pattern in quotes, "
                "or name the folder"
            ) from None


class TooManyUnreadable(HygieneError):
    """More unreadable pictures than the user allows."""

    exit_code = 3


class Allowance(click.ParamType[Any]):
    """A count ("5") or a share ("0.01", "1%")."""

    name = "count|share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "int | float":
        text = str(value)
        try:
            number = float(text[:-1]) / 100 if text.endswith("%") else float(text)
        except ValueError:
            number = -1.0
        count = text.isdigit()
        if not number >= 0 or (not count and number > 1):
            self.fail(f"{text!r} is neither a count such as 5 nor a share such as 0.01 or 1%", param, ctx)
        return int(text) if count else number


max_unreadable_option = click.option(
    "--max-unreadable",
    type=Allowance(),
    help="Exit with 3 if more pictures are unreadable: a count (5) or a share (0.01, 1%).  [default: any number]",
)


format_option = click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="What stdout gets.",
)


def check_unreadable(unreadable: int, seen: int, allowed: "int | float | None") -> None:
    """Raises TooManyUnreadable; the run's output is complete all the same."""
    if allowed is None:
        return
    limit = allowed if isinstance(allowed, int) else allowed * seen
    if unreadable > limit:
        raise TooManyUnreadable(f"unreadable: {unreadable} of {seen} pictures, --max-unreadable allows {limit:g}")


def load_payload(text: str | None, registry: Path | None) -> "Payload | None":
    from hygiene.payloads import Payload
    from hygiene.registry import find, load_registry

    if text is None:
        if registry is not None:
            raise ConfigurationError(f"--registry {registry} without --payload: say which payload to embed")
        return None
    return Payload.parse(text) if registry is None else find(load_registry(registry), text)


def load_subkey(key_file: Path, generator: str | None) -> "Key":
    from hygiene.keys import load_key

    key = load_key(key_file)
    return key if generator is None else key.subkey(generator)


def load_calibration(path: Path) -> "Calibration":
    from hygiene.policies import Calibration

    try:
        return Calibration.from_json(path.read_text("utf-8", errors="replace"))
    except (FileNotFoundError, IsADirectoryError):
        raise ConfigurationError(f"no calibration file {path}: make one with `hygiene calibrate`") from None
    except ConfigurationError as error:
        raise ConfigurationError(f"{path} is {error}") from None


@contextlib.contextmanager
def progress(streaming: bool = False) -> "Iterator[Progress | None]":
    """A live bar on stderr where that is a terminal, else None. streaming: stdout gets lines meanwhile."""
    if not sys.stderr.isatty() or (streaming and sys.stdout.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:-1], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        stages: dict[str, Any] = {}

        def update(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages[stage] = bar.add_task(stage, total=total)
            bar.update(stages[stage], completed=done)

        yield update


def note_passed_over(files: int) -> None:
    if files:
        note(f"passed over, being neither pictures nor sidecars of pictures: {files}")


def print_json(content: Any) -> None:
    """One JSON object on stdout."""
    from hygiene.files import finite

    click.echo(json.dumps(finite(content), indent=1))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns on stdout, left-aligned, for people."""
    cells = [list(headings), *[[printable(str(value)) for value in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headings))]
    for row in cells:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def note(text: str) -> None:
    """One line on stderr, for people: stdout is data."""
    click.echo(printable(text), err=True)


def printable(text: str) -> str:
    """File names may hold line breaks, terminal control codes and bytes that are no text: those become escapes."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def reasons(counts: "dict[str, int]") -> str:
    """As in: 3 (2 empty file, 1 truncated)."""
    total = sum(counts.values())
    listed = ", ".join(f"{n} {reason}" for reason, n in sorted(counts.items(), key=lambda item: -item[1]))
    return f"{total} ({listed})" if listed else "0"


def was_given(parameter: str) -> bool:
    """Whether the user gave this parameter of the running command, rather than leaving it at its default."""
    source = click.get_current_context().get_parameter_source(parameter)
    return source is not click.core.ParameterSource.DEFAULT
