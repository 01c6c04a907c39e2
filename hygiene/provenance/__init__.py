"""Declared provenance: what a file says about where its picture comes from. Statements, not statistics."""

from hygiene.provenance.declaration import Declaration, Provenance
from hygiene.provenance.reading import read_provenance

__all__ = ["Declaration", "Provenance", "read_provenance"]
