"""Whether generators that are trained by steps hand a mark on: the loops of mark-amplification with learned models.

A mixture fitted by EM keeps its training set's mean, so the laws hold for it; it stands beside as the reference.
Nothing is expected of the learned models.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from evaluator.config import Choice
from evaluator.presets.base import Comparison, Estimate, LoopArm, Measured, Panel, Preset, Series, median_curve
from evaluator.presets.marks import LAST_KEY, PUBLISHED, RAW, demo_configs, last, told
from evaluator.presets.marks_loops import UNTAGGED, MarkLoop, basic_loops, damage_row, other_loops

MIXTURE = "mixture"
LEARNED = ("vae", "ddpm_mlp", "flow", "wgan_gp")

READINGS = {"raw_auc": "AUC of a single raw sample", "raw_z": "z of 100 raw samples"}
WRONG_KEYS = {"wrong_key_z": "mean absolute z of 100 raw samples under wrong keys"}
LEAST_FILTERED = 0.05  # of what is embedded: half of the raw mark that a filter of recall .9 leaves


def mark_learned(scale: str) -> Preset:
    """mark-amplification-learned."""
    paper = scale == "paper"
    seeds, generations, training = (3, 4, {}) if paper else (2, 3, {"steps": 200})
    models = {MIXTURE: Choice(MIXTURE)} | {name: Choice(name, training) for name in LEARNED}
    basic, other = basic_loops(generations), other_loops(generations)
    more = tuple(models) if paper else (MIXTURE,)  # go through all loops, and through one in which nobody tags
    loops = {(name, label): loop for name in models for label, loop in basic.items()}
    loops |= {(name, label): loop for name in more for label, loop in other.items()}
    untagged = {(name, UNTAGGED): demo_configs(generations)[UNTAGGED] for name in more}
    configs = {key: loop.config for key, loop in loops.items()} | untagged
    return Preset(
        "mark-amplification-learned",
        f"Whether a VAE, a diffusion model, a flow and a GAN hand on the mark they learn from, in {generations} "
        "generations on digits, with a mixture beside them; marks in units of what is embedded.",
        {_label(*key): LoopArm(replace(config, model=models[key[0]]), seeds) for key, config in configs.items()},
        [row for (name, label), loop in loops.items() for row in _rows(name, label, loop, label in basic, generations)]
        + _damage(more, [label for label in (*basic, *other) if "fully_synthetic" in label], generations),
        partial(_panels, basic | other, list(loops), generations),
    )


def _label(model: str, loop: str) -> str:
    return f"{model}, {loop}"


def _rows(model: str, label: str, loop: MarkLoop, basic: bool, generations: int) -> list[Comparison]:
    arm = _label(model, label)
    marks = _mark_rows(arm, loop, generations, lawful=model == MIXTURE)
    probes = READINGS | WRONG_KEYS if basic else READINGS
    readings = [
        Comparison(f"{what}, {told(arm)}, t = {generations}", partial(_read, arm, probe, last))
        for probe, what in probes.items()
    ]
    return [*marks, *readings, Comparison(f"transfer κ, {told(arm)}", partial(loop.transfer, arm))]


def _mark_rows(arm: str, loop: MarkLoop, generations: int, lawful: bool) -> list[Comparison]:
    """Of the last generation; with rotating keys, where the law has no t, of all from the second on: each pair of keys
    adds its own chance."""
    when, read = (f"t = 2 … {generations}", _from_second) if loop.rotates else (f"t = {generations}", last)
    laws = {LAST_KEY: loop.synthetic} if loop.rotates else {RAW: loop.raw(generations)}
    rows = [
        Comparison(f"{probe.replace('_', ' ')}, {told(arm)}, {when}", partial(_read, arm, probe, read))
        for probe in (*laws, PUBLISHED)
    ]
    if not lawful:
        return rows
    expected = [*laws.values(), loop.published(generations)]
    held = [
        replace(row, expected=law, tolerance=0.1, source="the law, κ = 1")
        for row, law in zip(rows, expected, strict=True)
    ]
    if loop.filtered:
        held[0] = replace(held[0], tolerance=LEAST_FILTERED, absolute=True)
    return held


def _read(arm: str, probe: str, read: Callable[[Series], Series], measured: Measured) -> Estimate:
    return Estimate.of(read(measured[arm][probe]))


def _from_second(series: Series) -> Series:
    """Mean of the generations from the second on, one per seed: [seeds]."""
    means: Series = series[:, 1:].mean(axis=1)
    return means


def _damage(models: tuple[str, ...], closed: list[str], generations: int) -> list[Comparison]:
    arms = [(_label(name, label), _label(name, UNTAGGED)) for name in models for label in closed]
    return [damage_row(arm, untagged, f"{told(arm)}, t = {generations}") for arm, untagged in arms]


def _panels(
    loops: dict[str, MarkLoop], run: list[tuple[str, str]], generations: int, measured: Measured
) -> list[Panel]:
    """Raw mark per loop; with rotating keys that of the last key."""
    return [
        Panel(
            told(label),
            "generation",
            "last key's raw mark / embedded mark" if loop.rotates else "raw mark / embedded mark",
            [
                median_curve(
                    model,
                    measured[_label(model, label)][LAST_KEY if loop.rotates else RAW],
                    loop.synthetic if loop.rotates else loop.raw(generations),
                )
                for model, where in run
                if where == label
            ],
        )
        for label, loop in loops.items()
    ]
