"""Experiments by name: a new one is a function that makes a Preset, and one line in PRESETS."""

from collections.abc import Callable

from evaluator.presets.base import Preset
from evaluator.presets.gaussian import gaussian_admissible, gaussian_fresh
from evaluator.presets.marks import mark_amplification
from evaluator.presets.marks_learned import mark_learned
from evaluator.presets.mixture25 import gmm25
from evaluator.presets.recall import recall_u_curve
from evaluator.presets.rosenbrock import rosenbrock_flow
from hygiene.errors import ConfigurationError

__all__ = ["PRESETS", "SCALES", "Preset", "make_preset"]

SCALES = ("small", "paper")

PRESETS: dict[str, Callable[[str], Preset]] = {
    "mad-gaussian-fresh": gaussian_fresh,
    "mad-gaussian-admissible": gaussian_admissible,
    "mad-gmm25": gmm25,
    "mad-rosenbrock-flow": rosenbrock_flow,
    "recall-u-curve": recall_u_curve,
    "mark-amplification": mark_amplification,
    "mark-amplification-learned": mark_learned,
}


def make_preset(name: str, scale: str = "small") -> Preset:
    """The experiment called `name` in PRESETS, at a scale of SCALES; unknown names are refused."""
    if name not in PRESETS:
        raise ConfigurationError(f"there is no experiment {name!r}: choose one of {', '.join(PRESETS)}")
    if scale not in SCALES:
        raise ConfigurationError(f"there is no scale {scale!r}: choose one of {', '.join(SCALES)}")
    return PRESETS[name](scale)
