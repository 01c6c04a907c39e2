"""Scored records to kept | excluded | unreadable, counted by reason. Nothing is lost: the three add up to seen."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from hygiene import statistics
from hygiene.detectors.base import Declared, Detection, Statement, Unreadable

Evidence = Detection | Unreadable
Outcome = Literal["kept", "excluded", "unreadable"]
DECLARED = "provenance"
"""What excluded a record that says so of itself."""

OUTCOMES: tuple[Outcome, ...] = ("kept", "excluded", "unreadable")


GENERATED: frozenset[Statement] = frozenset({"generated"})


@dataclass(frozen=True)
class Rule:
    """What is excluded: a log10 p at or under `max_log10_p`, and files that say one of `declared` of themselves.

    give_back  share, 0..1, of the marked records that are kept after all: those whose ids hash below it, the same ones
               in every run, and the more, the larger it is. What files say of themselves is no part of it
    """

    max_log10_p: float
    declared: frozenset[Statement] = frozenset()
    give_back: float = 0.0

    def marked(self, evidence: Evidence) -> bool:
        """Whether the mark is found in it, given back or not."""
        return isinstance(evidence, Detection) and evidence.log10_p <= self.max_log10_p

    def given_back(self, evidence: Evidence) -> bool:
        """Whether it is kept although its mark is found."""
        return self.marked(evidence) and not self.causes(evidence)

    def causes(self, evidence: Evidence) -> tuple[str, ...]:
        """The detectors for whose sake the record goes; empty: for none. Bytes can say more than can be decoded."""
        marked: tuple[str, ...] = ()
        if isinstance(evidence, Detection) and self.marked(evidence) and _uniform(evidence.id) >= self.give_back:
            marked = (evidence.detector,)
        return marked + ((DECLARED,) if evidence.declared and evidence.declared in self.declared else ())


@dataclass(frozen=True)
class Counts:
    """How many records went where. excluded: by the first detector that excludes; unreadable: by kind of reason;
    given_back: of those kept.
    """

    kept: int = 0
    excluded: Mapping[str, int] = field(default_factory=dict)
    unreadable: Mapping[str, int] = field(default_factory=dict)
    given_back: int = 0

    @property
    def seen(self) -> int:
        return self.kept + self.total_excluded + self.total_unreadable

    @property
    def total_excluded(self) -> int:
        return sum(self.excluded.values())

    @property
    def total_unreadable(self) -> int:
        return sum(self.unreadable.values())


def combined(results: Sequence[Detection | Declared]) -> Detection:
    """One row of evidence from all detectors: the smallest p, which pays for all that were tried (Bonferroni; ties go
    to the first), and what the file says of itself, which is no test and pays nothing.
    """
    tests = [each for each in results if isinstance(each, Detection)]
    said = next((each for each in results if isinstance(each, Declared)), None)
    if not tests:
        assert said is not None, "at least one detector looked"
        return Detection(said.id, said.detector, 0.0, 0.0, said.finding, said.declared)
    best = min(tests, key=lambda detection: detection.log10_p)
    log10_p = float(statistics.bonferroni_log10_p(best.log10_p, len(tests)))
    if said is None:
        return replace(best, log10_p=log10_p)
    return replace(best, log10_p=log10_p, finding=best.finding | said.finding, declared=said.declared)


def flawed(evidence: Evidence, flaw: str) -> Evidence:
    """Of a record that cannot be read whole: unreadable for its `flaw`, whatever its pixels say. No flaw, no change."""
    if not flaw:
        return evidence
    reason = f"{evidence.reason}; {flaw}" if isinstance(evidence, Unreadable) else flaw
    return Unreadable(evidence.id, reason, evidence.declared, evidence.finding if evidence.declared else {})


def outcome(evidence: Evidence, rule: Rule) -> Outcome:
    """What becomes of one record."""
    if rule.causes(evidence):
        return "excluded"
    return "unreadable" if isinstance(evidence, Unreadable) else "kept"


def split(stream: Iterable[Evidence], rule: Rule) -> Iterator[tuple[Outcome, Evidence]]:
    """Each record's evidence with what becomes of it, in the order of the stream."""
    return ((outcome(evidence, rule), evidence) for evidence in stream)


def count(stream: Iterable[Evidence], rule: Rule) -> Counts:
    """What `split` makes of the stream, counted."""
    kept, given_back, excluded, unreadable = 0, 0, Counter[str](), Counter[str]()
    for evidence in stream:
        if causes := rule.causes(evidence):
            excluded[causes[0]] += 1
        elif isinstance(evidence, Unreadable):
            unreadable[kind(evidence.reason)] += 1
        else:
            kept += 1
            given_back += rule.marked(evidence)
    return Counts(kept, dict(excluded), dict(unreadable), given_back)


def _uniform(id: str) -> float:
    """A number of [0, 1) that belongs to the id, as good as drawn at random."""
    digest = hashlib.blake2b(id.encode(errors="surrogatepass"), digest_size=8, person=b"hygiene giveback").digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def kind(reason: str) -> str:
    """Reasons are "kind: detail"; counting goes by the kind."""
    return reason.partition(":")[0]
