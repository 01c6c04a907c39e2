"""One file as detectors see it: its bytes, and what is decoded from them, once, when the first detector asks."""

from dataclasses import dataclass
from functools import cached_property

from hygiene.chroma import Chroma, chroma_of
from hygiene.images import MAX_PIXELS, Picture, Still, luma_of, open_still


@dataclass(frozen=True)
class Look:
    """data: the encoded file. Its properties raise UnreadableImage for what cannot be decoded to them.

    A PNG or WebP is decoded once for luma, colour and alpha. Of a JPEG libjpeg gives luma and colour each by itself,
    reduced as it decodes. One pass for both would cost less (docs/public_marks.md has the figures), but then a keyed
    mark's score would depend on what else is looked for: its luma is smaller than the colour, and only simplejpeg,
    which gives no colour as stored, tells when data is missing.
    """

    data: bytes
    max_pixels: int = MAX_PIXELS

    @cached_property
    def picture(self) -> Picture:
        """The luma, by the cheapest path."""
        return luma_of(self.still)

    @cached_property
    def chroma(self) -> Chroma | None:
        """The colour as stored, not enlarged; None for a JPEG without any."""
        return chroma_of(self.still)

    @cached_property
    def still(self) -> Still:
        """The file with its header looked at; a PNG or WebP is decoded in it, at most once."""
        return open_still(self.data, self.max_pixels)
