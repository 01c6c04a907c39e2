"""`hygiene sweep`: a grid × seeds of loops, from one file into one folder."""

from pathlib import Path
from typing import Any

import click

from cli.common import format_option, note, print_json, print_table, progress, workers_option

EXAMPLE = """\
# How much filtering is best? A fresh-data loop at every recall, with and without sampling bias.
# A loop's configuration (`hygiene evaluate --example`), in which any field may hold a list: all combinations are run.
seeds = 5                     # 0 to 4; or seed = [3, 7]
loop = "fresh_data"
generations = 12
n_ini = 100
n_r = 100                     # fresh real samples per generation
n_s = 900                     # tagged synthetic samples beside them
sampling_bias = [1.0, 0.8]
source = {name = "gaussian", dimension = 20}
model = "gaussian"
n_reference = 2000
n_measure = 2000

[filter]
mode = "simulated"
tpr = [0.0, 0.5, 0.7, 0.9, 1.0]

[metrics.frechet]

# Fields that belong together go in [[arm]] tables, each laid over what stands above:
# [[arm]]
# loop = "fresh_data"
# [[arm]]
# loop = "synthetic_augmentation"

[sweep]                       # what is looked for; all of it may be left out
metric = "frechet_distance"   # the first metric when left out
best = "least"                # least, most
over = "filter.tpr"           # the filter's recall when left out
last = 4                      # generations at the end over which a run is averaged
"""


@click.command(
    epilog="""\b
Example:
  hygiene sweep --example > grid.toml
  hygiene sweep grid.toml --out grid
""",
)
@click.argument("config", required=False, type=click.Path(path_type=Path, dir_okay=False), metavar="CONFIG.toml")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="The sweep's folder.")
@workers_option
@format_option
@click.option("--example", is_flag=True, help="Print a configuration to start from, and stop.")
def sweep(config: Path | None, out: Path | None, workers: int, form: str, example: bool) -> None:
    """Run every combination of a configuration's lists with every seed, and compare.

    DIR receives runs/ (a run folder each), generations.csv, summary.csv and summary.json. Run again after a stop, or
    with more values or generations, it goes on with what is there. Where the filter's recall is in the grid, the best
    one is told with an interval over seeds: more filtering is not always better.
    """
    if example:
        click.echo(EXAMPLE, nl=False)
        return
    if config is None or out is None:
        raise click.UsageError("give CONFIG.toml and --out DIR, or --example for a configuration to start from")
    summary = _run(config, out, workers)
    if form == "json":
        print_json(summary)
    else:
        _print_tables(summary)


def _run(path: Path, out: Path, workers: int) -> dict[str, Any]:
    from evaluator.sweep_runs import run_sweep
    from evaluator.sweeps import load_sweep

    chosen = load_sweep(path)
    for warning in dict.fromkeys(text for point in chosen.points for text in point.config.warnings()):
        note(f"warning: {warning}")
    with progress() as show:
        return run_sweep(chosen, out, workers, show)


def _print_tables(summary: dict[str, Any]) -> None:
    fields, points, metric = summary["fields"], summary["points"], summary["goal"]["metric"]
    print_table(
        (*fields, metric, "95 % interval", "seeds"),
        [
            (*(_cell(each["settings"][name]) for name in fields), *_estimate(each, metric), each["seeds"])
            for each in points
        ],
    )
    for row in summary["best"]:
        click.echo(_best(row, summary["goal"]["best"]))


def _cell(value: object) -> str:
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _estimate(point: dict[str, Any], metric: str) -> tuple[str, str]:
    if metric not in point["values"]:
        return "-", "-"
    value = point["values"][metric]
    return f"{value['mean']:.4g}", f"{value['ci_low']:.4g} to {value['ci_high']:.4g}"


def _best(row: dict[str, Any], best: str) -> str:
    where = ", ".join(f"{name} = {_cell(value)}" for name, value in row["settings"].items())
    told = (
        f"{row['metric']} is {best} ({row['value']:.4g}) at {row['over']} = {row['best']:g} "
        f"(95 % interval {row['ci_low']:g} to {row['ci_high']:g}, {row['seeds']} seeds)"
    )
    if row["best"] != row["most"]:
        told += f"; at {row['most']:g} it is {row['value_at_most']:.4g}"
    return f"{where}: {told}" if where else told
