"""Squares cut out of photographs: colour pictures of the real world, many out of few files."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evaluator.sources.arrays import ArraySource
from evaluator.sources.squares import eight_bits
from hygiene.datasets import open_reader
from hygiene.detectors.base import Unreadable
from hygiene.errors import ConfigurationError, TagRefused, UnreadableImage
from hygiene.images import decode_raster
from hygiene.records import Record

STRIPS = (8, 4, 2)
"""Of a picture, upright, as many as are wide enough for a square: every other one is held out, so that no training
square shares a pixel with the others."""

LARGEST, MOST = 512, 10**6  # pixels of a side, squares


def crops(size: int, path: str = "", count: int = 2000, seed: int = 0, repeats: bool = False) -> ArraySource:
    """`count` squares of `size` pixels, rows of shape [size, size, 3], and as many held out, at random places.

    The places are drawn by `seed`, over the pictures of the folder `path` in turn, or, without one, over the two
    photographs that scikit-learn brings along. Squares overlap: they are as many views of the same motifs, not as
    many independent pictures.

    repeats  whether later generations may draw a square again
    """
    if not 1 <= size <= LARGEST or not 1 <= count <= MOST or seed < 0:
        raise ConfigurationError(
            f"crops take size 1 to {LARGEST}, count 1 to {MOST} and seed ≥ 0, got {size}, {count} and {seed}"
        )
    photographs = _files(Path(path)) if path else _bundled()
    strips = _strips(photographs, size, path or "scikit-learn")
    rng = np.random.default_rng(seed)
    halves = [_squares(photographs, size, count, strips, first, rng) for first in (0, 1)]
    shape = (size, size, 3)
    return ArraySource(halves[0], shape, held_out=ArraySource(halves[1], shape), repeats=repeats)


def _strips(photographs: list[NDArray[np.uint8]], size: int, told: str) -> int:
    """Into how many strips all photographs are cut: those of a width of 8 sizes and more into 8."""
    for photograph in photographs:
        if photograph.shape[0] < size or photograph.shape[1] < STRIPS[-1] * size:
            raise ConfigurationError(
                f"a picture of {photograph.shape[1]}×{photograph.shape[0]} pixels among the photographs of {told}: "
                f"crops of {size} pixels need {STRIPS[-1] * size}×{size}"
            )
    narrowest = min(photograph.shape[1] for photograph in photographs)
    return next(strips for strips in STRIPS if narrowest >= strips * size)


def _squares(
    photographs: list[NDArray[np.uint8]], size: int, count: int, strips: int, first: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """[count, size · size · 3] out of the strips `first`, `first` + 2, … of each photograph."""
    rows = np.empty((count, size * size * 3), dtype=np.uint8)
    for index in range(count):
        photograph = photographs[index % len(photographs)]
        height, width = photograph.shape[0], photograph.shape[1] // strips
        left = width * (2 * int(rng.integers(strips // 2)) + first) + int(rng.integers(width - size + 1))
        top = int(rng.integers(height - size + 1))
        rows[index] = photograph[top : top + size, left : left + size].ravel()
    return rows


def _bundled() -> list[NDArray[np.uint8]]:
    from sklearn.datasets import load_sample_images

    return [np.asarray(image, dtype=np.uint8) for image in load_sample_images().images]


def _files(path: Path) -> list[NDArray[np.uint8]]:
    """Every picture of a folder, in RGB."""
    reader = open_reader(path, "folder")
    return [_pixels(path, item) for shard in reader.listing().shards for item in reader.read(shard)]


def _pixels(path: Path, item: Record | Unreadable) -> NDArray[np.uint8]:
    try:
        if isinstance(item, Unreadable):
            raise UnreadableImage(item.reason)
        pixels = decode_raster(item.data).pixels
    except (UnreadableImage, TagRefused) as error:
        raise ConfigurationError(f"{path}: the picture {item.id!r} cannot be read ({error}): take it out") from None
    return np.asarray(Image.fromarray(eight_bits(pixels)).convert("RGB"))
