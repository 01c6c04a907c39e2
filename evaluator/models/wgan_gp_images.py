"""The WGAN-GP of pictures: convolutions that halve them for the critic, and double them for the generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evaluator.models.pictures import check_device, check_machine, new_network, square_side
from evaluator.models.wgan_gp import Wasserstein
from hygiene.errors import ConfigurationError

if TYPE_CHECKING:
    import torch
    from torch.nn import Module


@dataclass
class WganGpImages(Wasserstein):
    """WGAN-GP of square pictures; at 28 × 28, with width 64, kernel 5 and not smooth, the networks of Gulrajani et al.
    2017 for MNIST (github.com/igul222/improved_wgan_training, gan_mnist.py), without the sigmoid behind the generator.

    Rows [n, channels · side²] are read as side × side × channels. Nothing is clipped to 0..1. Sampling bias: the
    latent is drawn from N(0, λI).

    channels  colours of one pixel
    width     channels of the critic's first layer; every layer has twice as many as the one before
    kernel    pixels of a convolution's side, odd
    smooth    SiLU behind every layer, whose slope the penalty can shape; the paper's rectifiers if not
    device    cpu (one thread) or cuda; the rest as in Wasserstein
    """

    width: int = 16
    steps: int = 1500
    critic_steps: int = 1
    rate: float = 1.6e-2
    channels: int = 1
    kernel: int = 3
    smooth: bool = True
    device: str = "cpu"
    name: str = field(default="wgan_gp_images", init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels < 1 or self.kernel < 3 or self.kernel % 2 == 0:
            raise ConfigurationError(f"{self!r}: expected channels ≥ 1 and an odd kernel ≥ 3")
        check_device(self.device)

    def _networks(self, d: int, sources: Sequence[torch.Generator]) -> tuple[Module, Module]:
        from evaluator.models.wgan_gp_networks import critic, generator

        check_machine(self.device)
        side = square_side(d, self.channels)
        shape = self.width, self.channels, side, self.kernel, self.smooth
        (source,) = sources  # convolutions have no members
        return new_network(source, lambda: (generator(self.latent, *shape), critic(*shape)))
