"""XMP packets: the properties that say where a picture comes from.

Names: IPTC Photo Metadata Standard 2025.1 (Digital Source Type, AI System Used, AI Prompt Information, …), XMP
Specification Part 1 §7 (RDF forms), C2PA Technical Specification 2.2 §A.3 (dcterms:provenance names a remote
manifest), GB 45438-2025 annex E. Expat reads the packet; a document type declaration is refused, so there are no
entities to expand, and nothing external is ever loaded.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from hygiene.provenance import gb45438
from hygiene.provenance.bounded import MOST_BYTES
from hygiene.provenance.declaration import Declaration
from hygiene.provenance.vocabulary import declaration_of

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
IPTC_EXTENSION = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
SOURCE_TYPE = f"{IPTC_EXTENSION} DigitalSourceType"
_AI = {f"{IPTC_EXTENSION} {name}": name for name in ("AISystemUsed", "AISystemVersionUsed", "AIPromptInformation")}
_REMOTE = "http://purl.org/dc/terms/ provenance"
_KNOWN = {SOURCE_TYPE, *_AI, _REMOTE}

MOST_PROPERTIES = 100  # kept of one packet

_PREFILTER = (b"DigitalSourceType", b"AISystem", b"AIPrompt", b"AIGC", b"provenance")
_ANYWHERE = re.compile(rb"newscodes/digitalsourcetype/(\w{1,64})", re.IGNORECASE)


class NotXmp(ValueError):
    """A packet that is not well-formed, or declares a document type."""


@dataclass
class Property:
    """A property in a packet. name: "namespace local"; nested: it speaks of a part (an image region, an ingredient)."""

    name: str
    nested: bool
    parts: list[str]

    @property
    def value(self) -> str:
        return "".join(self.parts)


@dataclass
class _Reader:
    """Expat's handlers: collects the known properties, as attributes, elements, or elements with rdf:resource."""

    found: list[Property] = field(default_factory=list)
    path: list[str] = field(default_factory=list)
    open: list[tuple[int, Property]] = field(default_factory=list)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        of_picture = self.path[-1:] == [f"{RDF} RDF"]
        for key, value in attributes.items():
            if _known(key):
                self._add(Property(key, not of_picture, [value]))
        if _known(name):
            of_picture = self.path[-2:] == [f"{RDF} RDF", f"{RDF} Description"]
            self.open.append((len(self.path), Property(name, not of_picture, [attributes.get(f"{RDF} resource", "")])))
        self.path.append(name)

    def text(self, text: str) -> None:
        if self.open:
            self.open[-1][1].parts.append(text)

    def end(self, name: str) -> None:
        self.path.pop()
        if self.open and self.open[-1][0] == len(self.path):
            self._add(self.open.pop()[1])

    def _add(self, found: Property) -> None:
        if len(self.found) < MOST_PROPERTIES:
            self.found.append(found)


def _known(name: str) -> bool:
    return name in _KNOWN or name.endswith(" AIGC")  # its writers disagree on the namespace


def properties(packet: bytes) -> list[Property]:
    """The known properties of a packet. Raises NotXmp."""
    reader = _Reader()
    parser = parser_for(packet)
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.text
    parse(parser, packet)
    return reader.found


def parser_for(packet: bytes) -> expat.XMLParserType:
    """An expat parser with namespaces that refuses document types."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True

    def refuse(*_: object) -> None:
        raise NotXmp("declares a document type")

    parser.StartDoctypeDeclHandler = refuse
    return parser


def parse(parser: expat.XMLParserType, packet: bytes) -> None:
    """Feed the whole packet, without the padding that may follow it."""
    try:
        parser.Parse(packet.rstrip(b"\0 \r\n\t"), True)
    except (expat.ExpatError, ValueError) as error:
        raise NotXmp(str(error)) from None


def declarations(packet: bytes, where: str) -> Iterator[Declaration]:
    """What a packet declares. One that cannot be read is a finding where it speaks of provenance at all."""
    if not any(word in packet for word in _PREFILTER):
        return
    try:
        found = properties(packet)
    except NotXmp as error:
        yield from _broken(packet, where, error)
        return
    yield from _source_types(found, where)
    for each in found:
        if each.name.endswith(" AIGC"):
            label = gb45438.label(each.value, f"{where} AIGC")
            yield label or Declaration("other", gb45438.SOURCE, "a label that cannot be read", f"{where} AIGC")
        elif each.name == _REMOTE:
            yield Declaration("other", "C2PA", f"remote manifest, not fetched: {each.value}", where)


def _source_types(found: list[Property], where: str) -> Iterator[Declaration]:
    """Digital Source Types, with the AI system beside them. A system alone says what generated the picture."""
    of_picture = {_AI[each.name]: each.value.strip() for each in found if each.name in _AI and not each.nested}
    note = ", ".join(f"{name} {value}" for name, value in of_picture.items())
    types = [each for each in found if each.name == SOURCE_TYPE]
    for each in types:
        yield declaration_of(each.value, "IPTC", f"{where} DigitalSourceType", note, part=each.nested)
    if note and not any(not each.nested for each in types):
        yield Declaration("generated", "IPTC", note, where, generative=True)


def _broken(packet: bytes, where: str, error: NotXmp) -> Iterator[Declaration]:
    note = f"in a packet that is not well-formed ({error})"
    terms = {match[1].decode() for match in _ANYWHERE.finditer(packet)}
    for term in sorted(terms)[:8]:
        yield declaration_of(term, "IPTC", where, note)
    if not terms:
        yield Declaration("other", "XMP", f"provenance {note}", where)


def extended(parts: Iterable[bytes]) -> bytes:
    """The packet that a JPEG holds in parts: each a GUID of 32 bytes, the full length, its offset, the bytes.

    XMP Specification Part 3 §1.1.3.1. Parts go by their offsets; what is missing is missing in the packet too.
    """
    pieces = sorted((part[:32], int.from_bytes(part[36:40], "big"), index) for index, part in enumerate(parts))
    bodies = list(parts)
    return b"".join(bodies[index][40:] for _, _, index in pieces)[:MOST_BYTES]
