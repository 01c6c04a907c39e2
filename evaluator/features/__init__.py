"""Samples to features: what the metrics look at. Rows [n, d] in, features [n, f] out."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluator.features.base import Features, Identity
from evaluator.features.inception import inception
from evaluator.features.lenet import LeNet
from evaluator.features.nearest import NearestClass
from evaluator.features.networks import FunctionFeatures, TorchFeatures
from evaluator.features.onnx import OnnxFeatures
from evaluator.features.pca import Pca
from evaluator.models.base import Rows
from evaluator.pictures import check_pixels
from evaluator.sources import ArraySource, Labelled, OracleSource, RealSource
from evaluator.streams import stream
from evaluator.tables import build
from hygiene.errors import ConfigurationError

__all__ = [
    "FEATURES",
    "GIVEN",
    "Features",
    "FunctionFeatures",
    "Identity",
    "LeNet",
    "OnnxFeatures",
    "Pca",
    "TorchFeatures",
    "check_range",
    "classifier_of",
    "described",
    "features_of",
    "make_features",
]

FEATURES: dict[str, Callable[..., Features]] = {
    "identity": Identity,
    "lenet": LeNet,
    "pca": Pca,
    "onnx": OnnxFeatures,
    "inception": inception,
}

GIVEN = ("labelled", "training", "shape")  # what the source gives to a feature map that asks for it
FITTED_ON = 10_000  # rows of a source without an end


def make_features(name: str, /, **parameters: Any) -> Features:
    """The feature map called `name` in FEATURES; unknown names and parameters are refused by name."""
    return build(FEATURES, "feature map", name, parameters)


def features_of(source: RealSource, name: str, parameters: dict[str, Any]) -> Features:
    """The feature map `name` for the rows of `source`, fitted to its training half where it learns anything."""
    asked = inspect.signature(FEATURES[name]).parameters if name in FEATURES else {}
    give: dict[str, Callable[[RealSource], Any]] = {
        "labelled": _labelled,
        "training": training_rows,
        "shape": lambda each: each.shape,
    }
    return make_features(name, **{key: give[key](source) for key in GIVEN if key in asked}, **parameters)


def described(features: Features) -> dict[str, str | None]:
    """What to store beside figures: the feature map's name, and which weights it has, None for none."""
    return {"name": features.name, "weights_digest": getattr(features, "weights_digest", None)}


def check_range(features: Features, source: RealSource) -> None:
    """Refuse real rows that `features` would cut off unsaid.

    Draws of a distribution may overshoot, as samples may; the rows that it was fitted to may not.
    """
    known = _limited(source)
    if getattr(features, "levels", False) and known is not None and known.rows.dtype != np.uint8:
        check_pixels(known.rows, features.name)


def training_rows(source: RealSource) -> Any:
    """Real rows [n, d] that a feature map may learn from: never the reference half."""
    if (limited := _limited(source)) is not None:
        return limited.draw(len(limited.rows), np.random.default_rng(0))
    return source.draw(FITTED_ON, stream(0, 0, "features"))


def _limited(source: RealSource) -> ArraySource | None:
    """The real rows that a source consists of, or was fitted to; None for a distribution."""
    found = source.fitted_to if isinstance(source, OracleSource) else source
    return found if isinstance(found, ArraySource) else None


def classifier_of(source: RealSource, features: Features) -> Callable[[Rows], NDArray[np.int64]] | None:
    """From features [n, f] to classes [n]: by the network itself, or by the nearest labelled row of `source`.

    None where neither names classes.
    """
    own: Callable[[Rows], NDArray[np.int64]] | None = getattr(features, "classes", None)
    known = _limited(source)
    if own is not None or known is None or known.labels is None:
        return own
    return NearestClass(known, features)


def _labelled(source: RealSource) -> Labelled:
    known = _limited(source)
    labelled = None if known is None else known.labelled
    if labelled is None:
        raise ConfigurationError(
            "features = lenet learns from labelled pictures, and the source has no labels: use features = identity or "
            "pca, or a source with labels (digits, digits_oracle, idx, images in sub-folders, labelled shards or npz)"
        )
    return labelled
