"""The space between pixels and a latent diffusion model: a frozen autoencoder (Rombach et al. 2022, section 3.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

AT_ONCE = 2**20  # pixels, as a picture in a decoder takes several hundred numbers for each


@dataclass(frozen=True)
class LatentSpace:
    """diffusers' `AutoencoderKL` or `VQModel` on its device, in float32: bfloat16 would round pixels to some bits.

    Latents lose its `shift_factor`, if it has one, and are multiplied by its `scaling_factor`, so that they have about
    the mean and variance of noise. Decoded pixels are not clipped to −1..1, which diffusers' pipelines do before they
    write pictures: that would be a sampling bias.
    """

    coder: Any
    device: str

    def moments(self, pictures: torch.Tensor) -> torch.Tensor:
        """Mean and deviation of the latents of pictures [n, colours, side, side], one after the other:
        [n, 2 · channels, side / 2^k, side / 2^k], on the CPU. A `VQModel` has no deviation."""
        import torch

        def encoded(some: torch.Tensor) -> torch.Tensor:
            said = self.coder.encode(some)
            if hasattr(said, "latents"):
                return torch.cat([said.latents, torch.zeros_like(said.latents)], dim=1)
            return torch.cat([said.latent_dist.mean, said.latent_dist.std], dim=1)

        return self._in_parts(encoded, pictures, pictures.shape[-1])

    def drawn(self, moments: torch.Tensor, source: torch.Generator) -> torch.Tensor:
        """Latents [n, channels, ...] with these moments, scaled; the noise is from `source`."""
        import torch

        mean, deviation = moments.chunk(2, dim=1)
        noise = torch.randn(mean.shape, generator=source, device=self.device)
        latents: torch.Tensor = (mean + deviation * noise - self._shift) * self.coder.config.scaling_factor
        return latents

    def pictures(self, latents: torch.Tensor, side: int) -> torch.Tensor:
        """Pictures [n, colours, side, side] of scaled latents, on the CPU."""

        def decoded(some: torch.Tensor) -> torch.Tensor:
            pictures: torch.Tensor = self.coder.decode(some / self.coder.config.scaling_factor + self._shift).sample
            return pictures

        return self._in_parts(decoded, latents, side)

    @property
    def _shift(self) -> float:
        return self.coder.config.get("shift_factor") or 0.0

    def _in_parts(self, change: Callable[[torch.Tensor], torch.Tensor], whole: torch.Tensor, side: int) -> torch.Tensor:
        """As many pictures of `side` pixels at once as memory has room for."""
        import torch

        with torch.inference_mode():
            parts = torch.split(whole, max(1, AT_ONCE // side**2))
            return torch.cat([change(part.to(self.device)).cpu() for part in parts])
