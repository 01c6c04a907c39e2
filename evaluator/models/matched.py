"""A generator whose samples are brought to the mean and the covariance of what it learned from.

Training takes variance that nobody asked it to take, and in a closed loop it takes it again in every generation: a
sampling bias at λ = 1. A linear map puts it back, so that what is left of the loop's doing is its own.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluator.covariances import moments
from evaluator.geometry import Rows, flaw
from evaluator.models.base import GenerativeModel, ReadsFiles, SamplesInto, Trainable, Weights
from evaluator.models.labels import parted
from evaluator.models.weights import one, part, prefixed
from evaluator.row_parts import BLOCK, slices
from hygiene.errors import ConfigurationError

MOST = 256  # principal components that are matched
ROWS_EACH = 4  # training rows, and samples, per component at least: the variances of fewer are noise as much as data
LEAST_AT_ONCE = 1000  # samples: a batch of fewer takes hardly less time
NARROWEST = 1e-3  # of the largest deviation: fourth powers must stay within double precision
FARTHEST = 4.0  # that a direction is stretched: where samples hardly vary, a map would only enlarge their noise


@dataclass(frozen=True, eq=False)
class MomentMap:
    """x ↦ target + (x − source) + B·change·Bᵀ(x − source): of all maps that bring one Gaussian to another the one that
    moves rows least (Peyré and Cuturi 2019, Computational Optimal Transport, eq. 2.40), along the columns of B.

    source, target  means [d] of samples and of training rows
    basis           B, leading principal directions [d, k] of the training rows
    change          A − I [k, k], A symmetric and positive
    stretch         root of the training rows' variance over that of the samples, along B: above 1 samples were narrower
    """

    source: Rows
    target: Rows
    basis: Rows
    change: Rows
    stretch: float

    @classmethod
    def between(cls, samples: Iterable[Rows], draws: int, training: Rows) -> "MomentMap":
        """The map that brings `samples`, blocks of in all `draws` rows [m, d], to the mean and covariance of rows
        `training` [n, d]."""
        target, covariance = moments(training)
        variances, directions = covariance.principal()
        wide = np.sqrt(variances) > NARROWEST * np.sqrt(variances[0])
        kept = min(MOST, max(min(len(training), draws) // ROWS_EACH, 1), int(wide.sum()))
        basis = np.ascontiguousarray(directions[:, :kept])
        total, scores = np.zeros_like(target), []
        for block in samples:
            away = block - target
            total += away.sum(axis=0)
            scores.append(away @ basis)
        source, own = target + total / draws, np.cov(np.concatenate(scores), rowvar=False).reshape(kept, kept)
        stretch = math.sqrt(variances[:kept].sum() / np.trace(own)) if kept and np.trace(own) > 0 else 1.0
        return cls(source, target, basis, _least_moving(own, variances[:kept]), stretch)

    def __call__(self, rows: Rows) -> Rows:
        """Rows [n, d] of rows [n, d]."""
        scores = (rows - self.source) @ self.basis
        moved: Rows = rows + (self.target - self.source) + scores @ self.change @ self.basis.T
        return moved

    def weights(self) -> Weights:
        arrays = {name: getattr(self, name) for name in ("source", "target", "basis", "change")}
        return {**arrays, "stretch": np.array([self.stretch])}

    @classmethod
    def restored(cls, weights: Weights) -> "MomentMap":
        source, target, basis, change = (one(weights, name) for name in ("source", "target", "basis", "change"))
        return cls(source, target, basis, change, float(one(weights, "stretch")[0]))


def _least_moving(covariance: Rows, variances: Rows) -> Rows:
    """A − I of the symmetric A with A·covariance·A = diag(variances > 0).

    Where the covariance is narrower than 1/4 of the deviation, that is taken for it: A, the geometric mean of
    diag(variances) and the covariance's inverse, and monotone in both, stretches nothing beyond 4 then.
    """
    roots = np.sqrt(variances)
    values, vectors = np.linalg.eigh(covariance / roots[:, None] / roots)
    whitened = (vectors * np.maximum(values, 1 / FARTHEST**2)) @ vectors.T
    values, vectors = np.linalg.eigh(variances[:, None] * whitened * variances)
    root_inverse = (vectors / np.sqrt(values)) @ vectors.T
    change: Rows = roots[:, None] * root_inverse * roots - np.eye(len(roots))
    return change


class Matched:
    """`model` behind a `MomentMap`, which is made after every `fit`, of `draws` samples at λ = 1, and serves every λ.

    labels  classes that rows bring along as their last number, 0 for none; the map leaves them alone
    """

    def __init__(self, model: GenerativeModel, draws: int, labels: int = 0) -> None:
        self.model, self._draws, self._labels, self.name = model, draws, labels, model.name
        self._map: MomentMap

    @property
    def stretch(self) -> float:
        """`MomentMap.stretch` of the last fit."""
        return self._map.stretch

    def fit(self, samples: Rows, rng: np.random.Generator) -> None:
        """Train the model on `samples` [n, d], n ≥ 2, and match it."""
        self.model.fit(samples, rng)
        self.match(samples, rng)

    def match(self, samples: Rows, rng: np.random.Generator) -> None:
        """Make the map of a model that was trained on `samples` [n, d] elsewhere."""
        training = parted(np.asarray(samples), self._labels)[0].astype(np.float64, copy=False)
        self._map = MomentMap.between(self._drawn(training.shape[1], rng), self._draws, training)

    def _drawn(self, columns: int, rng: np.random.Generator) -> Iterator[Rows]:
        """All draws at λ = 1, without labels, in blocks of rows [m, columns]."""
        at_once = max(LEAST_AT_ONCE, BLOCK // columns)
        for start in range(0, self._draws, at_once):
            rows = np.empty((min(at_once, self._draws - start), columns + bool(self._labels)))
            _draw(self.model, rows, 1.0, rng)
            block = parted(rows, self._labels)[0]
            if told := flaw(block):
                raise ConfigurationError(f"its moments cannot be matched: samples are {told}")
            yield block

    def sample(self, n: int, sampling_bias: float, rng: np.random.Generator) -> Rows:
        """`n` draws [n, d]."""
        rows = np.array(self.model.sample(n, sampling_bias, rng), dtype=np.float64)
        self._move(rows)
        return rows

    def sample_into(self, rows: Rows, sampling_bias: float, rng: np.random.Generator) -> None:
        """Fill `rows` [n, d] with draws."""
        _draw(self.model, rows, sampling_bias, rng)
        self._move(rows)

    def files(self) -> dict[str, Path]:
        """Of the model, where it is made of some."""
        return self.model.files() if isinstance(self.model, ReadsFiles) else {}

    def _move(self, rows: Rows) -> None:
        columns = rows.shape[1] - bool(self._labels)
        for at in slices(rows):
            rows[at, :columns] = self._map(rows[at, :columns].astype(np.float64, copy=False))


class MatchedTrainable(Matched):
    """A `Matched` whose model can be stored and started from."""

    model: Trainable

    def fit(self, samples: Rows, rng: np.random.Generator, start: Weights | None = None) -> None:
        """As `Matched`; on from `start`, of which the map is made anew."""
        self.model.fit(samples, rng, None if start is None else part(start, "model"))
        self.match(samples, rng)

    def weights(self) -> Weights:
        return prefixed(model=self.model.weights(), map=self._map.weights())

    def restore(self, weights: Weights) -> None:
        self.model.restore(part(weights, "model"))
        self._map = MomentMap.restored(part(weights, "map"))


def matched(model: GenerativeModel, draws: int, labels: int = 0) -> GenerativeModel:
    """`model` with its moments matched by `draws` samples; as it is where they are 0."""
    if not draws:
        return model
    if isinstance(model, Trainable):
        return MatchedTrainable(model, draws, labels)
    return Matched(model, draws, labels)


def _draw(model: GenerativeModel, rows: Rows, sampling_bias: float, rng: np.random.Generator) -> None:
    if isinstance(model, SamplesInto):
        model.sample_into(rows, sampling_bias, rng)
    else:
        rows[:] = model.sample(len(rows), sampling_bias, rng)
