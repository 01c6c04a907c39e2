"""The paper's StyleGAN2 on faces: fully synthetic with and without truncation, and augmented with a growing pool.

Alemohammad et al. 2023 (arXiv:2307.01850): FFHQ at 128 pixels, 70 000 samples; 9 generations at λ = 1, 5 at λ = .7,
6 of augmentation, whose pool is what all generations published.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluator.config import Choice, LoopConfig
from evaluator.presets.base import LoopArm, Measured, Panel, Preset, median_curve
from evaluator.presets.three_loops import DISTANCE, PRECISION, RECALL, Signs, changes, label, told
from evaluator.presets.trends import better, falls_faster, not_lost

METRICS = (DISTANCE, PRECISION, RECALL)
KEPT = 0.05  # how much precision may be lost where it is said to be kept or to rise
CLOSED, BIASED = label("fully_synthetic", 1.0), label("fully_synthetic", 0.7)
AUGMENTED = label("synthetic_augmentation", 1.0)
CHANGES: Signs = {
    ("fully_synthetic", 1.0): {DISTANCE: 1, PRECISION: -1, RECALL: -1},
    ("fully_synthetic", 0.7): {DISTANCE: 1, PRECISION: None, RECALL: -1},
    ("synthetic_augmentation", 1.0): {DISTANCE: 1, PRECISION: -1, RECALL: -1},
}
HELD_OUT = 1 / 7  # of FFHQ's 70 000, whose own validation part has 10 000
LACKS = (
    "FOLDER with images/ (FFHQ's 70 000 pictures) and inception.safetensors (weights of the network that the metrics "
    "look through, see docs/metrics.md)"
)


@dataclass(frozen=True)
class World:
    """Real pictures, and all that goes with their size.

    samples, measured  of every generation: to learn from, and for the metrics
    rows               type that they are kept in
    """

    told: str
    source: Choice
    features: Choice
    samples: int
    measured: int
    training: dict[str, Any]
    rows: str = "float64"


def ffhq_stylegan2(scale: str, data: Path | None = None) -> Preset:
    """mad-ffhq-stylegan2. The small scale takes scikit-learn's digits, or 8 × 8 grey pictures of the folder `data`."""
    paper = scale == "paper"
    world = faces(data) if paper else small_pictures(data)
    lengths = {CLOSED: 9, BIASED: 5, AUGMENTED: 6}
    return Preset(
        "mad-ffhq-stylegan2",
        f"StyleGAN2 on {world.told}: {world.samples} samples per generation; {lengths[CLOSED]} generations at ψ = 1, "
        f"{lengths[BIASED]} at ψ = .7, {lengths[AUGMENTED]} of augmentation, whose pool is all that was published.",
        {arm: LoopArm(_config(world, arm, generations), seeds=3) for arm, generations in lengths.items()},
        [
            *changes(CHANGES),
            not_lost(BIASED, PRECISION, lengths[BIASED], KEPT),
            falls_faster(BIASED, CLOSED, RECALL, lengths[BIASED]),
            *(better(AUGMENTED, CLOSED, metric, lengths[AUGMENTED]) for metric in METRICS),
        ],
        _panels,
        LACKS if paper and data is None else "",
    )


def faces(data: Path | None) -> World:
    """The paper's world, less the seventh that the metrics compare with."""
    folder = data or Path()
    networks = {"channels": 3, "latent": 512, "depth": 8, "mapping_rate": 0.01, "width": 512, "full": 32}
    training = {**networks, "rate": 2.5e-3, "gamma": 0.1, "mixing": 0.9, "batch": 32}
    return World(
        "FFHQ at 128 pixels, 10 000 of its 70 000 faces held out",
        Choice("images", {"path": str(folder / "images"), "size": 128, "reference_share": HELD_OUT}),
        Choice("inception", {"path": str(folder / "inception.safetensors"), "device": "cuda"}),
        samples=60_000,
        measured=10_000,
        training={**training, "steps": 200_000, "device": "cuda"},
        rows="float16",  # 360 000 faces are 35 GB
    )


def small_pictures(data: Path | None) -> World:
    """8 × 8 grey pictures, and the model's default training: about an hour of a CPU."""
    source, told, features = Choice("digits"), "scikit-learn's 8 × 8 digits, which stand in for FFHQ", Choice("lenet")
    if data is not None:
        source = Choice("images", {"path": str(data), "size": 8, "colour": "grey"})
        told, features = f"the pictures of {data} at 8 pixels in grey", Choice("identity")
    return World(told, source, features, samples=898, measured=898, training={})


def _config(world: World, arm: str, generations: int) -> LoopConfig:
    augmented = arm == AUGMENTED
    return LoopConfig(
        loop="synthetic_augmentation" if augmented else "fully_synthetic",
        pool="all" if augmented else "previous",
        n_ini=world.samples,
        n_s=world.samples,
        n_r=world.samples if augmented else 0,
        generations=generations,
        sampling_bias=0.7 if arm == BIASED else 1.0,
        n_measure=world.measured,
        n_reference=world.measured,
        rows=world.rows,
        source=world.source,
        model=Choice("stylegan2", world.training),
        features=world.features,
        metrics={"frechet": {}, "manifold": {}},
    )


def _panels(measured: Measured) -> list[Panel]:
    arms = (CLOSED, BIASED, AUGMENTED)
    return [
        Panel(
            told(metric),
            "generation",
            told(metric),
            [median_curve(told(arm), measured[arm][metric]) for arm in arms],
            log_y=metric == DISTANCE,
        )
        for metric in METRICS
    ]
