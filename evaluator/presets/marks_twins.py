"""What is read off a loop that tags and its twin of the same seeds in which nobody does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from evaluator.presets.base import Comparison, Estimate, Measured, Series, quotient
from evaluator.presets.marks import LAST_KEY, last

RESIDUAL, PUBLISHED_RESIDUAL, KEYED = "raw_residual", "published_residual", "raw_keyed"

DIFFERENCES = {
    RESIDUAL: "mean residual of raw output over the twin's",
    KEYED: "the part of it that no wrong key has",
    "raw_mark_sd": "statistic of raw output over the twin's, in deviations",
    "frechet_distance": "Fréchet distance added by the mark",
}
"""Probe -> what its difference to the untagged twin is called."""

READINGS = {
    "published_found": "share of published output found",
    "raw_auc": "AUC of a single raw sample",
    "raw_z": "z of 100 raw samples",
    "wrong_key_z": "mean absolute z of 100 raw samples under wrong keys",
}
SINGLE = READINGS | {
    "raw_tpr": "TPR of a single raw sample at 1 % FPR",
    "raw_found": "share of raw output found",
}
"""Beside these, what a detector finds of raw output where it is strong enough to find a single one."""
TRANSFER = "transfer"
"""Where `Twins` and cases hold rules of probes, the one of κ, which is none."""
FILTERED = {"tpr": "realised tpr", "fpr": "realised fpr"}


@dataclass(frozen=True)
class Twins:
    """Labels of an arm that tags and of the one that does not; `share`, tagged, of what its models learn from.

    lawful    whether its model keeps means, so that the transfer of the mean residual must be 1
    readings  probe of the tagged arm -> what it is called, in the table
    rules     probe, or TRANSFER -> what a Comparison of it expects
    """

    tagged: str
    untagged: str
    share: float
    lawful: bool
    readings: Mapping[str, str] = field(default_factory=lambda: READINGS)
    rules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def paired(twins: Twins, probe: str, measured: Measured) -> Series:
    """One probe, tagged less untagged, seed by seed: [seeds, generations]."""
    difference: Series = measured[twins.tagged][probe] - measured[twins.untagged][probe]
    return difference


def residual_transfer(twins: Twins, measured: Measured) -> Estimate:
    """κ of the mean residual: what raw output carries of it over the mean of what was learned from, both less the
    twin's; generations 2 and later of a seed together."""
    raw, published = (paired(twins, probe, measured) for probe in (RESIDUAL, PUBLISHED_RESIDUAL))
    learned = twins.share * published[:, :-1].mean(axis=1)
    return Estimate.of(quotient(raw[:, 1:].mean(axis=1), learned), "tagging left the published mean as it was")


def mark_rows(twins: Twins, generations: int) -> list[Comparison]:
    """The rows of a loop with one key and without a filter."""
    return [*_differences(twins, generations, DIFFERENCES), *_readings(twins, generations, twins.readings)]


def rotating_rows(twins: Twins, generations: int) -> list[Comparison]:
    """The rows of a loop with a key per generation: the twin has none of them, so only their damage is compared."""
    damage = {"frechet_distance": DIFFERENCES["frechet_distance"]}
    readings = {LAST_KEY: "mark of the last key in raw output", **twins.readings}
    return [*_differences(twins, generations, damage), *_readings(twins, generations, readings)]


def transfer_row(twins: Twins) -> Comparison:
    """κ of a loop with one key, in which all published output is tagged the same way."""
    found = Comparison(f"transfer κ of the mean residual, {_told(twins)}", partial(residual_transfer, twins))
    if not twins.lawful:
        return replace(found, **twins.rules.get(TRANSFER, {}))
    return replace(found, expected=1.0, tolerance=0.1, source="a model that keeps the mean")


def filter_rows(twins: Twins, generations: int) -> list[Comparison]:
    """The rows of a loop behind a detector: what it catches, and what the raw output carries in spite of it."""
    return _readings(twins, generations, {**FILTERED, **twins.readings})


def _differences(twins: Twins, generations: int, probes: Mapping[str, str]) -> list[Comparison]:
    return [_row(twins, probe, what, generations, paired) for probe, what in probes.items()]


def _readings(twins: Twins, generations: int, probes: Mapping[str, str]) -> list[Comparison]:
    return [_row(twins, probe, what, generations, _plain) for probe, what in probes.items()]


def _plain(twins: Twins, probe: str, measured: Measured) -> Series:
    return measured[twins.tagged][probe]


def _row(
    twins: Twins, probe: str, what: str, generations: int, series: Callable[[Twins, str, Measured], Series]
) -> Comparison:
    def measure(measured: Measured) -> Estimate:
        return Estimate.of(last(series(twins, probe, measured)))

    return Comparison(f"{what}, {_told(twins)}, t = {generations}", measure, **twins.rules.get(probe, {}))


def _told(twins: Twins) -> str:
    return twins.tagged.replace("fully_synthetic", "closed loop").replace("fresh_data", "half fresh data")
