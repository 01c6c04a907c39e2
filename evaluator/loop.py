"""The self-consuming loop: for t = 1 … T a training set, a fresh model, its samples, what they measure.

It yields; it prints, plots and writes nothing.
"""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.cleaning import (
    FilterCounts,
    Gate,
    MarkDetector,
    Mask,
    RandomDrop,
    filtered,
    published,
    recall_threshold,
    scraped,
    scraped_counts,
)
from evaluator.config import LoopConfig
from evaluator.models import GenerativeModel, make_model
from evaluator.models.base import Rows
from evaluator.probes import carried_mark, mark_probes
from evaluator.setup import Setup, check_choices, measure, prepare
from evaluator.streams import stream
from evaluator.training_sets import TrainingSet, fresh_rows, initial_set, kept_odds, real_part, topped_up
from hygiene.codecs.spread_vectors import SpreadVectors
from hygiene.errors import ConfigurationError, InfeasibleError
from hygiene.keys import Key, load_key


@dataclass(frozen=True)
class State:
    """All that generation t+1 needs of generation t: its model is fitted again from its own training set.

    generation    t
    training_set  D^t [n, d]
    pool          synthetic samples kept so far [m, d], with pool = all; else empty
    threshold     statistic at which a detector with a recall excludes; None before it is calibrated
    """

    generation: int
    training_set: Rows = field(repr=False)
    pool: Rows = field(repr=False)
    threshold: float | None = None


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


def run_loop(config: LoopConfig, setup: Setup | None = None, start: State | None = None) -> Iterator[Generation]:
    """Yield generation after generation, 1 … config.generations.

    setup  shared ground from `prepare`; made here when not given
    start  the state of the last generation of an earlier run of the same configuration: goes on behind it
    """
    check_choices(config)
    run = _Run(config, setup or prepare(config))
    state, model = start, None if start is None else run.fitted(start)
    while state is None or state.generation < config.generations:
        began = time.perf_counter()
        if state is None or model is None:
            training, counts, state = run.first()
        else:
            training, counts, state = run.following(state, model)
        model = run.fitted(state)
        yield run.measured(training, counts, state, model, began)


def loop_key(config: LoopConfig) -> Key | None:
    """The key that this loop tags with: from its file, or derived from the seed; None without tagging."""
    if config.tagging.mode == "none":
        return None
    if config.tagging.key_file is not None:
        return load_key(Path(config.tagging.key_file))
    return Key(hashlib.sha256(f"self-consuming loop {config.seed}".encode()).digest())


Step = tuple[TrainingSet, FilterCounts | None, State]


class _Run:
    """A configuration with what stays the same over its generations: key, codec, wrong keys."""

    def __init__(self, config: LoopConfig, setup: Setup) -> None:
        self.config, self.setup = config, setup
        self.initial = initial_set(config, setup.source)
        self.key = key = loop_key(config)
        self.fixed_codec = None if key is None else SpreadVectors(key, self.initial.rows)
        others = [] if key is None else [key.subkey(f"wrong {i}") for i in range(config.probe_keys)]
        self.wrong = [SpreadVectors(other, self.initial.rows) for other in others]

    def rng(self, generation: int, purpose: str) -> np.random.Generator:
        return stream(self.config.seed, generation, purpose)

    def codec(self, generation: int) -> SpreadVectors | None:
        """What `generation` tags with, and what its output is read with."""
        if self.key is None or not self.config.tagging.rotate:
            return self.fixed_codec
        return SpreadVectors(self.key.subkey(f"generation {generation}"), self.initial.rows)

    def carries(self, n: int, rng: np.random.Generator) -> Mask | None:
        """Which of `n` published samples are tagged; None = all."""
        adoption = self.config.tagging.adoption
        return None if adoption == 1 else rng.random(n) < adoption

    def fitted(self, state: State) -> GenerativeModel:
        """A new model, trained from scratch on D^t."""
        name = self.config.model.name
        model = make_model(name, **self.config.model.parameters)
        try:
            model.fit(state.training_set, self.rng(state.generation, "fit"))
        except ConfigurationError as error:
            raise ConfigurationError(f"generation {state.generation} cannot fit the model {name!r}: {error}") from None
        return model

    def output(
        self, t: int, model: GenerativeModel, n: int, rng: np.random.Generator, carries: Mask | None = None
    ) -> Rows:
        """`n` samples as generation t publishes them, [n, d]."""
        return published(self.codec(t), self.config, model.sample(n, self.config.sampling_bias, rng), carries)

    def first(self) -> Step:
        rows = self.initial.rows
        return self.initial, None, State(1, rows, rows[:0])

    def following(self, state: State, model: GenerativeModel) -> Step:
        """The training set of the next generation out of what `model` publishes."""
        t, pool = state.generation + 1, state.pool
        gate, threshold = self.gate(state, model)
        try:
            if not self.config.tops_up:
                training, counts, pool = self.mixed(t, model, gate, pool)
            elif isinstance(gate, RandomDrop):
                training, counts = self.simulated_scrape(t, model, gate)
            else:
                training, counts = self.real_scrape(t, model, gate)
        except InfeasibleError as error:
            raise InfeasibleError(f"generation {t}: {error}") from None
        if len(training.rows) < 2:
            raise InfeasibleError(f"generation {t}: the filter left {len(training.rows)} samples: lower its recall")
        return training, counts, State(t, training.rows, pool, threshold)

    def gate(self, state: State, model: GenerativeModel) -> tuple[Gate, float | None]:
        """The filter, and the threshold it came to, which is kept over the generations."""
        chosen = self.config.filter
        codec = self.codec(state.generation)
        if chosen.mode != "detector" or codec is None:
            return RandomDrop(chosen.tpr or 0.0, chosen.fpr or 0.0), None
        if chosen.recall is None:
            return MarkDetector(codec, max_log10_p=float(np.log10(chosen.max_p or 1.0))), None
        threshold = state.threshold
        if threshold is None:  # calibrated once, on generation 1's tagged samples, a set of their own
            tagged = self.output(state.generation, model, self.config.n_s, self.rng(1, "calibrate"))
            threshold = recall_threshold(codec, tagged, chosen.recall)
        return MarkDetector(codec, least_statistic=threshold), threshold

    def mixed(self, t: int, model: GenerativeModel, gate: Gate, pool: Rows) -> tuple[TrainingSet, FilterCounts, Rows]:
        """n_r real and n_s synthetic samples through the filter, no top-up; every sample is judged once."""
        config = self.config
        carries = self.carries(config.n_s, self.rng(t - 1, "adopt"))
        made = self.output(t - 1, model, config.n_s, self.rng(t - 1, "publish"), carries)
        real = real_part(config, self.setup.source, t) if config.n_r else made[:0]
        fixed = config.loop == "synthetic_augmentation"
        real_rng = self.rng(1 if fixed else t, "filter_real")
        training, counts = filtered(real, made, gate, real_rng, self.rng(t, "filter_tagged"), carries)
        if config.pool == "previous":
            return training, counts, pool
        kept = training.rows[training.n_real :]
        pool = np.concatenate([pool, kept])
        rows = np.concatenate([training.rows[: training.n_real], pool])
        return TrainingSet(rows, training.n_real, len(pool)), counts, pool

    def simulated_scrape(self, t: int, model: GenerativeModel, drop: RandomDrop) -> tuple[TrainingSet, FilterCounts]:
        """N kept samples; the filter enters through the odds, so that equal odds are equal draw for draw."""
        n, odds = self.config.size, self.config.odds(t)
        real = fresh_rows(self.config, self.setup.source, t, n)
        tagged = self.output(t - 1, model, n, self.rng(t - 1, "publish"))
        passed = kept_odds(odds, drop.tpr, drop.fpr)
        training = topped_up(real, tagged, passed, self.rng(t, "origin"))
        return training, scraped_counts(training, odds, drop, self.rng(t, "filter_tagged"))

    def real_scrape(self, t: int, model: GenerativeModel, gate: Gate) -> tuple[TrainingSet, FilterCounts]:
        """N kept samples out of candidates that are drawn, tagged and read."""
        config, real_rng, tagged_rng = self.config, self.rng(t, "real"), self.rng(t - 1, "publish")
        return scraped(
            lambda n: self.setup.source.draw(n, real_rng),
            lambda n: self.output(t - 1, model, n, tagged_rng),
            config.odds(t),
            gate,
            config.size,
            config.max_scrape,
            self.rng(t, "origin"),
        )

    def measured(
        self,
        training: TrainingSet,
        counts: FilterCounts | None,
        state: State,
        model: GenerativeModel,
        began: float,
    ) -> Generation:
        """Metrics and probes of a second set of samples, not the one fed forward."""
        config, t = self.config, state.generation
        raw = model.sample(config.measured, config.sampling_bias, self.rng(t, "measure"))
        return Generation(
            generation=t,
            n_real=training.n_real,
            n_synthetic=training.n_synthetic,
            metrics=measure(config, self.setup, raw),
            filter=counts,
            mark=self.probed(t, raw),
            samples=raw[: config.keep_samples],
            seconds=time.perf_counter() - began,
            state=state,
        )

    def probed(self, t: int, raw: Rows) -> dict[str, float]:
        """The mark's readings, empty without tagging."""
        codec, real, strength = self.codec(t), self.setup.held_out, self.config.tagging.alpha
        if codec is None:
            return {}
        marked = published(codec, self.config, raw, self.carries(len(raw), self.rng(t, "adopt_measured")))
        mark = mark_probes(raw, marked, real, codec, strength, self.wrong)
        last = self.codec(t - 1)
        if self.config.tagging.rotate and t > 1 and last is not None:
            mark["last_key_mark"] = carried_mark(raw, real, last, strength)
        return mark
