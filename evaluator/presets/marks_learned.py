"""Whether generators that are trained by steps hand a mark on: the loops of mark-amplification with learned models.

A mixture fitted by EM keeps its training set's mean, so the laws hold for it; it stands beside as the reference.
Nothing is expected of the learned models.
"""

from dataclasses import replace
from functools import partial

from evaluator import theory
from evaluator.config import Choice
from evaluator.demo_loops import Scale, mark_arms
from evaluator.presets.base import Comparison, Estimate, LoopArm, Measured, Panel, Preset, median_curve
from evaluator.presets.marks import HALF, PUBLISHED, RAW, last, told, transfer

MIXTURE = "mixture"
LEARNED = ("vae", "ddpm_mlp", "flow", "wgan_gp")
SHARES = {
    "blind fresh_data r=0": HALF,
    "informed fresh_data r=0": HALF,
    "blind fully_synthetic r=0": 1.0,
    "informed fully_synthetic r=0": 1.0,
}
"""Loop -> q', the tagged share of what its models learn from."""

READINGS = {
    RAW: "raw mark",
    PUBLISHED: "published mark",
    "raw_auc": "AUC of a single raw sample",
    "raw_z": "z of 100 raw samples",
    "wrong_key_z": "mean absolute z of 100 raw samples under wrong keys",
}


def mark_learned(scale: str) -> Preset:
    """mark-amplification-learned."""
    seeds, generations, training = (3, 4, {}) if scale == "paper" else (2, 3, {"steps": 200})
    demo = {arm.label: arm.config for arm in mark_arms(Scale(mark_generations=generations))}
    models = {MIXTURE: Choice(MIXTURE)} | {name: Choice(name, training) for name in LEARNED}
    return Preset(
        "mark-amplification-learned",
        f"Whether a VAE, a diffusion model, a flow and a GAN hand on the mark they learn from, in {generations} "
        "generations on digits, with a mixture beside them; marks in units of what is embedded.",
        {
            _label(name, loop): LoopArm(replace(demo[loop], model=model), seeds)
            for name, model in models.items()
            for loop in SHARES
        },
        [row for name in models for loop in SHARES for row in _rows(name, loop, generations)],
        partial(_panels, generations),
    )


def _label(model: str, loop: str) -> str:
    return f"{model}, {loop}"


def _law(loop: str, generation: int) -> dict[str, float]:
    """Raw and published mark of one generation ≥ 2 under κ = 1, in units of what is embedded."""
    if loop.startswith("informed"):
        return {RAW: theory.informed_raw_mark(1.0, SHARES[loop]), PUBLISHED: 1.0}
    raw = theory.raw_mark(1.0, SHARES[loop], generation)
    return {RAW: raw, PUBLISHED: 1 + raw}


def _rows(model: str, loop: str, generations: int) -> list[Comparison]:
    arm = _label(model, loop)
    law = _law(loop, generations) if model == MIXTURE else {}

    def row(probe: str, what: str) -> Comparison:
        told_so = f"{what}, {told(arm)}, t = {generations}"
        if probe not in law:
            return Comparison(told_so, partial(_at_end, arm, probe))
        return Comparison(told_so, partial(_at_end, arm, probe), law[probe], 0.1, source="the law, κ = 1")

    kept = Comparison(f"transfer κ, {told(arm)}", partial(transfer, arm, SHARES[loop]))
    return [*(row(probe, what) for probe, what in READINGS.items()), kept]


def _at_end(arm: str, probe: str, measured: Measured) -> Estimate:
    return Estimate.of(last(measured[arm][probe]))


def _panels(generations: int, measured: Measured) -> list[Panel]:
    return [
        Panel(
            told(loop),
            "generation",
            "raw mark / embedded mark",
            [
                median_curve(model, measured[_label(model, loop)][RAW], _law(loop, generations)[RAW])
                for model in (MIXTURE, *LEARNED)
            ],
        )
        for loop in SHARES
    ]
