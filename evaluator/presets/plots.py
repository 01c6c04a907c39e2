"""An experiment's panels as one SVG file."""

import re
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib as mpl
from matplotlib.ticker import LogFormatter, MaxNLocator, StrMethodFormatter

from evaluator.charts import STYLE, new_figure
from evaluator.presets.base import Curve, Panel
from hygiene.files import write_text

TAG, SURPLUS_DIGITS = re.compile("<[^>]*>"), re.compile(r"(\.\d\d)\d+")  # hundredths of a point are enough
MOST = {1: 60, 2: 50, 3: 38}  # characters of a title that fit over a panel, by panels in a row
COLOURS = ("#1b4965", "#d1495b", "#c9a227", "#3f88a5", "#7b9e4b", "#8a4f7d", "#e08e45", "#777777")


class PlainLog(LogFormatter):
    """Labels the ticks that LogFormatter does, with 0.6 in place of 6e−01."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}" if super().__call__(x, pos) else ""


def write_plot(path: Path, panels: Sequence[Panel]) -> None:
    """Draw `panels` in rows of two, or of three where their number is odd.

    A label has one colour in all of them, if there are colours for all labels; else every panel begins with the first.
    """
    columns = min(2 if len(panels) % 2 == 0 else 3, len(panels))
    labels = list(dict.fromkeys(curve.label for panel in panels for curve in panel.curves))
    shared = labels if len(labels) <= len(COLOURS) else None
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(columns, -(-len(panels) // columns), height=3.6)
        for panel, each in zip(panels, axes.flat, strict=False):
            _draw(each, panel, shared or [curve.label for curve in panel.curves], MOST[columns])
        for spare in list(axes.flat)[len(panels) :]:
            spare.remove()
        file = BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    write_text(path, TAG.sub(lambda tag: SURPLUS_DIGITS.sub(r"\1", tag[0]), file.getvalue().decode()))


def _draw(axes: Any, panel: Panel, labels: Sequence[str], most: int) -> None:
    for curve in panel.curves:
        _line(axes, curve, COLOURS[labels.index(curve.label) % len(COLOURS)])
    axes.set(title=fill(panel.title, most), xlabel=panel.x_label, ylabel=fill(panel.y_label, 30))
    if all(float(x).is_integer() for curve in panel.curves for x in curve.x):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axis, name, is_log in ((axes.xaxis, "x", panel.log_x), (axes.yaxis, "y", panel.log_y)):
        if is_log:
            axes.set(**{f"{name}scale": "log"})
            axis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.set_minor_formatter(PlainLog(labelOnlyBase=False))
    if any(curve.label for curve in panel.curves):
        axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.22))


def _line(axes: Any, curve: Curve, colour: str) -> None:
    marker = "o" if len(curve.x) < 20 else None
    axes.plot(curve.x, curve.median, color=colour, label=curve.label, linewidth=1.4, marker=marker, markersize=3)
    axes.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.15, linewidth=0)
    if curve.dotted is not None:
        axes.axhline(curve.dotted, color=colour, linestyle=":", linewidth=1)
