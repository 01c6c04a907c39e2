"""What becomes of a mark in the loop: blind and informed tagging, fixed and rotating keys, some or all generators.

Additive marks of 4 standard deviations along a key, in a mixture on 8 × 8 digits; fresh data is half of the pool.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from evaluator import theory
from evaluator.config import Filter, LoopConfig, Tagging
from evaluator.demo_loops import Scale, mark_arms
from evaluator.presets.base import (
    Comparison,
    Estimate,
    LoopArm,
    Measured,
    Panel,
    Preset,
    Series,
    median_curve,
    quotient,
)

PUBLISHED, RAW, LAST_KEY = "published_mark", "raw_mark", "last_key_mark"
STRENGTH = 4.0
HALF = 0.5  # the synthetic share of the pool in the loops with fresh data


@dataclass(frozen=True)
class Law:
    """A probe of one arm and the value that its settled part, or its last generation, should have."""

    arm: str
    probe: str
    expected: float
    source: str
    at_end: bool = False


def mark_amplification(scale: str) -> Preset:
    """mark-amplification."""
    seeds, generations = (8, 10) if scale == "paper" else (2, 6)
    demo = demo_configs(generations)
    configs = demo | rotating(demo) | adopting(demo)
    laws = _laws(generations)
    return Preset(
        "mark-amplification",
        "How strongly output carries a mark after generations of training on tagged output, in units of what is "
        "embedded (mixture on digits, half of the pool is fresh data unless the loop is fully synthetic).",
        {label: LoopArm(config, seeds) for label, config in configs.items()},
        [*(_compared(law, generations) for law in laws), *_transfers(demo), *_damage(), *_readings()],
        partial(_panels, laws),
    )


def demo_configs(generations: int) -> dict[str, LoopConfig]:
    """The demo's loops of a mark, by label."""
    return {arm.label: arm.config for arm in mark_arms(Scale(mark_generations=generations))}


def rotating(demo: dict[str, LoopConfig]) -> dict[str, LoopConfig]:
    """The blind loops of `demo` with a key per generation."""
    return {
        f"rotating keys, {label}": replace(demo[label], tagging=Tagging("blind", STRENGTH, rotate=True))
        for label in ("blind fresh_data r=0", "blind fully_synthetic r=0")
    }


def adopting(demo: dict[str, LoopConfig]) -> dict[str, LoopConfig]:
    """The blind loop with fresh data where only some tag, without a filter and behind one."""
    base = demo["blind fresh_data r=0"]
    made = {}
    for share, recall in ((0.5, 0.0), (0.25, 0.0), (0.5, 0.9)):
        tagging = Tagging("blind", STRENGTH, adoption=share)
        chosen = Filter("simulated", tpr=recall, fpr=0.0) if recall else Filter()
        made[f"{share:.0%} tag, blind fresh_data r={recall:g}"] = replace(base, tagging=tagging, filter=chosen)
    return made


def _laws(generations: int) -> list[Law]:
    gain, kept = theory.blind_gain, theory.residual_synthetic
    fixed = [
        Law(f"blind fresh_data r={recall:g}", PUBLISHED, gain(kept(HALF, recall, 0.0)), "1/(1−κq')")
        for recall in (0.0, 0.5, 0.9, 0.99)
    ]
    return [
        *fixed,
        Law("blind fresh_data r=0", RAW, gain(HALF) - 1, "κq'/(1−κq')"),
        Law("informed fresh_data r=0", PUBLISHED, 1.0, "informed: no gain"),
        Law("blind fully_synthetic r=0", PUBLISHED, float(generations), "a_t = tα", at_end=True),
        Law("informed fully_synthetic r=0", PUBLISHED, 1.0, "informed: no gain", at_end=True),
        Law("rotating keys, blind fresh_data r=0", PUBLISHED, 1.0, "a new key: no gain"),
        Law("rotating keys, blind fresh_data r=0", LAST_KEY, theory.rotated_mark(1.0, HALF, 1), "κq'"),
        Law("rotating keys, blind fully_synthetic r=0", PUBLISHED, 1.0, "a new key: no gain"),
        Law("rotating keys, blind fully_synthetic r=0", LAST_KEY, theory.rotated_mark(1.0, 1.0, 1), "κq'"),
        *(_adoption_law(share, recall) for share, recall in ((0.5, 0.0), (0.25, 0.0), (0.5, 0.9))),
    ]


def _adoption_law(share: float, recall: float) -> Law:
    """Published mean over all synthetic samples: α times the share that tags, and what all of them carry."""
    tagged, untagged, real = HALF * share * (1 - recall), HALF * (1 - share), 1 - HALF
    total = tagged + untagged + real
    carried = theory.adopted_raw_mark(1.0, tagged / total, untagged / total)
    label = f"{share:.0%} tag, blind fresh_data r={recall:g}"
    return Law(label, PUBLISHED, share + carried, "s + κq_t/(1−κ(q_t+q_u))")


def _settled_part(series: Series) -> Series:
    """Mean of the second half of the generations, per seed."""
    half: Series = series[:, series.shape[1] // 2 :].mean(axis=1)
    return half


def last(series: Series) -> Series:
    """The last generation's values of a series, one per seed: [seeds]."""
    return series[:, -1]


def _compared(law: Law, generations: int) -> Comparison:
    read: Callable[[Series], Series] = last if law.at_end else _settled_part

    def measure(measured: Measured) -> Estimate:
        return Estimate.of(read(measured[law.arm][law.probe]))

    when = f", t = {generations}" if law.at_end else ""
    what = f"{law.probe.replace('_', ' ')}, {told(law.arm)}{when}"
    return Comparison(what, measure, law.expected, 0.1, source=law.source)


def told(arm: str) -> str:
    """An arm's label as tables and plots say it."""
    return arm.replace("_", " ").replace(" r=", ", r = ")


def transfer(arm: str, share: float | Series, measured: Measured, probe: str = RAW) -> Estimate:
    """κ of an arm whose training sets are synthetic to `share`, one or [seeds, generations − 1]: `probe` of a
    generation over the mean mark of what it learned from, share × the mark published before it."""
    raw, published = measured[arm][probe], measured[arm][PUBLISHED]
    learned = (share * published[:, :-1]).mean(axis=1)
    return Estimate.of(quotient(raw[:, 1:].mean(axis=1), learned), "what is learned from carries no mark")


def _transfers(demo: dict[str, LoopConfig]) -> list[Comparison]:
    shares = {"blind fresh_data r=0": HALF, "blind fully_synthetic r=0": 1.0}
    return [
        Comparison(
            f"transfer κ, {told(arm)}", partial(transfer, arm, share), 1.0, 0.1, source="a model that keeps the mean"
        )
        for arm, share in shares.items()
        if arm in demo
    ]


def _damage() -> list[Comparison]:
    """What the mark alone does to the samples of a closed loop: the same seeds with it and without."""

    def measure(arm: str, measured: Measured) -> Estimate:
        ends = [measured[each]["frechet_distance"][:, -1] for each in (arm, "none fully_synthetic r=0")]
        return Estimate.of(np.subtract(*ends))

    arms = {
        "blind fully_synthetic r=0": 1,
        "rotating keys, blind fully_synthetic r=0": 1,
        "informed fully_synthetic r=0": 1,
    }
    return [
        Comparison(f"Fréchet distance added by the mark, {told(arm)}", partial(measure, arm), sign=sign)
        for arm, sign in arms.items()
    ]


def _readings() -> list[Comparison]:
    """Whether raw output, which nobody tagged, gives its training away: one sample at a time, and a hundred together.

    The null is .5 for the AUC, 0 for z, and √(2/π) ≈ .8 for |z| under wrong keys.
    """

    def measure(arm: str, probe: str, measured: Measured) -> Estimate:
        return Estimate.of(_settled_part(measured[arm][probe]))

    arms = ("blind fresh_data r=0", "blind fresh_data r=0.9", "informed fresh_data r=0")
    probes = {
        "raw_auc": "AUC of a single raw sample",
        "raw_z": "z of 100 raw samples",
        "wrong_key_z": "mean absolute z of 100 raw samples under wrong keys",
    }
    return [
        Comparison(f"{what}, {told(arm)}", partial(measure, arm, probe))
        for arm in arms
        for probe, what in probes.items()
    ]


def _panels(laws: list[Law], measured: Measured) -> list[Panel]:
    groups = {
        "fixed key, half fresh data": ("blind fresh_data", "informed fresh_data"),
        "rotating keys; a share tags": ("rotating keys, blind fresh_data", "50% tag", "25% tag"),
        "fully synthetic": ("blind fully_synthetic", "informed fully_synthetic", "rotating keys, blind fully"),
    }
    levels = {law.arm: law.expected for law in laws if law.probe == PUBLISHED and not law.at_end}
    return [
        Panel(
            title,
            "generation",
            "published mark / embedded mark",
            [
                median_curve(told(arm), series[PUBLISHED], levels.get(arm))
                for arm, series in measured.items()
                if arm.startswith(starts)
            ],
        )
        for title, starts in groups.items()
    ]
