"""scikit-learn's bundled digits: the half that is learnt from, and an oracle fitted to it."""

import numpy as np

from evaluator.sources.arrays import ArraySource
from evaluator.sources.base import Labelled
from evaluator.sources.parametric import OracleSource
from hygiene.errors import ConfigurationError


def load_digits_halves(seed: int = 0) -> tuple[Labelled, Labelled]:
    """scikit-learn's bundled 8×8 digits in two random halves: (training 898, reference 899).

    Whatever is fitted, the feature network included, sees the training half only.
    """
    from sklearn.datasets import load_digits

    if seed < 0:
        raise ConfigurationError(f"the seed of the digits' halves is {seed}, expected at least 0")
    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(pixels))
    rows, classes = pixels[order] / 16.0, labels[order].astype(np.int64)
    half = len(rows) // 2
    return Labelled(rows[:half], classes[:half]), Labelled(rows[half:], classes[half:])


def digits(seed: int = 0, repeats: bool = False) -> ArraySource:
    """The training half of the digits, the other half held out."""
    training, other = load_digits_halves(seed)
    held_out = ArraySource(other.rows, (8, 8), other.labels)
    return ArraySource(training.rows, (8, 8), training.labels, held_out, repeats)


def digits_oracle(seed: int = 0) -> OracleSource:
    """The oracle fitted to the training half of the digits."""
    training, _ = load_digits_halves(seed)
    return OracleSource(training.rows, (8, 8), np.random.default_rng((seed, 0)), training.labels)
