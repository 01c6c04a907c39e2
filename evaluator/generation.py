"""The records of a loop: what one generation came to, and what the next one starts from."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evaluator.cleaning import FilterCounts
from evaluator.models.base import GenerativeModel, Rows
from evaluator.row_parts import RowParts


@dataclass(frozen=True)
class State:
    """All that generation t+1 needs of generation t.

    generation    t
    training_set  D^t [n, d]; with labels, which go with their rows in the pool too, [n, d + 1] (`models.labels`). With
                  pool = all its parts are the real rows and those of the pool
    pool          synthetic samples kept so far [m, d], with pool = all a part of every generation; else empty
    threshold     statistic at which a detector with a recall excludes; None before it is calibrated
    model         what learned from D^t; without it, it is fitted again, to the same
    """

    generation: int
    training_set: Rows | RowParts = field(repr=False)
    pool: RowParts = field(repr=False)
    threshold: float | None = None
    model: GenerativeModel | None = field(default=None, repr=False, compare=False)

    @property
    def ended(self) -> bool:
        """Whether this was a run's last one, stored without its rows: only what its model samples goes on from it."""
        return len(self.training_set) == 0


@dataclass(frozen=True)
class Generation:
    """One generation of the loop, t = 1 … T.

    n_real, n_synthetic  what its model learned from
    metrics              of raw (untagged) samples that are not fed forward, against held-out real samples
    filter               what the filter saw and excluded for this training set; None at t = 1
    mark                 `probes.mark_probes`; empty without tagging
    samples              the first raw samples [keep_samples, d]
    seconds              wall time; not part of the result
    state                what a resumed run starts from
    """

    generation: int
    n_real: int
    n_synthetic: int
    metrics: dict[str, float]
    filter: FilterCounts | None = None
    mark: dict[str, float] = field(default_factory=dict)
    samples: Rows = field(default_factory=lambda: np.empty((0, 0)), repr=False, compare=False)
    seconds: float = field(default=0.0, compare=False)
    state: State | None = field(default=None, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """What a line of generations.jsonl holds: equal configurations give equal lines, so no wall time."""
        return {
            "generation": self.generation,
            "n_real": self.n_real,
            "n_synthetic": self.n_synthetic,
            "metrics": self.metrics,
            "filter": None if self.filter is None else self.filter.to_dict(),
            "mark": self.mark,
        }

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> "Generation":
        """The generation that `to_dict` wrote."""
        plain = {name: row[name] for name in ("generation", "n_real", "n_synthetic", "metrics", "mark")}
        return cls(**plain, filter=row["filter"] and FilterCounts.from_dict(row["filter"]))
