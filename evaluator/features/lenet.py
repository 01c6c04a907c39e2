"""LeNet-5, trained here on the real training half: the network behind the "FID" of digits."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evaluator.features.base import as_images
from evaluator.features.cache import cache_path, digest_of, load, store
from evaluator.models.base import Rows, checked_rows
from evaluator.sources import Labelled
from hygiene.errors import ConfigurationError

if TYPE_CHECKING:
    import torch

BATCH = 4096  # pictures at a time where nothing is learnt: 28 × 28 take 160 MB
SEEN = 150_000  # pictures that training looks at, in whole passes
PASSES = (3, 25)


class LeNet:
    """LeNet-5 trained on labelled pictures; features are its 84 penultimate activations.

    LeCun et al. 1998: tanh, average pooling; padded so that any side from 8 up fits, with as many input channels as
    the pictures have. The metrics of a loop need a network that has never seen the reference half: train it on the
    training half. Same rows, labels and seed give the same weights on one machine (`weights_digest`), which are kept
    for the next run (`evaluator.features.cache`).

    labelled  rows [n, d] and classes [n], 0 and up
    seed      fixes initial weights and the order of batches
    epochs    passes over the rows; `default_epochs` when not given
    shape     of one row, (h, w) or (h, w, channels); a square grey picture when not given
    """

    def __init__(
        self, labelled: Labelled, seed: int = 0, epochs: int | None = None, shape: tuple[int, ...] | None = None
    ) -> None:
        import torch

        rows = checked_rows(labelled.rows, at_least=2)
        passes = default_epochs(len(rows)) if epochs is None else epochs
        if passes < 1 or not 0 <= seed < 2**63:
            raise ConfigurationError(f"epochs is {epochs}, seed {seed}: expected at least 1, and 0 to 2⁶³ − 1")
        self.name, self.shape = "lenet", _picture_shape(rows.shape[1], shape)
        labels = _checked_labels(labelled)
        self._shift, self._scale = float(rows.mean()), float(rows.std()) or 1.0
        with torch.random.fork_rng(devices=[]):  # the caller's torch randomness stays as it was
            torch.manual_seed(seed)
            self._network, self._head = _lenet(self.shape, int(labels.max()) + 1)
            kept = cache_path("lenet", Path(__file__), f"{seed} {passes} {self.shape}", rows, labels)
            weights = list(self._parameters())
            if not load(kept, weights):
                self._train(self._images(rows), torch.from_numpy(labels), passes)
                store(kept, weights)

    def __call__(self, rows: Rows) -> Rows:
        """Penultimate activations [n, 84], float64."""
        import torch

        checked = checked_rows(rows, at_least=1)
        if checked.shape[1] != np.prod(self.shape):
            size = "×".join(map(str, self.shape))
            raise ConfigurationError(f"LeNet was trained on {size}, got rows of {checked.shape[1]} numbers")
        parts = (checked[start : start + BATCH] for start in range(0, len(checked), BATCH))
        with torch.inference_mode():
            made = [self._network(self._images(part)).numpy().astype(np.float64) for part in parts]
        return np.concatenate(made)

    def classes(self, features: Rows) -> NDArray[np.int64]:
        """The class [n] that the network gives to pictures with these features [n, 84]."""
        import torch

        with torch.inference_mode():
            logits = self._head(torch.from_numpy(features.astype(np.float32)))
        labels: NDArray[np.int64] = logits.argmax(dim=1).numpy()
        return labels

    def accuracy(self, labelled: Labelled) -> float:
        """Share of rows classified correctly, 0..1."""
        return float((self.classes(self(labelled.rows)) == labelled.labels).mean())

    @property
    def weights_digest(self) -> str:
        """SHA-256 of all weights, hexadecimal."""
        return digest_of(self._parameters())

    def _images(self, rows: Rows) -> "torch.Tensor":
        import torch

        return torch.from_numpy(as_images((rows - self._shift) / self._scale, self.shape))

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


def default_epochs(n: int) -> int:
    """Passes over `n` rows: 25, fewer where that is more than 150,000 pictures, at least 3."""
    fewest, most = PASSES
    return min(max(SEEN // n, fewest), most)


def _picture_shape(width: int, shape: tuple[int, ...] | None) -> tuple[int, ...]:
    side = round(width**0.5)
    if shape is None and side**2 != width:
        raise ConfigurationError(f"{width} numbers are no square picture: say their shape to LeNet")
    chosen = (side, side) if shape is None else tuple(shape)
    if len(chosen) not in (2, 3) or min(chosen[:2]) < 8 or np.prod(chosen) != width:
        raise ConfigurationError(
            f"LeNet takes pictures (h, w) or (h, w, channels) from 8×8 up; got rows of {width} numbers, shape {chosen}"
        )
    return chosen


def _checked_labels(labelled: Labelled) -> NDArray[np.int64]:
    labels = np.asarray(labelled.labels, dtype=np.int64)
    if len(labels) != len(labelled.rows):
        raise ConfigurationError(f"{len(labelled.rows)} rows with {len(labels)} labels: give one label to each")
    if labels.min() < 0:
        raise ConfigurationError(f"a label is {labels.min()}, expected classes from 0 up")
    if labels.min() == labels.max():
        raise ConfigurationError(
            f"all labels are {labels[0]}: LeNet learns to tell classes apart, expected two or more"
        )
    return labels


def _lenet(shape: tuple[int, ...], classes: int) -> "tuple[torch.nn.Module, torch.nn.Module]":
    from torch import nn

    height, width, channels = (*shape, 1)[:3]
    body = nn.Sequential(
        nn.Conv2d(channels, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(16 * (height // 4) * (width // 4), 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(),
    )  # fmt: skip
    return body, nn.Linear(84, classes)
