"""What real data offers to the loop."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from evaluator.models.base import Rows


class RealSource(Protocol):
    """Real data. `shape` is what one row [d] folds into, e.g. (8, 8) or (32, 32, 3); `dimension` is d."""

    @property
    def dimension(self) -> int: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    def draw(self, n: int, rng: np.random.Generator) -> Rows:
        """`n` real rows [n, d]; another call gives another draw."""
        ...


class Labelled(NamedTuple):
    """Rows [n, d], pixels in 0..1, and the class of each [n]."""

    rows: Rows
    labels: NDArray[np.int64]
