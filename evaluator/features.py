"""Samples to features: what the metrics look at. Rows [n, d] in, features [n, f] out."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from evaluator.models.base import Rows, checked_rows
from evaluator.sources import Labelled
from evaluator.tables import build
from hygiene.errors import ConfigurationError

if TYPE_CHECKING:
    import torch


class Features(Protocol):
    """A callable from rows [n, d] to features [n, f]. `name` belongs beside every figure computed with it."""

    @property
    def name(self) -> str: ...

    def __call__(self, rows: Rows) -> Rows: ...


@dataclass(frozen=True)
class Identity:
    """The rows themselves: for vectors, and for the closed forms."""

    name: str = field(default="identity", init=False)

    def __call__(self, rows: Rows) -> Rows:
        return checked_rows(rows, at_least=1)


class LeNet:
    """LeNet-5 trained on labelled square grey images; features are its 84 penultimate activations.

    LeCun et al. 1998: tanh, average pooling; padded so that any side ≥ 8 divisible by 4 fits. The metrics of
    a loop need a network that has never seen the reference half: train it on the training half. Same rows,
    labels and seed give the same weights on one machine (`weights_digest`).

    labelled  rows [n, side²] and classes [n]
    seed      fixes initial weights and the order of batches
    epochs    passes over the rows
    """

    def __init__(self, labelled: Labelled, seed: int = 0, epochs: int = 25) -> None:
        import torch

        if epochs < 1 or not 0 <= seed < 2**63:
            raise ConfigurationError(f"epochs is {epochs}, seed {seed}: expected at least 1, and 0 to 2⁶³ − 1")
        rows = checked_rows(labelled.rows, at_least=2)
        self.side = round(rows.shape[1] ** 0.5)
        if self.side**2 != rows.shape[1] or self.side < 8 or self.side % 4:
            raise ConfigurationError(
                f"LeNet takes square images with a side divisible by 4, from 8 up; got rows of {rows.shape[1]} numbers"
            )
        if len(labelled.labels) != len(rows):
            raise ConfigurationError(f"{len(rows)} rows with {len(labelled.labels)} labels: give one label to each")
        self.name = "lenet"
        self._shift, self._scale = float(rows.mean()), float(rows.std()) or 1.0
        images, labels = self._images(rows), torch.as_tensor(np.asarray(labelled.labels, dtype=np.int64))
        with torch.random.fork_rng(devices=[]):  # the caller's torch randomness stays as it was
            torch.manual_seed(seed)
            self._network, self._head = _lenet(self.side, int(labels.max()) + 1)
            self._train(images, labels, epochs)

    def __call__(self, rows: Rows) -> Rows:
        """Penultimate activations [n, 84], float64."""
        import torch

        checked = checked_rows(rows, at_least=1)
        if checked.shape[1] != self.side**2:
            raise ConfigurationError(f"LeNet was trained on {self.side}×{self.side}, got rows of {checked.shape[1]}")
        with torch.inference_mode():
            features: Rows = self._network(self._images(checked)).numpy().astype(np.float64)
        return features

    def accuracy(self, labelled: Labelled) -> float:
        """Share of rows classified correctly, 0..1."""
        import torch

        with torch.inference_mode():
            logits = self._head(self._network(self._images(checked_rows(labelled.rows, at_least=1))))
        return float((logits.argmax(dim=1).numpy() == labelled.labels).mean())

    @property
    def weights_digest(self) -> str:
        """SHA-256 of all weights, hexadecimal."""
        digest = hashlib.sha256()
        for tensor in self._parameters():
            digest.update(tensor.detach().numpy().tobytes())
        return digest.hexdigest()

    def _images(self, rows: Rows) -> "torch.Tensor":
        import torch

        scaled = ((rows - self._shift) / self._scale).astype(np.float32)
        return torch.from_numpy(scaled).reshape(-1, 1, self.side, self.side)

    def _parameters(self) -> "Iterator[torch.nn.Parameter]":
        yield from self._network.parameters()
        yield from self._head.parameters()

    def _train(self, images: "torch.Tensor", labels: "torch.Tensor", epochs: int) -> None:
        import torch

        optimiser = torch.optim.Adam(self._parameters(), lr=2e-3)
        for _ in range(epochs):
            for batch in torch.split(torch.randperm(len(images)), 64):
                optimiser.zero_grad()
                logits = self._head(self._network(images[batch]))
                loss = torch.nn.functional.cross_entropy(logits, labels[batch])
                torch.autograd.backward(loss)
                optimiser.step()


def _lenet(side: int, classes: int) -> "tuple[torch.nn.Module, torch.nn.Module]":
    from torch import nn

    body = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(16 * (side // 4) ** 2, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(),
    )  # fmt: skip
    return body, nn.Linear(84, classes)


FEATURES: dict[str, Callable[..., Features]] = {"identity": Identity, "lenet": LeNet}


def make_features(name: str, /, **parameters: Any) -> Features:
    """The feature map called `name` in FEATURES; unknown names and parameters are refused by name."""
    return build(FEATURES, "feature map", name, parameters)
