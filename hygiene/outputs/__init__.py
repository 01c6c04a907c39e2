"""Generator outputs marked where they are made: `tagged` wraps a pipeline, `Tagger` marks what it is given."""

from hygiene.outputs.tagger import Tagger, Tagging
from hygiene.outputs.wrapper import Tagged, tagged

__all__ = ["Tagged", "Tagger", "Tagging", "tagged"]
