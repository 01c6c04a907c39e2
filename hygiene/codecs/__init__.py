"""Codecs by name. A new one is a file in this folder and a line in the table."""

from hygiene.codecs.base import Codec, Scores
from hygiene.codecs.dwt_dct import DwtDct
from hygiene.codecs.dwt_dct_svd import DwtDctSvd
from hygiene.codecs.rivagan import Rivagan
from hygiene.codecs.spread import Spread

CODECS: dict[str, type[Codec]] = {
    "dwt_dct": DwtDct,
    "dwt_dct_svd": DwtDctSvd,
    "rivagan": Rivagan,
    "spread": Spread,
}

__all__ = ["CODECS", "Codec", "DwtDct", "DwtDctSvd", "Rivagan", "Scores", "Spread"]
