"""The paper's GAN on MNIST in its three loops, without sampling bias, and augmented by a growing pool.

Alemohammad et al. 2023 (arXiv:2307.01850): WGAN-GP (Gulrajani et al. 2017), 60 000 samples, 100 generations, the
features of a LeNet. With half of real data the loop settles; a pool that keeps all synthetic data beside the real set,
as in the paper's StyleGAN2, has one real sample in t.
"""

from functools import partial
from pathlib import Path

from evaluator.config import Choice, LoopConfig
from evaluator.presets.base import LoopArm, Preset
from evaluator.presets.data import Pictures, mnist_or_like
from evaluator.presets.three_loops import (
    DISTANCE,
    GROWING,
    LOOPS,
    PRECISION,
    RECALL,
    Signs,
    changes,
    halves,
    label,
    panels,
    pool_of,
)
from evaluator.presets.trends import better

METRICS = (DISTANCE, PRECISION, RECALL)
ALL_LOOPS = (*LOOPS[:2], GROWING, LOOPS[2])
STAYS = 0.05  # how far precision and recall may move where they are said to stay
CHANGES: Signs = {
    ("fully_synthetic", 1.0): {DISTANCE: 1, PRECISION: -1, RECALL: -1},
    ("synthetic_augmentation", 1.0): {DISTANCE: 1, PRECISION: -1, RECALL: -1},
    (GROWING, 1.0): {DISTANCE: 1, PRECISION: -1, RECALL: -1},
    ("fresh_data", 1.0): {DISTANCE: None, PRECISION: 0, RECALL: 0},
}
GULRAJANI = {"latent": 128, "width": 64, "kernel": 5, "smooth": False, "critic_steps": 5, "batch": 50, "rate": 1e-4}


def mnist_wgan(scale: str, data: Path | None = None) -> Preset:
    """mad-mnist-wgan."""
    small = scale == "small"
    samples, generations, measured = (900, 30, 900) if small else (60_000, 100, 10_000)
    pictures = mnist_or_like(data, "digits_oracle") if small else mnist_or_like(data, repeats=True)
    training = (
        {"steps": 500, "latent": 32, "width": 16, "critic_steps": 1, "rate": 1.6e-2}
        if small
        else {**GULRAJANI, "steps": 20_000, "device": "cuda"}
    )
    model = Choice("wgan_gp_images", training)
    config = partial(_config, pictures, model, samples, generations, measured)
    end = partial(better, other=label("fully_synthetic", 1.0), generation=generations)
    return Preset(
        "mad-mnist-wgan",
        f"A convolutional WGAN-GP on {pictures.told}: {samples} samples per generation, half of them real in the loops "
        f"with real data, all beside {samples} real ones where the pool grows; {generations} generations.",
        {label(loop, 1.0): LoopArm(config(loop), seeds=3) for loop in ALL_LOOPS},
        [
            *changes(CHANGES, STAYS),
            *(end(label(loop, 1.0), metric=metric) for loop in ALL_LOOPS[1:] for metric in METRICS),
        ],
        partial(panels, METRICS, (1.0,), loops=ALL_LOOPS),
        pictures.lacks,
    )


def _config(pictures: Pictures, model: Choice, samples: int, generations: int, measured: int, loop: str) -> LoopConfig:
    return LoopConfig(
        n_ini=samples,
        generations=generations,
        n_measure=measured,
        n_reference=measured,
        source=pictures.source,
        model=model,
        features=Choice("lenet"),
        metrics={"frechet": {}, "manifold": {}},
        **({"n_r": samples, "n_s": samples} if loop == GROWING else halves(loop, samples)),  # type: ignore[arg-type]
        **pool_of(loop, samples),  # type: ignore[arg-type]
    )
