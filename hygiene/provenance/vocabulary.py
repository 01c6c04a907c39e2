"""IPTC's Digital Source Types, in XMP and in C2PA actions: what each says about a picture.

Source: http://cv.iptc.org/newscodes/digitalsourcetype/ (release of October 2024), and the two terms that C2PA adds
(C2PA Technical Specification 2.2, "Digital Source Type"; http://c2pa.org/digitalsourcetype/…).

| term | it says | kind | parts by generative AI |
|---|---|---|---|
| digitalCapture, negativeFilm, positiveFilm, print | one capture, or its digitised form | captured | |
| computationalCapture, compositeCapture | several captures merged | captured | |
| humanEdits, minorHumanEdits (retired) | edited by people, without generative tools | edited | |
| algorithmicallyEnhanced | altered by an algorithm, the content kept | edited | |
| composite | several elements, of which any may be generated | edited | |
| compositeSynthetic | several elements, at least one generated | edited | yes |
| compositeWithTrainedAlgorithmicMedia | altered with generative AI: in-painting, out-painting | edited | yes |
| trainedAlgorithmicMedia | made by generative AI | generated | yes |
| algorithmicMedia | made by an algorithm without training data: fractals, noise | other | |
| dataDrivenMedia, virtualRecording, screenCapture | charts, recordings of virtual events, screens | other | |
| digitalCreation, digitalArt, softwareImage (retired) | made by people on a computer | other | |
| empty, trainedAlgorithmicData (C2PA) | an empty canvas; generated data that are no media | other | |
"""

from hygiene.provenance.declaration import Declaration, Kind

GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

_TERMS: dict[str, tuple[Kind, bool]] = {
    "digitalCapture": ("captured", False),
    "negativeFilm": ("captured", False),
    "positiveFilm": ("captured", False),
    "print": ("captured", False),
    "computationalCapture": ("captured", False),
    "compositeCapture": ("captured", False),
    "humanEdits": ("edited", False),
    "minorHumanEdits": ("edited", False),
    "algorithmicallyEnhanced": ("edited", False),
    "composite": ("edited", False),
    "compositeSynthetic": ("edited", True),
    "compositeWithTrainedAlgorithmicMedia": ("edited", True),
    "trainedAlgorithmicMedia": ("generated", True),
    "algorithmicMedia": ("other", False),
    "dataDrivenMedia": ("other", False),
    "virtualRecording": ("other", False),
    "screenCapture": ("other", False),
    "digitalCreation": ("other", False),
    "digitalArt": ("other", False),
    "softwareImage": ("other", False),
    "empty": ("other", False),
    "trainedAlgorithmicData": ("other", False),
}
_BY_LOWER = {term.lower(): term for term in _TERMS}


def term_of(value: str) -> str:
    """The term of a URI (http or https) or a QCode (digsrctype:…), whatever its case; "" for what is none of ours."""
    last = value.strip().rstrip("/").replace(":", "/").rpartition("/")[2]
    return _BY_LOWER.get(last.lower(), "")


def declaration_of(value: str, source: str, where: str, note: str = "", part: bool = False) -> Declaration:
    """What a Digital Source Type declares. An unknown one is a finding that decides nothing.

    part: it speaks of a part of the picture, so that "generated" there means "edited" for the whole.
    """
    term = term_of(value)
    kind, generative = _TERMS.get(term, ("other", False))
    if part:
        kind = "edited" if generative else "other"
    said = term or f"unknown digital source type {value}"
    return Declaration(kind, source, f"{said}; {note}" if note else said, where, generative)
