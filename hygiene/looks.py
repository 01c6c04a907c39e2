"""One file as detectors see it: its bytes, and what is decoded from them, once, when the first detector asks."""

from dataclasses import dataclass
from functools import cached_property

from hygiene.chroma import Chroma, chroma_of
from hygiene.images import MAX_PIXELS, Picture, Planes, Still, luma_of, open_still, planes_of


@dataclass(frozen=True)
class Look:
    """data: the encoded file. Its properties raise UnreadableImage for what cannot be decoded to them.

    both  the detectors will ask for luma as well as colour: a JPEG is then decoded once for the two, where it would
          be decoded for each at its own cheapest scale. Its luma is reduced otherwise then (`luma_of`), so a keyed
          mark's score depends a little on whether colour is looked at too

    A PNG or WebP is decoded once for luma, colour and alpha in any case.
    """

    data: bytes
    max_pixels: int = MAX_PIXELS
    both: bool = False

    @cached_property
    def picture(self) -> Picture:
        """The luma, by the cheapest path."""
        return luma_of(self.still, self.planes if self.both else None)

    @cached_property
    def chroma(self) -> Chroma | None:
        """The colour as stored, not enlarged; None for a JPEG without any."""
        return chroma_of(self.still, self.planes)

    @cached_property
    def planes(self) -> Planes | None:
        """Y, Cb and Cr of a JPEG that has them, for its colour or for both."""
        return planes_of(self.still, luma=self.both)

    @cached_property
    def still(self) -> Still:
        """The file with its header looked at; a PNG or WebP is decoded in it, at most once."""
        return open_still(self.data, self.max_pixels)
