"""The kinds of diffusers pipelines that can be used, and the parts of each by name."""

from __future__ import annotations

CLASSES, TEXT, TEXT_XL = "DiTPipeline", "StableDiffusionPipeline", "StableDiffusionXLPipeline"
TEXT_3, FLUX = "StableDiffusion3Pipeline", "FluxPipeline"
PIXART = "PixArtSigmaPipeline"
RESIZED = (TEXT, TEXT_XL, TEXT_3, FLUX)
"""Those that make pictures of more than one size; PixArt's networks are each trained for one."""
OF_PROMPTS = (*RESIZED, PIXART)
FLOWS = (TEXT_3, FLUX)
"""Those whose noise is `evaluator.models.noise.Flow`; that of the others is `Diffusion`."""
PATCH = 2  # pixels along one side of those latents that FLUX's network takes as one

PROJECTED = ("CLIPTextModelWithProjection",)
WORDS = ("CLIPTokenizer", "CLIPTokenizerFast")
T5 = "T5EncoderModel"
PIECES = ("T5TokenizerFast", "T5Tokenizer")
OF_TEXT: dict[str, tuple[str | None, ...]] = {
    "unet": ("UNet2DConditionModel",),
    "vae": ("AutoencoderKL",),
    "text_encoder": ("CLIPTextModel",),
    "tokenizer": WORDS,
}
KINDS: dict[str, dict[str, tuple[str | None, ...]]] = {
    "DDPMPipeline": {"unet": ("UNet2DModel",)},
    "DDIMPipeline": {"unet": ("UNet2DModel",)},
    "LDMPipeline": {"unet": ("UNet2DModel",), "vqvae": ("VQModel",)},
    CLASSES: {"transformer": ("DiTTransformer2DModel", "Transformer2DModel"), "vae": ("AutoencoderKL",)},
    TEXT: OF_TEXT,
    TEXT_XL: {**OF_TEXT, "text_encoder_2": PROJECTED, "tokenizer_2": WORDS},
    TEXT_3: {
        "transformer": ("SD3Transformer2DModel",),
        "vae": ("AutoencoderKL",),
        "text_encoder": PROJECTED,
        "tokenizer": WORDS,
        "text_encoder_2": PROJECTED,
        "tokenizer_2": WORDS,
        "text_encoder_3": (T5, None),
        "tokenizer_3": (*PIECES, None),
    },
    FLUX: {
        "transformer": ("FluxTransformer2DModel",),
        "vae": ("AutoencoderKL",),
        "text_encoder": ("CLIPTextModel",),
        "tokenizer": WORDS,
        "text_encoder_2": (T5,),
        "tokenizer_2": PIECES,
    },
    PIXART: {
        "transformer": ("PixArtTransformer2DModel", "Transformer2DModel"),
        "vae": ("AutoencoderKL",),
        "text_encoder": (T5,),
        "tokenizer": PIECES,
    },
}
"""Of each kind the parts: first the network that takes noise away, then the autoencoder between pixels and latents,
if there is one. Of each part what it may be called; what is loaded is the first. None: it may be left out."""


def of_transformers(part: str) -> bool:
    """Whether transformers, not diffusers, makes the part: encoders of text and their tokenizers."""
    return part.startswith(("text_encoder", "tokenizer"))
