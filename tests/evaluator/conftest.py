"""What all tests of the evaluator share."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluator.threads import one_thread


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """As the commands run: OpenMP threads that wait for each other on a busy machine take fifty times as long."""
    with one_thread():
        yield


class Stripes:
    """8×8 pictures: upright and level stripes together, each of random contrast, 1 ± .5."""

    kinds = np.stack([np.tile([-1.0, -1.0, 1.0, 1.0], (8, 2)).ravel(), np.repeat([-1.0, -1, 1, 1] * 2, 8)])

    def rows(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        return rng.normal(1, 0.5, (n, 2)) @ self.kinds

    def check(self, rows: NDArray[np.float64]) -> None:
        """Both contrasts, with their spread, and little besides."""
        contrasts = rows @ self.kinds.T / 64
        np.testing.assert_allclose(contrasts.mean(axis=0), 1, atol=0.2)
        np.testing.assert_allclose(contrasts.std(axis=0), 0.5, atol=0.3)
        assert (rows - contrasts @ self.kinds).std() < 0.5


@pytest.fixture(scope="session")
def stripes() -> Stripes:
    """A distribution of pictures that a generator can be trained on in seconds."""
    return Stripes()
