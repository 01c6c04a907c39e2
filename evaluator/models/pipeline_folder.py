"""A diffusers pipeline in a local folder: what kind it is, and whether it can be used here. Only JSON is read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluator.reading import refused
from hygiene.errors import ConfigurationError

TEXT = "StableDiffusionPipeline"
CLASSES = "DiTPipeline"
KINDS: dict[str, dict[str, tuple[str, ...]]] = {
    "DDPMPipeline": {"unet": ("UNet2DModel",)},
    "DDIMPipeline": {"unet": ("UNet2DModel",)},
    "LDMPipeline": {"unet": ("UNet2DModel",), "vqvae": ("VQModel",)},
    CLASSES: {"transformer": ("DiTTransformer2DModel", "Transformer2DModel"), "vae": ("AutoencoderKL",)},
    TEXT: {
        "unet": ("UNet2DConditionModel",),
        "vae": ("AutoencoderKL",),
        "text_encoder": ("CLIPTextModel",),
        "tokenizer": ("CLIPTokenizer", "CLIPTokenizerFast"),
    },
}
"""Of each kind the parts: first the network that takes noise away, then the autoencoder between pixels and latents,
if there is one. Of each part what it may be called; what is loaded is the first."""

FILE, FILES = "diffusion_pytorch_model.safetensors", {"text_encoder": "model.safetensors"}
READ = (".json", ".txt", ".safetensors")
PREDICTIONS = ("epsilon", "v_prediction", "sample")
TOLD_MORE = ("num_class_embeds", "class_embed_type", "addition_embed_type", "encoder_hid_dim", "time_cond_proj_dim")


@dataclass(frozen=True)
class PipelineFolder:
    """What a folder says in model_index.json and in its parts' config.json.

    settings  of the scheduler, as DDIM is to read them
    sizes     of the network that takes noise away
    coder     of the autoencoder; None where the network works on pixels
    names     of the classes, and their numbers (`id2label` of a DiTPipeline)
    """

    path: Path
    kind: str
    settings: dict[str, Any]
    sizes: dict[str, Any]
    coder: dict[str, Any] | None
    names: dict[str, int]

    @property
    def network(self) -> str:
        """The part that takes noise away."""
        return next(iter(KINDS[self.kind]))

    @property
    def autoencoder(self) -> str | None:
        """The part between pixels and latents."""
        _, *others = KINDS[self.kind]
        return others[0] if others else None

    @property
    def files(self) -> list[Path]:
        """What a pipeline is read from: settings, words and weights."""
        found = [each for name in ("scheduler", *KINDS[self.kind]) for each in sorted((self.path / name).iterdir())]
        return [self.path / "model_index.json", *(each for each in found if each.suffix in READ and each.is_file())]

    @property
    def colours(self) -> int:
        """Numbers per pixel."""
        colours: int = (self.coder or self.sizes)["in_channels"]
        return colours

    @property
    def shrinks(self) -> int:
        """Pixels along one side of a latent's pixel."""
        return 2 ** (len(self.coder["block_out_channels"]) - 1) if self.coder else 1

    @property
    def side(self) -> int:
        """Pixels of the pictures that the pipeline makes by itself."""
        side: int = self.sizes["sample_size"] * self.shrinks
        return side


def described(path: Path) -> PipelineFolder:
    """What lies in `path`; refuses what is no pipeline that can be used here, before anything is loaded."""
    if not (path / "model_index.json").is_file():
        raise ConfigurationError(
            f"there is no diffusers pipeline in {path}: expected a local folder with model_index.json, as "
            "save_pretrained makes it; nothing is downloaded"
        )
    index = _read(path, "model_index.json")
    kind = index.get("_class_name")
    if kind not in KINDS:
        raise ConfigurationError(f"{path} is a {kind}: expected one of {', '.join(KINDS)}")
    for name, classes in KINDS[kind].items():
        _check_part(path, kind, name, classes, index.get(name))
    network, *others = KINDS[kind]
    settings = _read(path, "scheduler/scheduler_config.json")
    if others:  # what is not said of a latent is not the clipping to −1..1 that DDIM has for pixels
        settings = {"clip_sample": False, **settings}
    if kind == TEXT:  # as diffusers' own pipeline puts right what old folders say
        settings |= {"clip_sample": False, "steps_offset": 1}
    sizes = _read(path, f"{network}/config.json")
    coder = _read(path, f"{others[0]}/config.json") if others else None
    folder = PipelineFolder(path, kind, settings, sizes, coder, _names(path, index.get("id2label")))
    _check_scheduler(folder)
    _check_numbers(folder)
    _check_channels(folder)
    return folder


def _read(path: Path, name: str) -> dict[str, Any]:
    with refused(f"{path} is no diffusers pipeline: {name} cannot be read"):
        content = json.loads((path / name).read_text("utf-8"))
        if not isinstance(content, dict):
            raise ValueError("expected a table")
    return content


def _names(path: Path, said: Any) -> dict[str, int]:
    """Numbers by name, of which a class may have several with commas between, as diffusers reads them."""
    with refused(f"{path} has an id2label in model_index.json that cannot be read"):
        return {name.strip(): int(number) for number, names in (said or {}).items() for name in names.split(",")}


def _check_part(path: Path, kind: str, name: str, classes: tuple[str, ...], said: Any) -> None:
    found = said[1] if isinstance(said, list) and len(said) == 2 else None
    if found not in classes:
        raise ConfigurationError(f"{path} is a {kind} with {found} as its {name}: expected {' or '.join(classes)}")
    file = FILES.get(name, FILE)
    if name != "tokenizer" and not any((path / name / each).is_file() for each in (file, f"{file}.index.json")):
        raise ConfigurationError(
            f"{path} cannot be loaded: expected {name}/{file}; pickled weights (.bin) and variants (.fp16.safetensors) "
            "are not read: save the pipeline again with save_pretrained"
        )


def _check_scheduler(folder: PipelineFolder) -> None:
    settings = folder.settings
    if "beta_schedule" not in settings or settings.get("prediction_type", PREDICTIONS[0]) not in PREDICTIONS:
        raise ConfigurationError(
            f"{folder.path} has the scheduler {settings.get('_class_name')}: expected one with a beta_schedule and a "
            f"prediction_type of {', '.join(PREDICTIONS)}"
        )


def _check_numbers(folder: PipelineFolder) -> None:
    """Refuse sizes that are missing, or of pictures that are not square."""
    wanted = {"num_train_timesteps": folder.settings, "sample_size": folder.sizes, "in_channels": folder.sizes}
    if folder.kind == CLASSES:
        wanted["num_embeds_ada_norm"] = folder.sizes
    numbers = {name: where.get(name) for name, where in wanted.items()}
    if folder.coder is not None:
        numbers |= {f"the autoencoder's {name}": folder.coder.get(name) for name in ("in_channels", "latent_channels")}
        blocks = folder.coder.get("block_out_channels")
        numbers["the autoencoder's block_out_channels"] = len(blocks) if isinstance(blocks, list) else blocks
    for name, number in numbers.items():
        if not isinstance(number, int) or number < 1:
            raise ConfigurationError(
                f"{folder.path} says that {name} is {number!r}: expected a whole number, of square pictures"
            )


def _check_channels(folder: PipelineFolder) -> None:
    """Refuse parts that do not fit each other, and networks that want to be told what their pipeline does not say."""
    path, sizes, coder = folder.path, folder.sizes, folder.coder
    if told := [name for name in TOLD_MORE if sizes.get(name)]:
        raise ConfigurationError(
            f"{path} has a network with {told[0]}, which is told of classes, or more than its pipeline says: "
            "expected one without"
        )
    channels = sizes["in_channels"]
    out = sizes.get("out_channels") or channels
    if out != channels and not (folder.kind == CLASSES and out == 2 * channels):
        raise ConfigurationError(
            f"{path} says {out} numbers per pixel of {channels} colours: expected as many, "
            "not a learned variance beside them"
        )
    if coder and (coder["latent_channels"], coder.get("out_channels")) != (channels, coder["in_channels"]):
        raise ConfigurationError(
            f"{path} has a network of {channels} channels and an autoencoder of {coder['latent_channels']} "
            f"for {coder['in_channels']} colours in and {coder.get('out_channels')} out: expected as many each"
        )
