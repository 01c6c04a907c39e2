"""What a pipeline of prompts tells its network of a text: what its text encoders make of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evaluator.models.conditions import Told
from evaluator.models.pipeline_folder import PipelineFolder
from evaluator.models.pipeline_kinds import FLUX, PIXART, TEXT, TEXT_3, TEXT_XL
from evaluator.models.pipeline_parts import loaded, tokenizer
from evaluator.reading import refused
from hygiene.errors import ConfigurationError

if TYPE_CHECKING:
    import torch

T5_WORDS = 256
GUIDED_WORDS = 512  # of FLUX that is told its guidance; of that which is not, as FLUX.1 [schnell], 256 (its authors)
PIXART_WORDS = 300  # Chen et al. 2024, section 3.1 (arXiv:2403.04692)


def encoded(folder: PipelineFolder, prompts: list[str], device: str) -> Told:
    """The network's arguments for each of `prompts`, [prompts, ...] each. The last prompt is the empty one, and stands
    for no condition."""
    import torch

    with torch.no_grad():
        return MADE[folder.kind](folder, prompts, device)


def _stable_diffusion(folder: PipelineFolder, prompts: list[str], device: str) -> Told:
    hidden = _said(folder, "", prompts, device)[0]
    _check_width(folder, "cross_attention_dim", hidden.shape[-1])
    return {"encoder_hidden_states": hidden}


def _stable_diffusion_xl(folder: PipelineFolder, prompts: list[str], device: str) -> Told:
    """Both encoders' last hidden states but one, what the second says of the whole prompt, and the size of the pictures
    (Podell et al. 2023, sections 2.1 and 2.2): that they were scaled from, the corner they were cut at, and their own.
    """
    import torch

    first, second = (_said(folder, number, prompts, device) for number in ("", "_2"))
    with refused(f"{folder.path} has text encoders that do not fit each other"):
        hidden = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
    pooled, side = second[0].clone(), float(folder.side)
    if folder.index.get("force_zeros_for_empty_prompt", True):
        hidden[-1], pooled[-1] = 0, 0
    sizes = torch.tensor([side, side, 0, 0, side, side], device=device).repeat(len(prompts), 1)
    _check_width(folder, "cross_attention_dim", hidden.shape[-1])
    numbers = pooled.shape[-1] + sizes.shape[-1] * folder.sizes["addition_time_embed_dim"]
    _check_width(folder, "projection_class_embeddings_input_dim", numbers)
    return {"encoder_hidden_states": hidden, "added_cond_kwargs": {"text_embeds": pooled, "time_ids": sizes}}


def _stable_diffusion_3(folder: PipelineFolder, prompts: list[str], device: str) -> Told:
    """Both CLIP encoders' last hidden states but one, filled up with zeros to T5's width, then T5's, and what both say
    of the whole prompt (Esser et al. 2024, section 4)."""
    import torch

    first, second = (_said(folder, number, prompts, device) for number in ("", "_2"))
    t5 = _t5(folder, prompts, device)
    with refused(f"{folder.path} has text encoders that do not fit each other"):
        clip = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
        filled = torch.cat([clip, clip.new_zeros(*clip.shape[:2], t5.shape[-1] - clip.shape[-1])], dim=-1)
        hidden = torch.cat([filled, t5], dim=-2)
    pooled = torch.cat([first[0], second[0]], dim=-1)
    _check_width(folder, "joint_attention_dim", hidden.shape[-1])
    _check_width(folder, "pooled_projection_dim", pooled.shape[-1])
    return {"encoder_hidden_states": hidden, "pooled_projections": pooled}


def _flux(folder: PipelineFolder, prompts: list[str], device: str) -> Told:
    """What T5 says of each word, and CLIP of the whole prompt."""
    hidden = _said(folder, "_2", prompts, device, GUIDED_WORDS if folder.embeds_guidance else T5_WORDS)[0]
    pooled = _said(folder, "", prompts, device).pooler_output
    _check_width(folder, "joint_attention_dim", hidden.shape[-1])
    _check_width(folder, "pooled_projection_dim", pooled.shape[-1])
    return {"encoder_hidden_states": hidden, "pooled_projections": pooled}


def _pixart(folder: PipelineFolder, prompts: list[str], device: str) -> Told:
    """What T5 says of each word, in small letters as its pipeline has them, and which of them are words."""
    words = tokenizer(folder, "tokenizer")
    tokens = _tokens(folder, words, [prompt.lower().strip() for prompt in prompts], PIXART_WORDS).to(device)
    hidden = loaded(folder, "text_encoder").to(device)(tokens.input_ids, attention_mask=tokens.attention_mask)[0]
    _check_width(folder, "caption_channels", hidden.shape[-1])
    return {"encoder_hidden_states": hidden, "encoder_attention_mask": tokens.attention_mask}


MADE = {
    TEXT: _stable_diffusion,
    TEXT_XL: _stable_diffusion_xl,
    TEXT_3: _stable_diffusion_3,
    FLUX: _flux,
    PIXART: _pixart,
}


def _t5(folder: PipelineFolder, prompts: list[str], device: str) -> torch.Tensor:
    """What T5 says of each word, [prompts, 256, numbers]; of a folder without it zeros, as diffusers has them."""
    import torch

    if None in (folder.index.get("text_encoder_3") or [None]):
        return torch.zeros(len(prompts), T5_WORDS, folder.sizes["joint_attention_dim"], device=device)
    said: torch.Tensor = _said(folder, "_3", prompts, device, T5_WORDS)[0]
    return said


def _said(folder: PipelineFolder, number: str, prompts: list[str], device: str, most: int | None = None) -> Any:
    """All that one text encoder says of each of `prompts`, of at most so many words as it knows, or `most`."""
    words, encoder = tokenizer(folder, f"tokenizer{number}"), loaded(folder, f"text_encoder{number}").to(device)
    tokens = _tokens(folder, words, prompts, most or encoder.config.max_position_embeddings)
    return encoder(tokens.to(device).input_ids, output_hidden_states=True)


def _tokens(folder: PipelineFolder, words: Any, prompts: list[str], most: int) -> Any:
    """Numbers of each prompt's words, and which of them are any, [prompts, most] each; refuses what is longer."""
    for prompt in prompts:
        if (length := len(words(prompt).input_ids)) > most:
            raise ConfigurationError(
                f"the prompt {prompt[:40]!r} … has {length} tokens, {folder.path} reads {most}: make it shorter"
            )
    return words(prompts, padding="max_length", max_length=most, return_tensors="pt")


def _check_width(folder: PipelineFolder, name: str, found: int) -> None:
    """Refuse text encoders that say more or less than the network takes."""
    if found != (wanted := folder.sizes.get(name)):
        raise ConfigurationError(
            f"{folder.path} has text encoders that give {found} numbers, its network's {name} is {wanted}: "
            "expected as many"
        )
