"""What the generators of benchmarks.models_table learn from and are compared with: digits, the plane, or pictures."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evaluator.features import features_of
from evaluator.features.lenet import LeNet
from evaluator.metrics import Reference
from evaluator.models.labels import parted
from evaluator.sources import ArraySource, Labelled, make_source
from evaluator.sources.digits import load_digits_halves
from hygiene.errors import ConfigurationError

Rows = NDArray[np.float64]
Settings = Mapping[str, tuple[str, dict[str, Any]]]
"""Title: model and parameters that are not its defaults; every name of MODELS is a title of its own."""

CLASSES = 10
LEARNT = 6000  # pictures that generators learn from
COMPARED = 1000  # of the reference, of samples

DIGITS: Settings = {
    "ddpm_mlp, 10 clusters": ("ddpm_mlp", {"clusters": 10}),
    "ddpm_mlp, labels": ("ddpm_mlp", {"labels": CLASSES}),
    "ddpm_unet, labels": ("ddpm_unet", {"labels": CLASSES}),
    "ddpm_unet, labels, order 2": ("ddpm_unet", {"labels": CLASSES, "order": 2, "sampling_steps": 15}),
    "ddpm_unet, labels, order 2, ε": (
        "ddpm_unet",
        {"labels": CLASSES, "order": 2, "sampling_steps": 15, "prediction": "epsilon"},
    ),
    "flow, 16 dimensions": ("flow", {"dimensions": 16, "noise": 0.2, "steps": 3000}),
    "vae, 20 components": ("vae", {"components": 20}),
}
PICTURES: Settings = {
    "mixture, 100 components": ("mixture", {"components": 100, "dimensions": 128}),
    "ddpm_mlp, wide, labels": ("ddpm_mlp", {"labels": CLASSES, "width": 1024, "steps": 8000}),
    "ddpm_unet, longer, labels": (
        "ddpm_unet",
        {"labels": CLASSES, "order": 2, "sampling_steps": 15, "batch": 32, "steps": 3000},
    ),
    "flow, larger": ("flow", {"layers": 16, "width": 128, "steps": 4000}),
    "vae, 20 components": ("vae", {"components": 20}),
    "wgan_gp, wide": ("wgan_gp", {"width": 512}),
    "wgan_gp_images, wide": ("wgan_gp_images", {"width": 32, "steps": 4000, "rate": 8e-3}),
    "stylegan2, slower": ("stylegan2", {"rate": 1e-2}),
}


class World(NamedTuple):
    """training   what generators learn from
    reference  features of real rows that neither they nor the feature network saw
    other      real rows in place of samples, the floor
    samples    rows that are drawn of each
    shape      of one row as a picture, () where it is none
    """

    training: Labelled
    reference: Reference
    other: Rows
    features: Callable[[Rows], Rows]
    samples: int
    shape: tuple[int, ...]
    settings: Settings


def digits() -> World:
    training, held_out = load_digits_halves()
    network = LeNet(training)
    return World(training, Reference(network(held_out.rows)), training.rows, network, 900, (8, 8), DIGITS)


def plane() -> World:
    training = Labelled(_rosenbrock(10_000, 0), np.zeros(10_000, dtype=np.int64))
    return World(training, Reference(_rosenbrock(900, 1)), _rosenbrock(900, 2), lambda rows: rows, 900, (), {})


def _rosenbrock(n: int, seed: int) -> Rows:
    return make_source("rosenbrock").draw(n, np.random.default_rng([52, seed]))


def pictures(folder: Path) -> World:
    """IDX files: the network learns from all of train-*, generators from 6000 of them; the rest is of t10k-*."""
    source = make_source("idx", path=str(folder))
    if not isinstance(source, ArraySource) or source.held_out is None:
        raise ConfigurationError(f"{folder} holds no t10k-* files: nothing real to compare with")
    network, rng = features_of(source, "lenet", {}), np.random.default_rng(53)
    training = Labelled(*parted(source.with_labels().draw(LEARNT, rng), CLASSES))
    held_out, other = np.split(source.held_out.draw(2 * COMPARED, rng), 2)
    return World(training, Reference(network(held_out)), other, network, COMPARED, source.shape, PICTURES)
