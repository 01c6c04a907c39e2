"""`hygiene demo`: the main job on bundled real data."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from cli.common import note, print_json, print_table, progress, workers_option


@click.command(
    epilog="""\b
Example:
  hygiene demo --out demo
""",
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("demo"), show_default=True, help="A new folder.")
@click.option("--seeds", type=click.IntRange(min=2), default=20, show_default=True, help="Seeds of the rising tide.")
@workers_option
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def demo(out: Path, seeds: int, workers: int, form: str) -> None:
    """Show the whole product on real data: tag, mix, filter, loop, report.

    Real data is scikit-learn's bundled digits. A generator fitted to them makes pictures, which are tagged, mixed
    with real ones on disk and filtered at recall .5, .9 and .99; then self-consuming loops show what such a filter
    delays, and what becomes of the mark. Takes about a minute on two cores and no network.

    Leaves report.html, summary.json and all data in the new folder OUT.
    """
    from evaluator.demo import DemoScale, run_demo

    scale = DemoScale()
    with progress() as show:
        summary = run_demo(out, workers, replace(scale, loops=replace(scale.loops, seeds=seeds)), show)
    if form == "json":
        print_json(summary)
    else:
        _print_tables(summary)
    note(f"report: {out / 'report.html'} ({summary['seconds']} s)")


def _print_tables(summary: dict[str, Any]) -> None:
    click.echo("Filter, on files")
    print_table(
        ("recall asked", "measured", "real excluded", "seen", "kept", "excluded", "unreadable"),
        [
            (
                row["recall_asked"],
                f"{row['recall_measured']:.3f}",
                f"{row['fpr_measured']:.2%}",
                row["seen"],
                row["kept"],
                row["excluded"],
                row["unreadable"],
            )
            for row in summary["filter"]
        ],
    )
    click.echo("\nDelay of collapse, generations")
    print_table(("recall", "delay", "95 % interval", "law", "not collapsed"), [_delay(row) for row in summary["delay"]])
    click.echo("\nAmplification of the mark")
    print_table(
        ("tagging", "recall", "gain", "95 % interval", "law"),
        [
            (
                row["tagging"],
                row["recall"],
                f"{row['gain']:.3f}",
                f"{row['ci_low']:.3f} to {row['ci_high']:.3f}",
                f"{row['law']:.3f}",
            )
            for row in summary["amplification"]
        ],
    )


def _delay(row: dict[str, Any]) -> tuple[object, ...]:
    bound = "≥ " if row["censored_share"] else ""
    law = "∞" if row["law"] is None else f"{row['law']:.2f}"
    interval = f"{row['ci_low']:.2f} to {row['ci_high']:.2f}"
    return row["recall"], f"{bound}{row['delay']:.2f}", interval, law, f"{row['censored_share']:.0%}"
