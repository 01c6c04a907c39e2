"""C2PA manifests: present, valid or not, by whom, and what their actions say about the picture.

C2PA Technical Specification 2.2: §11 (manifests in JUMBF), §14.3 (validation states), §18.16 (actions), annex A.3
(where files keep them). Validation is c2pa-python's, offline: no remote manifest, no OCSP responder and no
time-stamping service is asked. Without that package a manifest is reported as it stands, not validated.
"""

import io
import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hygiene.errors import ConfigurationError
from hygiene.provenance.declaration import Declaration
from hygiene.provenance.vocabulary import declaration_of, term_of

INSTALL = "pip install 'hygiene-toolkit[provenance]'"
OFFLINE: dict[str, Any] = {
    "core": {"allowed_network_hosts": []},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True},
}
# Actions that change what is seen (§18.16.1); opening, converting, publishing or resizing a picture does not.
_EDITS = {"addedText", "adjustedColor", "color_adjustments", "cropped", "deleted", "drawing"}
_EDITS |= {"edited", "enhanced", "filtered", "placed", "removed"}
_UNTRUSTED = "signingCredential.untrusted"
_TERM = re.compile(rb"digitalsourcetype/(\w{1,64})", re.IGNORECASE)


def is_manifest(store: bytes) -> bool:
    """Whether JUMBF holds C2PA: other schemes use JUMBF too."""
    return b"jumb" in store and b"c2pa" in store


def join_segments(bodies: Sequence[bytes]) -> bytes:
    """The JUMBF boxes of a JPEG's APP11 segments (after "JP"): ISO/IEC 19566-5 §D.2.

    Each has an instance (2 bytes), a sequence number (4) and the box header (8, or 16), which only the first keeps.
    """
    joined = []
    for body in bodies:
        header = 16 if body[6:10] == b"\0\0\0\1" else 8
        joined.append(body[6:] if body[2:6] == b"\0\0\0\1" else body[6 + header :])
    return b"".join(joined)


def declarations(data: bytes, format: str, store: bytes, where: str, trust_anchors: str = "") -> list[Declaration]:
    """What the C2PA manifest in a file declares. A manifest that cannot be read is a finding.

    format         "jpeg", "png" or "webp"
    store          the manifest store as found in the file, for when it cannot be read as a whole
    trust_anchors  certificates (PEM) whose signatures count as trusted; without them a good signature is "valid"
    """
    try:
        report = _report(data, format, trust_anchors)
    except ImportError:
        return _unvalidated(store, where, f"not validated: {INSTALL}")
    except _Broken as error:
        return _unvalidated(store, where, f"broken: {error}")
    found = list(_Report(report, where).declarations())
    return found or [Declaration("other", "C2PA", "a manifest without a claim that can be read", where)]


def load_trust_anchors(path: Path) -> str:
    """The certificates (PEM) whose signatures are to count as trusted.

    Raises ConfigurationError for a file without certificates, and without c2pa-python, which would check them.
    """
    try:
        package()
    except ImportError:
        raise ConfigurationError(f"trusting C2PA signatures takes c2pa-python: {INSTALL}") from None
    from cryptography.hazmat.primitives.serialization import Encoding

    return "".join(each.public_bytes(Encoding.PEM).decode() for each in load_certificates(path)[1])


def load_certificates(path: Path) -> tuple[bytes, Sequence[Any]]:
    """A PEM file's bytes, and the certificates in it, of which there is one at least. Raises ConfigurationError."""
    from cryptography import x509  # comes with c2pa-python

    try:
        pem = path.read_bytes()
        with warnings.catch_warnings(action="ignore"):  # of old certificates in a system's bundle
            return pem, x509.load_pem_x509_certificates(pem)
    except (OSError, ValueError) as error:
        detail = getattr(error, "strerror", None) or "no PEM certificates in it"
        raise ConfigurationError(f"cannot read the certificates {path}: {detail}") from None


def package() -> Any:
    """c2pa-python, an optional extra: ImportError without it."""
    import c2pa

    return c2pa


class _Broken(Exception):
    """What c2pa-python could not read, and why."""


def _report(data: bytes, format: str, trust_anchors: str) -> Mapping[str, Any]:
    c2pa = package()
    settings = OFFLINE | ({"trust": {"trust_anchors": trust_anchors}} if trust_anchors else {})
    try:
        with (
            c2pa.Context.from_dict(settings) as context,
            c2pa.Reader(f"image/{format}", io.BytesIO(data), context=context) as reader,
        ):
            report: Mapping[str, Any] = json.loads(reader.json())
            return report
    except (c2pa.C2paError, ValueError) as error:
        raise _Broken(str(error)) from None


def _unvalidated(store: bytes, where: str, note: str) -> list[Declaration]:
    """A manifest that nothing validated: the Digital Source Type that it mentions, if that is a single one.

    Several may belong to different ingredients, so they decide nothing; whether one is generative still counts.
    """
    terms = sorted({term_of(match[1].decode()) for match in _TERM.finditer(store)} - {""})
    note = f"C2PA manifest present, {note}"
    each = [declaration_of(term, "C2PA", where, note) for term in terms]
    if len(each) == 1:
        return each
    said = f"{note}; mentions {', '.join(terms)}" if terms else note
    return [Declaration("other", "C2PA", said, where, any(one.generative for one in each))]


@dataclass(frozen=True)
class _Report:
    """c2pa-python's report on one file. Its shape is checked as it is read: manifests are foreign data."""

    content: Mapping[str, Any]
    where: str

    def declarations(self) -> Iterator[Declaration]:
        """The active manifest's, then those of the pictures that it was made from."""
        seen: set[str] = set()
        pending = [(str(self.content.get("active_manifest")), False)]
        while pending:
            label, part = pending.pop()
            manifest = _mapping(_mapping(self.content.get("manifests")).get(label))
            if label in seen or not manifest:
                continue
            note = f"{self._state()}, {_signer(manifest)}" + (", an ingredient" if seen else "")
            seen.add(label)
            yield from self._of_manifest(manifest, part, note)
            for ingredient in _mappings(manifest.get("ingredients")):
                # A parent is the same picture before; any other ingredient is a part of it.
                is_part = part or ingredient.get("relationship") != "parentOf"
                pending.append((str(ingredient.get("active_manifest")), is_part))

    def _of_manifest(self, manifest: Mapping[str, Any], part: bool, note: str) -> Iterator[Declaration]:
        found, edits = [], []
        for action in _actions(manifest):
            name, value = str(action.get("action")), action.get("digitalSourceType")
            if value:
                is_part = part or name != "c2pa.created"
                found.append(declaration_of(str(value), "C2PA", self.where, f"{name}; {note}", is_part))
            elif name.removeprefix("c2pa.") in _EDITS and not part:
                edits.append(name)
        if edits:
            found.append(Declaration("edited", "C2PA", f"{', '.join(sorted(set(edits)))}; {note}", self.where))
        yield from found or [Declaration("other", "C2PA", f"a manifest without source type; {note}", self.where)]

    def _state(self) -> str:
        """valid (the signature and the hashes are), trusted (its signer too), or invalid, with the reasons."""
        state = str(self.content.get("validation_state", "not validated")).lower()
        results = _mapping(_mapping(self.content.get("validation_results")).get("activeManifest"))
        codes = {str(each.get("code")) for each in _mappings(results.get("failure"))} - {_UNTRUSTED}
        return f"{state} ({', '.join(sorted(codes)[:3])})" if codes else state


def _signer(manifest: Mapping[str, Any]) -> str:
    info = _mapping(manifest.get("signature_info"))
    names = [str(info[name]) for name in ("issuer", "common_name") if info.get(name)]
    return f"signed by {', '.join(names)}" if names else "signer unknown"


def _actions(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for assertion in _mappings(manifest.get("assertions")):
        if str(assertion.get("label")).startswith("c2pa.actions"):
            yield from _mappings(_mapping(assertion.get("data")).get("actions"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: object) -> Iterator[Mapping[str, Any]]:
    yield from (each for each in (value if isinstance(value, list) else []) if isinstance(each, Mapping))
