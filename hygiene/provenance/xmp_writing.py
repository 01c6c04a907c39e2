"""One property put into an XMP packet: Iptc4xmpExt:DigitalSourceType. All the rest stays byte for byte."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from hygiene.errors import TagRefused
from hygiene.provenance.xmp import IPTC_EXTENSION, RDF, SOURCE_TYPE, NotXmp, parse, parser_for, properties

_TAG = re.compile(rb"<(?:[^>\"']|\"[^\"]*\"|'[^']*')*>")
_ATTRIBUTE = re.compile(rb"\s[\w.-]+:DigitalSourceType\s*=\s*(?:\"[^\"]*\"|'[^']*')")
_NEW = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"></rdf:RDF></x:xmpmeta>\n'
    '<?xpacket end="w"?>'
).encode()


@dataclass
class _Places:
    """Expat's handlers: byte positions in a packet.

    elements    where each Digital Source Type of the picture, and its end tag, begins
    tags        where each start tag that has one as an attribute begins
    about       what the packet calls the picture; all its descriptions must call it the same
    end_of_rdf  where the end tag of rdf:RDF begins, −1 without one
    """

    parser: expat.XMLParserType
    path: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    elements: list[tuple[int, int]] = field(default_factory=list)
    tags: list[int] = field(default_factory=list)
    about: str = ""
    end_of_rdf: int = -1

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == f"{RDF} Description" and self.path[-1:] == [f"{RDF} RDF"]:
            self.about = self.about or attributes.get(f"{RDF} about", "")
            if SOURCE_TYPE in attributes:
                self.tags.append(self.parser.CurrentByteIndex)
        self.path.append(name)
        self.starts.append(self.parser.CurrentByteIndex)

    def end(self, name: str) -> None:
        start = self.starts.pop()
        self.path.pop()
        if name == SOURCE_TYPE and self.path[-2:] == [f"{RDF} RDF", f"{RDF} Description"]:
            self.elements.append((start, self.parser.CurrentByteIndex))
        elif name == f"{RDF} RDF":
            self.end_of_rdf = self.parser.CurrentByteIndex


def with_source_type(packet: bytes | None, uri: str) -> bytes:
    """`packet`, or a new one, with `uri` as the picture's Digital Source Type in place of any other.

    Raises TagRefused for a packet that cannot be read, rather than dropping it.
    """
    packet = packet or _NEW
    try:
        if _said(packet) == [uri]:
            return packet
        merged = _merged(packet, uri)
        if _said(merged) == [uri]:
            return merged
    except NotXmp as error:
        raise TagRefused(f"its XMP packet cannot be read, so nothing can be declared in it: {error}") from None
    raise TagRefused("its XMP packet has a form that a declaration cannot be merged with")


def _said(packet: bytes) -> list[str]:
    """The Digital Source Types of the picture."""
    return [each.value.strip() for each in properties(packet) if each.name == SOURCE_TYPE and not each.nested]


def _merged(packet: bytes, uri: str) -> bytes:
    places = _places(packet)
    description = (
        f'<rdf:Description xmlns:rdf="{RDF}" rdf:about={quoteattr(places.about)} xmlns:Iptc4xmpExt="{IPTC_EXTENSION}">'
        f"<Iptc4xmpExt:DigitalSourceType>{uri}</Iptc4xmpExt:DigitalSourceType></rdf:Description>"
    ).encode()
    edits = [(places.end_of_rdf, places.end_of_rdf, description), *_removals(packet, places)]
    for start, end, text in sorted(edits, reverse=True):
        packet = packet[:start] + text + packet[end:]
    return packet


def _places(packet: bytes) -> _Places:
    parser = parser_for(packet)
    places = _Places(parser)
    parser.StartElementHandler, parser.EndElementHandler = places.start, places.end
    parse(parser, packet)
    if places.end_of_rdf < 0:
        raise NotXmp("no rdf:RDF")
    return places


def _removals(packet: bytes, places: _Places) -> Iterator[tuple[int, int, bytes]]:
    for start, end in places.elements:
        opening = _end_of_tag(packet, start)
        empty = packet[opening - 2 : opening] == b"/>"
        yield start, opening if empty else _end_of_tag(packet, end), b""
    for start in places.tags:
        attribute = _ATTRIBUTE.search(packet, start, _end_of_tag(packet, start))
        if attribute:
            yield attribute.start(), attribute.end(), b""


def _end_of_tag(packet: bytes, start: int) -> int:
    tag = _TAG.match(packet, start)
    if tag is None:  # the packet is in an encoding whose bytes are not ASCII's
        raise NotXmp("not UTF-8")
    return tag.end()
