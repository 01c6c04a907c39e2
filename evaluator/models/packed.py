"""FLUX's network as those of the other kinds: it takes pictures of latents, and gives such."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from torch import Tensor, nn

from evaluator.models.pipeline_kinds import PATCH

TIMES = 1000  # FluxPipeline's, whatever the scheduler's levels: it tells the network times / 1000


class Packed(nn.Module):
    """Pictures [n, channels, side, side] go to diffusers' `FluxTransformer2DModel` as patches with the place of each,
    [n, side² / 4, 4 · channels], and what it says of these comes back as pictures.

    side  of the pictures, even
    """

    def __init__(self, transformer: Any, side: int) -> None:
        super().__init__()
        self.transformer = transformer
        self.config = SimpleNamespace(sample_size=side, in_channels=transformer.config.in_channels // PATCH**2)
        places = torch.cartesian_prod(torch.zeros(1), *[torch.arange(float(side // PATCH))] * 2)
        self.places: Tensor  # [patches, 3]: 0, row, column
        self.register_buffer("places", places, persistent=False)

    def forward(
        self,
        pictures: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        pooled_projections: Tensor,
        guidance: Tensor | None = None,
    ) -> Any:
        """guidance [n]: the scale that each answer is to have, of a network that is told one; None: 1, no guidance."""
        if guidance is None and self.transformer.config.guidance_embeds:
            guidance = torch.ones_like(timestep)
        said = self.transformer(
            hidden_states=packed(pictures),
            timestep=timestep / TIMES,
            guidance=guidance,
            pooled_projections=pooled_projections,
            encoder_hidden_states=encoder_hidden_states,
            txt_ids=self.places.new_zeros(encoder_hidden_states.shape[1], 3),
            img_ids=self.places,
        ).sample
        return Transformer2DModelOutput(sample=unpacked(said, pictures.shape[-1]))


def packed(pictures: Tensor) -> Tensor:
    """[n, channels, side, side] -> [n, patches, channels · 4]; the four pixels of a patch line by line."""
    n, channels, side, _ = pictures.shape
    parts = pictures.reshape(n, channels, side // PATCH, PATCH, side // PATCH, PATCH)
    return parts.permute(0, 2, 4, 1, 3, 5).reshape(n, -1, channels * PATCH**2)


def unpacked(patches: Tensor, side: int) -> Tensor:
    """[n, patches, channels · 4] -> [n, channels, side, side]: undoes `packed`."""
    n, _, numbers = patches.shape
    parts = patches.reshape(n, side // PATCH, side // PATCH, numbers // PATCH**2, PATCH, PATCH)
    return parts.permute(0, 3, 1, 4, 2, 5).reshape(n, -1, side, side)
