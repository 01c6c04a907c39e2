"""The keyed mark for plain arrays: small digits, feature vectors, anything that is a row of numbers.

The mark is a shift along a secret isotropic unit vector u. Its strength is given in standard deviations of the
projection ⟨x−μ, u⟩ over real data, so that "4" means the same for every data set.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hygiene import statistics
from hygiene.codecs.base import Scores
from hygiene.errors import ConfigurationError
from hygiene.keys import Key

Rows = NDArray[np.float64]

ROUNDING = 1e-14  # of the largest number: rows that differ by less are one row, rounded
LEAST, MOST = 1e-150, 1e150  # beyond, squares leave double precision


class SpreadVectors:
    """Spread-spectrum mark for rows of numbers.

    key        secret; every key is one direction, drawn uniformly from the unit sphere of R^d
    reference  real samples [n, d], n ≥ 2 and d ≥ 2: they fix the centre μ [d] and the projection's deviation
    """

    name = "spread_vectors"

    def __init__(self, key: Key, reference: ArrayLike) -> None:
        real = _finite_rows(reference, "the reference")
        n, width = real.shape
        if n < 2:
            raise ConfigurationError(
                f"the reference holds {n} sample{'s' * (n != 1)}: expected 2 or more, they fix the mark's unit"
            )
        if width < 2:
            raise ConfigurationError(
                f"the samples are rows of {width} number{'s' * (width != 1)}: expected 2 or more, the mark is a secret "
                "direction among them"
            )
        direction = key.random(self.name).standard_normal(width)
        self.direction: Rows = np.asarray(direction / np.linalg.norm(direction))
        self.center: Rows = np.asarray(real.mean(axis=0))
        with np.errstate(over="ignore"):
            self.deviation = float(((real - self.center) @ self.direction).std(ddof=1))
        if not max(ROUNDING * float(np.abs(real).max()), LEAST) < self.deviation <= MOST:
            raise ConfigurationError(
                f"the reference has a deviation of {self.deviation:.3g} along the key, which is no scale to mark in: "
                "give real samples that differ, of numbers that are neither tiny nor huge"
            )

    def project(self, samples: ArrayLike) -> Rows:
        """⟨x−μ, u⟩ in standard deviations over real data, [n]; real data has mean 0 and deviation 1."""
        return (self._rows(samples) - self.center) @ self.direction / self.deviation

    def score(self, samples: ArrayLike) -> Scores:
        """statistic: `project`; log10_p: exact over the key, for any fixed samples [n, d]."""
        centred = self._rows(samples) - self.center
        along = centred @ self.direction
        norm = np.maximum(np.linalg.norm(centred, axis=1), np.finfo(np.float64).tiny)
        return Scores(along / self.deviation, statistics.cosine_log10_p(along / norm, self.center.size))

    def embed(self, samples: ArrayLike, strength: float, informed: bool = False) -> Rows:
        """Marked copies of `samples` [n, d].

        Blind: every row is moved by `strength` > 0 deviations. Informed: every row is brought to a projection of at
        least `strength`, by adding only what is missing, so that marking twice adds nothing.
        """
        if not 0 < strength < np.inf:
            raise ConfigurationError(f"strength is {strength}, expected more than 0 standard deviations")
        rows = self._rows(samples)
        missing = np.maximum(strength - self.project(rows), 0.0) if informed else np.full(len(rows), strength)
        return rows + np.outer(missing * self.deviation, self.direction)

    def _rows(self, samples: ArrayLike) -> Rows:
        """`samples` [n, d], as wide as the reference."""
        rows = _finite_rows(samples, "what is marked or read")
        if rows.shape[1] != self.center.size:
            raise ConfigurationError(
                f"the rows hold {rows.shape[1]} numbers, those of the reference {self.center.size}: expected the same"
            )
        return rows


def _finite_rows(samples: ArrayLike, what: str) -> Rows:
    """`samples` as float64 [n, d]; refuses what is no table of finite numbers."""
    try:
        rows = np.asarray(samples, dtype=np.float64)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{what} holds other things than numbers: expected an array [n, d]") from None
    if rows.ndim != 2:
        raise ConfigurationError(f"{what} has the shape {rows.shape}, expected [n, d]: a flat row for each sample")
    if not np.isfinite(rows).all():
        raise ConfigurationError(f"{what} holds numbers that are not finite: take those rows out")
    return rows
