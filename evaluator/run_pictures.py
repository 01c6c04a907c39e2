"""Pictures of a run folder, as the paper shows its loops (Alemohammad et al. 2023): samples, t-SNE, classes.

samples.png   rows of samples, real ones on top
tsne.svg      samples of each generation in one common embedding, over real data in grey
classes.svg   the share of every class in every generation, and classes.csv with the counts
"""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from evaluator.charts import RAMP, STYLE, new_figure
from evaluator.config import LoopConfig
from evaluator.generation import Generation
from evaluator.models.base import Rows
from evaluator.run_record import RunRecord, read_run
from evaluator.setup import Setup, prepare
from evaluator.sweep_runs import write_csv
from hygiene.errors import ConfigurationError
from hygiene.files import renamed

SHOWN = 6  # generations in a figure, spread evenly from the first to the last
ACROSS = 1600  # pixels that a row of samples may be wide
FEWEST = 100  # samples of a generation that t-SNE says something about
MOST = 300  # of them that it takes
REAL = "real"


def left_out(config: LoopConfig) -> list[str]:
    """What cannot be drawn of a run of `config`, one sentence each, with what to set before the run."""
    found = []
    if config.keep_samples < 1:
        found.append("no samples.png: the run keeps none, set keep_samples = 16")
    if config.keep_samples < FEWEST:
        found.append(
            f"no tsne.svg: the run keeps {config.keep_samples} samples per generation, set keep_samples = {MOST} "
            f"(at least {FEWEST})"
        )
    if "class_counts" not in config.metrics:
        found.append("no classes.svg: the run counts no classes, add [metrics.class_counts]")
    return found


def write_pictures(folder: Path, setup: Setup | None = None) -> list[Path]:
    """Draw what the run in `folder` kept enough for (`left_out` says what not) beside its files; returns their paths.

    setup  of the run's configuration; made here when not given
    """
    record = read_run(folder)
    if not record.generations:
        raise ConfigurationError(f"{folder} holds no generation yet: run it first")
    ground = setup or prepare(record.config)
    with mpl.rc_context(STYLE):
        return [
            *_samples(folder / "samples.png", ground, record.generations),
            *_embedding(folder / "tsne.svg", ground, record.generations),
            *_classes(folder, record),
        ]


def evenly(steps: Sequence[Generation], count: int = SHOWN) -> list[Generation]:
    """At most `count` of `steps`, the first and the last among them."""
    chosen = np.unique(np.linspace(0, len(steps) - 1, count).round().astype(int))
    return [steps[index] for index in chosen]


def _samples(path: Path, setup: Setup, steps: Sequence[Generation]) -> list[Path]:
    shape = setup.source.shape
    kept = [step for step in steps if len(step.samples)]
    if not kept or len(shape) not in (2, 3) or (*shape, 1)[2] not in (1, 3):
        return []
    chosen = evenly(kept, 2 * SHOWN)
    strips = [setup.held_out, *(step.samples for step in chosen)]
    columns = min(max(ACROSS // shape[1], 4), 16, *map(len, strips))
    canvas = grid([strip[:columns] for strip in strips], shape, setup.held_out)
    _draw_grid(path, canvas, [REAL, *(str(step.generation) for step in chosen)])
    return [path]


def grid(strips: Sequence[Rows], shape: tuple[int, ...], real: Rows) -> NDArray[np.uint8]:
    """Rows of pictures [n, d] as one RGB picture, a white line between them; clipped to where 98 % of `real` lie."""
    low, high = np.quantile(real, (0.01, 0.99))
    scaled = (np.stack(strips) - low) / ((high - low) or 1.0)
    pixels = np.clip(255 * scaled, 0, 255).round().astype(np.uint8)
    tiles = pixels.reshape(*pixels.shape[:2], *shape, *(1,) * (3 - len(shape)))  # [rows, columns, h, w, channels]
    framed = np.pad(tiles, ((0, 0), (0, 0), (0, 1), (0, 1), (0, 0)), constant_values=255)
    rows, columns, height, width, channels = framed.shape
    whole = framed.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)
    return np.broadcast_to(whole, (*whole.shape[:2], 3))[:-1, :-1]


def _draw_grid(path: Path, canvas: NDArray[np.uint8], labels: list[str]) -> None:
    """Every pixel a whole number of screen pixels; the generation stands to the left of its row."""
    height, width = canvas.shape[:2]
    scale, dpi, margin, top = max(1, 1000 // width), 100, 70, 30
    wide, high = width * scale + margin, height * scale + top
    figure = Figure(figsize=(wide / dpi, high / dpi), dpi=dpi)
    figure.set_layout_engine("none")
    axes = figure.add_axes((margin / wide, 0, 1 - margin / wide, 1 - top / high))
    axes.imshow(canvas, interpolation="nearest", aspect="auto")
    axes.set_yticks((np.arange(len(labels)) + 0.5) * (height + 1) / len(labels) - 1, labels)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.set_title("generation", loc="left", fontsize=9, x=-margin / (width * scale) + 0.008)
    _save(path, figure, "png")


def _embedding(path: Path, setup: Setup, steps: Sequence[Generation]) -> list[Path]:
    kept = [step for step in steps if len(step.samples) >= FEWEST]
    if not kept:
        return []
    chosen = evenly(kept)
    parts = [setup.held_out[: 2 * MOST], *(step.samples[:MOST] for step in chosen)]
    places = np.split(embedded(setup.features(np.concatenate(parts))), np.cumsum([len(part) for part in parts])[:-1])
    _draw_embedding(path, places, [f"generation {step.generation}" for step in chosen])
    return [path]


def embedded(features: Rows) -> NDArray[np.float64]:
    """t-SNE (van der Maaten & Hinton 2008) of features [n, f] in the plane [n, 2], the same every time.

    Started from principal components, so that the large structure is not left to chance (Kobak & Linderman 2021).
    """
    from sklearn.manifold import TSNE

    wide = features if features.shape[1] > 1 else np.repeat(features, 2, axis=1)
    perplexity = min(30.0, (len(wide) - 1) / 3)
    places: NDArray[np.float64] = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(wide)
    return places


def _draw_embedding(path: Path, places: list[NDArray[np.float64]], titles: list[str]) -> None:
    columns = min(len(titles), 3)
    figure, panels = new_figure(columns, -(-len(titles) // columns), height=9.6 / columns)
    real, *samples = places
    for axes, title, part in zip(panels.flat, titles, samples, strict=False):
        axes.scatter(*real.T, s=5, color="#c8c8c8", linewidths=0, rasterized=True, label=REAL)
        axes.scatter(*part.T, s=5, color=RAMP[0], linewidths=0, rasterized=True, label="samples")
        axes.set(title=title, xticks=[], yticks=[], aspect="equal")
        axes.spines[:].set(visible=True, color="#c8c8c8")
    for spare in list(panels.flat)[len(titles) :]:
        spare.remove()
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, markerscale=3)
    _save(path, figure, "svg")


def _classes(folder: Path, record: RunRecord) -> list[Path]:
    rows = {REAL: counts_of(record.floors)} | {str(s.generation): counts_of(s.metrics) for s in record.generations}
    if not all(rows.values()):
        return []
    names = sorted({number for counts in rows.values() for number in counts})
    table = [{"generation": t} | {f"class_{c}": int(counts.get(c, 0)) for c in names} for t, counts in rows.items()]
    write_csv(folder / "classes.csv", table)
    shown = [REAL, *(str(step.generation) for step in evenly(record.generations, 20))]
    counts = np.array([[rows[t].get(c, 0.0) for t in shown] for c in names])
    _draw_classes(folder / "classes.svg", counts / counts.sum(axis=0), names, shown)
    return [folder / "classes.csv", folder / "classes.svg"]


def counts_of(metrics: dict[str, float]) -> dict[int, float]:
    """Class -> rows, out of what `class_counts` measured; empty where it did not."""
    names = [name for name in metrics if name.removeprefix("class_").isdigit()]
    return {int(name.removeprefix("class_")): metrics[name] for name in names}


def _draw_classes(path: Path, shares: NDArray[np.float64], classes: list[int], shown: list[str]) -> None:
    """shares [classes, columns] of each generation, in per cent, the real ones first."""
    figure, ((axes,),) = new_figure(1, height=min(1.2 + 0.3 * len(classes), 9.6))
    most = max(30.0, 100 * float(shares.max()))  # small differences stay pale
    image = axes.imshow(100 * shares, cmap="Blues", aspect="auto", vmin=0, vmax=most)
    axes.set_xticks(range(len(shown)), shown)
    axes.set_yticks(range(len(classes)), [str(number) for number in classes])
    axes.set(xlabel="generation", ylabel="class", title="share of samples in each class, per cent")
    axes.grid(False)
    axes.axvline(0.5, color="white", linewidth=4)
    if len(classes) <= 30:
        _write_shares(axes, 100 * shares, most)
    else:
        figure.colorbar(image, ax=axes)
    _save(path, figure, "svg")


def _write_shares(axes: Any, percent: NDArray[np.float64], most: float) -> None:
    for (row, column), value in np.ndenumerate(percent):
        colour = "white" if value > 0.6 * most else "black"
        axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=8, color=colour)


def _save(path: Path, figure: Figure, form: str) -> None:
    file = BytesIO()
    figure.savefig(file, format=form, metadata={"Date": None} if form == "svg" else None)
    renamed(path, lambda partial: partial.write_bytes(file.getvalue()))
