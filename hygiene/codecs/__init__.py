"""Codecs by name. A new one is a file in this folder and a line in the table."""

from hygiene.codecs.base import Codec, Scores
from hygiene.codecs.spread import Spread

CODECS: dict[str, type[Codec]] = {"spread": Spread}

__all__ = ["CODECS", "Codec", "Scores", "Spread"]
