"""`hygiene experiment`: an experiment by name, with a table of what was measured beside what is expected."""

from pathlib import Path

import click

from cli.common import format_option, note, print_json, print_table, progress, workers_option


@click.command(
    epilog="""\b
Example:
  hygiene experiment --list
  hygiene experiment recall-u-curve --out curve
  hygiene experiment mad-mnist-wgan --scale paper --data mnist --out wgan
  hygiene experiment mad-rosenbrock-flow --seeds 10 --out flow
""",
)
@click.argument("name", required=False, metavar="NAME")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="The experiment's folder.")
@click.option(
    "--scale", default="small", show_default=True, metavar="small|paper",
    help="paper: the sizes of the paper and intervals of use; small: a first look, in seconds to minutes, or with the "
    "paper's generators of pictures in one hour to two and a half.",
)  # fmt: skip
@click.option(
    "--data", type=click.Path(path_type=Path), metavar="FOLDER",
    help="Pictures for an experiment that reads any: MNIST's IDX files, or a folder of images.",
)  # fmt: skip
@click.option(
    "--seeds", type=click.IntRange(min=2),
    help="Of every loop, in place of the experiment's own number: more of them narrow the intervals. What is there "
    "already counts.",
)  # fmt: skip
@workers_option
@format_option
@click.option("--list", "listed", is_flag=True, help="Print the names of all experiments, and stop.")
def experiment(
    name: str | None,
    out: Path | None,
    scale: str,
    data: Path | None,
    seeds: int | None,
    workers: int,
    form: str,
    listed: bool,
) -> None:
    """Repeat an experiment by name: the paper's and this project's own, with their settings.

    DIR receives runs/ (a run folder per loop and seed), series.csv, results.json, results.csv, results.md and plot.svg.
    Run again after a stop, it goes on. The table says what was measured, with an interval over seeds, what is
    expected, and whether that holds.
    """
    from evaluator.presets import PRESETS, make_preset
    from evaluator.presets.runner import cells, run_preset

    if listed:
        print_table(("name", "what it does"), [(each, make_preset(each, "paper").about) for each in PRESETS])
        return
    if name is None or out is None:
        raise click.UsageError(f"give NAME and --out DIR; NAME is one of {', '.join(PRESETS)}")
    preset = make_preset(name, scale, data)
    preset = preset.with_seeds(seeds) if seeds else preset
    with progress() as show:
        results = run_preset(preset, scale, out, workers, show)
    if form == "json":
        print_json(results)
        return
    print_table(
        ("figure", "measured", "95 % interval", "expected", "rule", "holds"), [cells(row) for row in results["rows"]]
    )
    note(f"plot: {out / 'plot.svg'} ({results['seconds']} s)")
