"""What a loop would be refused for once its data is read, told before: of many loops, some had learned for hours."""

import os

from evaluator.config import LoopConfig
from evaluator.marking import loop_key
from evaluator.setup import CLASS_METRICS, check_choices
from hygiene.errors import ConfigurationError

NUMBERS = ("gaussian", "mixture25", "rosenbrock")  # sources of rows that are no pictures, and have no classes


def check_ground(config: LoopConfig) -> None:
    """Refuse what asks a source for labels or pictures that no source of its name has."""
    source, settings = config.source.name, config.source.parameters
    if source in (*NUMBERS, "crops") or (source == "npz" and settings.get("labels") is None):
        advice = "name the array of them: labels" if source == "npz" else "use a source with labels"
        if config.features.name == "lenet":
            raise ConfigurationError(
                f"features = lenet learns from labelled pictures, the source {source!r} has no labels: {advice}, or "
                "features = identity or pca"
            )
        for asker in _askers_of_labels(config):
            raise ConfigurationError(f"{asker}: the source {source!r} has no labels, {advice}")
    if source in NUMBERS:
        for asker in _askers_of_pictures(config):
            raise ConfigurationError(f"{asker} works on pictures, the source is {source!r}: use a source of pictures")


def check_unread(config: LoopConfig, new: bool) -> None:
    """All that can be told before data is read, of a `new` run its files too: a finished one needs them no more."""
    check_choices(config)
    check_ground(config)
    if new:
        check_files(config)


def check_files(config: LoopConfig) -> None:
    """Refuse names of files that are not there, and a key that cannot be used."""
    loop_key(config)
    choices = {"source": config.source, "reference": config.reference, "features": config.features}
    for where, choice in choices.items():
        path = "" if choice is None else choice.parameters.get("path", "")
        if path and not os.path.exists(path):  # unlike Path.exists no error, whatever the name
            raise ConfigurationError(f"{where}.path is {path}: there is no such file or folder")


def _askers_of_labels(config: LoopConfig) -> list[str]:
    asking = [f"metrics.{name}" for name in CLASS_METRICS if name in config.metrics]
    return asking + [f"labels = {config.labels} in the model {config.model.name!r}"] * bool(config.labels)


def _askers_of_pictures(config: LoopConfig) -> list[str]:
    codec, form, features = config.tagging.codec, config.processing.format, config.features.name
    asking = [f"tagging.codec = {codec}"] * (codec != "vectors")
    asking += [f"processing.format = {form}"] * (form != "none")
    return asking + [f"features = {features}"] * (features in ("onnx", "inception"))
