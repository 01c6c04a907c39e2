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


class SpreadVectors:
    """Spread-spectrum mark for rows of numbers.

    key        secret; every key is one direction, drawn uniformly from the unit sphere of R^d
    reference  real samples [n, d], n ≥ 2: they fix the centre μ [d] and the projection's deviation
    """

    name = "spread_vectors"

    def __init__(self, key: Key, reference: ArrayLike) -> None:
        real = np.asarray(reference, dtype=np.float64)
        if real.ndim != 2 or real.shape[0] < 2 or real.shape[1] < 2:
            raise ConfigurationError(
                f"the reference has shape {real.shape}, expected [n, d] with n ≥ 2 and d ≥ 2: flatten each sample"
            )
        direction = key.random(self.name).standard_normal(real.shape[1])
        self.direction: Rows = np.asarray(direction / np.linalg.norm(direction))
        self.center: Rows = np.asarray(real.mean(axis=0))
        self.deviation = float(((real - self.center) @ self.direction).std(ddof=1))
        if not self.deviation > 0:
            raise ConfigurationError("the reference does not vary along the key: it has no scale to mark in")

    def project(self, samples: ArrayLike) -> Rows:
        """⟨x−μ, u⟩ in standard deviations over real data, [n]; real data has mean 0 and deviation 1."""
        return (np.asarray(samples, dtype=np.float64) - self.center) @ self.direction / self.deviation

    def score(self, samples: ArrayLike) -> Scores:
        """statistic: `project`; log10_p: exact over the key, for any fixed samples [n, d]."""
        centred = np.asarray(samples, dtype=np.float64) - self.center
        norm = np.maximum(np.linalg.norm(centred, axis=1), np.finfo(np.float64).tiny)
        cosine = centred @ self.direction / norm
        return Scores(self.project(samples), statistics.cosine_log10_p(cosine, self.center.size))

    def embed(self, samples: ArrayLike, strength: float, informed: bool = False) -> Rows:
        """Marked copies of `samples` [n, d].

        Blind: every row is moved by `strength` deviations. Informed: every row is brought to a projection of at
        least `strength`, by adding only what is missing, so that marking twice adds nothing.
        """
        rows = np.asarray(samples, dtype=np.float64)
        missing = np.maximum(strength - self.project(rows), 0.0) if informed else np.full(len(rows), strength)
        return rows + np.outer(missing * self.deviation, self.direction)
