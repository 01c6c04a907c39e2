"""What an experiment is: arms to run, what to read off them, and what theory or a paper says it should be."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluator.collapse import bootstrap_interval
from evaluator.config import LoopConfig
from evaluator.models.chains import Chains

DRAWN = 80  # points of a line: more cannot be told apart, and make a plot megabytes large

Series = NDArray[np.float64]
"""One metric, [seeds, generations]."""

Measured = Mapping[str, Mapping[str, Series]]
"""Arm -> metric -> its series."""


@dataclass(frozen=True)
class ChainArm:
    """Gaussian loops on sufficient statistics; every chain counts as a seed. Measures frechet_distance, to the truth.

    chains       how many, of which kind
    generations  t = 1 … generations
    seed         of their common random stream
    """

    chains: Chains
    generations: int
    seed: int = 0


@dataclass(frozen=True)
class LoopArm:
    """A loop, run with seeds 0 … seeds−1 in a run folder each."""

    config: LoopConfig
    seeds: int


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval over seeds.

    undefined  why the figure cannot be had, and the three are NaN; empty: it can
    """

    value: float
    low: float
    high: float
    undefined: str = ""

    @classmethod
    def of(cls, values: Sequence[float] | Series, undefined: str = "a seed has no value") -> "Estimate":
        """The mean of one value per seed, with a bootstrap interval; not defined where a seed's is no finite number."""
        if not np.isfinite(values).all():
            return cls(np.nan, np.nan, np.nan, undefined)
        low, high = bootstrap_interval(values)
        return cls(float(np.mean(values)), low, high)


@dataclass(frozen=True)
class Comparison:
    """One figure to read off, and what it is compared with.

    what       in words
    measure    reads it off the measured arms
    expected   by theory or paper; None when only reported, or compared by sign
    tolerance  how far the figure may lie from `expected`: a share of it, or in its own unit (`absolute`)
    sign       +1 or −1: the interval must lie above or below zero
    source     where the expectation is from
    """

    what: str
    measure: Callable[[Measured], Estimate]
    expected: float | None = None
    tolerance: float | None = None
    absolute: bool = False
    sign: int | None = None
    source: str = ""

    def holds(self, found: Estimate) -> bool | None:
        """Whether the expectation is met; None where there is none, or no figure."""
        if found.undefined:
            return None
        if self.sign is not None:
            return found.low > 0 if self.sign > 0 else found.high < 0
        if self.expected is None or self.tolerance is None:
            return None
        unit = 1.0 if self.absolute else abs(self.expected)
        return abs(found.value - self.expected) <= self.tolerance * unit

    @property
    def rule(self) -> str:
        """In words: "within 3 %", "above 0"."""
        if self.sign is not None:
            return "interval above 0" if self.sign > 0 else "interval below 0"
        if self.tolerance is None:
            return ""
        return f"within {self.tolerance:g}" if self.absolute else f"within {100 * self.tolerance:g} %"


@dataclass(frozen=True)
class Curve:
    """What is drawn as one line: `x` against means over seeds, with their interval.

    dotted  a level to compare with; None: nothing
    """

    label: str
    x: Sequence[float]
    median: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    dotted: float | None = None


@dataclass(frozen=True)
class Panel:
    """One plot of an experiment."""

    title: str
    x_label: str
    y_label: str
    curves: Sequence[Curve]
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True)
class Preset:
    """An experiment at one scale.

    about        what it does, in a sentence
    arms         label -> what is run
    comparisons  the rows of its table
    panels       its plots, out of what was measured
    lacks        data that a user must name before it can run, in words; empty when nothing is missing
    """

    name: str
    about: str
    arms: Mapping[str, ChainArm | LoopArm]
    comparisons: Sequence[Comparison]
    panels: Callable[[Measured], list[Panel]]
    lacks: str = ""

    def with_seeds(self, seeds: int) -> "Preset":
        """The same with another number of seeds for every loop. Chains, of which there are thousands, stay."""
        return replace(
            self,
            arms={
                label: replace(arm, seeds=seeds) if isinstance(arm, LoopArm) else arm
                for label, arm in self.arms.items()
            },
        )


def quotient(above: Series, below: Series) -> Series:
    """above / below [seeds]; NaN where `below` is 0, of which no Estimate is made."""
    found: Series = np.divide(above, below, out=np.full(len(above), np.nan), where=below != 0)
    return found


def settled(measured: Measured, arm: str, metric: str, last: int) -> Series:
    """Mean over the last generations, one per seed: [seeds]."""
    means: Series = measured[arm][metric][:, -last:].mean(axis=1)
    return means


def mean_curve(label: str, x: Sequence[float], table: Series) -> Curve:
    """Means over seeds of `table` [seeds, x], with intervals."""
    estimates = [Estimate.of(column) for column in table.T]
    values, low, high = ([getattr(each, name) for each in estimates] for name in ("value", "low", "high"))
    return Curve(label, x, values, low, high)


def median_curve(label: str, series: Series, dotted: float | None = None) -> Curve:
    """Medians over seeds per generation, with intervals; generations in which a seed has no value are left out.

    Of long runs at most DRAWN generations are taken, evenly.
    """
    from evaluator.demo_loops import interval_rows

    whole = np.flatnonzero(~np.isnan(series).any(axis=0))
    if not len(whole):
        return Curve(label, [], [], [], [], dotted)
    whole = whole[np.unique(np.linspace(0, len(whole) - 1, DRAWN).round().astype(int))]
    rows: dict[str, Any] = interval_rows(series[:, whole].tolist())
    return Curve(label, (whole + 1).tolist(), rows["median"], rows["low"], rows["high"], dotted)
