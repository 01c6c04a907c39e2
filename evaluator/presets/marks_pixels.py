"""Whether the marks of codecs of real pictures are amplified: the loops of mark-amplification with pixels in them.

Every loop has a twin of the same seeds in which nobody tags (adoption = 0), read with the same keys: what differs
between the two is the mark's doing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from evaluator.config import Choice, Filter, LoopConfig, Processing, Tagging
from evaluator.presets.base import Comparison, LoopArm, Measured, Panel, Preset, median_curve
from evaluator.presets.data import mnist_or_like
from evaluator.presets.marks import HALF
from evaluator.presets.marks_twins import (
    READINGS,
    RESIDUAL,
    Twins,
    filter_rows,
    mark_rows,
    paired,
    rotating_rows,
    transfer_row,
)

LAWFUL = ("gaussian", "kde")  # keep their training set's mean, so the laws hold for what is linear in a row
CLOSED, FRESH = "fully_synthetic", "fresh_data"
SHARES = {CLOSED: 1.0, FRESH: HALF}
UNTAGGED, SMALLER = "untagged", "blind, half size, JPEG 75, filter p ≤ 1e-6"
ROTATING, HALVED = "blind, rotating keys", "blind, half tag"
FILTERED, COMPRESSED = "blind, filter p ≤ 1e-6", "blind, JPEG 75, filter p ≤ 1e-6"
RECALLED, INFORMED_FILTERED = "blind, filter recall .9", "informed, filter p ≤ 1e-6"
MAX_P = 1e-6
GAN = Choice("wgan_gp_images", {"steps": 300})  # a quarter of a minute of CPU time for 600 pictures
MLP = Choice("ddpm_mlp", {"steps": 1500})
UNET = Choice("ddpm_unet", {"steps": 300, "width": 8, "batch": 16, "rate": 5e-3, "sampling_steps": 25})
SIDES = {"dwt_dct_svd": 40, "rivagan": 32}  # pixels, the smallest that take these codecs' marks
PSNR = 36.0  # dB: at 40, two in three of Fashion-MNIST's pictures are too flat to keep a mark of 28 pixels

WAYS: dict[str, tuple[dict[str, Any], Filter, Processing]] = {
    UNTAGGED: ({"mode": "blind", "adoption": 0.0}, Filter(), Processing()),
    "blind": ({"mode": "blind"}, Filter(), Processing()),
    "informed": ({"mode": "informed"}, Filter(), Processing()),
    ROTATING: ({"mode": "blind", "rotate": True}, Filter(), Processing()),
    HALVED: ({"mode": "blind", "adoption": 0.5}, Filter(), Processing()),
    FILTERED: ({"mode": "blind"}, Filter("detector", max_p=MAX_P), Processing()),
    INFORMED_FILTERED: ({"mode": "informed"}, Filter("detector", max_p=MAX_P), Processing()),
    RECALLED: ({"mode": "blind"}, Filter("detector", recall=0.9), Processing()),
    COMPRESSED: (
        {"mode": "blind"}, Filter("detector", max_p=MAX_P), Processing("jpeg", quality=75)
    ),
    SMALLER: (
        {"mode": "blind"}, Filter("detector", max_p=MAX_P), Processing("jpeg", quality=75, resize=0.5)
    ),
}  # fmt: skip
"""How output is tagged, what is filtered, what happens to published pictures."""

BASIC = (UNTAGGED, "blind", "informed")
DEFENDED = (ROTATING, HALVED, FILTERED, RECALLED)


@dataclass(frozen=True)
class Case:
    """One loop of one model and codec, in some WAYS; the first of them is the untagged twin.

    side      of the pictures in pixels, where the source can be asked for one
    psnr      of spread, in dB; its default when not given
    readings  probes of the table, as `Twins` takes them
    rules     way -> probe -> what the table expects of it
    """

    model: Choice
    codec: str
    loop: str
    ways: tuple[str, ...] = BASIC
    seeds: int = 2
    side: int | None = None
    psnr: float | None = None
    readings: Mapping[str, str] = field(default_factory=lambda: READINGS)
    rules: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)

    def label(self, way: str) -> str:
        return f"{self.model.name}, {self.codec}, {self.loop}, {way}"

    def twins(self, way: str) -> Twins:
        lawful, rules = self.model.name in LAWFUL, self.rules.get(way, {})
        return Twins(self.label(way), self.label(UNTAGGED), SHARES[self.loop], lawful, self.readings, rules)


def mark_pixels(scale: str, data: Path | None = None) -> Preset:
    """mark-amplification-pixels."""
    paper = scale == "paper"
    pictures = mnist_or_like(data)
    base = loop_of(600 if paper else 200, 4 if paper else 3)
    base = replace(base, source=pictures.source)
    vae = Choice("vae", {"steps": 600 if paper else 100})
    lawful, seeds = Choice("gaussian"), 3 if paper else 2
    spread = partial(Case, codec="spread", psnr=PSNR)
    cases = [
        spread(lawful, loop=CLOSED, seeds=seeds),
        spread(lawful, loop=FRESH, ways=(*BASIC, SMALLER), seeds=seeds),
        spread(vae, loop=CLOSED),
        spread(vae, loop=FRESH, ways=tuple(way for way in WAYS if way not in ("informed", SMALLER))),
    ]
    if paper:
        for model, further in ((MLP, (INFORMED_FILTERED,)), (GAN, ()), (UNET, ())):
            cases.append(spread(model, loop=CLOSED, ways=BASIC[:2]))
            cases.append(spread(model, loop=FRESH, ways=(*BASIC[:2], *DEFENDED, *further)))
    about = f"What becomes of spread's mark of {PSNR:g} dB on {pictures.told} where generators learn from it"
    return twins_preset("mark-amplification-pixels", about, base, cases, pictures.lacks)


def mark_colours(scale: str) -> Preset:
    """mark-amplification-colours."""
    paper = scale == "paper"
    base = replace(loop_of(200 if paper else 100, 3), source=Choice("crops"), features=Choice("pca"))
    vae = Choice("vae", {"steps": 300 if paper else 100})
    svd, rivagan = (partial(Case, codec=codec, side=side) for codec, side in SIDES.items())
    turned = (ROTATING,) if paper else ()
    cases = [
        svd(vae, loop=CLOSED, ways=(*BASIC, *turned)),
        rivagan(vae, loop=CLOSED, ways=(*BASIC[:2], *turned)),
        rivagan(Choice("gaussian"), loop=CLOSED, ways=BASIC[:2]),
    ]
    if paper:
        gan, unet = (_in_colour(model) for model in (GAN, UNET))
        cases += [
            svd(vae, loop=FRESH, ways=BASIC[:2]),
            rivagan(vae, loop=FRESH, ways=(*BASIC[:2], HALVED, RECALLED)),
            *(codec(model, loop=CLOSED, ways=BASIC[:2]) for model in (gan, unet) for codec in (svd, rivagan)),
            rivagan(unet, loop=FRESH, ways=BASIC[:2]),
        ]
    about = "What becomes of the marks of dwt_dct_svd and rivagan on crops of photographs, of 40 and 32 pixels a side"
    return twins_preset("mark-amplification-colours", about, base, cases)


def loop_of(size: int, generations: int) -> LoopConfig:
    """The closed loop that the cases are variations of: `size` samples of every kind."""
    return LoopConfig(
        loop=CLOSED,
        n_ini=size,
        n_s=size,
        n_reference=size,
        n_measure=size,
        generations=generations,
        probe_keys=4,
        metrics={"frechet": {}},
    )


def twins_preset(name: str, about: str, base: LoopConfig, cases: list[Case], lacks: str = "") -> Preset:
    """An experiment of `cases`, each a variation of `base`."""
    arms = {case.label(way): LoopArm(_config(base, case, way), case.seeds) for case in cases for way in case.ways}
    rows = [row for case in cases for way in case.ways[1:] for row in _rows(case, way, base.generations)]
    return Preset(name, f"{about}, against loops in which nobody tags.", arms, rows, partial(_panels, cases), lacks)


def _config(base: LoopConfig, case: Case, way: str) -> LoopConfig:
    tagging, chosen, processing = WAYS[way]
    n_r = base.n_ini // 2 if case.loop == FRESH else 0
    return replace(
        base,
        source=base.source if case.side is None else _sized(base.source, case.side),
        loop=case.loop,
        n_s=base.n_ini - n_r,
        n_r=n_r,
        model=case.model,
        tagging=Tagging(**tagging, codec=case.codec, psnr=case.psnr),
        filter=chosen,
        processing=processing,
    )


def _in_colour(model: Choice) -> Choice:
    return replace(model, parameters={**model.parameters, "channels": 3})


def _sized(source: Choice, side: int) -> Choice:
    return replace(source, parameters={**source.parameters, "size": side})


def _rows(case: Case, way: str, generations: int) -> list[Comparison]:
    twins = case.twins(way)
    tagging, chosen, _ = WAYS[way]
    if chosen.mode != "none":
        return filter_rows(twins, generations)
    if "rotate" in tagging:
        return rotating_rows(twins, generations)
    return mark_rows(twins, generations) + ([transfer_row(twins)] * (way in BASIC))


def _panels(cases: list[Case], measured: Measured) -> list[Panel]:
    """Of every codec and loop the mean residual and the detector's statistic of raw output: twins' differences."""
    return [
        Panel(
            f"{title}, {codec}, {loop.replace('_', ' ')}",
            "generation",
            axis,
            [
                median_curve(f"{case.model.name}, {way}", paired(case.twins(way), probe, measured))
                for case in cases
                if (case.codec, case.loop) == (codec, loop)
                for way in case.ways
                if way in BASIC[1:]
            ],
        )
        for codec, loop in dict.fromkeys((case.codec, case.loop) for case in cases)
        for title, axis, probe in (
            ("mean residual", "raw output, in units of one tagging", RESIDUAL),
            ("statistic", "raw output, standard deviations", "raw_mark_sd"),
        )
    ]
