"""A pretrained diffusers pipeline out of a local folder, as it is or trained further; nothing is ever downloaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluator.models import prompts as prompting
from evaluator.models.base import Rows, Weights, checked_bias, kept_rows
from evaluator.models.ddpm_mlp import LEAST_GUIDED
from evaluator.models.denoising import Denoiser
from evaluator.models.labels import Labels, parted
from evaluator.models.latent import LatentSpace
from evaluator.models.pictures import check_device, check_machine, folded, source_on, unfolded
from evaluator.models.pipeline_folder import PipelineFolder, described
from evaluator.models.pipeline_kinds import FLOWS, FLUX
from evaluator.models.pipeline_parts import as_of_pictures, check_packages, loaded, renewed
from evaluator.models.weights import one, part, prefixed, taken
from evaluator.row_parts import RowParts, blocks
from evaluator.threads import one_thread
from hygiene.errors import ConfigurationError

if TYPE_CHECKING:
    import torch


@dataclass
class Pipeline:
    """A diffusers pipeline as its `save_pretrained` leaves it, of one of these kinds.

    DDPMPipeline, DDIMPipeline  of pixels, unconditional
    LDMPipeline                 of latents, unconditional
    DiTPipeline                 of latents, of numbered classes (Peebles and Xie 2023)
    StableDiffusionPipeline     of latents, of prompts (Rombach et al. 2022); its safety checker is not loaded
    StableDiffusionXLPipeline   of latents, of prompts (Podell et al. 2023); its samples bear no watermark of its own
    StableDiffusion3Pipeline    of latents, of prompts, by flow matching (Esser et al. 2024), with T5 or without
    FluxPipeline                of latents, of prompts, by flow matching (FLUX.1, Black Forest Labs 2024)
    PixArtSigmaPipeline         of latents, of prompts (Chen et al. 2024), of one size

    Samples by DDIM with the pipeline's noise schedule, by flow matching with Euler's steps; `clip_sample` is as in its
    folder, but pictures are neither clipped nor rounded to bytes afterwards. Autoencoder and text encoders stay as they
    are.

    Sampling bias. With prompts or classes λ is classifier-free guidance w = 1/λ − 1 (Ho and Salimans 2022),
    diffusers' guidance_scale = 1 + w = 1/λ, λ ≥ .05; else it scales the variance of all the noise that sampling draws.
    FLUX that was taught guidance (`guidance_embeds`, FLUX.1 [dev]) is told 1/λ instead, in training 1. New weights, and
    FLUX that was not taught it, are guided as the others once they were trained here; before that λ must be 1.

    path          the folder: model_index.json, scheduler, and the parts with their weights as safetensors
    steps         of sampling; eta: 0 deterministic from the noise on, as flow matching always is, 1 ancestral
    fit_steps     of training in every generation; 0: a frozen generator that learns nothing from the loop
    scratch       train new weights in the network's architecture instead of its own ones further
    batch, rate   of training; rate: learning rate of Adam
    black, white  the numbers of the rows that the pipeline's −1 and 1 stand for
    device        cpu (one thread, float32) or cuda (the network in bfloat16, compiled)
    labels        classes that rows bring along as their last number; 0: samples are of all prompts, equally often
    prompts       what each class is made from, in the order of labels: a list, or a text file of one per line. Of a
                  DiTPipeline its classes' names or numbers; without them label 0 is its class 0, and so on
    size          of the pictures' side in pixels, of a pipeline of prompts but PixArt's; 0: as it makes them by itself
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
    labels: int = 0
    prompts: list[str] | str = ""
    size: int = 0
    name: str = field(default="pipeline", init=False)
    shares: Rows = field(init=False, repr=False, compare=False)  # of each prompt in the samples, [prompts]
    _folder: PipelineFolder = field(init=False, repr=False, compare=False)
    _prompts: list[str] = field(init=False, repr=False, compare=False)
    _denoiser: Denoiser = field(init=False, repr=False, compare=False)
    _space: LatentSpace | None = field(init=False, repr=False, compare=False)
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
        self._folder = described(Path(self.path)).resized(self.size)
        self._check_steps()
        self._prompts = prompting.asked(self._folder, self.prompts, self.labels)
        if self.fit_steps and not self.labels and len(self._prompts) > 1:
            raise ConfigurationError(
                f"fit_steps with {len(self._prompts)} prompts, and nothing says of which a row is: give labels, or one"
            )

    def fit(self, samples: Rows, rng: np.random.Generator, start: Weights | None = None) -> None:
        """Train on `samples` [n, height · width · colours], n ≥ 2, for `fit_steps`; on from `start`.

        With labels the samples have one number more.
        """
        rows, labels = parted(kept_rows(samples, at_least=2), self.labels)
        self._check_rows(rows.shape[1])
        self._check_machine()
        network = part(start or {}, "network")
        with one_thread():
            source = source_on(self.device, rng)
            self.shares = self._shares(labels)
            new = self.scratch and not network
            self._set(renewed(self._folder, source) if new else self._pretrained())
            if network:
                self._denoiser.take(network)
            self._own = bool(network or self.fit_steps)
            if self.fit_steps:
                self._learn(rows, labels, source)

    def weights(self) -> Weights:
        """Of a pipeline that was never trained only the classes' shares: the others lie in its folder."""
        shares = {"classes": {"shares": self.shares}} if self.labels else {}
        return prefixed(**shares, **({"network": taken(self._denoiser.network)} if self._own else {}))

    def restore(self, weights: Weights) -> None:
        self._check_machine()
        from torch import Generator

        network = part(weights, "network")
        self.shares = one(weights, "classes.shares") if self.labels else self._shares(np.zeros(0, dtype=np.int64))
        self._own = bool(network or self.fit_steps)
        self._set(renewed(self._folder, Generator()) if self._own else self._pretrained())
        if self._own:
            self._denoiser.take(network)

    def sample(self, n: int, sampling_bias: float, rng: np.random.Generator) -> Rows:
        """`n` draws [n, height · width · colours], with labels and one number more."""
        rows = np.empty((n, self._folder.numbers + bool(self.labels)))
        self.sample_into(rows, sampling_bias, rng)
        return rows

    def sample_into(self, rows: Rows, sampling_bias: float, rng: np.random.Generator) -> None:
        """Fill `rows` [n, height · width · colours], with labels and one number more, with draws."""
        import torch

        bias, source = checked_bias(sampling_bias), source_on(self.device, rng)
        if self._prompts and bias < LEAST_GUIDED:
            raise ConfigurationError(f"sampling_bias is {bias}, guidance takes λ from {LEAST_GUIDED} to 1")
        self._check_guidance(bias)
        chosen = rng.choice(len(self.shares), len(rows), p=self.shares)
        if self.labels:
            rows[:, -1] = chosen
        with one_thread(), torch.inference_mode():
            start, classes = 0, torch.from_numpy(chosen)
            for pictures in self._denoiser.samples(classes, bias, self.steps, self.eta, source):
                rows[start : start + len(pictures), : self._folder.numbers] = self._outward(pictures)
                start += len(pictures)

    def files(self) -> dict[str, Path]:
        """The pipeline's own, and that of the prompts, if they are in one."""
        named = [Path(self.prompts)] if self.prompts and isinstance(self.prompts, str) else []
        return {str(path): path for path in [*self._folder.files, *named]}

    def _learn(self, rows: Rows | RowParts, labels: Labels, source: torch.Generator) -> None:
        from torch import cat, from_numpy

        space = self._space
        pictures = (self._inward(block) for block in blocks(rows))
        shown = cat([space.moments(some) if space else some for some in pictures])
        drawn = space.drawn if space else None
        self._denoiser.learn(shown, from_numpy(labels), self.fit_steps, self.batch, self.rate, source, drawn)

    def _outward(self, pictures: torch.Tensor) -> Rows:
        """Rows of pixels −1..1, or of latents that stand for them."""
        if self._space:
            pictures = self._space.pictures(pictures, self._folder.side)
        shares = (unfolded(pictures).numpy().astype(np.float64) + 1) / 2
        rows: Rows = self.black + (self.white - self.black) * shares
        return rows

    def _inward(self, rows: Rows) -> torch.Tensor:
        """Pixels from black..white to −1..1, [n, colours, height, width]."""
        from torch import from_numpy

        shares = (rows - self.black) / (self.white - self.black)
        return folded(from_numpy((2 * shares - 1).astype(np.float32)), self._folder.colours, self._folder.side)

    def _shares(self, labels: Labels) -> Rows:
        """Of the labels where rows have some, else of all prompts the same."""
        if self.labels:
            return np.bincount(labels, minlength=self.labels) / len(labels)
        count = max(len(self._prompts), 1)
        return np.full(count, 1 / count)

    def _check_steps(self) -> None:
        levels = self._folder.settings["num_train_timesteps"]
        if self.steps > levels:
            raise ConfigurationError(f"steps is {self.steps}, {self.path} has {levels} noise levels: take no more")
        if self.eta and self._folder.kind in FLOWS:
            raise ConfigurationError(f"eta is {self.eta}, {self.path} samples without fresh noise: expected 0")

    def _check_guidance(self, bias: float) -> None:
        if bias != 1 and self._folder.kind == FLUX and not (self._embedded or self._own):
            raise ConfigurationError(
                f"sampling_bias is {bias}, {self.path} was taught no guidance (guidance_embeds is false): expected 1, "
                "or fit_steps, in which it also learns without its prompts"
            )

    @property
    def _embedded(self) -> bool:
        """Whether the network was taught guidance, which new weights were not."""
        return self._folder.embeds_guidance and not self.scratch

    def _check_rows(self, d: int) -> None:
        colours, side = self._folder.colours, self._folder.side
        if d != self._folder.numbers:
            raise ConfigurationError(
                f"{self.path} makes pictures of {side} × {side} × {colours}, got rows of {d} numbers"
            )

    def _check_machine(self) -> None:
        check_packages(self._folder)
        check_machine(self.device)

    def _pretrained(self) -> Any:
        return loaded(self._folder, self._folder.network)

    def _set(self, network: Any) -> None:
        """Put the parts together, the network that takes noise away being `network`."""
        folder, device = self._folder, self.device
        told = prompting.conditions(folder, self._prompts, device)
        network = as_of_pictures(folder, network).eval().to(device)
        self._denoiser = Denoiser(network, folder.noise, device, told, self._embedded)
        coder = folder.autoencoder
        self._space = LatentSpace(loaded(folder, coder).to(device), device) if coder else None
