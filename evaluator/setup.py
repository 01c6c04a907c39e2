"""What all generations, seeds and arms of one study share: the real source, the features, the reference."""

import json
from dataclasses import asdict, dataclass

import numpy as np

from evaluator import metrics
from evaluator.config import LoopConfig
from evaluator.features import FEATURES, Features, make_features
from evaluator.metrics import Reference
from evaluator.models import make_model
from evaluator.models.base import Rows
from evaluator.sources import SOURCES, ArraySource, RealSource, load_digits_halves, make_source
from evaluator.streams import stream
from evaluator.tables import check_parameters
from hygiene.errors import ConfigurationError

DIGITS = ("digits", "digits_oracle")


@dataclass(frozen=True)
class Setup:
    """The fixed ground of a loop; one serves every configuration with the same `setup_key`.

    held_out   real rows [n, d] that no model and no feature network was trained on
    reference  their features, with what the metrics keep of them
    """

    source: RealSource
    features: Features
    held_out: Rows
    reference: Reference


def setup_key(config: LoopConfig) -> str:
    """Equal for configurations that can share a Setup: everything but these fields may differ."""
    names = ("source", "reference", "features", "n_reference")
    values = asdict(config)
    return json.dumps({name: values[name] for name in names}, sort_keys=True)


def prepare(config: LoopConfig) -> Setup:
    """Build the source, train the feature network if there is one, and draw the reference (the same for all
    seeds)."""
    source = make_source(config.source.name, **config.source.parameters)
    features = _features(config)
    held_out = _held_out(config, source)
    return Setup(source, features, held_out, Reference(features(held_out)))


def _features(config: LoopConfig) -> Features:
    if config.features.name != "lenet":
        return make_features(config.features.name, **config.features.parameters)
    training, _ = load_digits_halves(config.source.parameters.get("seed", 0))
    return make_features("lenet", labelled=training, **config.features.parameters)


def _held_out(config: LoopConfig, source: RealSource) -> Rows:
    """The real side of the metrics. An oracle is the truth of its own world, so it is drawn again."""
    if config.reference is not None:
        dimension = source.dimension
        source = make_source(config.reference.name, **config.reference.parameters)
        if source.dimension != dimension:
            raise ConfigurationError(
                f"the reference holds rows of {source.dimension} numbers, the source of {dimension}: expected the same"
            )
    elif config.source.name == "digits":
        _, other_half = load_digits_halves(config.source.parameters.get("seed", 0))
        source = ArraySource(other_half.rows, (8, 8))
    return _draw_up_to(source, config.n_reference, stream(0, 0, "reference"))


def _draw_up_to(source: RealSource, n: int, rng: np.random.Generator) -> Rows:
    """`n` rows, or all of a source that holds fewer."""
    return source.draw(min(n, len(source.rows)) if isinstance(source, ArraySource) else n, rng)


def measure(config: LoopConfig, setup: Setup, rows: Rows) -> dict[str, float]:
    """The configured metrics of `rows` [n, d] against the held-out real rows."""
    return metrics.measure(setup.reference, setup.features(rows), config.metrics)


def floors(config: LoopConfig, setup: Setup) -> dict[str, float]:
    """The same metrics of other real rows, as many as a generation is measured on: what no model can beat."""
    return measure(config, setup, _draw_up_to(setup.source, config.measured, stream(0, 0, "floor")))


def check_choices(config: LoopConfig) -> None:
    """Refuse unknown sources, models, feature maps, metrics and settings before anything expensive starts."""
    for source in (config.source, config.reference):
        if source is not None:
            check_parameters(SOURCES, "source", source.name, source.parameters)
    make_model(config.model.name, **config.model.parameters)
    check_parameters(FEATURES, "feature map", config.features.name, config.features.parameters, given=("labelled",))
    if config.features.name == "lenet" and config.source.name not in DIGITS:
        raise ConfigurationError(
            f"features = lenet learns from labelled digits, the source is {config.source.name!r}: "
            f"use features = identity, or a source out of {', '.join(DIGITS)}"
        )
    metrics.check_metrics(config.metrics)
