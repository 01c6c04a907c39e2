"""One file as detectors see it: its bytes, and what is decoded from them, once, when the first detector asks."""

from dataclasses import dataclass
from functools import cached_property

from hygiene.images import MAX_PIXELS, Picture, decode_luma


@dataclass(frozen=True)
class Look:
    """data: the encoded file. Its properties raise UnreadableImage for what cannot be decoded to them."""

    data: bytes
    max_pixels: int = MAX_PIXELS

    @cached_property
    def picture(self) -> Picture:
        """The luma, by the cheapest path."""
        return decode_luma(self.data, self.max_pixels)
