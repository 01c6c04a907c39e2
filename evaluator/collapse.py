"""When a loop collapses, and how many generations a filter buys: crossing times, censored, paired by seed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hygiene.errors import ConfigurationError

STAYS = 0.8
RESAMPLES = 4000


@dataclass(frozen=True)
class Collapse:
    """When one run's series fell. `generation` is interpolated; T where it did not fall (`censored`)."""

    generation: float
    censored: bool


def collapse_generation(series: ArrayLike, threshold: float) -> Collapse:
    """The first generation at which `series` [T] (generation 1 first) falls under `threshold` and stays there.

    "Stays" means: under it in at least 80 % of this and all later generations, so that noise near the threshold
    does not decide. The crossing is interpolated linearly between the two generations around it.
    """
    values = np.asarray(series, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ConfigurationError(f"a series has shape {values.shape}, expected one value per generation")
    under = values < threshold
    for i in np.flatnonzero(under):
        if (i == 0 or not under[i - 1]) and under[i:].mean() >= STAYS:
            return Collapse(i + _crossing(values[i - 1], values[i], threshold) if i else 1.0, False)
    return Collapse(float(values.size), True)


def _crossing(before: float, after: float, threshold: float) -> float:
    """Where between two neighbours, 0..1, the straight line passes the threshold."""
    return float((before - threshold) / (before - after))


def collapse_threshold(unfiltered: Sequence[ArrayLike], q: float) -> float:
    """q × the mean generation-1 value of the unfiltered arm's series, one per seed."""
    if not 0 < q < 1:
        raise ConfigurationError(f"q is {q}, expected a share of the first generation's value, between 0 and 1")
    return q * float(np.mean([np.asarray(series, dtype=np.float64)[0] for series in unfiltered]))


@dataclass(frozen=True)
class Delay:
    """Generations that an arm collapses later than the unfiltered one.

    t_star          restricted mean of the arm's collapse generation: a run that did not fall counts as T
    censored_share  share of the arm's runs that did not fall: `t_star` and `delay` are then lower bounds
    delay           mean of the paired differences, run by run of one seed
    ci_low, ci_high bootstrap interval of `delay` over seeds
    seeds           pairs
    """

    t_star: float
    censored_share: float
    delay: float
    ci_low: float
    ci_high: float
    seeds: int


def paired_delay(arm: Sequence[Collapse], unfiltered: Sequence[Collapse], confidence: float = 0.95) -> Delay:
    """The delay of `arm` against the unfiltered arm, both in the same order of seeds."""
    if len(arm) != len(unfiltered) or not arm:
        raise ConfigurationError(
            f"{len(arm)} runs against {len(unfiltered)} unfiltered ones: a paired delay needs the same seeds in both"
        )
    times = np.array([run.generation for run in arm])
    differences = times - np.array([run.generation for run in unfiltered])
    low, high = bootstrap_interval(differences, confidence)
    return Delay(
        t_star=float(times.mean()),
        censored_share=float(np.mean([run.censored for run in arm])),
        delay=float(differences.mean()),
        ci_low=low,
        ci_high=high,
        seeds=len(arm),
    )


def bootstrap_interval(values: ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """Bias-corrected and accelerated bootstrap interval of the mean (Efron 1987), reproducible.

    All values equal, or only one: the interval is that point, which is no evidence of precision.
    """
    from scipy import stats

    data = np.asarray(values, dtype=np.float64)
    if np.ptp(data) <= 1e-12 * np.abs(data).max():
        return float(data.mean()), float(data.mean())
    found = stats.bootstrap(
        (data,),
        np.mean,
        confidence_level=confidence,
        n_resamples=RESAMPLES,
        method="BCa",
        vectorized=True,
        random_state=np.random.default_rng(0),
    ).confidence_interval
    return float(found.low), float(found.high)
