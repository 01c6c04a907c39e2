"""The detector of what files declare themselves: C2PA, IPTC, PNG text, EXIF, GB 45438, stealth alpha."""

from dataclasses import dataclass, field

from hygiene.images import MAX_PIXELS
from hygiene.provenance import Declaration, Provenance, read_provenance
from hygiene.provenance.declaration import Verdict
from hygiene.provenance.stealth import declaration_of_file


@dataclass(frozen=True)
class Declared:
    """What one record declares about itself. A statement has no p-value: a policy chooses which verdicts count.

    verdict     generated, edited, captured, or nothing
    generative  whether it says that generative AI made at least a part of the picture (an in-painted photograph is
                edited, and generative)
    finding     source, detail and where of the decisive declaration, and how many there are; empty without any
    """

    id: str
    detector: str
    verdict: Verdict
    generative: bool
    finding: dict[str, str | float | int] = field(default_factory=dict)
    declarations: tuple[Declaration, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class ProvenanceDetector:
    """Reads declarations from encoded bytes; decodes no pixel unless `alpha` is set.

    trust_anchors  certificates (PEM) whose C2PA signatures count as trusted, not only as valid
    alpha          also look for NovelAI's stealth metadata, which takes decoding PNGs that have alpha
    """

    trust_anchors: str = ""
    alpha: bool = False
    max_pixels: int = MAX_PIXELS

    @property
    def name(self) -> str:
        return "provenance"

    def read(self, id: str, data: bytes) -> Declared:
        """What the record `id`, whose file is `data`, declares. Raises UnreadableImage for what is no picture."""
        provenance = read_provenance(data, self.trust_anchors)
        look = self.alpha and provenance.verdict != "generated"
        hidden = declaration_of_file(data, self.max_pixels) if look else None
        if hidden:
            provenance = Provenance((*provenance.declarations, hidden))
        finding = _finding(provenance)
        return Declared(id, self.name, provenance.verdict, provenance.generative, finding, provenance.declarations)


def _finding(provenance: Provenance) -> dict[str, str | float | int]:
    first = provenance.decisive
    if first is None:
        return {}
    known: dict[str, str | float | int] = {"source": first.source, "detail": first.detail, "where": first.where}
    return known | {"declared": provenance.verdict, "declarations": len(provenance.declarations)}
