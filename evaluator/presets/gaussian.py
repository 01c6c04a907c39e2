"""The paper's Gaussian loops: fresh real data in a hundred dimensions, and how much synthetic data it can bear.

"MAD" is Alemohammad et al. 2023, "Self-Consuming Generative Models Go MAD", arXiv:2307.01850.
"""

from functools import partial

import numpy as np

from evaluator import theory
from evaluator.effective_size import admissible_interval, gaussian_effective_size
from evaluator.limits import settling_time
from evaluator.models.chains import Chains
from evaluator.presets.base import (
    ChainArm,
    Comparison,
    Curve,
    Estimate,
    Measured,
    Panel,
    Preset,
    Series,
    median_curve,
    settled,
)

DIMENSION = 100
METRIC = "frechet_distance"
FIGURE_10 = "simulated for the setting of MAD, Fig. 10 left"

N_REAL, N_SYNTHETIC = 100, 900
STARTS = (100, 1000)
LIMITS = {1.0: 12.3, 0.8: 20.6}
FIRST = {100: 31.9, 1000: 2.65}


def gaussian_fresh(scale: str) -> Preset:
    """mad-gaussian-fresh."""
    chains, last = (20, 60) if scale == "paper" else (2, 15)
    arms = {
        _fresh_label(bias, n_ini): ChainArm(
            Chains(chains, n_ini, N_REAL, N_SYNTHETIC, bias, unbiased=True, dimension=DIMENSION),
            settling_time(N_REAL, N_SYNTHETIC, bias) + last,
            seed=n_ini,
        )
        for bias in LIMITS
        for n_ini in STARTS
    }
    return Preset(
        "mad-gaussian-fresh",
        f"Gaussian in {DIMENSION} dimensions with {N_REAL} fresh real and {N_SYNTHETIC} synthetic samples per "
        "generation: where it settles, whatever it started from.",
        arms,
        [*_first(), *_limits(last), *_independence(last)],
        _fresh_panels,
    )


def _fresh_label(bias: float, n_ini: int) -> str:
    return f"λ = {bias:g}, n_ini = {n_ini}"


def _first() -> list[Comparison]:
    def measure(n_ini: int, measured: Measured) -> Estimate:
        return Estimate.of(np.concatenate([measured[_fresh_label(bias, n_ini)][METRIC][:, 0] for bias in LIMITS]))

    return [
        Comparison(
            f"distance at t = 1, n_ini = {n_ini}",
            partial(measure, n_ini),
            expected,
            0.03,
            source="simulated, real samples only",
        )
        for n_ini, expected in FIRST.items()
    ]


def _limits(last: int) -> list[Comparison]:
    def measure(bias: float, n_ini: int, measured: Measured) -> Estimate:
        return Estimate.of(settled(measured, _fresh_label(bias, n_ini), METRIC, last))

    return [
        Comparison(
            f"limit of the distance, {_fresh_label(bias, n_ini)}",
            partial(measure, bias, n_ini),
            limit,
            0.03,
            source=FIGURE_10,
        )
        for bias, limit in LIMITS.items()
        for n_ini in STARTS
    ]


def _independence(last: int) -> list[Comparison]:
    """The limits from both starts, as a ratio; the chains are independent, so they are resampled apart."""

    def measure(bias: float, measured: Measured) -> Estimate:
        below, above = (settled(measured, _fresh_label(bias, n_ini), METRIC, last) for n_ini in STARTS)
        return ratio(above, below)

    return [
        Comparison(
            f"limit from n_ini = {STARTS[1]} over limit from n_ini = {STARTS[0]}, λ = {bias:g}",
            partial(measure, bias),
            1.0,
            0.03,
            source="MAD: the limit does not depend on n_ini",
        )
        for bias in LIMITS
    ]


def ratio(above: Series, below: Series) -> Estimate:
    """Ratio of the means of two independent samples [n], [m], with a percentile bootstrap interval."""
    rng = np.random.default_rng(0)
    draws = [rng.choice(above, len(above)).mean() / rng.choice(below, len(below)).mean() for _ in range(1000)]
    low, high = np.quantile(draws, [0.025, 0.975])
    return Estimate(float(above.mean() / below.mean()), float(low), float(high))


def _fresh_panels(measured: Measured) -> list[Panel]:
    return [
        Panel(
            f"λ = {bias:g}",
            "generation",
            "Fréchet distance",
            [median_curve(f"n_ini = {n_ini}", measured[_fresh_label(bias, n_ini)][METRIC], limit) for n_ini in STARTS],
            log_y=True,
        )
        for bias, limit in LIMITS.items()
    ]


# (n_r, λ) -> the admissible n_s that simulations of this project's theory found; None: only its closed form
ADMISSIBLE = {(250, 0.7): 778.0, (1000, 0.7): 843.0, (1000, 0.5): None, (1000, 0.8): None}
FACTORS = (0.5, 0.7, 0.85, 1.0, 1.15, 1.4, 2.0)
"""Of the admissible n_s by the closed form: the sizes at which the loop is run."""


def gaussian_admissible(scale: str) -> Preset:
    """mad-gaussian-admissible."""
    chains, last = (20, 40) if scale == "paper" else (2, 10)
    settings = dict(ADMISSIBLE if scale == "paper" else {(250, 0.7): 778.0})
    arms: dict[str, ChainArm] = {}
    for n_real, bias in settings:
        alone = Chains(20 * chains, n_real, 0, 2, dimension=DIMENSION, unbiased=True)
        arms[_alone_label(n_real)] = ChainArm(alone, 1, seed=1)
        for n_synthetic in _sizes(n_real, bias):
            kind = Chains(chains, n_real, n_real, n_synthetic, bias, unbiased=True, dimension=DIMENSION)
            generations = settling_time(n_real, n_synthetic, bias) + last
            arms[_loop_label(n_real, bias, n_synthetic)] = ChainArm(kind, generations, seed=n_synthetic)
    return Preset(
        "mad-gaussian-admissible",
        f"Gaussian in {DIMENSION} dimensions: how many synthetic samples beside n_r fresh real ones do no harm.",
        arms,
        [
            Comparison(
                f"admissible n_s, n_r = {n_real}, λ = {bias:g}",
                partial(_admissible, n_real, bias, last),
                expected or theory.admissible_synthetic(n_real, bias, DIMENSION),
                0.1,
                source="simulated, n_e = n_r" if expected else "evaluator.theory.admissible_synthetic",
            )
            for (n_real, bias), expected in settings.items()
        ],
        partial(_ratio_panels, list(settings), last),
    )


def _sizes(n_real: int, bias: float) -> list[int]:
    law = theory.admissible_synthetic(n_real, bias, DIMENSION)
    return [round(factor * law) for factor in FACTORS]


def _alone_label(n_real: int) -> str:
    return f"n_r = {n_real}, real only"


def _loop_label(n_real: int, bias: float, n_synthetic: int) -> str:
    return f"n_r = {n_real}, λ = {bias:g}, n_s = {n_synthetic}"


def _loop_limits(n_real: int, bias: float, last: int, measured: Measured) -> Series:
    """[chains, sizes]."""
    labels = [_loop_label(n_real, bias, n_synthetic) for n_synthetic in _sizes(n_real, bias)]
    return np.stack([settled(measured, label, METRIC, last) for label in labels], axis=1)


def _admissible(n_real: int, bias: float, last: int, measured: Measured) -> Estimate:
    alone = measured[_alone_label(n_real)][METRIC][:, 0]
    limits = _loop_limits(n_real, bias, last, measured)
    return Estimate(*admissible_interval(_sizes(n_real, bias), limits, alone))


def _ratio_panels(settings: list[tuple[int, float]], last: int, measured: Measured) -> list[Panel]:
    curves = [_ratio_curve(n_real, bias, last, measured) for n_real, bias in settings]
    return [Panel("worth of the loop in real samples", "n_s", "n_e / n_r", curves, log_x=True)]


def _ratio_curve(n_real: int, bias: float, last: int, measured: Measured) -> Curve:
    estimates = [Estimate.of(column) for column in _loop_limits(n_real, bias, last, measured).T]
    worth = [
        [gaussian_effective_size(distance, DIMENSION) / n_real for distance in (each.value, each.high, each.low)]
        for each in estimates
    ]
    median, low, high = np.transpose(worth).tolist()
    return Curve(f"n_r = {n_real}, λ = {bias:g}", _sizes(n_real, bias), median, low, high, 1.0)
