"""StyleGAN2: pictures out of styles, from 8 pixels on a CPU to 256 on a GPU."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from evaluator.models.base import Rows, Weights, checked_bias, kept_rows
from evaluator.models.pictures import (
    check_device,
    check_machine,
    folded,
    precision,
    source_on,
    square_side,
    unfolded,
)
from evaluator.models.weights import given, part, prefixed, taken
from evaluator.row_parts import RowParts
from evaluator.threads import one_thread
from hygiene.errors import ConfigurationError

if TYPE_CHECKING:
    import torch

    from evaluator.models.stacked import Scale
    from evaluator.models.stylegan2_losses import PathLength
    from evaluator.models.stylegan2_networks import Discriminator, Generator

MOMENTS = (0.0, 0.99)  # of Adam
R1_EVERY, PATH_EVERY = 16, 4  # batches between lazy regularisations
CENTRE_OF = 10_000  # latents that the mean of w is taken over
AT_ONCE = 256  # images sampled in one batch


@dataclass
class StyleGan2:
    """StyleGAN2 (Karras et al. 2020, arXiv:1912.04958), unconditional, without augmentation.

    Rows [n, channels · side²] are read as side × side × channels; the side is 2 to 7 pixels doubled any number of
    times. The running mean of the generator's weights samples. Nothing is clipped to 0..1.

    Sampling bias: λ is the truncation ψ, w' = w̄ + λ(w − w̄) around the mean w̄ of all w (Karras et al. 2019,
    arXiv:1812.04948, §B); the noise inputs stay as they are.

    channels       colours of one pixel
    latent, depth  numbers of z and w, layers from one to the other
    mapping_rate   how fast these layers learn beside all others; the paper's .01 is for long trainings
    width, full    channels of a layer up to `full` pixels, half as many with every doubling above; the paper's full: 32
    steps, batch   of training; rate: learning rate of Adam, for pictures of few pixels trained for short; the paper's
                   is .002
    gamma          weight of R1; Karras et al. 2020 (arXiv:2006.06676, §C) take .0002 · side² / batch
    mixing         share of the training's generated pictures whose styles come of two latents; the paper's .9 costs
                   quality where few layers are trained for short
    device         cpu (one thread, float32) or cuda (bfloat16 but for the regularisations)
    """

    channels: int = 1
    latent: int = 32
    depth: int = 2
    mapping_rate: float = 0.1
    width: int = 32
    full: int = 4
    steps: int = 2000
    batch: int = 64
    rate: float = 3e-2
    gamma: float = 1.0
    mixing: float = 0.0
    device: str = "cpu"
    name: str = field(default="stylegan2", init=False)
    _scale: Scale = field(init=False, repr=False, compare=False)
    _side: int = field(init=False, repr=False, compare=False)
    _generator: Generator = field(init=False, repr=False, compare=False)
    _discriminator: Discriminator = field(init=False, repr=False, compare=False)
    _centre: torch.Tensor = field(init=False, repr=False, compare=False)  # [1, latent]

    def __post_init__(self) -> None:
        whole = (self.channels, self.latent, self.depth, self.width, self.full, self.steps, self.batch)
        if min(whole) < 1 or min(self.rate, self.mapping_rate, self.gamma) <= 0:
            raise ConfigurationError(f"{self!r}: expected whole numbers ≥ 1, rate, mapping_rate and gamma > 0")
        if not 0 <= self.mixing <= 1:
            raise ConfigurationError(f"{self!r}: expected mixing from 0 to 1")
        check_device(self.device)

    def fit(self, samples: Rows, rng: np.random.Generator, start: Weights | None = None) -> None:
        """Train on `samples` [n, channels · side²], n ≥ 2; on from `start`, both networks of it."""
        rows = kept_rows(samples, at_least=2)
        self._side = self._checked_side(rows.shape[1])
        check_machine(self.device)
        from evaluator.models.stacked import Scale

        with one_thread():
            source = source_on(self.device, rng)
            if start is None:
                self._scale = Scale(rows)
                self._make(source)
            else:
                self.restore(start)
            self._compete(rows, source)
            self._find_centre()

    def _make(self, source: torch.Generator) -> None:
        """Two untrained networks."""
        from evaluator.models.stylegan2_networks import Discriminator, Generator, Mapping, Synthesis, Widths

        widths = Widths(self.width, self.full)
        mapping = Mapping(self.latent, self.depth, self.mapping_rate, source)
        self._generator = Generator(mapping, Synthesis(self.latent, widths, self.channels, self._side, source))
        self._discriminator = Discriminator(widths, self.channels, self._side, source)

    def _find_centre(self) -> None:
        """The mean of w, over latents that are the same at every call."""
        import torch

        with torch.inference_mode():
            source = source_on(self.device, np.random.default_rng(0))
            self._centre = self._generator.styles(CENTRE_OF, source).mean(dim=0)

    def weights(self) -> Weights:
        networks = {"generator": taken(self._generator), "discriminator": taken(self._discriminator)}
        return prefixed(scale=self._scale.weights(), **networks)

    def restore(self, weights: Weights) -> None:
        from evaluator.models.stacked import Scale

        check_machine(self.device)
        self._scale = Scale.restored(part(weights, "scale"))
        self._side = self._checked_side(self._scale.mean.size)
        self._make(source_on(self.device, np.random.default_rng(0)))
        given(self._generator, part(weights, "generator"))
        given(self._discriminator, part(weights, "discriminator"))
        with one_thread():
            self._find_centre()

    def _checked_side(self, d: int) -> int:
        from evaluator.models.stylegan2_networks import sides

        side = square_side(d, self.channels)
        if not sides(side):
            raise ConfigurationError(
                f"pictures of side {side} do not grow out of 2 to 7 pixels by doubling: resize them"
            )
        return side

    def _compete(self, rows: Rows | RowParts, source: torch.Generator) -> None:
        """Discriminator and generator in turns, each regularised once in a while (§3.1)."""
        import torch

        from evaluator.models.stacked import train
        from evaluator.models.stylegan2_losses import PathLength

        optimiser = torch.optim.Adam(self._discriminator.parameters(), lr=self.rate, betas=MOMENTS, fused=True)
        lengths, turns, pictures = PathLength(), itertools.count(), self._batches(rows, source)

        def loss() -> torch.Tensor:
            turn = next(turns)
            optimiser.zero_grad()
            torch.autograd.backward(self._judgement(next(pictures), turn, source))
            optimiser.step()
            return self._persuasion(lengths, turn, source)

        train(self._generator, loss, self.steps, self.rate, MOMENTS)

    def _batches(self, rows: Rows | RowParts, source: torch.Generator) -> Iterator[torch.Tensor]:
        """Pictures [batch, channels, side, side] of rows [n, d], with replacement, on the device; endless."""
        import torch

        inward = self._scale.inward_on(self.device)
        here = source if self.device == "cpu" else torch.Generator().manual_seed(source.initial_seed())
        while True:  # rows lie in main memory: to ask a GPU which ones would be to wait for it
            chosen = torch.randint(len(rows), (self.batch,), generator=here)
            yield folded(inward(rows[chosen.numpy()]), self.channels, self._side)

    def _judgement(self, real: torch.Tensor, turn: int, source: torch.Generator) -> torch.Tensor:
        """What the discriminator minimises."""
        import torch

        from evaluator.models.stylegan2_losses import discriminator_loss, r1

        with precision(self.device):
            with torch.no_grad():
                fake = self._generator(self.batch, source, self.mixing)
            loss = discriminator_loss(self._discriminator(real), self._discriminator(fake))
        if turn % R1_EVERY:
            return loss
        return loss + R1_EVERY * self.gamma / 2 * r1(self._discriminator, real)

    def _persuasion(self, lengths: PathLength, turn: int, source: torch.Generator) -> torch.Tensor:
        """What the generator minimises."""
        from evaluator.models.adversaries import fixed
        from evaluator.models.stylegan2_losses import generator_loss, path_weight

        with precision(self.device), fixed(self._discriminator):
            loss = generator_loss(self._discriminator(self._generator(self.batch, source, self.mixing)))
        if turn % PATH_EVERY:
            return loss
        w = self._generator.styles(max(1, self.batch // 2), source)
        uneven = lengths(self._generator.synthesis(w, source), w, source)
        return loss + PATH_EVERY * path_weight(self._side) * uneven

    def sample(self, n: int, sampling_bias: float, rng: np.random.Generator) -> Rows:
        """`n` draws [n, channels · side²]."""
        rows = np.empty((n, self._scale.mean.size))
        self.sample_into(rows, sampling_bias, rng)
        return rows

    def sample_into(self, rows: Rows, sampling_bias: float, rng: np.random.Generator) -> None:
        """Fill `rows` [n, channels · side²] with draws."""
        import torch

        bias, source = checked_bias(sampling_bias), source_on(self.device, rng)
        with one_thread(), torch.inference_mode(), precision(self.device):
            for start in range(0, len(rows), AT_ONCE):
                part = rows[start : start + AT_ONCE]
                part[:] = self._scale.outward(unfolded(self._drawn(len(part), bias, source)))

    def _drawn(self, n: int, bias: float, source: torch.Generator) -> torch.Tensor:
        """Pictures [n, channels, side, side], of w drawn towards their centre."""
        w = self._centre + bias * (self._generator.styles(n, source) - self._centre)
        pictures: torch.Tensor = self._generator.synthesis(w, source)
        return pictures.float().cpu()
