"""A finished demo folder to one self-contained page. Reads files only; computes nothing but medians for the eye."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from evaluator import charts, findings
from evaluator.demo_loops import MARK_RECALLS, RECALLS, interval_rows

TIDE_METRICS = ("manifold_recall", "manifold_precision", "frechet_distance", "vendi")
GRID_STEPS = 5

Series = dict[str, list[list[float]]]


def write_report(folder: Path) -> Path:
    """Write `folder`/report.html from summary.json, loops.jsonl, samples.npz and pictures/; return its path."""
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)
    page = environment.get_template("report.html.jinja").render(_content(folder))
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def _content(folder: Path) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    rows = [json.loads(line) for line in (folder / "loops.jsonl").read_text().splitlines()]
    threshold = summary["delay"][0]["threshold"]
    page: dict[str, Any] = {
        "headlines": findings.headlines(summary),
        "curve_findings": findings.curve_findings(summary["recall_curve"]),
        "recall_chart": charts.recall_chart(summary["recall_curve"]),
        "filter_findings": findings.filter_findings(summary["filter"]),
        "delay_findings": findings.delay_findings(summary["delay"]),
        "loop_findings": findings.loop_findings(summary["loops"]),
        "mark_findings": findings.mark_findings(summary["amplification"], summary["closed_loop"]),
        "evidence_chart": _evidence_chart(folder, summary["filter"]),
        "pairs": _pairs(folder / "pictures"),
        "tide_chart": charts.tide_chart(_tide_bands(rows), summary["floors"], threshold),
        "delay_chart": charts.delay_chart(summary["delay"]),
        "loops_chart": charts.loops_chart(_loop_bands(rows)),
        "mark_chart": _mark_chart(rows, summary["amplification"]),
        "grids": _grids(folder),
        "tide_seeds": summary["delay"][0]["seeds"],
        "threshold": threshold,
    }
    return summary | page


def _series(rows: list[dict[str, Any]], study: str, group: str, name: str) -> Series:
    """Arm -> [seed][generation] of one metric or probe."""
    found: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["study"] == study and name in row[group]:
            found[row["arm"]][row["seed"]].append(row[group][name])
    return {arm: list(seeds.values()) for arm, seeds in found.items()}


def _tide_bands(rows: list[dict[str, Any]]) -> dict[str, dict[str, charts.Band]]:
    bands: dict[str, dict[str, charts.Band]] = {}
    for metric in TIDE_METRICS:
        found = _series(rows, "tide", "metrics", metric)
        bands[metric] = {f"{recall:g}": interval_rows(found[f"{recall:g}"]) for recall in RECALLS}
    return bands


def _loop_bands(rows: list[dict[str, Any]]) -> dict[str, dict[float, dict[str, charts.Band]]]:
    bands: dict[str, dict[float, dict[str, charts.Band]]] = defaultdict(lambda: defaultdict(dict))
    for metric in ("manifold_precision", "manifold_recall", "frechet_distance"):
        for arm, seeds in _series(rows, "classic", "metrics", metric).items():
            loop, _, bias = arm.partition(" λ=")
            bands[loop][float(bias)][metric] = interval_rows(seeds)
    return bands


def _mark_chart(rows: list[dict[str, Any]], amplification: list[dict[str, Any]]) -> str:
    found = _series(rows, "mark", "mark", "published_mark")
    arms = {f"blind, r = {recall:g}": found[f"blind fresh_data r={recall:g}"] for recall in MARK_RECALLS}
    arms["informed, r = 0"] = found["informed fresh_data r=0"]
    laws = {f"{row['tagging']}, r = {row['recall']:g}": row["law"] for row in amplification}
    closed = {mode: interval_rows(found[f"{mode} fully_synthetic r=0"]) for mode in ("blind", "informed")}
    return charts.mark_chart({label: interval_rows(seeds) for label, seeds in arms.items()}, laws, closed)


def _evidence_chart(folder: Path, rows: list[dict[str, Any]]) -> str:
    """log10 p of every picture of the pool, by the truth."""
    pictures = folder / "pictures"
    truth = {row["id"]: row["origin"] for row in _lines(pictures / "truth.jsonl")}
    scores: dict[str, list[float]] = {"tagged": [], "real": []}
    for part in ("kept", "excluded"):
        for row in _lines(pictures / "filtered" / f"recall-{rows[0]['recall_asked']:g}" / f"{part}.jsonl"):
            scores[truth[row["id"]]].append(row["log10_p"])
    thresholds = {f"recall {row['recall_asked']:g}": row["max_log10_p"] for row in rows}
    return charts.evidence_chart(scores, thresholds)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _pairs(pictures: Path, count: int = 6, gain: int = 32) -> list[dict[str, str]]:
    """The generator's picture, the tagged one, and their difference, amplified."""
    pairs = []
    for path in sorted((pictures / "tagged").glob("*.png"))[:count]:
        tagged = np.asarray(Image.open(path)).astype(np.int16)
        plain = np.asarray(Image.open(pictures / "generated" / path.name)).astype(np.int16)
        difference = np.clip(128 + gain * (tagged - plain), 0, 255)
        three = (plain, tagged, difference)
        names = ("plain", "tagged", "difference")
        pairs.append({name: charts.picture_uri(each.astype(np.uint8)) for name, each in zip(names, three, strict=True)})
    return pairs


def _grids(folder: Path) -> list[dict[str, Any]]:
    """Sample strips of a few generations of the most telling loops, first seed."""
    titles = {
        "classic fully_synthetic λ=1": "Fully synthetic, λ = 1",
        "classic fully_synthetic λ=0.7": "Fully synthetic, λ = 0.7: quality without diversity",
        "classic fresh_data λ=1": "Fresh data, λ = 1",
        "tide 0": "Rising tide, no filter",
        "tide 0.9": "Rising tide, filter at recall 0.9",
        "mark blind fully_synthetic r=0": "Blind tagging, fully synthetic: the mark becomes the picture",
        "mark informed fully_synthetic r=0": "Informed tagging, fully synthetic",
    }
    with np.load(folder / "samples.npz", allow_pickle=False) as samples:
        return [{"title": title, "strips": _strips(samples[name])} for name, title in titles.items()]


def _strips(samples: Any) -> list[dict[str, Any]]:
    """samples [generation, n, 64]."""
    chosen = np.unique(np.linspace(0, len(samples) - 1, GRID_STEPS).round().astype(int))
    return [{"generation": int(t) + 1, "image": charts.sample_strip(samples[t])} for t in chosen]
