"""What a file says about where its picture comes from: one statement, and what all of them amount to."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["generated", "edited", "captured", "other"]
Verdict = Literal["generated", "edited", "captured", "nothing"]

_LONGEST_DETAIL = 200  # characters: details go into one line of a report, prompts and workflows do not


@dataclass(frozen=True)
class Declaration:
    """One statement that a file makes about its picture.

    kind        generated, edited or captured; other: something that decides none of these (an algorithm without
                training data, a suspicion, a broken manifest)
    source      the scheme it is made in: "C2PA", "IPTC", "Automatic1111", "ComfyUI", "GB 45438", …
    detail      what was found, printable, at most 200 characters
    where       the place in the file: "JPEG APP1 XMP", "PNG tEXt parameters", …
    generative  whether it says that generative AI made at least a part of the picture
    """

    kind: Kind
    source: str
    detail: str
    where: str
    generative: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", printable(self.detail))


@dataclass(frozen=True)
class Provenance:
    """All that a file declares, in the order found."""

    declarations: tuple[Declaration, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The strongest kind: generated, then edited, then captured. What decides nothing leaves "nothing"."""
        kinds = {each.kind for each in self.declarations}
        return next((kind for kind in _VERDICTS if kind in kinds), "nothing")

    @property
    def generative(self) -> bool:
        """Whether any declaration says that generative AI made at least a part of the picture."""
        return any(each.generative for each in self.declarations)

    @property
    def decisive(self) -> Declaration | None:
        """The declaration to tell first: generated, then generated in parts, then edited, captured, other.

        Of equals one of C2PA, which tells who signed it.
        """
        return min(self.declarations, key=_rank, default=None)


_VERDICTS: tuple[Literal["generated", "edited", "captured"], ...] = ("generated", "edited", "captured")


def _rank(declaration: Declaration) -> tuple[bool, bool, int, bool]:
    kind = declaration.kind
    order = _VERDICTS.index(kind) if kind != "other" else len(_VERDICTS)
    return kind != "generated", not declaration.generative, order, declaration.source != "C2PA"


def printable(text: str) -> str:
    """One line of at most 200 printable characters: foreign text goes into reports and terminals."""
    line = " ".join(text[: 4 * _LONGEST_DETAIL].split())
    line = "".join(character if character.isprintable() else "�" for character in line)
    return line if len(line) <= _LONGEST_DETAIL else line[: _LONGEST_DETAIL - 1] + "…"
