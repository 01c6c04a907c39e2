"""From evidence to one threshold. Every policy answers the same question: exclude at which log10 p and below?

A request that the evidence cannot support is refused with the numbers; nothing is chosen silently.
"""

import json
import math
from dataclasses import asdict, dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hygiene import statistics
from hygiene.detectors.base import RULES
from hygiene.errors import ConfigurationError, InfeasibleError

Facts = dict[str, str | float | int]


@dataclass(frozen=True)
class Threshold:
    """max_log10_p: a record is excluded iff its log10 p is at or under it. facts: how it came about, for reports.
    give_back: share of those that are kept after all, which `filtering.Rule` draws.
    """

    max_log10_p: float
    facts: Facts = field(default_factory=dict)
    give_back: float = 0.0

    def excludes(self, log10_p: ArrayLike) -> NDArray[np.bool_]:
        """Which of these records are at or under it."""
        return np.asarray(log10_p, dtype=np.float64) <= self.max_log10_p


def nominal_fpr(max_log10_p: float) -> float:
    """Share of untagged records that a threshold excludes, over random keys: at most 10 to its power."""
    return float(10.0**max_log10_p)


@dataclass(frozen=True)
class DeclaredOnly:
    """No p-value excludes anything: for runs that go by what files say of themselves alone."""

    def threshold(self, log10_p: ArrayLike) -> Threshold:
        return Threshold(-math.inf, {"policy": "declared"})


class Policy(Protocol):
    """A way to choose the threshold; `log10_p` [n] is the pool's evidence, which most policies do not need."""

    def threshold(self, log10_p: ArrayLike) -> Threshold: ...


@dataclass(frozen=True)
class Calibration:
    """log10 p of samples whose truth is known, after the processing that the pool's pictures went through.

    detector    whose scores these are, key digest included: a threshold is valid for no other
    tagged      log10 p of tagged samples; untagged: of samples without the mark (may be empty)
    processing  the user's own words for what the tagged samples went through
    rules       the RULES that these scores follow; 0 in files that do not say
    """

    detector: str
    tagged: tuple[float, ...]
    untagged: tuple[float, ...] = ()
    processing: str = ""
    rules: int = RULES

    def to_json(self) -> str:
        return json.dumps({"format": "hygiene-calibration/1"} | asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Calibration":
        """Read what `to_json` wrote; ConfigurationError for anything else."""
        try:
            data = json.loads(text)
            if data["format"] != "hygiene-calibration/1":
                raise ValueError
            tagged, untagged = (tuple(map(float, data[name])) for name in ("tagged", "untagged"))
            if any(math.isnan(value) or value > 0 for value in tagged + untagged):
                raise ValueError
            return cls(str(data["detector"]), tagged, untagged, str(data["processing"]), int(data.get("rules", 0)))
        except (KeyError, TypeError, ValueError):
            raise ConfigurationError("not a calibration: expected a file that `hygiene calibrate` wrote") from None

    def recall_at(self, max_log10_p: float, confidence: float) -> tuple[float, float]:
        """Recall of the calibration samples at a threshold, and its one-sided lower bound."""
        hits = int(np.sum(np.asarray(self.tagged) <= max_log10_p))
        return hits / max(len(self.tagged), 1), statistics.proportion_lower(hits, len(self.tagged), confidence)


@dataclass(frozen=True)
class MaxP:
    """A fixed p-value: over the random key, an unmarked record is excluded with at most this probability."""

    max_p: float

    def __post_init__(self) -> None:
        _check_share("max_p", self.max_p)

    def threshold(self, log10_p: ArrayLike) -> Threshold:
        return Threshold(math.log10(self.max_p), {"policy": "max_p", "max_p": self.max_p})


@dataclass(frozen=True)
class TargetFpr:
    """At most this share of untagged records excluded, with `confidence`, as counted on untagged samples."""

    fpr: float
    calibration: Calibration
    confidence: float = 0.95

    def __post_init__(self) -> None:
        _check_share("fpr", self.fpr)
        _check_share("confidence", self.confidence)

    def threshold(self, log10_p: ArrayLike) -> Threshold:
        nulls = np.sort(np.asarray(self.calibration.untagged, dtype=np.float64))
        hits = statistics.allowed_misses(nulls.size, self.fpr, self.confidence)
        if hits < 0:
            raise InfeasibleError(
                f"FPR ≤ {self.fpr:g} at confidence {self.confidence:g} has to be counted on at least "
                f"{statistics.smallest_calibration(self.fpr, self.confidence):,} untagged samples, the calibration "
                f"has {nulls.size:,}: calibrate on more, or use max_p, which is exact over the key"
            )
        facts: Facts = {
            "policy": "fpr",
            "fpr": self.fpr,
            "confidence": self.confidence,
            "untagged_samples": int(nulls.size),
        }
        return Threshold(float(np.nextafter(nulls[hits], -np.inf)), facts)


@dataclass(frozen=True)
class TargetRecall:
    """At least this share of tagged records excluded, with `confidence`, as measured on tagged samples.

    The j-th smallest calibration score (`statistics.allowed_misses`) is the threshold: distribution-free, valid for
    pools processed like the calibration samples. max_p: refuse if that threshold would have to be looser.
    """

    recall: float
    calibration: Calibration
    confidence: float = 0.95
    max_p: float | None = None

    def __post_init__(self) -> None:
        _check_share("recall", self.recall)
        _check_share("confidence", self.confidence)
        if self.max_p is not None:
            _check_share("max_p", self.max_p)

    def threshold(self, log10_p: ArrayLike) -> Threshold:
        samples = np.sort(-np.asarray(self.calibration.tagged, dtype=np.float64))
        misses = statistics.allowed_misses(samples.size, 1 - self.recall, self.confidence)
        if misses < 0:
            raise InfeasibleError(
                f"recall ≥ {self.recall:g} at confidence {self.confidence:g} takes at least "
                f"{statistics.smallest_calibration(1 - self.recall, self.confidence):,} tagged samples, the "
                f"calibration has {samples.size:,}: calibrate on more, or ask for less"
            )
        limit = -float(samples[misses])
        self._refuse_contradiction(limit)
        return Threshold(limit, self._facts(limit))

    def _refuse_contradiction(self, limit: float) -> None:
        if limit >= 0:
            raise InfeasibleError(
                f"recall ≥ {self.recall:g} would exclude every record: the mark is not found in enough of the "
                f"{len(self.calibration.tagged):,} tagged samples; ask for less ({self._possible(0.01)}), or tag more "
                "strongly"
            )
        if self.max_p is not None and limit > math.log10(self.max_p):
            raise InfeasibleError(
                f"recall ≥ {self.recall:g} needs p ≤ {10**limit:.2g}, but at most {self.max_p:g} was asked for: "
                f"{self._possible(self.max_p)}; loosen one of the two"
            )

    def _possible(self, max_p: float) -> str:
        _, recall = self.calibration.recall_at(math.log10(max_p), self.confidence)
        return f"at p ≤ {max_p:g} the calibration promises recall ≥ {recall:.3f}"

    def _facts(self, limit: float) -> Facts:
        measured, _ = self.calibration.recall_at(limit, self.confidence)
        return {
            "policy": "recall",
            "recall": self.recall,
            "confidence": self.confidence,
            "tagged_samples": len(self.calibration.tagged),
            "calibration_recall": measured,
            "nominal_fpr": nominal_fpr(limit),
        }


@dataclass(frozen=True)
class Fdr:
    """At most this expected share of untagged records among the excluded (Benjamini & Hochberg 1995, on this pool)."""

    rate: float

    def __post_init__(self) -> None:
        _check_share("fdr", self.rate)

    def threshold(self, log10_p: ArrayLike) -> Threshold:
        evidence = np.asarray(log10_p, dtype=np.float64)
        return Threshold(
            statistics.benjamini_hochberg(evidence, self.rate),
            {"policy": "fdr", "fdr": self.rate, "records": int(evidence.size)},
        )


@dataclass(frozen=True)
class GiveBack:
    """Of the records that `policy` excludes by their marks, the share `share` is kept after all, at random.

    A low recall whose misses are not alike. A threshold for a low recall misses the records that carry a mark worst,
    which have things in common, and generators that learn from them make more of these. So ask `policy` for a high
    recall R: at least R·(1 − share) of tagged records are excluded then on average, and what is kept of those found is
    a random part. The false-positive rate falls by 1 − share as well.
    """

    policy: Policy
    share: float

    def __post_init__(self) -> None:
        _check_share("give_back", self.share)
        if isinstance(self.policy, DeclaredOnly):
            raise ConfigurationError(
                "give_back is a share of what is excluded for a mark, and nothing is looked for but what files say of "
                "themselves: leave it out, or detect more"
            )

    @property
    def calibration(self) -> Calibration | None:
        """The policy's own, if it has one."""
        return getattr(self.policy, "calibration", None)

    def threshold(self, log10_p: ArrayLike) -> Threshold:
        found = self.policy.threshold(log10_p)
        return replace(found, give_back=self.share, facts=found.facts | {"give_back": self.share})


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ConfigurationError(f"{name} {value:g} is out of range: expected a number between 0 and 1, both excluded")
