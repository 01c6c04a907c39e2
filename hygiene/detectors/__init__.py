"""Detectors: anything that looks at a record and gives evidence that a generator made it."""

from hygiene.detectors.base import Detection, Detector, Unreadable
from hygiene.detectors.keyed import KeyedDetector
from hygiene.detectors.two_keys import TwoKeyDetector

__all__ = ["Detection", "Detector", "KeyedDetector", "TwoKeyDetector", "Unreadable"]
