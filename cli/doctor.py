"""`hygiene doctor`."""

from dataclasses import asdict

import click

from cli import common
from hygiene.errors import HygieneError


class Unwell(HygieneError):
    """A check of the doctor failed."""

    exit_code = 1


@click.command()
@common.format_option
def doctor(form: str) -> None:
    """Say what is installed, which devices really work, and what conflicts; tag a picture and find it again.

    Exit code 1 if anything is wrong. What is optional and absent is no fault.

    \b
    Example:
      hygiene doctor
      hygiene doctor --format json
    """
    from hygiene.doctor import examine

    checks = examine()
    failed = [check for check in checks if check.status == "failed"]
    if form == "json":
        common.print_json({"ok": not failed, "checks": [asdict(check) for check in checks]})
    else:
        rows = [(check.status, check.area, check.name, check.detail) for check in checks]
        common.print_table(("status", "area", "name", "detail"), rows)
    if failed:
        raise Unwell(f"failed: {', '.join(check.name for check in failed)}")
