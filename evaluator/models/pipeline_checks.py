"""What a pipeline's folder may say of its parts to be used here; refuses the rest in a line each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evaluator.models.pipeline_kinds import CLASSES, FLOWS, FLUX, KINDS, PATCH, PIXART, TEXT_3, TEXT_XL
from evaluator.models.pipeline_weights import variant_of
from hygiene.errors import ConfigurationError

PREDICTIONS = ("epsilon", "v_prediction", "sample")
CONSISTENT = ("LCMScheduler", "TCDScheduler")  # Luo et al. 2023 (arXiv:2310.04378), Zheng et al. 2024 (2402.19159)
OTHER_FLOWS = ("stochastic_sampling", "invert_sigmas")
OTHER_SIGMAS = {TEXT_3: "use_dynamic_shifting", FLUX: "use_flow_sigmas"}
"""What makes a scheduler's σ others than those that a kind is sampled with here."""

TOLD_MORE = ("num_class_embeds", "class_embed_type", "addition_embed_type", "encoder_hid_dim", "time_cond_proj_dim")
TOLD: dict[str, dict[str, str]] = {TEXT_XL: {"addition_embed_type": "text_time"}}
"""What a network of a kind is told beside the time and hidden states of words: of TOLD_MORE the only one allowed."""

PIXART_TOLD = 128  # pixels of the latents of which PixArt's networks are told the size unless they say otherwise


def check_parts(path: Path, kind: str, index: dict[str, Any]) -> None:
    """Refuse parts of other classes than those of the kind, and parts without weights that can be read."""
    for name, classes in KINDS[kind].items():
        said = index.get(name)
        found = said[1] if isinstance(said, list) and len(said) == 2 else None
        if found not in classes:
            known = " or ".join(map(str, classes))
            raise ConfigurationError(f"{path} is a {kind} with {found} as its {name}: expected {known}")
        if found and not name.startswith("tokenizer"):
            variant_of(path, name)


def check_scheduler(path: Path, kind: str, settings: dict[str, Any]) -> None:
    """Refuse noise that sampling does not know."""
    if kind in FLOWS:
        _check_flow(path, kind, settings)
    elif settings.get("_class_name") in CONSISTENT:
        raise ConfigurationError(
            f"{path} has the scheduler {settings['_class_name']}, of a consistency model: its few steps are not those "
            "that are sampled here, by DDIM: expected a diffusion model with the scheduler that it was trained with"
        )
    elif "beta_schedule" not in settings or settings.get("prediction_type", PREDICTIONS[0]) not in PREDICTIONS:
        raise ConfigurationError(
            f"{path} has the scheduler {settings.get('_class_name')}: expected one with a beta_schedule and a "
            f"prediction_type of {', '.join(PREDICTIONS)}"
        )


def _check_flow(path: Path, kind: str, settings: dict[str, Any]) -> None:
    others = (OTHER_SIGMAS[kind], *OTHER_FLOWS)
    name, more = settings.get("_class_name"), [each for each in others if settings.get(each)]
    if name != "FlowMatchEulerDiscreteScheduler" or more:
        raise ConfigurationError(
            f"{path} has the scheduler {name}{' with ' if more else ''}{', '.join(more)}: expected a "
            f"FlowMatchEulerDiscreteScheduler without {', '.join(others)}"
        )


def check_numbers(
    path: Path, kind: str, settings: dict[str, Any], sizes: dict[str, Any], coder: dict[str, Any] | None
) -> None:
    """Refuse sizes that are missing, or of pictures that are not square."""
    numbers = {"num_train_timesteps": settings.get("num_train_timesteps")}
    numbers |= {name: sizes.get(name) for name in ("sample_size", "in_channels", *_more_numbers(kind))}
    if coder is not None:
        numbers |= {f"the autoencoder's {name}": coder.get(name) for name in ("in_channels", "latent_channels")}
        blocks = coder.get("block_out_channels")
        numbers["the autoencoder's block_out_channels"] = len(blocks) if isinstance(blocks, list) else blocks
    for name, number in numbers.items():
        if not isinstance(number, int) or number < 1:
            raise ConfigurationError(
                f"{path} says that {name} is {number!r}: expected a whole number, of square pictures"
            )


def _more_numbers(kind: str) -> tuple[str, ...]:
    """Those that networks of a kind need beside the sizes of their pictures."""
    return {
        CLASSES: ("num_embeds_ada_norm",),
        TEXT_XL: ("addition_time_embed_dim", "projection_class_embeddings_input_dim"),
        TEXT_3: ("patch_size", "pos_embed_max_size", "joint_attention_dim", "pooled_projection_dim"),
        FLUX: ("joint_attention_dim", "pooled_projection_dim"),
        PIXART: ("caption_channels",),
    }.get(kind, ())


def check_fit(path: Path, kind: str, sizes: dict[str, Any], coder: dict[str, Any] | None) -> None:
    """Refuse parts that do not fit each other, and networks that want to be told what their pipeline does not say."""
    for name in TOLD_MORE:
        found, expected = sizes.get(name) or None, TOLD.get(kind, {}).get(name)
        if found != expected:
            raise ConfigurationError(
                f"{path} has a network with {name} = {found!r}: expected {expected!r}: a {kind} tells its "
                "network that much and no more"
            )
    channels = sizes["in_channels"]
    out = sizes.get("out_channels") or channels
    if out != channels and not (kind in (CLASSES, PIXART) and out == 2 * channels):
        raise ConfigurationError(
            f"{path} says {out} numbers per pixel of {channels} colours: expected as many, "
            "not a learned variance beside them"
        )
    asked = sizes.get("use_additional_conditions")
    if kind == PIXART and (asked or (asked is None and sizes["sample_size"] == PIXART_TOLD)):
        raise ConfigurationError(
            f"{path} has a network with use_additional_conditions = {asked!r}: expected False: a {kind} does not tell "
            "its network the size of its pictures"
        )
    if kind == FLUX and sizes.get("patch_size", 1) != 1:
        raise ConfigurationError(f"{path} has a network with patch_size = {sizes['patch_size']!r}: expected 1")
    if coder:
        _check_coder(path, channels, coder, PATCH**2 if kind == FLUX else 1)


def _check_coder(path: Path, channels: int, coder: dict[str, Any], patch: int) -> None:
    """patch: numbers of a latent's channel that the network takes as channels of their own."""
    if (patch * coder["latent_channels"], coder.get("out_channels")) != (channels, coder["in_channels"]):
        raise ConfigurationError(
            f"{path} has a network of {channels} channels and an autoencoder of {coder['latent_channels']} "
            f"for {coder['in_channels']} colours in and {coder.get('out_channels')} out: expected as many each"
            + (f", of the network {patch} times as many" if patch > 1 else "")
        )
    if coder.get("latents_mean") is not None or coder.get("latents_std") is not None:
        raise ConfigurationError(f"{path} has an autoencoder with latents_mean and latents_std: expected neither")
