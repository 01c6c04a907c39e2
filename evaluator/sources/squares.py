"""Encoded pictures as rows: decoded, cut to squares of one size, and split into a half to learn from and another."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evaluator.sources.arrays import ArraySource, without_copies
from hygiene.datasets import Listing, Reader
from hygiene.detectors.base import Unreadable
from hygiene.errors import ConfigurationError, TagRefused, UnreadableImage
from hygiene.images import decode_raster
from hygiene.records import Record

CHANNELS = {"rgb": 3, "grey": 1}
MODES = {"rgb": "RGB", "grey": "L"}
MAX_BYTES = 1 << 34  # of all pixels, which stay in memory as bytes: FFHQ at 128 pixels takes 3.4e9
LARGEST = 4096  # pixels of a side


@dataclass(frozen=True)
class Squares:
    """How pictures become rows of shape [size, size, 3], or [size, size] in grey.

    Each is turned upright, cut to its largest centred square and resized to `size` by Lanczos's filter, which averages
    where it reduces; smaller pictures are enlarged. Transparency is ignored; 16 bits are rounded to 8. A picture that
    cannot be read is an error: nothing is left out silently.

    colour           rgb, or grey (ITU-R 601)
    reference_share  of the pictures, drawn by `seed`, held out for the metrics; copies of training pictures among
                     them are left out
    """

    size: int
    colour: str
    reference_share: float
    seed: int

    def __post_init__(self) -> None:
        if self.colour not in CHANNELS:
            raise ConfigurationError(f"colour is {self.colour!r}: choose one of {', '.join(CHANNELS)}")
        if not 1 <= self.size <= LARGEST or not 0 <= self.reference_share < 1 or self.seed < 0:
            raise ConfigurationError(
                f"images take size 1 to {LARGEST}, reference_share 0 or more, less than 1, and seed ≥ 0, "
                f"got {self.size}, {self.reference_share} and {self.seed}"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.size, self.size, 3) if self.colour == "rgb" else (self.size, self.size)

    def read(self, reader: Reader, listing: Listing, where: str) -> NDArray[np.uint8]:
        """All pictures of a dataset, as `loaded`."""
        items = (item for shard in listing.shards for item in reader.read(shard))
        return self.loaded(items, listing.records, where)

    def loaded(self, items: Iterator[Record | Unreadable], count: int, where: str) -> NDArray[np.uint8]:
        """All pixels [count, size · size · channels] of `count` pictures; `where` they are, for errors."""
        width = self.size * self.size * CHANNELS[self.colour]
        if count * width > MAX_BYTES:
            raise ConfigurationError(
                f"{count} pictures of {width} bytes exceed {MAX_BYTES} bytes: choose a smaller size"
            )
        pixels = np.empty((count, width), dtype=np.uint8)
        bad: list[Unreadable] = []
        for index, item in enumerate(map(self._decoded, items)):
            if isinstance(item, Unreadable):
                bad.append(item)
            else:
                pixels[index] = item
        if bad:
            raise ConfigurationError(
                f"{where}: {len(bad)} of {count} pictures cannot be read, the first is {bad[0].id!r} "
                f"({bad[0].reason}): take them out"
            )
        return pixels

    def _decoded(self, item: Record | Unreadable) -> NDArray[np.uint8] | Unreadable:
        if isinstance(item, Unreadable):
            return item
        try:
            return square(decode_raster(item.data).pixels, self.size, self.colour)
        except (UnreadableImage, TagRefused) as error:
            return Unreadable(item.id, str(error))

    def source(self, pixels: NDArray[np.uint8], labels: NDArray[np.int64] | None, repeats: bool) -> ArraySource:
        """What is learnt from, a random `reference_share` held out, without copies of the rest."""
        whole = ArraySource(pixels, self.shape, labels, repeats=repeats)
        order = np.random.default_rng(self.seed).permutation(len(pixels))
        n_held_out = round(self.reference_share * len(order))
        training = _part(whole, np.sort(order[n_held_out:]))
        if not n_held_out:
            return training
        held_out = without_copies(_part(whole, np.sort(order[:n_held_out])), training)
        return ArraySource(training.rows, self.shape, training.labels, held_out, repeats)


def square(pixels: NDArray[Any], size: int, colour: str) -> NDArray[np.uint8]:
    """The largest centred square of a picture [h, w] or [h, w, 3], uint8 or uint16, as [size · size · channels]."""
    image = Image.fromarray(eight_bits(pixels)).convert(MODES[colour])
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    cut = image.crop((left, top, left + side, top + side))  # resize(box=…) would look at what lies outside
    return np.asarray(cut.resize((size, size), Image.Resampling.LANCZOS)).ravel()


def eight_bits(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Pixels of 8 or 16 bits, rounded to 8."""
    if pixels.dtype == np.uint8:
        return pixels
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _part(source: ArraySource, index: NDArray[np.int64]) -> ArraySource:
    labels = None if source.labels is None else source.labels[index]
    return ArraySource(source.rows[index], source.shape, labels, repeats=source.repeats)
