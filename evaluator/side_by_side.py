"""Loops whose models are of one kind, generation by generation, their models trained in one batch.

Each comes to what it would come to alone, bit for bit, or its model is trained alone: `exact` tries it out. So a sweep
may be stopped, grow, or take other workers, and its run folders stay the same.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from evaluator.config import LoopConfig
from evaluator.generation import Generation, State
from evaluator.loop import LoopRun, Step
from evaluator.models import GenerativeModel
from evaluator.models.base import Rows
from evaluator.models.ddpm_mlp import DdpmMlp
from evaluator.models.flow import Flow
from evaluator.models.labels import with_labels
from evaluator.models.matched import Matched
from evaluator.models.members import Member, fit_side_by_side
from evaluator.models.vae import Vae
from evaluator.models.wgan_gp import WganGp
from evaluator.progress import Count, uncounted
from evaluator.runs import OpenRun, opened
from evaluator.setup import Setup, setup_key
from evaluator.warm_start import parameters_of, warm_weights
from hygiene.errors import ConfigurationError, HygieneError

SIDE_BY_SIDE: dict[str, Callable[..., Member[Any]]] = {
    "ddpm_mlp": DdpmMlp,
    "flow": Flow,
    "vae": Vae,
    "wgan_gp": WganGp,
}
"""The models that learn as members of one batch."""

MOST = 16  # members: more of them save little more
TRIED = (40, 500)  # training steps, and rows, of a trial

Outcome = list[Generation] | HygieneError


def grouped(configs: Sequence[LoopConfig], workers: int) -> list[list[int]]:
    """Indices of `configs`, in groups that go side by side; every worker gets its share.

    Seeds, sizes, filters, tagging and sampling bias may differ, what the models are and learn of may not.
    """
    alike: dict[object, list[int]] = {}
    for index, config in enumerate(configs):
        alone = config.model.name not in SIDE_BY_SIDE
        alike.setdefault(index if alone else _kind(config), []).append(index)
    return [part for group in alike.values() for part in _parts(group, min(MOST, -(-len(group) // workers)))]


def _kind(config: LoopConfig) -> str:
    """Equal for loops whose models may learn in one batch."""
    return repr((setup_key(config), config.model, config.warm_start, config.warm_parameters))


def _parts(group: list[int], size: int) -> Iterator[list[int]]:
    return (group[start : start + size] for start in range(0, len(group), size))


@dataclass
class _Member:
    """One loop of a group, and how far it is. A failure ends it, and no other."""

    run: LoopRun
    folder: OpenRun | None
    generations: list[Generation]
    state: State | None = None
    model: GenerativeModel | None = None
    failure: HygieneError | None = None

    @property
    def waits(self) -> bool:
        return self.failure is None and len(self.generations) < self.run.config.generations

    def next_step(self) -> Step | None:
        try:
            return self.run.next_step(self.state, self.model)
        except HygieneError as error:
            self.failure = error
            return None

    def take(self, step: Step, model: GenerativeModel, began: float) -> None:
        """The model of the next generation: measured, and stored where there is a folder."""
        try:
            generation = self.run.measured(step, model, began)
        except HygieneError as error:  # a model may fit, and not sample
            self.failure = error
            return
        self.state, self.model = generation.state, model
        if self.folder is not None:
            self.folder.store(generation)
        self.generations.append(replace(generation, state=None))


def run_side_by_side(
    configs: Sequence[LoopConfig], folders: Sequence[Path | None], setup: Setup, count: Count = uncounted
) -> list[Outcome]:
    """Run loops that `grouped` put together, each in its folder where it has one; what each came to, without states.

    What `run_in_folder` refuses or cannot run is its outcome, and costs no other. `count` is told of generations that
    are done, or there already.
    """
    with ExitStack() as stack:
        members = [_member(stack, *each, setup) for each in zip(configs, folders, strict=True)]
        if there := sum(len(each.generations) for each in members if isinstance(each, _Member)):
            count(there)
        while waiting := [each for each in members if isinstance(each, _Member) and each.waits]:
            _advance(waiting)
            count(sum(each.failure is None for each in waiting))
    return [each if isinstance(each, HygieneError) else each.failure or each.generations for each in members]


def _member(stack: ExitStack, config: LoopConfig, folder: Path | None, setup: Setup) -> _Member | HygieneError:
    try:
        if folder is None:
            return _Member(LoopRun(config, setup), None, [])
        found = stack.enter_context(opened(config, folder))
        member = _Member(LoopRun(config, setup), found, list(found.stored), found.state)
        if not found.finished:
            found.begin(setup)
        if member.waits and member.state is not None:
            member.model = member.state.model or member.run.fitted(member.state)
        return member
    except HygieneError as error:
        return error


def _advance(members: Sequence[_Member]) -> None:
    """One generation further, each."""
    began = time.perf_counter()
    steps = [(member, member.next_step()) for member in members]
    going = [(member, step) for member, step in steps if step is not None]
    models = fitted([Job(member.run, step[2], member.model) for member, step in going])
    for (member, step), model in zip(going, models, strict=True):
        if isinstance(model, HygieneError):
            member.failure = model
        else:
            member.take(step, model, began)


class Job(NamedTuple):
    """A model to train: on the training set of `state`, after the `last` one of its loop."""

    run: LoopRun
    state: State
    last: GenerativeModel | None

    @property
    def warm(self) -> bool:
        return self.run.config.warm_start and self.state.generation > 1


def fitted(jobs: Sequence[Job]) -> list[GenerativeModel | HygieneError]:
    """A model for each: all that start alike in one batch, where that is exact."""
    alike: dict[bool, list[int]] = {}
    for index, job in enumerate(jobs):
        alike.setdefault(job.warm, []).append(index)
    models: dict[int, GenerativeModel | HygieneError] = {}
    for indices in alike.values():
        group = [jobs[index] for index in indices]
        models |= zip(indices, _together(group) or map(_alone, group), strict=True)
    return [models[index] for index in range(len(jobs))]


def _alone(job: Job) -> GenerativeModel | HygieneError:
    try:
        return job.run.fitted(job.state, job.last)
    except HygieneError as error:
        return error


def _together(group: Sequence[Job]) -> list[GenerativeModel] | None:
    """One batch; None where that is not exact or cannot be, of which `_alone` then tells whose rows are at fault."""
    config, first = group[0].run.config, group[0].state
    parameters = parameters_of(config, first.generation)
    keys = tuple(sorted(parameters.items()))
    if len(group) == 1 or not exact(config.model.name, keys, first.training_set.shape[1], len(group)):
        return None
    models = [job.run.new_model(job.state.generation) for job in group]
    rows = [cast(Rows, job.state.training_set) for job in group]  # parts are an array to numpy, and so to a model
    rngs = [job.run.rng(job.state.generation, "fit") for job in group]
    try:
        starts = [warm_weights(job.state.generation, _plain(job.last)) for job in group] if group[0].warm else None
        fit_side_by_side([cast(Member[Any], _plain(model)) for model in models], rows, rngs, starts)
        for model, seen, rng in zip(models, rows, rngs, strict=True):
            if isinstance(model, Matched):
                model.match(seen, rng)
    except ConfigurationError:
        return None
    return models


def _plain(model: GenerativeModel | None) -> GenerativeModel | None:
    """What learns."""
    return model.model if isinstance(model, Matched) else model


@cache
def exact(name: str, parameters: tuple[tuple[str, Any], ...], dimension: int, members: int) -> bool:
    """Whether models of rows [n, dimension] learn side by side what they learn alone, to the last bit.

    A trial of a few steps of training tells: how sums are rounded depends on sizes, on the machine and on its
    libraries, not on the rows.
    """
    steps, n = TRIED
    settings = dict(parameters) | {"steps": steps}
    models = [SIDE_BY_SIDE[name](**settings) for _ in range(members)]
    rows = [_trial_rows(n, dimension, settings.get("labels", 0), seed) for seed in range(members)]
    try:
        fit_side_by_side(models, rows, [np.random.default_rng(seed) for seed in range(members)])
    except ConfigurationError:
        return False
    return all(_alike(models[seed], SIDE_BY_SIDE[name](**settings), rows[seed], seed) for seed in range(members))


def _trial_rows(n: int, dimension: int, labels: int, seed: int) -> Rows:
    """[n, dimension]; where there are labels, the last number is one."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, dimension))
    return with_labels(rows[:, :-1], rng.integers(labels, size=n)) if labels else rows


def _alike(learned: Member[Any], other: Member[Any], rows: Rows, seed: int) -> bool:
    """Whether the `other` model, trained alone, has the weights of the one that has `learned`."""
    other.fit(rows, np.random.default_rng(seed))
    mine, theirs = other.weights(), learned.weights()
    return all(np.array_equal(mine[name], theirs[name]) for name in mine)
