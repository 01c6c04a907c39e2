"""`hygiene keygen`."""

from pathlib import Path

import click

from cli.common import FOLDER, note


@click.command()
@click.argument("keyfile", type=FOLDER)
def keygen(keyfile: Path) -> None:
    """Make a secret key and write it to KEYFILE (32 random bytes, readable by you alone).

    Whoever has the key can find the mark and forge it: keep it as you keep passwords. An existing file is never
    overwritten. What is shown here and in reports is the key's digest.

    \b
    Example:
      hygiene keygen my.key
    """
    from hygiene.keys import new_key, write_key

    key = new_key()
    write_key(key, keyfile)
    note(f"wrote {keyfile}: key {key.digest}. Keep it secret, and keep a copy: without it the marks are lost.")
