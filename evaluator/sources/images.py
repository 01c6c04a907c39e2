"""Pictures of a dataset on disk, cut to squares of one size."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evaluator.sources.arrays import ArraySource, without_copies
from hygiene.datasets import open_reader
from hygiene.detectors.base import Unreadable
from hygiene.errors import ConfigurationError, TagRefused, UnreadableImage
from hygiene.images import decode_raster
from hygiene.records import Record

CHANNELS = {"rgb": 3, "grey": 1}
MODES = {"rgb": "RGB", "grey": "L"}
MAX_BYTES = 1 << 34  # of all pixels, which stay in memory as bytes: FFHQ at 128 pixels takes 3.4e9
LARGEST = 4096  # pixels of a side


def images(
    path: str,
    size: int,
    colour: str = "rgb",
    reference_share: float = 0.5,
    seed: int = 0,
    repeats: bool = False,
    format: str = "folder",
) -> ArraySource:
    """The pictures of a folder as rows of shape [size, size, 3], or [size, size] in grey.

    Each is turned upright, cut to its largest centred square and resized to `size` by Lanczos's filter, which averages
    where it reduces; smaller pictures are enlarged. Transparency is ignored; 16 bits are rounded to 8. A picture that
    cannot be read is an error: nothing is left out silently.

    colour           rgb, or grey (ITU-R 601)
    reference_share  of the pictures, drawn by `seed`, held out for the metrics; copies of training pictures among
                     them are left out. Where every picture lies in a sub-folder, the first sub-folder is its class
    format           of the dataset, as `hygiene filter` reads it
    """
    if colour not in CHANNELS:
        raise ConfigurationError(f"colour is {colour!r}: choose one of {', '.join(CHANNELS)}")
    if not 1 <= size <= LARGEST or not 0 <= reference_share < 1 or seed < 0:
        raise ConfigurationError(
            f"images take size 1 to {LARGEST}, reference_share 0 or more, less than 1, and seed ≥ 0, "
            f"got {size}, {reference_share} and {seed}"
        )
    ids, pixels = _loaded(Path(path), size, colour, format)
    shape = (size, size, 3) if colour == "rgb" else (size, size)
    return _halves(ArraySource(pixels, shape, classes_of(ids), repeats=repeats), reference_share, seed)


def square(pixels: NDArray[Any], size: int, colour: str) -> NDArray[np.uint8]:
    """The largest centred square of a picture [h, w] or [h, w, 3], uint8 or uint16, as [size · size · channels]."""
    image = Image.fromarray(eight_bits(pixels)).convert(MODES[colour])
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    cut = image.crop((left, top, left + side, top + side))  # resize(box=…) would look at what lies outside
    return np.asarray(cut.resize((size, size), Image.Resampling.LANCZOS)).ravel()


def eight_bits(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """`pixels`, uint8 or uint16, at 8 bits, rounded."""
    return pixels if pixels.dtype == np.uint8 else ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def classes_of(ids: list[str]) -> NDArray[np.int64] | None:
    """The class [n] of each id, numbered in the order of the sub-folders' names; None unless all have one."""
    folders = [id.partition("/")[0] if "/" in id else None for id in ids]
    if None in folders:
        return None
    number = {name: i for i, name in enumerate(sorted(set(folders), key=str))}
    return np.array([number[name] for name in folders], dtype=np.int64)


def _loaded(path: Path, size: int, colour: str, format: str) -> tuple[list[str], NDArray[np.uint8]]:
    """Every id, and all pixels [n, size · size · channels]."""
    reader = open_reader(path, format)
    listing = reader.listing()
    width = size * size * CHANNELS[colour]
    if listing.records * width > MAX_BYTES:
        raise ConfigurationError(
            f"{listing.records} pictures of {width} bytes exceed {MAX_BYTES} bytes: choose a smaller size"
        )
    pixels = np.empty((listing.records, width), dtype=np.uint8)
    ids: list[str] = []
    bad: list[Unreadable] = []
    items = (item for shard in listing.shards for item in reader.read(shard))
    for item in _decoded(items, size, colour):
        if isinstance(item, Unreadable):
            bad.append(item)
        else:
            pixels[len(ids)] = item[1]
            ids.append(item[0])
    if bad:
        raise ConfigurationError(
            f"{path}: {len(bad)} of {listing.records} pictures cannot be read, the first is {bad[0].id!r} "
            f"({bad[0].reason}): take them out"
        )
    return ids, pixels


def _decoded(
    items: Iterator[Record | Unreadable], size: int, colour: str
) -> Iterator[tuple[str, NDArray[np.uint8]] | Unreadable]:
    for item in items:
        if isinstance(item, Unreadable):
            yield item
            continue
        try:
            yield item.id, square(decode_raster(item.data).pixels, size, colour)
        except (UnreadableImage, TagRefused) as error:
            yield Unreadable(item.id, str(error))


def _halves(source: ArraySource, share: float, seed: int) -> ArraySource:
    """A random `share` of the rows held out, without copies of the others."""
    order = np.random.default_rng(seed).permutation(len(source.rows))
    n_held_out = round(share * len(order))
    training = _part(source, np.sort(order[n_held_out:]))
    if not n_held_out:
        return training
    held_out = without_copies(_part(source, np.sort(order[:n_held_out])), training)
    return ArraySource(training.rows, source.shape, training.labels, held_out, source.repeats)


def _part(source: ArraySource, index: NDArray[np.int64]) -> ArraySource:
    labels = None if source.labels is None else source.labels[index]
    return ArraySource(source.rows[index], source.shape, labels, repeats=source.repeats)
