"""Rows of numbers as pictures of 8 bits, which is what a file holds of them, and back."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluator.models.base import Rows
from hygiene.errors import ConfigurationError

LEVELS = 255.0


@dataclass(frozen=True)
class Pictures:
    """How rows [n, d] fold: `shape` is (h, w), or (h, w, 3) in RGB. A row's 0..1 are the levels 0..255."""

    shape: tuple[int, ...]

    @property
    def side(self) -> int:
        """The short side in pixels."""
        return min(self.shape[:2])

    @property
    def in_colour(self) -> bool:
        return len(self.shape) == 3

    def batch(self, rows: Rows) -> NDArray[np.uint8]:
        """[n, *shape]: rows rounded to whole levels; what lies outside 0..1 is cut off, as a file must."""
        levels = np.rint(np.clip(rows, 0.0, 1.0) * LEVELS).astype(np.uint8)
        return levels.reshape(-1, *self.shape)

    def rows(self, batch: NDArray[np.uint8]) -> Rows:
        """[n, d] of pictures [n, *shape]."""
        return batch.reshape(len(batch), int(np.prod(self.shape))) / LEVELS


def pictures_of(shape: tuple[int, ...], real: Rows, asker: str) -> Pictures:
    """The pictures that real rows [n, d] are; refuses other rows in the name of `asker`, what wants pictures."""
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] != 3):
        raise ConfigurationError(
            f"{asker} works on pictures, the source's rows have the shape {shape}: expected (h, w) or (h, w, 3)"
        )
    check_pixels(real, asker)
    return Pictures(tuple(shape))


def check_pixels(real: Rows, asker: str) -> None:
    """Refuse, for `asker`, what would be cut off unsaid: farther out of 0..1 than rounding to 8 bits goes."""
    low, high = float(real.min()), float(real.max())
    if min(low, 1 - high) < -0.5 / LEVELS:
        raise ConfigurationError(
            f"{asker} takes pixels in 0..1, the source's lie in {low:.6g}..{high:.6g}: scale them to 0..1, or store "
            "levels of 0..255 as uint8"
        )
