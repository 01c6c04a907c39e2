"""Pictures to measure on: files under folders, and the photographs that scikit-image carries."""

import os
from pathlib import Path

from PIL import Image, UnidentifiedImageError

PHOTOGRAPHS = ("astronaut", "camera", "coffee", "chelsea", "rocket", "coins", "moon", "brick", "grass", "gravel")
SMALLEST = 64
"""Least short side, in pixels, of a file that counts as a picture."""


def sources(folders: list[Path]) -> list[str]:
    """Files under the folders, at any depth; without a folder the names of scikit-image's photographs."""
    if not folders:
        return list(PHOTOGRAPHS)
    files = {path.resolve() for folder in folders for path in folder.rglob("*") if path.is_file()}
    return [str(path) for path in sorted(files) if is_picture(path)]


def is_picture(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return min(image.size) >= SMALLEST
    except UnidentifiedImageError:
        return False


def opened(source: str) -> Image.Image:
    """RGB, of a file or of one of PHOTOGRAPHS."""
    if os.sep in source:
        return Image.open(source).convert("RGB")
    from skimage import data

    return Image.fromarray(getattr(data, source)()).convert("RGB")
