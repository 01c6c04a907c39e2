"""Detectors: anything that looks at a record and gives evidence that a generator made it."""

from hygiene.detectors.base import Declared, Detection, Detector, Unreadable
from hygiene.detectors.keyed import KeyedDetector
from hygiene.detectors.mark_table import MARKS
from hygiene.detectors.provenance import ProvenanceDetector
from hygiene.detectors.public_marks import PublicMarks
from hygiene.detectors.two_keys import TwoKeyDetector

__all__ = [
    "MARKS",
    "Declared",
    "Detection",
    "Detector",
    "KeyedDetector",
    "ProvenanceDetector",
    "PublicMarks",
    "TwoKeyDetector",
    "Unreadable",
]
