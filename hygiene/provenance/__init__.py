"""Declared provenance: what a file says about where its picture comes from. Statements, not statistics."""

from hygiene.provenance.c2pa import load_trust_anchors
from hygiene.provenance.declaration import Declaration, Provenance
from hygiene.provenance.reading import read_provenance
from hygiene.provenance.signing import Signer, load_signer
from hygiene.provenance.writing import declare

__all__ = [
    "Declaration",
    "Provenance",
    "Signer",
    "declare",
    "load_signer",
    "load_trust_anchors",
    "read_provenance",
]
