"""A pretrained diffusers pipeline out of a local folder, as it is or trained further; nothing is ever downloaded."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluator.models.base import Rows, Weights, checked_bias, checked_rows
from evaluator.models.denoising import Denoiser, check_diffusers
from evaluator.models.pictures import check_device, check_machine, folded, new_network, source_on, unfolded
from evaluator.models.weights import part, prefixed, taken
from evaluator.reading import refused
from evaluator.threads import one_thread
from hygiene.errors import ConfigurationError

if TYPE_CHECKING:
    import torch

KINDS = ("DDPMPipeline", "DDIMPipeline")


@dataclass
class Pipeline:
    """An unconditional diffusers pipeline of pixels, DDPMPipeline or DDIMPipeline, as its `save_pretrained` leaves it.

    Samples by DDIM with the pipeline's noise schedule and its own clipping (`clip_sample`); the result is not rounded
    to bytes. Sampling bias: λ scales the variance of all the noise that sampling draws.

    path          the folder: model_index.json, unet (safetensors) and scheduler
    steps         of sampling; eta: 0 deterministic from the noise on, 1 ancestral
    fit_steps     of training in every generation; 0: a frozen generator that learns nothing from the loop
    scratch       train new weights in the pipeline's architecture instead of its own ones further
    batch, rate   of training; rate: learning rate of Adam
    black, white  the numbers of the rows that the pipeline's −1 and 1 stand for
    device        cpu (one thread, float32) or cuda (bfloat16, compiled)
    """

    path: str
    steps: int = 25
    eta: float = 0.0
    fit_steps: int = 0
    scratch: bool = False
    batch: int = 16
    rate: float = 1e-4
    black: float = 0.0
    white: float = 1.0
    device: str = "cpu"
    name: str = field(default="pipeline", init=False)
    _settings: dict[str, Any] = field(init=False, repr=False, compare=False)  # of the scheduler
    _sizes: dict[str, Any] = field(init=False, repr=False, compare=False)  # of the network
    _denoiser: Denoiser = field(init=False, repr=False, compare=False)
    _own: bool = field(init=False, repr=False, compare=False)  # weights, other than those of the folder

    def __post_init__(self) -> None:
        if min(self.steps, self.batch) < 1 or self.fit_steps < 0 or self.rate <= 0 or not 0 <= self.eta <= 1:
            raise ConfigurationError(f"{self!r}: expected steps, batch ≥ 1, fit_steps ≥ 0, rate > 0 and 0 ≤ eta ≤ 1")
        if self.black >= self.white:
            raise ConfigurationError(f"black is {self.black}, white {self.white}: expected black below white")
        if self.scratch and not self.fit_steps:
            raise ConfigurationError(
                "scratch makes new weights, and fit_steps = 0 teaches them nothing: give fit_steps"
            )
        check_device(self.device)
        self._settings, self._sizes = _described(Path(self.path))
        levels = self._settings["num_train_timesteps"]
        if self.steps > levels:
            raise ConfigurationError(f"steps is {self.steps}, {self.path} has {levels} noise levels: take no more")

    def fit(self, samples: Rows, rng: np.random.Generator, start: Weights | None = None) -> None:
        """Train on `samples` [n, height · width · channels], n ≥ 2, for `fit_steps`; on from `start`."""
        rows = checked_rows(samples, at_least=2)
        self._check_rows(rows.shape[1])
        self._check_machine()
        import torch

        with one_thread():
            source = source_on(self.device, rng)
            self._denoiser = self._made(self._new(source) if self.scratch and start is None else self._pretrained())
            if start:
                self._denoiser.take(part(start, "network"))
            self._own = bool(start or self.fit_steps)
            if self.fit_steps:
                classes = torch.zeros(len(rows), dtype=torch.int64)
                self._denoiser.learn(self._inward(rows), classes, self.fit_steps, self.batch, self.rate, source)

    def weights(self) -> Weights:
        """None of a pipeline that was never trained: they lie in its folder."""
        return prefixed(network=taken(self._denoiser.network)) if self._own else {}

    def restore(self, weights: Weights) -> None:
        self._check_machine()
        from torch import Generator

        self._own = bool(weights or self.fit_steps)
        if not self._own:
            self._denoiser = self._made(self._pretrained())
            return
        self._denoiser = self._made(self._new(Generator()))
        self._denoiser.take(part(weights, "network"))

    def sample(self, n: int, sampling_bias: float, rng: np.random.Generator) -> Rows:
        """`n` draws [n, height · width · channels]."""
        import torch

        bias, source = checked_bias(sampling_bias), source_on(self.device, rng)
        with one_thread(), torch.inference_mode():
            pictures = self._denoiser.sample(torch.zeros(n, dtype=torch.int64), bias, self.steps, self.eta, source)
            shares = (unfolded(pictures).numpy().astype(np.float64) + 1) / 2
        rows: Rows = self.black + (self.white - self.black) * shares
        return rows

    def _inward(self, rows: Rows) -> torch.Tensor:
        """Pixels from black..white to −1..1, [n, channels, height, width]."""
        from torch import from_numpy

        shares = (rows - self.black) / (self.white - self.black)
        return folded(from_numpy((2 * shares - 1).astype(np.float32)), self._sizes["in_channels"], self._side)

    @property
    def _side(self) -> int:
        side: int = self._sizes["sample_size"]
        return side

    def _check_rows(self, d: int) -> None:
        channels = self._sizes["in_channels"]
        if d != channels * self._side**2:
            raise ConfigurationError(
                f"{self.path} makes pictures of {self._side} × {self._side} × {channels}, got rows of {d} numbers"
            )

    def _check_machine(self) -> None:
        check_diffusers(self.name)
        check_machine(self.device)

    def _made(self, network: Any) -> Denoiser:
        return Denoiser(network.eval().to(self.device), self._settings, self.device)

    def _pretrained(self) -> Any:
        import diffusers

        unet: Any = diffusers.UNet2DModel
        with refused(f"{self.path} cannot be loaded: expected unet/diffusion_pytorch_model.safetensors"):
            return unet.from_pretrained(
                Path(self.path) / "unet", local_files_only=True, use_safetensors=True, low_cpu_mem_usage=False
            )

    def _new(self, source: torch.Generator) -> Any:
        import diffusers

        unet: Any = diffusers.UNet2DModel
        return new_network(source, lambda: unet.from_config(self._sizes))


def _described(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the folder says of its scheduler and its network; refuses what is no pipeline that can be used here."""
    if not (folder / "model_index.json").is_file():
        raise ConfigurationError(
            f"there is no diffusers pipeline in {folder}: expected a local folder with model_index.json, as "
            "save_pretrained makes it; nothing is downloaded"
        )
    with refused(f"{folder} is no diffusers pipeline of pixels"):
        index, settings, sizes = (
            json.loads((folder / name).read_text("utf-8"))
            for name in ("model_index.json", "scheduler/scheduler_config.json", "unet/config.json")
        )
        kind, network = index["_class_name"], index["unet"][1]
        side, classes = sizes["sample_size"], sizes.get("num_class_embeds") or sizes.get("class_embed_type")
        levels, channels = settings["num_train_timesteps"], sizes["in_channels"]
    if kind not in KINDS or network != "UNet2DModel":
        raise ConfigurationError(f"{folder} is a {kind} with {network}: expected {' or '.join(KINDS)} with UNet2DModel")
    if not all(isinstance(each, int) for each in (levels, channels, side)) or classes:
        raise ConfigurationError(
            f"{folder} makes pictures of classes, or no squares: expected an unconditional pipeline"
        )
    if sizes.get("out_channels") != channels:
        raise ConfigurationError(
            f"{folder} says {sizes.get('out_channels')} numbers per pixel of {channels} colours: expected as many, "
            "not a learned variance beside them"
        )
    return settings, sizes
