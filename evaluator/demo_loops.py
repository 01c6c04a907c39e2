"""The demo's loops: which ones are run, and what their generations come to.

Fresh real data comes from an oracle, a mixture fitted once to the digits, because a rising tide needs more real
samples than any small data set has.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evaluator import theory
from evaluator.collapse import bootstrap_interval, collapse_generation, collapse_threshold, paired_delay
from evaluator.config import Choice, Filter, LoopConfig, Tagging
from evaluator.generation import Generation

RECALLS = (0.0, 0.5, 0.9, 0.99, 1.0)
MARK_RECALLS = (0.0, 0.5, 0.9, 0.99)
COLLAPSE_AT = 0.8
SAMPLES = 900
TIDE_SAMPLES = 450  # fewer make the collapse steeper, and its date sharper
METRICS: dict[str, dict[str, Any]] = {"frechet": {}, "manifold": {}, "diversity": {}}


@dataclass(frozen=True)
class Arm:
    """One configuration of a study, run once per seed. `label` says in the report what sets it apart."""

    study: str
    label: str
    config: LoopConfig

    def seeded(self, seed: int) -> LoopConfig:
        return replace(self.config, seed=seed)


@dataclass(frozen=True)
class Scale:
    """How long the demo's loops run; `Scale()` takes about a minute on two cores."""

    seeds: int = 20
    tide_generations: int = 16
    loop_seeds: int = 3
    loop_generations: int = 10
    mark_seeds: int = 4
    mark_generations: int = 9


def _loop(**choices: Any) -> LoopConfig:
    base: dict[str, Any] = {
        "n_ini": SAMPLES,
        "n_reference": SAMPLES,
        "n_measure": SAMPLES,
        "features": Choice("lenet"),
        "metrics": METRICS,
        "keep_samples": 24,
    }
    return LoopConfig(**(base | choices))


def tide_arms(scale: Scale) -> list[Arm]:
    """The rising tide at every recall: the real share of the pool halves (in odds) at every generation."""
    return [
        Arm(
            "tide",
            f"{recall:g}",
            _loop(
                loop="rising_tide",
                n_ini=TIDE_SAMPLES,
                n_s=TIDE_SAMPLES,
                generations=scale.tide_generations,
                model=Choice("kde"),
                filter=Filter("simulated", tpr=recall, fpr=0.0) if recall else Filter(),
            ),
        )
        for recall in RECALLS
    ]


def classic_arms(scale: Scale) -> list[Arm]:
    """The three loops of Alemohammad et al. 2023 (arXiv:2307.01850), unbiased and with sampling bias."""
    half = SAMPLES // 2
    loops: list[dict[str, Any]] = [
        {"loop": "fully_synthetic", "n_s": SAMPLES},
        {"loop": "synthetic_augmentation", "n_s": half, "n_r": half},
        {"loop": "fresh_data", "n_s": half, "n_r": half},
    ]
    return [
        Arm(
            "classic",
            f"{choices['loop']} λ={bias:g}",
            _loop(generations=scale.loop_generations, sampling_bias=bias, model=Choice("mixture"), **choices),
        )
        for choices in loops
        for bias in (1.0, 0.7)
    ]


def mark_arms(scale: Scale) -> list[Arm]:
    """The mark's own fate: blind tagging behind filters, informed tagging, and blind tagging in a closed loop."""
    half = SAMPLES // 2

    def arm(mode: str, recall: float, loop: str = "fresh_data") -> Arm:
        sizes = {"n_s": half, "n_r": half} if loop == "fresh_data" else {"n_s": SAMPLES}
        config = _loop(
            loop=loop,
            generations=scale.mark_generations,
            model=Choice("mixture"),
            features=Choice("identity"),
            metrics={"frechet": {}},
            tagging=Tagging(mode, strength=4.0) if mode != "none" else Tagging(),
            filter=Filter("simulated", tpr=recall, fpr=0.0) if recall else Filter(),
            **sizes,
        )
        return Arm("mark", f"{mode} {loop} r={recall:g}", config)

    behind_filters = [arm("blind", recall) for recall in MARK_RECALLS]
    closed = [arm(mode, 0.0, "fully_synthetic") for mode in ("blind", "informed", "none")]
    return [*behind_filters, arm("informed", 0.0), *closed]


Runs = dict[str, list[list[Generation]]]
"""Arm label -> one list of generations per seed, in the order of seeds."""


def series(runs: Sequence[Sequence[Generation]], metric: str) -> list[list[float]]:
    """One metric, [seed][generation]."""
    return [[step.metrics[metric] for step in run] for run in runs]


def mark_series(runs: Sequence[Sequence[Generation]], probe: str) -> list[list[float]]:
    """One probe of the mark, [seed][generation]."""
    return [[step.mark[probe] for step in run] for run in runs]


def delay_rows(tide: Runs, q: float = COLLAPSE_AT) -> list[dict[str, Any]]:
    """Collapse generation and delay of every recall against log2((1−f)/(1−r)); null where the law is infinite."""
    recalls = {label: series(runs, "manifold_recall") for label, runs in tide.items()}
    unfiltered = recalls[f"{RECALLS[0]:g}"]
    threshold = collapse_threshold(unfiltered, q)
    collapses = {label: [collapse_generation(one, threshold) for one in runs] for label, runs in recalls.items()}
    base = collapses[f"{RECALLS[0]:g}"]
    rows = []
    for recall in RECALLS:
        found = paired_delay(collapses[f"{recall:g}"], base)
        rows.append(
            {
                "recall": recall,
                "fpr": 0.0,
                "t_star": found.t_star,
                "censored_share": found.censored_share,
                "delay": found.delay,
                "ci_low": found.ci_low,
                "ci_high": found.ci_high,
                "law": theory.delay(recall) if recall < 1 else None,
                "seeds": found.seeds,
                "threshold": threshold,
            }
        )
    return rows


def amplification_rows(marks: Runs) -> list[dict[str, Any]]:
    """Published mark over embedded mark in the steady state (second half of the generations), against the laws.

    Behind fresh data: 1/(1−κq'), κ = 1, q' the tagged share that the filter leaves. Informed tagging: 1.
    """
    return [
        _gain_row(marks[f"blind fresh_data r={recall:g}"], "blind", recall, theory.blind_gain(_share(recall)))
        for recall in MARK_RECALLS
    ] + [_gain_row(marks["informed fresh_data r=0"], "informed", 0.0, 1.0)]


def _share(recall: float) -> float:
    """q' of a pool that is half tagged."""
    return theory.residual_synthetic(0.5, recall, 0.0)


def _gain_row(runs: list[list[Generation]], tagging: str, recall: float, law: float) -> dict[str, Any]:
    published = np.array(mark_series(runs, "published_mark"))
    per_seed = published[:, published.shape[1] // 2 :].mean(axis=1)
    low, high = bootstrap_interval(per_seed)
    return {
        "tagging": tagging,
        "loop": "fresh_data",
        "recall": recall,
        "gain": float(per_seed.mean()),
        "ci_low": low,
        "ci_high": high,
        "law": law,
        "seeds": len(per_seed),
    }


def closed_loop_rows(marks: Runs) -> list[dict[str, Any]]:
    """The mark in a closed, fully synthetic loop: the blind mark grows by one unit per generation."""
    rows = []
    for tagging in ("blind", "informed"):
        runs = marks[f"{tagging} fully_synthetic r=0"]
        last = np.array(mark_series(runs, "published_mark"))[:, -1]
        damage = np.array(series(runs, "frechet_distance"))[:, -1]
        rows.append(
            {
                "tagging": tagging,
                "loop": "fully_synthetic",
                "generation": len(runs[0]),
                "published": float(last.mean()),
                "law": float(len(runs[0])) if tagging == "blind" else 1.0,
                "frechet_distance": float(np.median(damage)),
                "frechet_distance_untagged": float(
                    np.median(np.array(series(marks["none fully_synthetic r=0"], "frechet_distance"))[:, -1])
                ),
            }
        )
    return rows


def classic_rows(classic: Runs) -> list[dict[str, Any]]:
    """First and last generation of each loop: medians over seeds with their range."""
    rows = []
    for label, runs in classic.items():
        loop, _, bias = label.partition(" λ=")
        row: dict[str, Any] = {"loop": loop, "sampling_bias": float(bias), "generations": len(runs[0])}
        for metric in ("frechet_distance", "manifold_precision", "manifold_recall", "vendi"):
            values = np.array(series(runs, metric))
            row[metric] = {"first": float(np.median(values[:, 0])), "last": float(np.median(values[:, -1]))}
        rows.append(row)
    return rows


def interval_rows(runs: Sequence[Sequence[float]]) -> dict[str, list[float]]:
    """Median over seeds per generation, with a distribution-free 95 % interval of it (binomial order statistics)."""
    values = np.sort(np.asarray(runs, dtype=np.float64), axis=0)
    low, high = _median_ranks(len(values))
    return {
        "median": np.median(values, axis=0).tolist(),
        "low": values[low].tolist(),
        "high": values[high].tolist(),
    }


def _median_ranks(n: int) -> tuple[int, int]:
    """0-based ranks of the order statistics that hold the median with ≥ 95 %; the extremes when n < 6."""
    tail, rank = 0.0, 0
    while (tail := tail + math.comb(n, rank) / 2**n) <= 0.025:
        rank += 1
    low = max(rank - 1, 0)
    return low, n - 1 - low
