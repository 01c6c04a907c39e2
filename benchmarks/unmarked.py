"""Pictures that carry no mark: tiles of photographs and drawings at several scales, grey and drawn ones, patterns."""

import gzip
import io
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Pixels = NDArray[np.uint8]
SCALES = (1.0, 0.7, 0.5, 0.35)
MOST = 30
"""Tiles that one picture may give of one grid, chosen at random."""

GARMENTS = Path("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")

COMPRESSED = (("JPEG 4:2:0, q95", 95, 2), ("JPEG 4:2:0, q80", 80, 2), ("JPEG 4:4:4, q90", 90, 0))


def scaled(image: Image.Image) -> Iterator[Pixels]:
    """The picture at each of SCALES, as long as a tile of 256 pixels has room."""
    for scale in SCALES:
        width, height = (round(each * scale) for each in image.size)
        if min(width, height) < 256:
            return
        yield np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))


def places(shape: tuple[int, ...], side: int, rng: np.random.Generator, step: int = 1) -> list[tuple[int, int]]:
    """Corners of squares that do not overlap, on a grid whose start is drawn among multiples of `step`; MOST at most.

    Another start is another question to the same picture: it puts each bit of a message elsewhere.
    """
    starts = (step * int(rng.integers(0, max(1, min(side, size - side + 1) // step))) for size in shape[:2])
    rows, columns = (range(start, size - side + 1, side) for start, size in zip(starts, shape[:2], strict=True))
    corners = [(y, x) for y in rows for x in columns]
    return [corners[i] for i in rng.permutation(len(corners))[:MOST]]


def compressed(pixels: Pixels, quality: int, subsampling: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality, subsampling=subsampling)
    return out.getvalue()


def grey(pixels: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(pixels).convert("L").convert("RGB"))


def flat(rng: np.random.Generator) -> Pixels:
    """One colour, or a ramp between two."""
    ends = rng.integers(0, 256, (2, 3)) * (1 if rng.random() < 0.8 else rng.integers(0, 2))
    along = np.linspace(0, 1, 512)[:, None] * (rng.random() < 0.5)
    row = np.round(ends[0] + along * (ends[1] - ends[0])).astype(np.uint8)
    ramp = np.broadcast_to(row, (512, 512, 3))
    return np.ascontiguousarray(ramp if rng.random() < 0.5 else ramp.swapaxes(0, 1))


def pattern(rng: np.random.Generator) -> Pixels:
    """Stripes, squares or dots that repeat, in two colours, at any period and offset."""
    across, down = (int(rng.integers(1, 80)) for _ in range(2))
    y, x = np.mgrid[:512, :512] + rng.integers(0, 256, (2, 1, 1))
    kind = rng.integers(0, 3)
    if kind == 0:
        inside = x // across % 2
    elif kind == 1:
        inside = (x // across + y // down) % 2
    else:
        inside = (((x % across) - across / 2) ** 2 + ((y % across) - across / 2) ** 2 < (across / 3) ** 2).astype(int)
    return np.asarray(rng.integers(0, 256, (2, 3), dtype=np.uint8)[inside])


def line_art(rng: np.random.Generator) -> Pixels:
    """Lines, ellipses and words in few colours on paper."""
    image = Image.new("RGB", (512, 512), tuple(int(level) for level in rng.integers(200, 256, 3)))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(5, 60))):
        x, y, u, v = (int(at) for at in rng.integers(0, 512, 4))
        ink = tuple(int(level) for level in rng.integers(0, 256, 3))
        corners = (min(x, u), min(y, v), max(x, u), max(y, v))
        kind = rng.integers(0, 4)
        if kind == 0:
            draw.line((x, y, u, v), ink, int(rng.integers(1, 6)))
        elif kind == 1:
            draw.ellipse(corners, outline=ink, width=int(rng.integers(1, 4)))
        elif kind == 2:
            draw.rectangle(corners, fill=ink if rng.random() < 0.3 else None, outline=ink)
        else:
            draw.text((x, y), "no mark is in here", ink, font_size=int(rng.integers(10, 40)))
    return np.asarray(image)


def mosaic(rng: np.random.Generator) -> Pixels:
    """Small pictures of clothes (Fashion-MNIST) side by side, each inked in its own colour."""
    grey = garments()[rng.integers(0, len(garments()), (18, 18))]
    inks = rng.integers(0, 256, (18, 18, 1, 1, 3))
    cells = 255 - grey[..., None].astype(int) * (255 - inks) // 255
    return np.ascontiguousarray(cells.astype(np.uint8).swapaxes(1, 2).reshape(504, 504, 3))


@cache
def garments() -> NDArray[np.uint8]:
    """60,000 pictures [n, 28, 28] of Debian's dataset-fashion-mnist."""
    if not GARMENTS.is_file():
        raise SystemExit("pictures are missing: apt-get install dataset-fashion-mnist (Debian 12)")
    return np.frombuffer(gzip.decompress(GARMENTS.read_bytes()), np.uint8, offset=16).reshape(-1, 28, 28)


MADE = {"flat and ramps": flat, "patterns that repeat": pattern, "line art": line_art, "mosaics of clothes": mosaic}
