"""Hygiene inside the loop: what a generation publishes is tagged, and what the trainer takes is filtered."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from evaluator.models.base import Rows
from evaluator.row_parts import by_blocks
from evaluator.training_sets import TrainingSet, joined
from hygiene.codecs.base import Scores
from hygiene.errors import InfeasibleError

Mask = NDArray[np.bool_]
Draw = Callable[[int], Rows]

COUNTABLE = 2**53  # candidates: doubles count no further


@dataclass(frozen=True)
class FilterCounts:
    """What a filter saw and excluded, against the truth. Counts add; a share of nothing is None.

    untagged_*  synthetic samples of generators that do not tag
    """

    tagged_seen: int = 0
    tagged_excluded: int = 0
    real_seen: int = 0
    real_excluded: int = 0
    untagged_seen: int = 0
    untagged_excluded: int = 0

    def __add__(self, other: "FilterCounts") -> "FilterCounts":
        mine, theirs = asdict(self), asdict(other)
        return FilterCounts(**{name: mine[name] + theirs[name] for name in mine})

    @property
    def tpr(self) -> float | None:
        """Share of tagged samples excluded."""
        return _share(self.tagged_excluded, self.tagged_seen)

    @property
    def fpr(self) -> float | None:
        """Share of real samples excluded."""
        return _share(self.real_excluded, self.real_seen)

    @property
    def ppv(self) -> float | None:
        """Share of excluded samples that were tagged."""
        return _share(self.tagged_excluded, self.tagged_excluded + self.real_excluded + self.untagged_excluded)

    @property
    def residual_synthetic(self) -> float | None:
        """Tagged share of what was kept."""
        tagged, real = self.tagged_seen - self.tagged_excluded, self.real_seen - self.real_excluded
        return _share(tagged, tagged + real + self.untagged_seen - self.untagged_excluded)

    def to_dict(self) -> dict[str, float | int | None]:
        """Counts and shares, plain."""
        shares = {name: getattr(self, name) for name in ("tpr", "fpr", "ppv", "residual_synthetic")}
        return {**asdict(self), **shares}

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> "FilterCounts":
        """The counts that `to_dict` wrote; kinds that it did not know yet count none."""
        return cls(**{name: row[name] for name in cls.__dataclass_fields__ if name in row})


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


class MarkReader(Protocol):
    """What reads one key's mark in rows [n, d]."""

    def project(self, rows: Rows) -> Rows:
        """How clearly each row carries it [n], in standard deviations over real rows."""

    def score(self, rows: Rows) -> Scores:
        """The same, with log10 p over the key."""


class Gate(Protocol):
    """Says which samples the trainer does not get."""

    def excludes(self, rows: Rows, tagged: bool | Mask, rng: np.random.Generator) -> Mask:
        """[n], True = excluded. `tagged`, one or [n], is the truth about `rows` [n, d]; a detector ignores it."""
        ...


@dataclass(frozen=True)
class RandomDrop:
    """The simulated filter: tagged samples go with probability `tpr`, real ones with `fpr`, at random.

    Not the same as thresholding a score, which selects what it lets through.
    """

    tpr: float = 0.0
    fpr: float = 0.0

    def excludes(self, rows: Rows, tagged: bool | Mask, rng: np.random.Generator) -> Mask:
        """One uniform number per row, so that arms of one seed drop nested sets."""
        dropped: Mask = rng.random(len(rows)) < np.where(tagged, self.tpr, self.fpr)
        return dropped


@dataclass(frozen=True)
class MarkDetector:
    """The real filter: reads the mark and excludes what scores at or above a threshold.

    `least_statistic`, in standard deviations over real data, or `max_log10_p` decides; the other is off.

    columns    numbers of a row that it reads: those before a label; None: all
    give_back  share, 0..1, of the rows it finds that pass nevertheless, at random
    """

    codec: MarkReader
    least_statistic: float = math.inf
    max_log10_p: float = -math.inf
    columns: int | None = None
    give_back: float = 0.0

    def excludes(self, rows: Rows, tagged: bool | Mask, rng: np.random.Generator) -> Mask:
        """Deterministic, the same row always gets the same answer, where nothing is given back. Else one uniform
        number per row, as with `RandomDrop`: with a threshold that finds all tagged rows and nothing else the two
        exclude the same ones, tpr = 1 − `give_back`.
        """
        found = by_blocks(self._found, rows)
        return found & (rng.random(len(rows)) < 1 - self.give_back) if self.give_back else found

    def _found(self, rows: Rows) -> Mask:
        scores = self.codec.score(rows[:, : self.columns])
        found: Mask = (scores.statistic >= self.least_statistic) | (scores.log10_p <= self.max_log10_p)
        return found


def recall_threshold(codec: MarkReader, tagged: Rows, recall: float) -> float:
    """The statistic at or above which a further tagged sample lies with probability ≥ `recall`.

    The ⌊(1−recall)(n+1)⌋-th smallest of n calibration scores (the split-conformal bound, marginal over both
    draws). Informed tagging gives all rows one score up to rounding: a small allowance keeps rounding from
    deciding.
    """
    rank = math.floor((1 - recall) * (len(tagged) + 1) + 1e-9)
    if rank < 1:
        raise InfeasibleError(
            f"recall {recall} cannot be calibrated on {len(tagged)} tagged samples: tag more, or ask for less"
        )
    return float(np.sort(by_blocks(codec.project, tagged))[rank - 1]) - 1e-9


def passed(
    real: Rows, synthetic: Rows, gate: Gate, real_rng: np.random.Generator, tagged_rng: np.random.Generator,
    carries: Mask | None = None,
) -> tuple[Rows, Rows, FilterCounts]:  # fmt: skip
    """The real and the synthetic rows that pass the gate, and the counts. Both have streams of their own: a fixed real
    set gets the same verdicts at every generation when its stream is the same.

    carries  [n] which synthetic rows are tagged; all when not given
    """
    tagged = np.ones(len(synthetic), dtype=np.bool_) if carries is None else carries
    real_out = gate.excludes(real, False, real_rng)
    out = gate.excludes(synthetic, tagged, tagged_rng)
    counts = FilterCounts(
        tagged_seen=int(tagged.sum()),
        tagged_excluded=int((out & tagged).sum()),
        real_seen=len(real),
        real_excluded=int(real_out.sum()),
        untagged_seen=int((~tagged).sum()),
        untagged_excluded=int((out & ~tagged).sum()),
    )
    return _without(real, real_out), _without(synthetic, out), counts


def _without(rows: Rows, out: Mask) -> Rows:
    """A copy, unless all stay."""
    return rows[~out] if out.any() else rows


def filtered(
    real: Rows, synthetic: Rows, gate: Gate, real_rng: np.random.Generator, tagged_rng: np.random.Generator,
    carries: Mask | None = None,
) -> tuple[TrainingSet, FilterCounts]:  # fmt: skip
    """What `passed` lets through, as one array, and the counts."""
    left, made, counts = passed(real, synthetic, gate, real_rng, tagged_rng, carries)
    return joined(left, made), counts


def scraped_counts(kept: TrainingSet, odds: float, drop: RandomDrop, rng: np.random.Generator) -> FilterCounts:
    """How much a simulated filter had to see, and excluded, until the kept set was full.

    Nobody needs to draw what is thrown away: of candidates that pass with probability a, the number rejected
    before the N-th passes is negative binomial (N, a), and a rejected one is tagged with a fixed probability.
    Raises InfeasibleError where they are too many to count.
    """
    real_share, size = odds / (1 + odds), len(kept.rows)
    tagged_rejected, real_rejected = (1 - real_share) * drop.tpr, real_share * drop.fpr
    rejected = tagged_rejected + real_rejected
    passes = real_share * (1 - drop.fpr) + (1 - real_share) * (1 - drop.tpr)  # not 1 − rejected: it may be tiny
    if rejected == 0:
        return FilterCounts(kept.n_synthetic, 0, kept.n_real, 0)
    if size > passes * COUNTABLE:
        raise InfeasibleError(
            f"the filter passes {passes:.1g} of the pool, hardly anything else is left in it: ask for fewer "
            "generations, or a tpr below 1"
        )
    excluded = int(rng.negative_binomial(size, passes))
    tagged = int(rng.binomial(excluded, tagged_rejected / rejected))
    return FilterCounts(kept.n_synthetic + tagged, tagged, kept.n_real + excluded - tagged, excluded - tagged)


def scraped(
    draw_real: Draw, draw_tagged: Draw, odds: float, gate: Gate, size: int, max_scrape: int,
    origins: np.random.Generator,
) -> tuple[TrainingSet, FilterCounts]:  # fmt: skip
    """Candidates from a pool with real : synthetic `odds`, judged `size` at a time until `size` are kept.

    What the last round keeps beyond that is counted as seen and not used. Raises InfeasibleError after
    `max_scrape`·`size` candidates.
    """
    real_rows, tagged_rows, counts, missing = [], [], FilterCounts(), size
    for _ in range(max_scrape):
        n_real = int(origins.binomial(size, odds / (1 + odds)))
        kept, seen = filtered(draw_real(n_real), draw_tagged(size - n_real), gate, origins, origins)
        counts += seen
        taken = origins.permutation(len(kept.rows))[:missing]
        is_real = taken < kept.n_real
        real_rows.append(kept.rows[taken[is_real]])
        tagged_rows.append(kept.rows[taken[~is_real]])
        missing -= len(taken)
        if missing == 0:
            return joined(np.concatenate(real_rows), np.concatenate(tagged_rows)), counts
    raise InfeasibleError(
        f"the filter kept {size - missing} of {size} samples in {max_scrape * size} candidates: hardly "
        "anything else is left in the pool; ask for fewer generations, a lower recall or a larger max_scrape"
    )
