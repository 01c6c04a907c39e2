"""The detector of what files say of themselves: C2PA, IPTC, PNG text, EXIF, GB 45438, stealth alpha."""

import hashlib
from dataclasses import dataclass

from hygiene.detectors.base import Declared, Finding, Statement
from hygiene.errors import UnreadableImage
from hygiene.looks import Look
from hygiene.provenance import Provenance, read_provenance
from hygiene.provenance.stealth import declaration_of_still, has_place


@dataclass(frozen=True)
class ProvenanceDetector:
    """Reads declarations from encoded bytes; decodes no pixel unless `alpha` is set.

    trust_anchors  certificates (PEM) whose C2PA signatures count as trusted, not only as valid
    alpha          also look for NovelAI's stealth metadata, which takes decoding PNGs that have alpha
    """

    trust_anchors: str = ""
    alpha: bool = False

    @property
    def name(self) -> str:
        """Says how it was looked: scores are kept under it."""
        anchors = hashlib.sha256(self.trust_anchors.encode()).hexdigest()[:16]
        options = ["alpha"] * self.alpha + [f"trust-{anchors}"] * bool(self.trust_anchors)
        return ":".join(["provenance", *([",".join(options)] if options else [])])

    def detect(self, id: str, look: Look) -> Declared:
        """What the record `id` declares. Raises UnreadableImage for what is no PNG, JPEG or WebP, and with `alpha` for
        a PNG whose pixels cannot be decoded and that declares nothing besides.
        """
        found = read_provenance(look.data, self.trust_anchors)
        if self.alpha and found.verdict != "generated":
            found = _with_alpha(found, look)
        return Declared(id, self.name, _statement(found), _finding(found))


def _with_alpha(found: Provenance, look: Look) -> Provenance:
    """What alpha hides too. A declaration in the bytes stands, whether or not the pixels can be decoded."""
    if not has_place(look.data):
        return found
    try:
        hidden = declaration_of_still(look.still)
    except UnreadableImage:
        if found.verdict == "nothing":
            raise
        return found
    return Provenance((*found.declarations, hidden)) if hidden else found


def _statement(found: Provenance) -> Statement:
    """Whatever else a file says: where generative AI made a part of it, it is no capture and no plain edit."""
    if found.verdict != "generated" and found.generative:
        return "generative edit"
    return "" if found.verdict == "nothing" else found.verdict


def _finding(found: Provenance) -> Finding:
    """The declaration that decides, and how many there are."""
    first = found.decisive
    if first is None:
        return {}
    return {
        "scheme": first.source,
        "where": first.where,
        "detail": first.detail,
        "declarations": len(found.declarations),
    }
