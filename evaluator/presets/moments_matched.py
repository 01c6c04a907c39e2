"""What training takes, put back: closed loops without sampling bias, of models as trained and with matched moments.

A model that is narrower than what it learned from is a sampling bias at λ = 1, once per generation. MAD's signs of an
unbiased loop, less quality and less diversity, are then mixed with those of a biased one, which keeps quality.
"""

from functools import partial

import numpy as np

from evaluator.config import Choice, LoopConfig
from evaluator.presets.base import Comparison, Estimate, LoopArm, Measured, Panel, Preset, Series, median_curve
from evaluator.presets.three_loops import DISTANCE, PRECISION, RECALL, changed, signed, told
from evaluator.presets.trends import at

N = 900
DRAWS = 10 * N
METRICS = (DISTANCE, PRECISION, RECALL)
EXPECTED = {DISTANCE: 1, PRECISION: -1, RECALL: -1}
TRAINED, MATCHED = "as trained", "moments matched"
STRETCH = "moment_stretch"

MODELS = {
    "vae": Choice("vae"),
    "flow": Choice("flow"),
    "wgan_gp": Choice("wgan_gp"),
    "ddpm_mlp, labels": Choice("ddpm_mlp", {"labels": 10}),
    "ddpm_unet, labels": Choice("ddpm_unet", {"width": 8, "sampling_steps": 15, "order": 2, "labels": 10}),
    "stylegan2": Choice("stylegan2"),
}
SHORT = {"vae": Choice("vae", {"steps": 200}), "flow": Choice("flow", {"steps": 200})}


def moments_matched(scale: str) -> Preset:
    """mad-moments-matched."""
    models, generations, seeds = (MODELS, 9, 3) if scale == "paper" else (SHORT, 3, 2)
    return Preset(
        "mad-moments-matched",
        f"Closed loops at λ = 1 on draws of scikit-learn's 8 × 8 digits, {generations} generations of {N} samples: "
        f"models as trained, and brought to the moments of their training set by {DRAWS} draws.",
        {
            _label(name, kind): LoopArm(_config(model, kind, generations), seeds)
            for name, model in models.items()
            for kind in (TRAINED, MATCHED)
        },
        [row for name in models for row in _rows(name, generations)],
        partial(_panels, tuple(models)),
    )


def _label(name: str, kind: str) -> str:
    return f"{name}, {kind}"


def _config(model: Choice, kind: str, generations: int) -> LoopConfig:
    return LoopConfig(
        loop="fully_synthetic",
        n_ini=N,
        n_s=N,
        generations=generations,
        n_reference=N,
        moment_draws=DRAWS if kind == MATCHED else 0,
        model=model,
        features=Choice("lenet"),
        metrics={"frechet": {}, "manifold": {}},
    )


def _rows(name: str, generations: int) -> list[Comparison]:
    """MAD's signs for both kinds, how far the two are apart in the end, and what was put back."""
    rows = [
        signed(f"change of {told(metric)}, {arm}", partial(changed, arm, metric), EXPECTED[metric])
        for kind in (TRAINED, MATCHED)
        for arm in [_label(name, kind)]
        for metric in METRICS
    ]
    rows += [
        Comparison(
            f"{told(metric)} at t = {generations}, {_label(name, MATCHED)} less {TRAINED}",
            partial(_apart, name, metric, generations),
            sign=-EXPECTED[metric] if metric != PRECISION else None,
            source="less bias, less lost" if metric != PRECISION else "",
        )
        for metric in METRICS
    ]
    return [*rows, Comparison(f"stretch per generation, {_label(name, MATCHED)}", partial(_stretch, name))]


def _apart(name: str, metric: str, generation: int, measured: Measured) -> Estimate:
    return Estimate.of(
        np.subtract(*(at(measured, _label(name, kind), metric, generation) for kind in (MATCHED, TRAINED)))
    )


def _stretch(name: str, measured: Measured) -> Estimate:
    """Geometric mean over the generations."""
    means: Series = np.exp(np.log(measured[_label(name, MATCHED)][STRETCH]).mean(axis=1))
    return Estimate.of(means)


def _panels(models: tuple[str, ...], measured: Measured) -> list[Panel]:
    return [
        Panel(
            name,
            "generation",
            told(metric),
            [median_curve(kind, measured[_label(name, kind)][metric]) for kind in (TRAINED, MATCHED)],
        )
        for name in models
        for metric in (PRECISION, RECALL)
    ]
