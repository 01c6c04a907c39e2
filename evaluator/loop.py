"""The self-consuming loop: for t = 1 … T a training set, a fresh model, its samples, what they measure.

It yields; it prints, plots and writes nothing.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

import numpy as np

from evaluator.cleaning import (
    FilterCounts,
    Gate,
    MarkDetector,
    Mask,
    RandomDrop,
    passed,
    recall_threshold,
    scraped,
    scraped_counts,
)
from evaluator.config import LoopConfig
from evaluator.generation import Generation, State
from evaluator.geometry import flaw
from evaluator.marking import Marking, Published, unreadable
from evaluator.models import GenerativeModel
from evaluator.models.base import Rows, SamplesInto
from evaluator.models.labels import parted, with_labels
from evaluator.models.matched import Matched, matched
from evaluator.models.plugged import Plugged
from evaluator.row_parts import RowParts, check_rounding, narrowed, slices
from evaluator.setup import Setup, carrying, check_choices, measure, prepare
from evaluator.streams import stream
from evaluator.training_sets import TrainingSet, fresh_rows, initial_set, joined, kept_odds, real_part, topped_up
from evaluator.warm_start import new_model, trainable, warm_weights
from hygiene.errors import ConfigurationError, InfeasibleError

Step = tuple[TrainingSet, FilterCounts | None, State]
"""What one generation learns from, what the filter saw for it, and the state it starts with."""

MOST_DRAWS = 100  # of one sample whose tag is to be verified


def run_loop(
    config: LoopConfig,
    setup: Setup | None = None,
    start: State | None = None,
    model: Callable[[], Any] | None = None,
) -> Iterator[Generation]:
    """Yield generation after generation, 1 … config.generations.

    setup  shared ground from `prepare`; made here when not given
    start  the state of the last generation of an earlier run of the same configuration: goes on behind it
    model  a generator of one's own, as `Plugged` takes it, which counts instead of the configuration's; whether rows
           bring labels along is still the configuration's
    """
    check_choices(config)
    run = LoopRun(config, setup or prepare(config), model)
    state, last = start, None
    if start is not None and start.generation < config.generations:
        last = start.model or run.fitted(start)
    while state is None or state.generation < config.generations:
        began = time.perf_counter()
        step = run.next_step(state, last)
        state, last = step[2], run.fitted(step[2], last)
        yield run.measured(step, last, began)


class LoopRun:
    """The steps of one loop: `next_step`, `fitted`, `measured`, and again."""

    def __init__(self, config: LoopConfig, setup: Setup, model: Callable[[], Any] | None = None) -> None:
        self.config, self.setup, self.plug = config, setup, model
        self.source = carrying(config, setup.source)
        self.initial: Rows = np.asarray(initial_set(config, self.source).rows)
        if config.rows != "float64":
            check_rounding(self.plain(self.initial))
        self.marking = Marking(config, self.plain(self.initial), setup.source.shape)

    def rng(self, generation: int, purpose: str) -> np.random.Generator:
        return stream(self.config.seed, generation, purpose)

    def plain(self, carried: Rows) -> Rows:
        """Rows [n, d], without the labels that they may bring along."""
        return parted(carried, self.config.labels)[0]

    def next_step(self, state: State | None, model: GenerativeModel | None) -> Step:
        """The training set of generation 1, or of the one after `state`, out of what its `model` publishes."""
        if state is None or model is None:
            rows = self.initial
            return TrainingSet(rows, len(rows), 0), None, State(1, rows, RowParts((rows[:0],)))
        return self.following(state, model)

    def new_model(self, generation: int = 1) -> GenerativeModel:
        """The configured generator, or the one that was handed over, untrained."""
        if self.plug is None:
            return new_model(self.config, generation)
        plugged = Plugged(self.plug, getattr(self.plug, "__qualname__", "the model"), self.config.labels)
        return matched(plugged, self.config.moment_draws, self.config.labels)

    def fitted(self, state: State, last: GenerativeModel | None = None) -> GenerativeModel:
        """A new model, trained on D^t: from scratch, or in a warm start from the weights of the `last` one."""
        t, model = state.generation, self.new_model(state.generation)
        rows = cast(Rows, state.training_set)  # parts are an array to numpy, and so to a model
        try:
            if self.config.warm_start and t > 1:
                trainable(model).fit(rows, self.rng(t, "fit"), warm_weights(t, last))
            else:
                model.fit(rows, self.rng(t, "fit"))
        except ConfigurationError as error:
            name = model.name
            raise ConfigurationError(f"generation {t} cannot fit the model {name!r}: {error}") from None
        return model

    def output(
        self, t: int, model: GenerativeModel, n: int, rng: np.random.Generator, carries: Mask | None = None
    ) -> Rows:
        """`n` samples as generation t publishes them, [n, d]; with labels [n, d + 1].

        Where tags are verified, samples whose tag cannot be read back are drawn again, until all can.
        """
        rows, kept = self.offered(t, model, n, rng, carries)
        if kept.all():
            return rows
        rows = rows.copy()  # what was read of the others is known by the array
        for _ in range(MOST_DRAWS - 1):
            missing = np.flatnonzero(~kept)
            rows[missing], kept[missing] = self.offered(t, model, len(missing), rng)
            if kept.all():
                return rows
        raise InfeasibleError(f"after {MOST_DRAWS} draws each, {unreadable(int((~kept).sum()), n)}")

    def offered(
        self, t: int, model: GenerativeModel, n: int, rng: np.random.Generator, carries: Mask | None = None
    ) -> Published:
        """`n` samples as generation t would publish them, and which of them it does."""
        carried = self.sampled(model, n, rng)
        raw, labels = parted(carried, self.config.labels)
        published = self.marking.published(t, raw, carries)
        if published.rows is raw:
            return Published(carried, published.kept)
        return published._replace(rows=with_labels(published.rows, labels)) if self.config.labels else published

    def sampled(self, model: GenerativeModel, n: int, rng: np.random.Generator) -> Rows:
        """`n` samples in the type that the loop keeps, [n, d]; with labels [n, d + 1]."""
        bias, kept = self.config.sampling_bias, self.config.rows
        if isinstance(model, SamplesInto):
            rows = np.empty((n, self.source.dimension + bool(self.config.labels)), dtype=kept)
            with np.errstate(over="ignore"):  # as in `narrowed`
                model.sample_into(rows, bias, rng)
        else:
            rows = narrowed(model.sample(n, bias, rng), kept)
        if told := next(filter(None, (flaw(rows[at]) for at in slices(rows))), ""):
            raise ConfigurationError(
                f"the model {model.name!r} made samples that are {told}{f' in {kept}' * (kept != 'float64')}: "
                "its training fell apart, as it does at too high a rate of learning, or its rows grew out of their type"
            )
        return rows

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
            left = f"the filter left {len(training.rows)} of {self.config.size} samples, expected 2 or more"
            raise InfeasibleError(f"generation {t}: {left}: let it exclude less")
        return training, counts, State(t, training.rows, pool, threshold)

    def gate(self, state: State, model: GenerativeModel) -> tuple[Gate, float | None]:
        """The filter, and the threshold it came to, which is kept over the generations."""
        chosen = self.config.filter
        codec, columns = self.marking.codec(state.generation), self.source.dimension
        if chosen.mode != "detector" or codec is None:
            return RandomDrop(chosen.tpr or 0.0, chosen.fpr or 0.0), None
        if chosen.recall is None:
            tail = float(np.log10(chosen.max_p or 1.0))
            return MarkDetector(codec, max_log10_p=tail, columns=columns, give_back=chosen.give_back), None
        threshold = state.threshold
        if threshold is None:  # calibrated once, on generation 1's tagged samples, a set of their own
            tagged = self.output(state.generation, model, self.config.n_s, self.rng(1, "calibrate"))
            threshold = recall_threshold(codec, self.plain(tagged), chosen.recall)
        return MarkDetector(codec, threshold, columns=columns, give_back=chosen.give_back), threshold

    def mixed(
        self, t: int, model: GenerativeModel, gate: Gate, pool: RowParts
    ) -> tuple[TrainingSet, FilterCounts, RowParts]:
        """n_r real and n_s synthetic samples through the filter, no top-up; every sample is judged once."""
        config = self.config
        carries = self.marking.carriers(config.n_s, self.rng(t - 1, "adopt"))
        made = self.output(t - 1, model, config.n_s, self.rng(t - 1, "publish"), carries)
        real = self.real(t) if config.n_r else made[:0]
        fixed = config.loop == "synthetic_augmentation"
        real_rng = self.rng(1 if fixed else t, "filter_real")
        real, kept, counts = passed(real, made, gate, real_rng, self.rng(t, "filter_tagged"), carries)
        if config.pool == "previous":
            return joined(real, kept), counts, pool
        pool = pool.plus(kept)
        return TrainingSet(RowParts((real, *pool.parts)), len(real), len(pool)), counts, pool

    def real(self, t: int) -> Rows:
        """The real samples [n_r, d] of generation t ≥ 2; those of generation 1 are not drawn, and held, again."""
        if self.config.loop == "synthetic_augmentation" and self.config.n_r <= self.config.n_ini:
            return self.initial[: self.config.n_r]
        return real_part(self.config, self.source, t)

    def simulated_scrape(self, t: int, model: GenerativeModel, drop: RandomDrop) -> tuple[TrainingSet, FilterCounts]:
        """N kept samples; the filter enters through the odds, so that equal odds are equal draw for draw."""
        n, odds = self.config.size, self.config.odds(t)
        real = fresh_rows(self.config, self.source, t, n)
        tagged = self.output(t - 1, model, n, self.rng(t - 1, "publish"))
        passed = kept_odds(odds, drop.tpr, drop.fpr)
        training = topped_up(real, tagged, passed, self.rng(t, "origin"))
        return training, scraped_counts(training, odds, drop, self.rng(t, "filter_tagged"))

    def real_scrape(self, t: int, model: GenerativeModel, gate: Gate) -> tuple[TrainingSet, FilterCounts]:
        """N kept samples out of candidates that are drawn, tagged and read."""
        config, real_rng, tagged_rng = self.config, self.rng(t, "real"), self.rng(t - 1, "publish")
        return scraped(
            lambda n: narrowed(self.source.draw(n, real_rng), config.rows),
            lambda n: self.output(t - 1, model, n, tagged_rng),
            config.odds(t),
            gate,
            config.size,
            config.max_scrape,
            self.rng(t, "origin"),
        )

    def measured(self, step: Step, model: GenerativeModel, began: float) -> Generation:
        """Metrics and readings of a second set of samples, not the one fed forward."""
        (training, counts, state), config = step, self.config
        t = state.generation
        carried = self.sampled(model, config.measured, self.rng(t, "measure"))
        raw = self.plain(carried)
        return Generation(
            generation=t,
            n_real=training.n_real,
            n_synthetic=training.n_synthetic,
            metrics=measure(config, self.setup, carried) | _stretch(model),
            filter=counts,
            mark=self.marking.readings(t, raw, self.setup.held_out, self.rng(t, "adopt_measured")),
            samples=np.array(raw[: config.keep_samples], dtype=np.float64),
            seconds=time.perf_counter() - began,
            state=replace(state, model=model),
        )


def _stretch(model: GenerativeModel) -> dict[str, float]:
    """{"moment_stretch"}: what the deviations of the model's samples were multiplied by; empty where they were not."""
    return {"moment_stretch": model.stretch} if isinstance(model, Matched) else {}
