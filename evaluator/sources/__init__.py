"""Where real data comes from: parametric sources and an oracle (unlimited draws), and arrays (limited)."""

from collections.abc import Callable
from typing import Any

from evaluator.sources import arrays, crops, digits, idx, images, parquet, shards
from evaluator.sources.arrays import ArraySource
from evaluator.sources.base import Labelled, RealSource
from evaluator.sources.digits import load_digits_halves
from evaluator.sources.parametric import GaussianSource, MixtureSource, OracleSource, RosenbrockSource
from evaluator.tables import build

__all__ = [
    "SOURCES",
    "ArraySource",
    "GaussianSource",
    "Labelled",
    "MixtureSource",
    "OracleSource",
    "RealSource",
    "RosenbrockSource",
    "load_digits_halves",
    "make_source",
]

SOURCES: dict[str, Callable[..., RealSource]] = {
    "gaussian": GaussianSource,
    "mixture25": MixtureSource,
    "rosenbrock": RosenbrockSource,
    "digits": digits.digits,
    "digits_oracle": digits.digits_oracle,
    "npz": arrays.npz,
    "idx": idx.idx,
    "images": images.images,
    "shards": shards.shards,
    "parquet": parquet.parquet,
    "crops": crops.crops,
}


def make_source(name: str, /, **parameters: Any) -> RealSource:
    """The source called `name` in SOURCES; unknown names and parameters are refused by name."""
    return build(SOURCES, "source", name, parameters)
