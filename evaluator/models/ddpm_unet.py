"""Diffusion of images: diffusers' `UNet2DModel` and schedulers, from 8 pixels on a CPU to 64 on a GPU."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluator.models.base import Rows, Weights, checked_bias, checked_rows
from evaluator.models.clusters import clustered
from evaluator.models.ddpm_mlp import DROPOUT, LEAST_GUIDED
from evaluator.models.weights import given, one, part, prefixed, taken
from evaluator.threads import one_thread
from hygiene.errors import ConfigurationError

if TYPE_CHECKING:
    import torch

    from evaluator.models.stacked import Scale

INSTALL = "pip install 'hygiene-toolkit[diffusion]'"
TIMES = 1000  # noise levels of training
GROUP = 8  # channels are normalised in eights
AT_ONCE = 256  # images sampled in one batch
PREDICTIONS = {"v": "v_prediction", "epsilon": "epsilon"}


@dataclass
class DdpmUnet:
    """Denoising diffusion (Ho et al. 2020) of square images with a cosine schedule (Nichol and Dhariwal 2021).

    Rows [n, channels · side²] are read as side × side × channels. The running mean of the weights samples by DDIM
    (Song et al. 2021), which at eta = 1 is DDPM's ancestral sampling. Nothing is clipped to 0..1.

    Sampling bias. The loop hands rows without labels: by default λ scales the variance of all the noise that
    sampling draws. With `clusters` the classes are those that k-means finds in the training rows, learned with 10 %
    condition dropout, and λ is classifier-free guidance w = 1/λ − 1 (Alemohammad et al. 2023), λ ≥ .05.

    channels        colours of one pixel
    width           channels of the first level, in eights; deeper levels have up to four times as many
    prediction      v (Salimans and Ho 2022) or epsilon
    steps, batch    of training; rate: learning rate of Adam
    sampling_steps  DDIM steps
    eta             0: deterministic from the noise on; 1: ancestral
    clusters        conditions; 0 for none
    device          cpu (one thread, float32) or cuda (bfloat16, compiled)
    """

    channels: int = 1
    width: int = 16
    prediction: str = "v"
    steps: int = 800
    batch: int = 64
    rate: float = 2e-3
    sampling_steps: int = 50
    eta: float = 0.0
    clusters: int = 0
    device: str = "cpu"
    name: str = field(default="ddpm_unet", init=False)
    shares: Rows = field(init=False, repr=False, compare=False)  # of the training rows, [clusters]; without them [1]
    _centres: Rows = field(init=False, repr=False, compare=False)  # of the clusters, [clusters, d]
    _scale: Scale = field(init=False, repr=False, compare=False)
    _side: int = field(init=False, repr=False, compare=False)
    _network: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        whole = (self.channels, self.steps, self.batch, self.sampling_steps)
        if min(whole) < 1 or self.rate <= 0 or self.clusters < 0 or self.clusters == 1:
            raise ConfigurationError(f"{self!r}: expected whole numbers ≥ 1, rate > 0 and clusters 0 or ≥ 2")
        if self.width < GROUP or self.width % GROUP:
            raise ConfigurationError(f"{self!r}: width must be a multiple of {GROUP}")
        if self.prediction not in PREDICTIONS or not 0 <= self.eta <= 1 or self.sampling_steps > TIMES:
            raise ConfigurationError(
                f"{self!r}: prediction must be v or epsilon, 0 ≤ eta ≤ 1, at most {TIMES} sampling_steps"
            )
        if self.device not in ("cpu", "cuda"):
            raise ConfigurationError(f"{self!r}: device must be cpu or cuda")

    def fit(self, samples: Rows, rng: np.random.Generator, start: Weights | None = None) -> None:
        """Train on `samples` [n, channels · side²], n ≥ 2 and ≥ clusters; on from `start`, whose clusters go on."""
        rows = checked_rows(samples, at_least=max(2, self.clusters))
        self._side = self._checked_side(rows.shape[1])
        self._check_machine()
        import torch

        from evaluator.models.stacked import Scale, generators

        with one_thread():
            if start is None:
                self._scale = Scale(rows)
            else:
                self.restore(start)
            scaled = self._scale.inward(rows)
            found = clustered(scaled.numpy(), self.clusters, rng, None if start is None else self._centres)
            self.shares, self._centres = found.shares, found.centres
            (source,) = generators([rng])
            if start is None:
                self._network = self._made(source).to(self.device)
            self._learn(self._images(scaled), torch.from_numpy(found.labels), source)
            self._network.eval()

    def weights(self) -> Weights:
        return prefixed(
            scale=self._scale.weights(),
            clusters={"shares": self.shares, "centres": self._centres},
            network=taken(self._network),
        )

    def restore(self, weights: Weights) -> None:
        from torch import Generator

        from evaluator.models.stacked import Scale

        self._scale = Scale.restored(part(weights, "scale"))
        self.shares, self._centres = one(weights, "clusters.shares"), one(weights, "clusters.centres")
        self._side = self._checked_side(self._scale.mean.size)
        self._check_machine()
        self._network = self._made(Generator()).to(self.device).eval()
        given(self._network, part(weights, "network"))

    def _checked_side(self, d: int) -> int:
        side = math.isqrt(d // self.channels)
        halvings = len(_levels(side)) - 1
        if side**2 * self.channels != d or side < 2 or side % 2**halvings:
            raise ConfigurationError(
                f"rows of {d} numbers are no square images: expected side² · {self.channels}, "
                f"a side that halves {halvings} times"
            )
        return side

    def _check_machine(self) -> None:
        if find_spec("diffusers") is None:
            raise ConfigurationError(f"ddpm_unet needs diffusers: {INSTALL}")
        import torch

        if self.device == "cuda" and not torch.cuda.is_available():
            raise ConfigurationError("device is cuda, but torch sees no CUDA device: use cpu")

    def _made(self, source: torch.Generator) -> Any:
        """A new U-Net; diffusers initialises from torch's global generator, which is put back."""
        import diffusers
        import torch

        unet: Any = diffusers.UNet2DModel
        widths = tuple(self.width * level for level in _levels(self._side))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**62, (), generator=source)))
            return unet(
                sample_size=self._side,
                in_channels=self.channels,
                out_channels=self.channels,
                block_out_channels=widths,
                down_block_types=("DownBlock2D",) * len(widths),
                up_block_types=("UpBlock2D",) * len(widths),
                layers_per_block=1,
                norm_num_groups=GROUP,
                num_class_embeds=self.clusters + 1 if self.clusters else None,
            )

    def _images(self, rows: torch.Tensor) -> torch.Tensor:
        return rows.reshape(-1, self._side, self._side, self.channels).permute(0, 3, 1, 2).contiguous()

    def _scheduler(self) -> Any:
        import diffusers

        ddim: Any = diffusers.DDIMScheduler
        return ddim(
            num_train_timesteps=TIMES,
            beta_schedule="squaredcos_cap_v2",
            prediction_type=PREDICTIONS[self.prediction],
            clip_sample=False,  # a hidden sampling bias
            timestep_spacing="trailing",
        )

    def _learn(self, images: torch.Tensor, classes: torch.Tensor, source: torch.Generator) -> None:
        import torch

        from evaluator.models.stacked import train

        scheduler = self._scheduler()

        def loss() -> torch.Tensor:
            chosen = torch.randint(len(images), (self.batch,), generator=source)
            noise = torch.randn(self.batch, *images.shape[1:], generator=source)
            times = torch.randint(TIMES, (self.batch,), generator=source)
            dropped = torch.rand(self.batch, generator=source) < DROPOUT
            seen = torch.where(dropped, self.clusters, classes[chosen])
            noisy = scheduler.add_noise(images[chosen], noise, times)
            velocity = scheduler.get_velocity(images[chosen], noise, times)
            wanted = velocity if self.prediction == "v" else noise
            return torch.square(self._predicted(noisy, times, seen) - wanted.to(self.device)).mean()

        train(self._network, loss, self.steps, self.rate)

    def _predicted(self, noisy: torch.Tensor, times: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        """The network's output [n, channels, side, side], on its device."""
        noisy, times, classes = (each.to(self.device) for each in (noisy, times, classes))
        with _precision(self.device):
            output: torch.Tensor = self._network(noisy, times, class_labels=classes if self.clusters else None).sample
        return output.float()

    def sample(self, n: int, sampling_bias: float, rng: np.random.Generator) -> Rows:
        """`n` draws [n, channels · side²]."""
        import torch

        from evaluator.models.stacked import generators

        bias = checked_bias(sampling_bias)
        if self.clusters and bias < LEAST_GUIDED:
            raise ConfigurationError(f"sampling_bias is {bias}, guidance takes λ from {LEAST_GUIDED} to 1")
        (source,) = generators([rng])
        classes = torch.from_numpy(rng.choice(len(self.shares), n, p=self.shares))
        with one_thread(), torch.inference_mode():
            images = torch.cat([self._denoised(part, bias, source) for part in torch.split(classes, AT_ONCE)])
            return self._scale.outward(images.permute(0, 2, 3, 1).reshape(n, -1))

    def _denoised(self, classes: torch.Tensor, bias: float, source: torch.Generator) -> torch.Tensor:
        import torch

        spread, guidance = (1.0, 1 / bias - 1) if self.clusters else (math.sqrt(bias), 0.0)
        shape = len(classes), self.channels, self._side, self._side
        scheduler = self._scheduler()
        scheduler.set_timesteps(self.sampling_steps)
        x = spread * torch.randn(shape, generator=source)
        for time in scheduler.timesteps:
            times = time.expand(len(x))
            output = self._predicted(x, times, classes)
            if guidance:
                output = output + guidance * (
                    output - self._predicted(x, times, torch.full_like(classes, self.clusters))
                )
            fresh = spread * torch.randn(shape, generator=source) if self.eta else None
            x = scheduler.step(output.cpu(), time, x, eta=self.eta, variance_noise=fresh).prev_sample
        return x


def _levels(side: int) -> tuple[int, ...]:
    """Channels of each level of the U-Net, in widths of the first: two levels up to 16 pixels, three up to 32."""
    return (1, 2) if side <= 16 else (1, 2, 2) if side <= 32 else (1, 2, 2, 4)


@contextmanager
def _precision(device: str) -> Iterator[None]:
    """bfloat16 where the device is made for it."""
    import torch

    with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
        yield
