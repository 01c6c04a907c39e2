"""Models whose small networks learn as members of one batch; a model that is fitted alone is a batch of one.

Members share nothing: each has its own rows, weights and random numbers, and learns what it would learn alone, up to
rounding. What one of them has is a slice along the first axis of every weight, of [1, …] or of [d] numbers alike.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar

import numpy as np

from evaluator.models.base import Rows, Trainable, Weights
from evaluator.models.weights import given
from evaluator.threads import one_thread
from hygiene.errors import ConfigurationError

if TYPE_CHECKING:
    import torch
    from torch.nn import ModuleDict

Begun = TypeVar("Begun")


class Member(Trainable, Protocol[Begun]):
    """A model that can learn beside others of equal parameters. Its `fit` is `fit_side_by_side` of it alone."""

    draws_anyway: ClassVar[bool]
    """Whether a warm start draws first weights too, and forgets them: which random numbers come next hangs on it."""

    networks: ModuleDict
    """What `learn` trained: in `weights()` each of them stands under its name."""

    def begin(self, samples: Rows, rng: np.random.Generator, start: Weights | None) -> Begun:
        """All that is fitted in a moment, or taken from `start`; the rows of `samples` [n, d] as `learn` sees them."""
        ...

    def made(self, sources: Sequence[torch.Generator]) -> ModuleDict:
        """Untrained networks, a member for each of `sources`; after `begin`."""
        ...

    def learn(self, networks: ModuleDict, rows: Sequence[Begun], sources: Sequence[torch.Generator]) -> None:
        """Train every member on its own rows, with its own source."""
        ...


def fit_side_by_side(
    models: Sequence[Member[Begun]],
    samples: Sequence[Rows],
    rngs: Sequence[np.random.Generator],
    starts: Sequence[Weights] | None = None,
) -> None:
    """Fit every model to its samples [n, d] as `fit` does, with its rng, all in one batch: the seeds of one study.

    starts  what each goes on from, in a warm start

    The models have equal parameters and the samples equally many numbers. Results are those of one `fit` after the
    other, up to rounding.
    """
    from evaluator.models.stacked import generators

    first = models[0]
    if any(model != first for model in models) or len({np.shape(each)[1:] for each in samples}) > 1:
        raise ConfigurationError("side by side go models of equal parameters on samples of equal width")
    begun_from = [None] * len(models) if starts is None else starts
    with one_thread():
        begun = [
            model.begin(rows, rng, start)
            for model, rows, rng, start in zip(models, samples, rngs, begun_from, strict=True)
        ]
        sources = generators(rngs)
        networks = first.made(sources) if starts is None else _taken_up(first, sources, starts)
        first.learn(networks, begun, sources)
    networks.zero_grad()  # gradients would be copied too
    for index, model in enumerate(models):
        model.networks = _member(networks, index, len(models))


def _taken_up(first: Member[Begun], sources: Sequence[torch.Generator], starts: Sequence[Weights]) -> ModuleDict:
    from torch import Generator

    networks = first.made(sources if first.draws_anyway else [Generator() for _ in sources])
    take_up(networks, starts)
    return networks


def take_up(networks: ModuleDict, starts: Sequence[Weights]) -> None:
    """Give every member of `networks` what it has in its `weights()`; refuses other names and shapes."""
    own = [{name: each[name] for name in each if name.split(".")[0] in networks} for each in starts]
    if any(_shapes(each) != _shapes(own[0]) for each in own):
        raise ConfigurationError("side by side go on models of equal sizes, these weights are of several")
    given(networks, {name: np.concatenate([each[name] for each in own]) for name in own[0]})


def _shapes(weights: Weights) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in weights.items()}


def _member(networks: ModuleDict, index: int, members: int) -> ModuleDict:
    """One of the `members` of trained networks."""
    if members == 1:
        return networks
    own = copy.deepcopy(networks)
    for tensor in (*own.parameters(), *own.buffers()):
        tensor.data = tensor.data.chunk(members)[index].clone()
    return own
