"""`hygiene register`."""

import datetime
from pathlib import Path

import click

from cli.common import FOLDER, note


@click.command()
@click.argument("registry", type=FOLDER)
@click.argument("name")
@click.option("--generation", type=click.IntRange(min=0), help="Which training of the generator.")
@click.option("--date", help="Since when, as in 2026-03-01.  [default: today]")
@click.option(
    "--bits",
    type=click.Choice(["32", "48", "64"]),
    default="32",
    show_default=True,
    help="Fewer are read where more are not; 32 name four billion.",
)
def register(registry: Path, name: str, generation: int | None, date: str | None, bits: str) -> None:
    """Give the generator NAME a payload of its own, and add both to the file REGISTRY, which is made if it lacks.

    Stdout gets the payload. `hygiene tag --payload NAME --registry REGISTRY` embeds it beside the mark, and
    `hygiene detect --registry REGISTRY` prints the name. A registry holds no secret: without the key nobody can read
    a payload, or write one.

    \b
    Example:
      hygiene register generators.json painter --generation 3
      hygiene tag generated tagged --key my.key --payload painter --registry generators.json
    """
    from hygiene import registry as registries

    day = datetime.date.today().isoformat() if date is None else date
    payload = registries.register(registry, registries.Entry(name, generation, day), int(bits))
    click.echo(str(payload))
    note(f"wrote {registry}: payload {payload} is {name}")
