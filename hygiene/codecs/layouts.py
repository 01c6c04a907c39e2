"""Where the keyed pattern lives: a canonical grid, a periodic tile on it, and a band of the tile's spectrum.

A picture is brought to a canonical short side, aspect kept, so that a proportional resize changes nothing. The
canonical plane is folded onto a square tile: the pattern is periodic, so every tile repeats the evidence, and a
shift of the picture is a cyclic shift of the tile.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from hygiene.keys import Key

SMALLEST_SIDE = 28
"""The least short side, in pixels, that a mark fits in."""


@dataclass(frozen=True)
class Layout:
    """short: canonical short side in pixels; tile: period in canonical pixels; band: cycles per tile [low, high)."""

    short: int
    tile: int
    low: float
    high: float

    @cached_property
    def bins(self) -> NDArray[np.bool_]:
        """[tile, tile//2 + 1]: the half-spectrum bins that carry the mark, each with a real and an imaginary part.

        Column 0 of a real picture's half spectrum holds conjugate pairs; only its upper half is used, so that all
        used bins are free of one another. The highest row and column (Nyquist) lie outside every band.
        """
        rows = np.fft.fftfreq(self.tile, 1 / self.tile)[:, None]
        columns = np.arange(self.tile // 2 + 1)[None, :]
        radius = np.hypot(rows, columns)
        return np.asarray(((columns > 0) | (rows > 0)) & (radius >= self.low) & (radius < self.high))

    @cached_property
    def dimension(self) -> int:
        """Real dimensions of the vector that is correlated with the key."""
        return 2 * int(self.bins.sum())

    @property
    def searches(self) -> int:
        """Cyclic shifts that a detection tries."""
        return self.tile**2

    def pattern(self, key: Key) -> NDArray[np.complex64]:
        """The key's unit vector as a half spectrum [tile, tile//2 + 1]: isotropic Gaussian, normalised."""
        return _pattern(self, key)


LAYOUTS = (
    Layout(short=32, tile=32, low=1.0, high=15.0),
    Layout(short=64, tile=64, low=2.0, high=24.0),
    Layout(short=128, tile=64, low=3.0, high=20.0),
    Layout(short=256, tile=64, low=5.0, high=22.0),
)


@lru_cache(maxsize=64)
def _pattern(layout: Layout, key: Key) -> NDArray[np.complex64]:
    draws = key.random(f"spread:{layout.short}").standard_normal((layout.dimension // 2, 2))
    spectrum = np.zeros(layout.bins.shape, dtype=np.complex128)
    spectrum[layout.bins] = (draws[:, 0] + 1j * draws[:, 1]) / np.linalg.norm(draws)
    return spectrum.astype(np.complex64)


def own_layout(short: int) -> Layout:
    """The layout that a picture of short side `short` ≥ 28 pixels is marked in: the largest that fits it, nearly."""
    return [layout for layout in LAYOUTS if layout.short <= max(short * 4 / 3, 32)][-1]


def searched_layouts(short: int) -> tuple[Layout, ...]:
    """The layouts a mark is looked for in: the picture's own and its neighbours, for it may have changed its size."""
    own = LAYOUTS.index(own_layout(short))
    return LAYOUTS[max(own - 1, 0) : own + 2]
