"""Where the pattern may lie after a picture was flipped, turned, cropped, stretched or rotated.

A hypothesis is a matrix A, frequencies as (row, column): what the tile's frequency k/tile became in the canonical
plane is A·k/tile. The identity is the untouched picture.

Grids are coarse: halfway between two neighbours the pattern's highest waves slip by half a turn at the border of a
square picture, but most waves by little, so that the right cell still stands out. `nearby` and `around` then divide
the best cells, to steps at which nothing is lost.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Matrices = NDArray[np.float64]

STEP = 0.012
"""Between neighbouring scales of the deep search, as a logarithm."""

TOLD = 0.004
"""A period that has changed by less, as a share, is not worth a word."""

LARGEST_CROP = 2.05
"""A crop to a quarter of the area doubles the pattern's period; a little more for rounding."""

LARGEST_STRETCH, LARGEST_SQUASH = 1.27, 1.8
"""Aspect ratios changed by up to a quarter, and rounding; pictures of 16:9 made square."""

MIRROR = np.diag([1.0, -1.0])
TURNS = tuple(
    np.array(each, dtype=np.float64)
    for each in ([[1, 0], [0, 1]], [[-1, 0], [0, -1]], [[0, 1], [-1, 0]], [[0, -1], [1, 0]])
)


def scales(low: float, high: float, step: float) -> NDArray[np.float64]:
    """low … high in equal steps of their logarithm, 1 among them."""
    first, last = math.floor(math.log(low) / step), math.ceil(math.log(high) / step)
    return np.asarray(np.exp(step * np.arange(first, last + 1)))


def with_mirrored(matrices: Matrices) -> Matrices:
    """[2M, 2, 2]: the hypotheses and, behind them, their mirror images."""
    return np.concatenate([matrices, matrices @ MIRROR])


@lru_cache(maxsize=64)
def deep(height: int, width: int) -> Matrices:
    """[M, 2, 2]: quarter turns, crops that keep the aspect (with and without resizing back), stretches.

    To be tried with their mirror images, which makes flips of them, and refined by `nearby`.

    height, width  of the picture as it is: they tell which side was the short one before a stretch
    """
    crops = np.stack([np.eye(2) / scale for scale in scales(0.985, LARGEST_CROP, STEP)])
    return np.concatenate([crops, stretches(height, width), np.stack(TURNS[1:])])


def stretches(height: int, width: int) -> Matrices:
    """Pictures whose width was multiplied by a against their height, for all a that are searched.

    The canonical scale follows the short side, which may have been the other one before: then the picture's present
    aspect says what that did. Periods are multiplied by (row, column) = (h/s, a·h/s) if the picture was landscape,
    (w/(a·s), w/s) if portrait, with h, w as they are and s the shorter.
    """
    short = min(height, width)
    found = []
    largest = LARGEST_SQUASH if height == width else LARGEST_STRETCH
    for a in scales(1 / largest, largest, STEP):
        if width >= 0.99 * a * height:
            found.append((height / short, a * height / short))
        if width <= 1.01 * a * height:
            found.append((width / (a * short), width / short))
    return np.stack([np.diag([1 / row, 1 / column]) for row, column in found])


COARSE, ANGLE = 0.018, math.radians(0.9)
"""Between neighbours of the exhaustive search: scales as a logarithm, angles in radians."""

LARGEST_ANGLE = math.radians(15.3)


@lru_cache(maxsize=1)
def coarse() -> Matrices:
    """[M, 2, 2]: the wide grid of the exhaustive search, to be refined by `around`.

    Rotations up to 15° with the scale of the crop that goes with them; crops with a changed aspect; crops of pictures
    that were turned as well. To be tried with their mirror images.
    """
    last = round(LARGEST_ANGLE / ANGLE)
    angles = ANGLE * np.arange(-last, last + 1)
    rotated = [_rotation(angle) / scale for angle in angles for scale in scales(0.8, 1.6, COARSE)]
    cropped = scales(1.0, 1.6, COARSE)
    stretched = [
        np.diag([1 / row, 1 / column])
        for row in cropped
        for column in cropped
        if 1 / LARGEST_STRETCH <= row / column <= LARGEST_STRETCH
    ]
    turned = [turn / scale for turn in TURNS[1:] for scale in scales(1.0, 1.6, COARSE)]
    return np.stack([*rotated, *stretched, *turned])


@lru_cache(maxsize=1)
def nearby() -> Matrices:
    """[9, 2, 2]: both scales changed by −1, 0, 1 thirds of the deep search's step."""
    return _scaled(STEP / 3)


@lru_cache(maxsize=4)
def around(share: float) -> Matrices:
    """[27, 2, 2]: both scales and the angle changed by −1, 0, 1 times `share` of the exhaustive search's steps."""
    turned = np.stack([_rotation(turn * ANGLE) for turn in (-share, 0, share)])
    return _products(_scaled(share * COARSE), turned)


def refined(matrices: Matrices, changes: Matrices) -> Matrices:
    """[M·n, 2, 2]: every matrix with every small change."""
    return _products(changes, matrices)


def _scaled(step: float) -> Matrices:
    steps = (-step, 0.0, step)
    return np.stack([np.diag(np.exp([rows, columns])) for rows in steps for columns in steps])


def _products(left: Matrices, right: Matrices) -> Matrices:
    return np.asarray((left[None] @ right[:, None]).reshape(-1, 2, 2))


def _rotation(angle: float) -> NDArray[np.float64]:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s], [s, c]])


def describe(matrix: NDArray[np.float64]) -> str:
    """A hypothesis in words, such as "mirrored, turned by 90.0°, scaled 1.15 × 1.15"; empty for the identity."""
    flip = np.linalg.det(matrix) < 0
    upright = matrix @ MIRROR if flip else matrix
    angle = math.degrees(math.atan2(upright[1, 0] - upright[0, 1], upright[0, 0] + upright[1, 1]))
    periods = 1 / np.linalg.norm(upright, axis=1)
    words = ["mirrored"] if flip else []
    if abs(angle) >= 0.1:
        words.append(f"turned by {angle:.1f}°")
    if np.abs(periods - 1).max() >= TOLD:
        words.append(f"scaled {periods[1]:.2f} × {periods[0]:.2f}")
    return ", ".join(words)
