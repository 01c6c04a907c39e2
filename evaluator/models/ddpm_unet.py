"""Diffusion of images: diffusers' `UNet2DModel` and schedulers, from 8 pixels on a CPU to 64 on a GPU."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluator.models.base import Rows, Weights, checked_bias, kept_rows
from evaluator.models.clusters import check_classes, classes_of
from evaluator.models.conditions import numbered
from evaluator.models.ddpm_mlp import LEAST_GUIDED
from evaluator.models.denoising import Denoiser, check_diffusers
from evaluator.models.labels import parted
from evaluator.models.noise import Diffusion
from evaluator.models.pictures import check_device, check_machine, folded, new_network, source_on, square_side, unfolded
from evaluator.models.weights import one, part, prefixed, taken
from evaluator.threads import one_thread
from hygiene.errors import ConfigurationError

if TYPE_CHECKING:
    import torch

    from evaluator.models.stacked import Scale

GROUP = 8  # channels are normalised in eights
PREDICTIONS = ("v", "epsilon")


@dataclass
class DdpmUnet:
    """Denoising diffusion (Ho et al. 2020) of square images with a cosine schedule (Nichol and Dhariwal 2021).

    Rows [n, channels · side²] are read as side × side × channels. The running mean of the weights samples by DDIM
    (Song et al. 2021), which at eta = 1 is DDPM's ancestral sampling. Nothing is clipped to 0..1.

    Sampling bias. By default λ scales the variance of all the noise that sampling draws. With `labels`, which rows
    bring along as their last number, or `clusters`, which k-means finds in them, it learns with 10 % condition dropout,
    and λ is classifier-free guidance w = 1/λ − 1 (Alemohammad et al. 2023), λ ≥ .05.

    The network says v, whichever is predicted; ε is √(1 − ᾱ) x + √ᾱ v of the noisy picture x. Saying ε itself takes
    knowing how large x is, which layers that normalise do not, and samples came out many times too wide.

    channels        colours of one pixel
    width           channels of the first level, in eights; deeper levels have up to four times as many
    prediction      v (Salimans and Ho 2022) or epsilon: the error of which of the two is made small
    steps, batch    of training; rate: learning rate of Adam
    noise_levels    from picture to noise; sampling_steps: back, at most as many
    eta             0: deterministic from the noise on; 1: ancestral
    order           of the steps back: 1, DDIM's, or 2, which take no variance away when they are few (eta = 0)
    clusters        classes that k-means finds; 0 for none
    labels          classes that rows bring along, as in ddpm_mlp; 0 for none
    device          cpu (one thread, float32) or cuda (bfloat16, compiled)
    """

    channels: int = 1
    width: int = 16
    prediction: str = "v"
    steps: int = 800
    batch: int = 64
    rate: float = 2e-3
    noise_levels: int = 1000
    sampling_steps: int = 50
    eta: float = 0.0
    clusters: int = 0
    device: str = "cpu"
    labels: int = 0
    order: int = 1
    name: str = field(default="ddpm_unet", init=False)
    shares: Rows = field(init=False, repr=False, compare=False)  # of the training rows, [classes]; without them [1]
    _centres: Rows = field(init=False, repr=False, compare=False)  # of the clusters, [clusters, d]
    _scale: Scale = field(init=False, repr=False, compare=False)
    _denoiser: Denoiser = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        whole = (self.channels, self.steps, self.batch, self.sampling_steps)
        if min(whole) < 1 or self.rate <= 0:
            raise ConfigurationError(f"{self!r}: expected whole numbers ≥ 1 and rate > 0")
        check_classes(self)
        if self.width < GROUP or self.width % GROUP:
            raise ConfigurationError(f"{self!r}: width must be a multiple of {GROUP}")
        if self.prediction not in PREDICTIONS or not 0 <= self.eta <= 1 or self.sampling_steps > self.noise_levels:
            raise ConfigurationError(
                f"{self!r}: prediction must be v or epsilon, 0 ≤ eta ≤ 1, at most noise_levels sampling_steps"
            )
        if self.order not in (1, 2) or (self.order == 2 and self.eta):
            raise ConfigurationError(f"{self!r}: order must be 1, or 2 with eta = 0")
        check_device(self.device)

    @property
    def classes(self) -> int:
        """Conditions, of either kind."""
        return self.labels or self.clusters

    def fit(self, samples: Rows, rng: np.random.Generator, start: Weights | None = None) -> None:
        """Train on `samples` [n, channels · side²], n ≥ 2 and ≥ clusters; on from `start`, whose clusters go on.

        With labels the samples have one number more.
        """
        rows, labels = parted(kept_rows(samples, at_least=max(2, self.clusters)), self.labels)
        side = self._checked_side(rows.shape[1])
        self._check_machine()
        from torch import from_numpy

        from evaluator.models.stacked import Scale

        with one_thread():
            if start is None:
                self._scale = Scale(rows)
            else:
                self.restore(start)
            scaled = self._scale.inward(rows)
            found = classes_of(self, scaled.numpy(), labels, rng, None if start is None else self._centres)
            self.shares, self._centres = found.shares, found.centres
            source = source_on(self.device, rng)
            if start is None:
                self._denoiser = self._made(side, source)
            pictures, classes = folded(scaled, self.channels, side), from_numpy(found.labels)
            del scaled  # in colour the pictures are a copy, and training takes long
            self._denoiser.learn(pictures, classes, self.steps, self.batch, self.rate, source)

    def weights(self) -> Weights:
        return prefixed(
            scale=self._scale.weights(),
            clusters={"shares": self.shares, "centres": self._centres},
            network=taken(self._denoiser.network),
        )

    def restore(self, weights: Weights) -> None:
        self._check_machine()
        from torch import Generator

        from evaluator.models.stacked import Scale

        self._scale = Scale.restored(part(weights, "scale"))
        self.shares, self._centres = one(weights, "clusters.shares"), one(weights, "clusters.centres")
        self._denoiser = self._made(self._checked_side(self._scale.mean.size), Generator())
        self._denoiser.take(part(weights, "network"))

    def _checked_side(self, d: int) -> int:
        side = square_side(d, self.channels)
        halvings = len(_levels(side)) - 1
        if side < 2 or side % 2**halvings:
            raise ConfigurationError(
                f"rows of {d} numbers are no square images: expected side² · {self.channels}, "
                f"a side that halves {halvings} times"
            )
        return side

    def _check_machine(self) -> None:
        check_diffusers(self.name)
        check_machine(self.device)

    def _made(self, side: int, source: torch.Generator) -> Denoiser:
        import diffusers

        unet: Any = diffusers.UNet2DModel
        widths = tuple(self.width * level for level in _levels(side))
        network = new_network(
            source,
            lambda: unet(
                sample_size=side,
                in_channels=self.channels,
                out_channels=self.channels,
                block_out_channels=widths,
                down_block_types=("DownBlock2D",) * len(widths),
                up_block_types=("UpBlock2D",) * len(widths),
                layers_per_block=1,
                norm_num_groups=GROUP,
                num_class_embeds=self.classes + 1 if self.classes else None,
            ),
        )
        told = numbered(self.classes, self.device)
        noise = Diffusion(self._noise(), self.order, self.prediction == "epsilon")
        return Denoiser(network.eval().to(self.device), noise, self.device, told)

    def _noise(self) -> dict[str, Any]:
        return {
            "num_train_timesteps": self.noise_levels,
            "beta_schedule": "squaredcos_cap_v2",
            "prediction_type": "v_prediction",
            "clip_sample": False,  # a hidden sampling bias
            "timestep_spacing": "trailing",
        }

    def sample(self, n: int, sampling_bias: float, rng: np.random.Generator) -> Rows:
        """`n` draws [n, channels · side²], with labels and one number more."""
        rows = np.empty((n, self._scale.mean.size + bool(self.labels)))
        self.sample_into(rows, sampling_bias, rng)
        return rows

    def sample_into(self, rows: Rows, sampling_bias: float, rng: np.random.Generator) -> None:
        """Fill `rows` [n, channels · side²], with labels and one number more, with draws."""
        import torch

        bias, d = checked_bias(sampling_bias), self._scale.mean.size
        if self.classes and bias < LEAST_GUIDED:
            raise ConfigurationError(f"sampling_bias is {bias}, guidance takes λ from {LEAST_GUIDED} to 1")
        source = source_on(self.device, rng)
        chosen = rng.choice(len(self.shares), len(rows), p=self.shares)
        rows[:, d:] = chosen[:, None]  # the label, where there is a column for one
        with one_thread(), torch.inference_mode():
            start, classes = 0, torch.from_numpy(chosen)
            for pictures in self._denoiser.samples(classes, bias, self.sampling_steps, self.eta, source):
                rows[start : start + len(pictures), :d] = self._scale.outward(unfolded(pictures))
                start += len(pictures)


def _levels(side: int) -> tuple[int, ...]:
    """Channels of each level of the U-Net, in widths of the first: two levels up to 16 pixels, three up to 32."""
    return (1, 2) if side <= 16 else (1, 2, 2) if side <= 32 else (1, 2, 2, 4)
