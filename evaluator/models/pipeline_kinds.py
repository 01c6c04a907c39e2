"""The kinds of diffusers pipelines that can be used, and the parts of each by name."""

from __future__ import annotations

CLASSES, TEXT, TEXT_XL = "DiTPipeline", "StableDiffusionPipeline", "StableDiffusionXLPipeline"
OF_PROMPTS = (TEXT, TEXT_XL)

WORDS = ("CLIPTokenizer", "CLIPTokenizerFast")
OF_TEXT = {
    "unet": ("UNet2DConditionModel",),
    "vae": ("AutoencoderKL",),
    "text_encoder": ("CLIPTextModel",),
    "tokenizer": WORDS,
}
KINDS: dict[str, dict[str, tuple[str, ...]]] = {
    "DDPMPipeline": {"unet": ("UNet2DModel",)},
    "DDIMPipeline": {"unet": ("UNet2DModel",)},
    "LDMPipeline": {"unet": ("UNet2DModel",), "vqvae": ("VQModel",)},
    CLASSES: {"transformer": ("DiTTransformer2DModel", "Transformer2DModel"), "vae": ("AutoencoderKL",)},
    TEXT: OF_TEXT,
    TEXT_XL: {**OF_TEXT, "text_encoder_2": ("CLIPTextModelWithProjection",), "tokenizer_2": WORDS},
}
"""Of each kind the parts: first the network that takes noise away, then the autoencoder between pixels and latents,
if there is one. Of each part what it may be called; what is loaded is the first."""


def of_transformers(part: str) -> bool:
    """Whether transformers, not diffusers, makes the part: encoders of text and their tokenizers."""
    return part.startswith(("text_encoder", "tokenizer"))
