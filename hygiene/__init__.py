"""Mark generator outputs, score pools, decide with a stated false-positive rate, split."""

__version__ = "0.1.0"
