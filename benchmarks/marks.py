"""The keyed codec, and what any codec must offer to be measured beside it."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hygiene import codecs, images
from hygiene.codecs.spread import Spread
from hygiene.keys import Key

Pixels = NDArray[np.uint8]
SOURCES = ("layouts", "planes", "embedding", "geometry", "search", "spread")


class Codec(Protocol):
    """A seed stands for the key. version: measurements of different ones do not mix."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    def embed(self, pixels: Pixels, seed: int) -> Pixels: ...

    def log10_p(self, processed: Image.Image | bytes, seed: int, search: str) -> float: ...


@dataclass(frozen=True)
class Keyed:
    """`spread` at a strength in dB, or adaptive."""

    strength: float | None

    @property
    def name(self) -> str:
        return "spread, adaptive" if self.strength is None else f"spread, {self.strength:g} dB"

    @property
    def version(self) -> str:
        return code()

    def embed(self, pixels: Pixels, seed: int) -> Pixels:
        return np.asarray(Spread(self.strength).embed(pixels[None], key(seed))[0])

    def log10_p(self, processed: Image.Image | bytes, seed: int, search: str) -> float:
        """Files are decoded as `hygiene detect` decodes them."""
        pixels = images.decode_luma(processed).luma if isinstance(processed, bytes) else np.asarray(processed)
        return float(Spread(search=search).score(pixels[None], key(seed)).log10_p[0])


def key(seed: int) -> Key:
    return Key(np.random.default_rng(seed).bytes(32))


@cache
def code() -> str:
    """A digest of the sources of `Spread`: they are what the measurements are of."""
    files = [Path(codecs.__path__[0]) / f"{name}.py" for name in SOURCES]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]
