"""Experiments by name: a new one is a function that makes a Preset, and one line in PRESETS.

The function is called with the scale; one that reads pictures from disk has a second parameter, `data`.
"""

import inspect
from collections.abc import Callable
from pathlib import Path

from evaluator.presets.base import Preset
from evaluator.presets.data import existing
from evaluator.presets.ffhq_stylegan2 import ffhq_stylegan2
from evaluator.presets.gaussian import gaussian_admissible, gaussian_fresh
from evaluator.presets.marks import mark_amplification
from evaluator.presets.marks_learned import mark_learned
from evaluator.presets.marks_pictures import mark_pictures
from evaluator.presets.marks_pixels import mark_colours, mark_pixels
from evaluator.presets.mixture25 import gmm25
from evaluator.presets.mnist_ddpm import mnist_ddpm
from evaluator.presets.mnist_wgan import mnist_wgan
from evaluator.presets.moments_matched import moments_matched
from evaluator.presets.recall import recall_u_curve
from evaluator.presets.recall_given_back import recall_given_back
from evaluator.presets.recall_learned import recall_learned
from evaluator.presets.recall_pictures import recall_pictures
from evaluator.presets.rosenbrock import rosenbrock_flow
from hygiene.errors import ConfigurationError

__all__ = ["PRESETS", "SCALES", "Preset", "make_preset"]

SCALES = ("small", "paper")

PRESETS: dict[str, Callable[..., Preset]] = {
    "mad-gaussian-fresh": gaussian_fresh,
    "mad-gaussian-admissible": gaussian_admissible,
    "mad-gmm25": gmm25,
    "mad-rosenbrock-flow": rosenbrock_flow,
    "mad-mnist-ddpm": mnist_ddpm,
    "mad-mnist-wgan": mnist_wgan,
    "mad-ffhq-stylegan2": ffhq_stylegan2,
    "mad-moments-matched": moments_matched,
    "recall-u-curve": recall_u_curve,
    "recall-u-curve-learned": recall_learned,
    "recall-u-curve-pictures": recall_pictures,
    "recall-u-curve-given-back": recall_given_back,
    "mark-amplification": mark_amplification,
    "mark-amplification-learned": mark_learned,
    "mark-amplification-pixels": mark_pixels,
    "mark-amplification-colours": mark_colours,
    "mark-amplification-pictures": mark_pictures,
}


def make_preset(name: str, scale: str = "small", data: Path | None = None) -> Preset:
    """The experiment called `name` in PRESETS, at a scale of SCALES; unknown names are refused.

    data  a folder of pictures, for an experiment that reads any; refused for others
    """
    if name not in PRESETS:
        raise ConfigurationError(f"there is no experiment {name!r}: choose one of {', '.join(PRESETS)}")
    if scale not in SCALES:
        raise ConfigurationError(f"there is no scale {scale!r}: choose one of {', '.join(SCALES)}")
    if _reads_data(name):
        return PRESETS[name](scale, existing(data))
    if data is not None:
        others = ", ".join(filter(_reads_data, PRESETS)) or "none"
        raise ConfigurationError(f"{name} reads no pictures: leave out the folder {data}; those that do: {others}")
    return PRESETS[name](scale)


def _reads_data(name: str) -> bool:
    return "data" in inspect.signature(PRESETS[name]).parameters
