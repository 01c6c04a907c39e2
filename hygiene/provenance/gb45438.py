"""The label of GB 45438-2025 (Cybersecurity technology: labelling method for AI-generated content), annex E.

JSON with Label, ContentProducer, ProduceID, ReservedCode1, ContentPropagator, PropagateID, ReservedCode2, bare or as
{"AIGC": {…}}. Places: XMP property TC260:AIGC (http://www.tc260.org.cn/ns/AIGC/1.0/), PNG text AIGC, EXIF
UserComment. Label 1: is generated; 2: may be; 3: is suspected to be. Only the first declares it.
"""

from hygiene.provenance.bounded import load_object
from hygiene.provenance.declaration import Declaration

SOURCE = "GB 45438"
_MEANING = {"1": "generated", "2": "may be generated", "3": "suspected to be generated"}
_PARTIES = ("ContentProducer", "ContentPropagator")
_FIELDS = {*_PARTIES, "ProduceID", "PropagateID", "ReservedCode1", "ReservedCode2"}


def label(text: str, where: str) -> Declaration | None:
    """The declaration of a label's JSON; None for JSON that is no label."""
    content = load_object(text)
    nested = content.get("AIGC")
    fields = nested if isinstance(nested, dict) else content
    if "Label" not in fields or not fields.keys() & _FIELDS:
        return None
    value = str(fields["Label"])
    meaning = _MEANING.get(value, "no such value in the standard")
    parties = [f"{name} {fields[name]}" for name in _PARTIES if fields.get(name)]
    detail = ", ".join([f"Label {value} ({meaning})", *parties])
    return Declaration("generated" if value == "1" else "other", SOURCE, detail, where, generative=value == "1")
