"""`hygiene evaluate`: run a self-consuming loop from a configuration file into a run folder."""

import json
import re
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.common import note

if TYPE_CHECKING:
    from evaluator.generation import Generation
    from evaluator.run_record import RunRecord

EXAMPLE = """\
# A rising tide: the real share of the pool halves at every generation, and a filter holds synthetic data back.
loop = "rising_tide"      # fully_synthetic, synthetic_augmentation, fresh_data, rising_tide
n_ini = 900               # real samples that generation 1 learns from
n_s = 900                 # in a rising tide: samples that every later generation keeps from the pool
generations = 12
seed = 0
sampling_bias = 1.0       # 1 = unbiased; less trades diversity for quality
source = "digits_oracle"  # gaussian, mixture25, rosenbrock, digits, digits_oracle, npz, idx, images, crops, shards,
                          # parquet
model = "kde"             # gaussian, pca_gaussian, mixture, kde, vae, flow, ddpm_mlp, ddpm_unet, wgan_gp,
                          # wgan_gp_images, stylegan2, callable (entry), pipeline (path)
features = "lenet"        # identity, pca, lenet, onnx (path), inception (path)
# warm_start = true       # every model goes on from the last one's weights; else from scratch
# moment_draws = 9000     # so many samples bring each model to the mean and covariance of its training set
# rows = "float16"        # keeps samples of large pictures in a quarter of the memory; else float64; float32

[filter]
mode = "simulated"        # none, simulated (tpr, fpr), detector (recall or max_p; needs tagging)
tpr = 0.9                 # share of tagged samples that the filter drops
fpr = 0.0                 # share of real samples that it drops
# give_back = 0.5         # of what a detector excludes: so much is given back, at random

[tagging]
mode = "informed"         # none, blind, informed
strength = 4.0            # standard deviations along the key
# codec = "spread"        # on pictures: spread (psnr in dB), dwt_dct_svd, rivagan; instead of strength
# verify = true           # of spread: only samples in which the tag is found again are published
# [processing]            # of what is published: format = "png" or "jpeg", quality = 75, resize = 0.5

[metrics.frechet]
[metrics.manifold]
k = 5
[metrics.diversity]
# for --pictures: keep_samples = 300 above, for t-SNE, and [metrics.class_counts]
"""


CLASS = re.compile(r"class_\d+")  # counts of single classes: too many columns, they stand in the run folder


@click.command(
    epilog="""\b
Example:
  hygiene evaluate --example > tide.toml
  hygiene evaluate tide.toml --out run
  hygiene evaluate tide.toml --out run --pictures
""",
)
@click.argument("config", required=False, type=click.Path(path_type=Path, dir_okay=False), metavar="CONFIG.toml")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), metavar="RUN", help="The run folder.")
@click.option(
    "--format", "style", type=click.Choice(["table", "json"]), default="table", show_default=True,
    help="What is printed at the end.",
)  # fmt: skip
@click.option(
    "--pictures", is_flag=True,
    help="Draw samples.png, tsne.svg and classes.svg beside the finished run's files.",
)  # fmt: skip
@click.option(
    "--checkpoints", type=click.Choice(["none", "last", "all"]), default="last", show_default=True,
    help="Which fitted models stay in RUN/models, as safetensors, where they have weights. With none a finished run "
    "cannot go on to more generations.",
)  # fmt: skip
@click.option("--example", is_flag=True, help="Print a configuration to start from, and stop.")
def evaluate(
    config: Path | None, out: Path | None, style: str, pictures: bool, checkpoints: str, example: bool
) -> None:
    """Train generation after generation on a mix of real data and what the last one made.

    RUN receives config.json, generations.jsonl (one line per generation), floors.json (real against real),
    samples and models. Run again after a stop, it goes on and comes to the same lines, and so does a finished run whose
    CONFIG asks for more generations. With --pictures, of a finished run too, also what its samples look like, where
    they lie beside real data (t-SNE), and how many each class has.
    """
    if example:
        click.echo(EXAMPLE, nl=False)
        return
    if config is None or out is None:
        raise click.UsageError("give CONFIG.toml and --out RUN, or --example for a configuration to start from")
    record = _run(config, out, pictures, checkpoints)
    click.echo(json.dumps(_plain(record), indent=2) if style == "json" else _table(record))


def _run(path: Path, out: Path, pictures: bool, checkpoints: str) -> "RunRecord":
    """Run to the end, and draw it if asked; warnings and progress go to stderr."""
    from evaluator.config_files import load_config
    from evaluator.run_pictures import left_out, write_pictures
    from evaluator.run_record import read_run
    from evaluator.runs import run_in_folder
    from evaluator.threads import one_thread

    config = load_config(path)
    for warning in [*config.warnings(), *(left_out(config) if pictures else ())]:
        note(f"warning: {warning}")
    with one_thread():
        for step in run_in_folder(config, out, checkpoints=checkpoints, tell=lambda line: note(f"warning: {line}")):
            _progress(step, config.generations)
        if pictures:
            note(f"drawn: {', '.join(map(str, write_pictures(out))) or 'nothing'}")
    return read_run(out)


def _progress(step: "Generation", last: int) -> None:
    if not sys.stderr.isatty():
        return
    first = next(iter(step.metrics.items()))
    line = f"generation {step.generation}/{last}  {first[0]} {first[1]:.3g}  {step.seconds:.1f} s"
    if left := round(step.seconds * (last - step.generation)):  # a stored one took no time
        line += f", about {timedelta(seconds=left)} left"
    click.echo(f"\r\033[K{line}", err=True, nl=step.generation == last)


def _plain(record: "RunRecord") -> dict[str, Any]:
    return {
        "config": record.config.to_dict(),
        "key_digest": record.key_digest,
        "floors": record.floors,
        "generations": [step.to_dict() for step in record.generations],
    }


def _table(record: "RunRecord") -> str:
    """One line per generation, real against real beneath; aligned columns."""
    rows = [_cells(step, record.config.filter.mode != "none") for step in record.generations]
    floor = {"t": "real", **{name: _short(value) for name, value in record.floors.items()}}
    names = list(dict.fromkeys(name for row in rows for name in row if name != "k"))
    lines = [names, *([row.get(name, "") for name in names] for row in [*rows, floor])]
    widths = [max(len(line[column]) for line in lines) for column in range(len(names))]
    text = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    return "\n".join([*text, _legend(record)])


def _cells(step: "Generation", filtered: bool) -> dict[str, str]:
    cells = {"t": str(step.generation), "n_real": str(step.n_real), "n_synthetic": str(step.n_synthetic)}
    cells |= {name: _short(value) for name, value in step.metrics.items() if not CLASS.fullmatch(name)}
    if step.filter is not None and filtered:
        cells |= {"tpr": _short(step.filter.tpr), "fpr": _short(step.filter.fpr)}
    cells |= {name: _short(step.mark[name]) for name in ("raw_mark", "published_mark") if name in step.mark}
    return cells


def _short(value: float | None) -> str:
    """Three decimals, which of small numbers, as `kid`'s are, and of large ones are too few and too many."""
    if value is None:
        return "-"
    return f"{value:.3f}" if value == 0 or 0.01 <= abs(value) < 1e6 else f"{value:.3g}"


def _legend(record: "RunRecord") -> str:
    config = record.config
    neighbours = record.floors.get("k")
    parts = [f"last line: real against real (the floor); features: {config.features.name}"]
    parts += [f"k = {neighbours:.0f}"] if neighbours else []
    own = f"the strength ({config.tagging.alpha:g} sd)"
    unit = own if config.tagging.codec == "vectors" else "what tagging adds to real pictures"
    parts += [f"marks in units of {unit}"] if record.key_digest else []
    return "; ".join(parts)
