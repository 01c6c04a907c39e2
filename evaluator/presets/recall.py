"""Where more filtering stops helping: the limit of the Gaussian fresh-data loop over the filter's recall."""

from functools import partial

import numpy as np

from evaluator.demo_recall import CONTAMINATION, DIMENSION, SETTINGS
from evaluator.limits import filtered_chains, settling_time
from evaluator.optimum import least
from evaluator.presets.base import ChainArm, Comparison, Estimate, Measured, Panel, Preset, Series, mean_curve, settled

METRIC = "frechet_distance"
RECALLS = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.99, 1.0)

Setting = tuple[int, float]
"""Samples in the pool per generation, λ."""

# The limits that simulations of this project's theory found, d = 100, nine tenths of the pool synthetic, f = 0
EXPECTED: dict[Setting, dict[float, float]] = {
    (10_000, 0.8): {0.0: 16.6, 0.5: 8.27, 0.9: 2.18, 0.95: 2.08, 0.99: 2.45, 1.0: 2.66},
    (1_000, 0.8): {0.0: 20.6, 1.0: 31.8},
}
BEST: dict[Setting, float] = {(10_000, 0.8): 0.95, (10_000, 1.0): 0.0, (1_000, 0.8): 0.7}


def recall_u_curve(scale: str) -> Preset:
    """recall-u-curve."""
    chains, last = (16, 40) if scale == "paper" else (2, 6)
    recalls = RECALLS if scale == "paper" else tuple(EXPECTED[10_000, 0.8])
    settings = SETTINGS if scale == "paper" else SETTINGS[:1]
    arms = {_label(setting, recall): _arm(setting, recall, chains, last) for setting in settings for recall in recalls}
    return Preset(
        "recall-u-curve",
        f"Gaussian in {DIMENSION} dimensions with fresh real data and a filter in front of a pool that is "
        f"{CONTAMINATION:.0%} synthetic: the limit over the filter's recall.",
        arms,
        [*_limits(settings, recalls, last), *_best(settings, recalls, last)],
        partial(_panels, settings, recalls, last),
    )


def _label(setting: Setting, recall: float) -> str:
    total, bias = setting
    n_real = round(total * (1 - CONTAMINATION))
    return f"n_r = {n_real}, n_s = {total - n_real}, λ = {bias:g}, r = {recall:g}"


def _arm(setting: Setting, recall: float, chains: int, last: int) -> ChainArm:
    total, bias = setting
    kind = filtered_chains(chains, total, CONTAMINATION, bias, recall, DIMENSION)
    alone = kind.n_synthetic == 0  # nothing is handed on: one generation is as good as many
    generations = 1 if alone else settling_time(kind.n_real, kind.n_synthetic, bias) + last
    return ChainArm(kind, generations, seed=round(1000 * recall) + total)


def _limits(settings: tuple[Setting, ...], recalls: tuple[float, ...], last: int) -> list[Comparison]:
    def measure(label: str, measured: Measured) -> Estimate:
        return Estimate.of(settled(measured, label, METRIC, last))

    return [
        Comparison(
            f"limit of the distance, {_label(setting, recall)}",
            partial(measure, _label(setting, recall)),
            expected,
            0.05,
            source="simulated, d = 100, f = 0",
        )
        for setting in settings
        for recall, expected in EXPECTED.get(setting, {}).items()
        if recall in recalls
    ]


def _best(settings: tuple[Setting, ...], recalls: tuple[float, ...], last: int) -> list[Comparison]:
    def measure(setting: Setting, measured: Measured) -> Estimate:
        best = least(recalls, _table(setting, recalls, last, measured))
        return Estimate(best.point, best.low, best.high)

    return [
        Comparison(
            f"recall with the least distance, {_label(setting, 0.0).rpartition(', ')[0]}",
            partial(measure, setting),
            BEST[setting],
            0.05,
            absolute=True,
            source="simulated, d = 100, f = 0",
        )
        for setting in settings
    ]


def _table(setting: Setting, recalls: tuple[float, ...], last: int, measured: Measured) -> Series:
    """[chains, recalls]."""
    return np.stack([settled(measured, _label(setting, recall), METRIC, last) for recall in recalls], axis=1)


def _panels(settings: tuple[Setting, ...], recalls: tuple[float, ...], last: int, measured: Measured) -> list[Panel]:
    return [_panel(setting, recalls, _table(setting, recalls, last, measured)) for setting in settings]


def _panel(setting: Setting, recalls: tuple[float, ...], table: Series) -> Panel:
    title = _label(setting, 0.0).rpartition(", ")[0]
    return Panel(title, "filter recall", "limit of the Fréchet distance", [mean_curve("", recalls, table)])
