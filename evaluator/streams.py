"""Random numbers by (seed, generation, purpose): to resume equals never to stop, arms share draws."""

import numpy as np

# Positions are part of every stream: append, never reorder.
PURPOSES = (
    "real",
    "fit",
    "publish",
    "measure",
    "origin",
    "filter_real",
    "filter_tagged",
    "calibrate",
    "reference",
    "floor",
    "adopt",
    "adopt_measured",
    "features",
)


def stream(seed: int, generation: int, purpose: str) -> np.random.Generator:
    """The stream that `generation` uses for one purpose; independent of every other stream.

    Two arms of one seed draw the same real rows, the same origins and the same noise, whatever their filters
    do: common random numbers, so that their difference is the filter's.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(generation, PURPOSES.index(purpose))))
