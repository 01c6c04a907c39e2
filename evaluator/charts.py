"""Figures as self-contained SVG and PNG data. Numbers in, pictures out; nothing is computed here."""

import base64
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

Band = Mapping[str, Sequence[float]]
"""median, low, high: one value per generation."""

TITLES = {
    "manifold_recall": "manifold recall",
    "manifold_precision": "manifold precision",
    "frechet_distance": "Fréchet distance",
    "vendi": "Vendi score",
}
RAMP = ("#d1495b", "#e08e45", "#c9a227", "#3f88a5", "#1b4965")
STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "hygiene",
    "figure.constrained_layout.use": True,
}


def data_uri(figure: Figure) -> str:
    file = BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()


def new_figure(columns: int, rows: int = 1, height: float = 2.7) -> tuple[Figure, Any]:
    figure = Figure(figsize=(9.6, height * rows))
    return figure, figure.subplots(rows, columns, squeeze=False)


def count_generations(axes: Any) -> None:
    axes.set_xlabel("generation")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def draw_band(axes: Any, band: Band, label: str, colour: str, style: str = "-") -> None:
    generations = np.arange(1, len(band["median"]) + 1)
    axes.plot(generations, band["median"], style, color=colour, label=label, linewidth=1.6)
    axes.fill_between(generations, band["low"], band["high"], color=colour, alpha=0.15, linewidth=0)


def tide_chart(metrics: Mapping[str, Mapping[str, Band]], floors: Mapping[str, float], threshold: float) -> str:
    """One panel per metric, one line per recall; dotted: real against real, dashed: the collapse threshold."""
    with mpl.rc_context(STYLE):
        figure, panels = new_figure(2, 2)
        for axes, (metric, arms) in zip(panels.flat, metrics.items(), strict=True):
            for colour, (label, band) in zip(RAMP, arms.items(), strict=True):
                draw_band(axes, band, f"r = {label}", colour)
            axes.axhline(floors[metric], color="#555555", linestyle=":", linewidth=1)
            if metric == "manifold_recall":
                axes.axhline(threshold, color="#555555", linestyle="--", linewidth=1)
            axes.set(title=TITLES[metric], xlim=(1, None))
            count_generations(axes)
        panels[0][0].legend(title="filter recall", loc="lower left", fontsize=7.5)
        return data_uri(figure)


def delay_chart(rows: Sequence[Mapping[str, Any]]) -> str:
    """Measured delay with its interval against the law; hollow where runs were censored."""
    with mpl.rc_context(STYLE):
        figure, panels = new_figure(1, height=3.2)
        axes = panels[0][0]
        finite = [row for row in rows if row["law"] is not None]
        end = max(row["law"] for row in finite) + 0.7
        axes.plot([0, end], [0, end], color="#999999", linewidth=1, label="law: log2((1−f)/(1−r))")
        for row in finite:
            bars = [[row["delay"] - row["ci_low"]], [row["ci_high"] - row["delay"]]]
            face = "white" if row["censored_share"] else RAMP[4]
            axes.errorbar(row["law"], row["delay"], bars, fmt="o", color=RAMP[4], markerfacecolor=face, capsize=3)
            axes.annotate(f"r = {row['recall']:g}", (row["law"], row["delay"]), (8, -10), textcoords="offset points")
        axes.set(xlabel="delay by the law, generations", ylabel="measured delay, generations", xlim=(-0.3, end))
        axes.margins(y=0.12)  # the lowest point's label stays clear of the axis
        axes.legend(loc="upper left")
        return data_uri(figure)


def loops_chart(loops: Mapping[str, Mapping[float, Mapping[str, Band]]]) -> str:
    """Top: quality and diversity per loop; bottom: Fréchet distance. Solid λ = 1, dashed with sampling bias."""
    with mpl.rc_context(STYLE):
        figure, panels = new_figure(len(loops), 2)
        for column, (loop, biases) in enumerate(loops.items()):
            for style, (bias, bands) in zip(("-", "--"), biases.items(), strict=True):
                for colour, name in ((RAMP[3], "manifold_precision"), (RAMP[0], "manifold_recall")):
                    draw_band(panels[0][column], bands[name], f"{name.split('_')[1]}, λ = {bias:g}", colour, style)
                draw_band(panels[1][column], bands["frechet_distance"], f"λ = {bias:g}", RAMP[4], style)
            panels[0][column].set(title=loop.replace("_", " "), ylim=(0, 1.03))
            panels[1][column].set(yscale="log")
            panels[1][column].sharey(panels[1][0])
            for axes in panels[:, column]:
                count_generations(axes)
        panels[0][0].set_ylabel("manifold precision, recall")
        panels[1][0].set_ylabel("Fréchet distance")
        panels[0][0].legend(fontsize=7.5)
        panels[1][0].legend()
        return data_uri(figure)


def mark_chart(arms: Mapping[str, Band], laws: Mapping[str, float], closed: Mapping[str, Band]) -> str:
    """Left: published mark behind filters, dotted: the laws. Right: a closed loop, dotted: one unit per generation."""
    with mpl.rc_context(STYLE):
        figure, (panels,) = new_figure(2, height=3.2)
        for colour, (label, band) in zip(RAMP, arms.items(), strict=True):
            draw_band(panels[0], band, label, colour)
            panels[0].axhline(laws[label], color=colour, linestyle=":", linewidth=1.2)
        for colour, (label, band) in zip((RAMP[0], RAMP[4]), closed.items(), strict=True):
            draw_band(panels[1], band, label, colour)
        last = len(next(iter(closed.values()))["median"])
        panels[1].plot([1, last], [1, last], color="#999999", linestyle=":", linewidth=1.2)
        panels[0].set(title="half fresh data", ylabel="published mark / embedded mark")
        panels[1].set(title="fully synthetic")
        for axes in panels:
            count_generations(axes)
            axes.set_ylim(0, None)
            axes.legend(fontsize=8)
        return data_uri(figure)


def evidence_chart(scores: Mapping[str, Sequence[float]], thresholds: Mapping[str, float]) -> str:
    """Histogram of log10 p per truth, with the threshold of every recall level."""
    with mpl.rc_context(STYLE):
        figure, panels = new_figure(1, height=2.6)
        axes = panels[0][0]
        edges = np.linspace(min(map(min, scores.values())) - 1, 0.0, 80)
        for colour, (origin, values) in zip((RAMP[4], RAMP[0]), scores.items(), strict=True):
            axes.hist(values, edges.tolist(), color=colour, alpha=0.75, label=origin)
        for label, limit in thresholds.items():
            axes.axvline(limit, color="#333333", linestyle="--", linewidth=1)
            axes.annotate(label, (limit, 0.97), xycoords=("data", "axes fraction"), rotation=90, va="top", ha="right")
        axes.set(xlabel="log10 p (left = more likely tagged)", ylabel="pictures", yscale="log")
        axes.legend(loc="upper left")
        return data_uri(figure)


def recall_chart(rows: Sequence[Mapping[str, Any]]) -> str:
    """Limit of the Fréchet distance over recall, one panel per setting; the best recall is filled."""
    with mpl.rc_context(STYLE):
        figure, (panels,) = new_figure(len(rows), height=2.8)
        for axes, row in zip(panels, rows, strict=True):
            axes.plot(row["recall"], row["frechet_distance"], "o-", color=RAMP[4], markerfacecolor="white")
            best = row["recall"].index(row["best_recall"])
            axes.plot(row["recall"][best], row["frechet_distance"][best], "o", color=RAMP[0])
            axes.set(xlabel="filter recall", ylim=(0, None))
            axes.set_title(f"{row['n_real']:,} real, {row['n_synthetic']:,} synthetic, λ = {row['sampling_bias']:g}")
        panels[0].set_ylabel("limit of the Fréchet distance")
        return data_uri(figure)


def picture_uri(pixels: NDArray[np.uint8]) -> str:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def sample_strip(rows: NDArray[np.float32], side: int = 8, scale: int = 4) -> str:
    """Samples [n, side²] in 0..1 (what lies outside is clipped for the eye only) as one row of pictures."""
    tiles = np.clip(rows * 255, 0, 255).astype(np.uint8).reshape(len(rows), side, side)
    framed = np.pad(tiles, ((0, 0), (0, 0), (0, 1)), constant_values=255)
    strip = np.concatenate(list(framed), axis=1)
    return picture_uri(strip.repeat(scale, axis=0).repeat(scale, axis=1))
