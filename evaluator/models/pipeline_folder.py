"""A diffusers pipeline in a local folder: what kind it is and what it says of itself. Only JSON is read."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evaluator.models.noise import Diffusion, Flow, Noise
from evaluator.models.pipeline_checks import check_fit, check_numbers, check_parts, check_scheduler
from evaluator.models.pipeline_kinds import FLOWS, FLUX, KINDS, PATCH, RESIZED, TEXT
from evaluator.reading import refused
from hygiene.errors import ConfigurationError

READ = (".json", ".txt", ".model", ".safetensors")
FLUX_SIDE = 128  # of FluxPipeline's latents, which its network has no number for


@dataclass(frozen=True)
class PipelineFolder:
    """What a folder says in model_index.json and in its parts' config.json.

    index     model_index.json: the parts, and what the pipeline does with them
    settings  of the scheduler, as its class here is to read them
    sizes     of the network that takes noise away
    coder     of the autoencoder; None where the network works on pixels
    names     of the classes, and their numbers (`id2label` of a DiTPipeline)
    """

    path: Path
    kind: str
    index: dict[str, Any]
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
        return coder_of(self.kind)

    @property
    def noise(self) -> Noise:
        """What the network takes away."""
        if self.kind == FLUX:
            return Flow(self.settings, (self.sizes["sample_size"] // PATCH) ** 2)
        return Flow(self.settings) if self.kind in FLOWS else Diffusion(self.settings)

    @property
    def embeds_guidance(self) -> bool:
        """Whether the network is told how much guidance its answer is to have (`guidance_embeds` of FLUX)."""
        return bool(self.sizes.get("guidance_embeds"))

    @property
    def files(self) -> list[Path]:
        """What a pipeline is read from: settings, words and weights."""
        parts = [self.path / name for name in ("scheduler", *KINDS[self.kind])]
        found = [each for part in parts if part.is_dir() for each in sorted(part.iterdir())]
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
        """Pixels of the pictures that the pipeline makes."""
        side: int = self.sizes["sample_size"] * self.shrinks
        return side

    @property
    def numbers(self) -> int:
        """Of a picture."""
        return self.colours * self.side**2

    def resized(self, size: int) -> PipelineFolder:
        """The same with pictures of `size` pixels; 0: as it makes them by itself."""
        if not size:
            return self
        least = self.shrinks * (PATCH if self.kind == FLUX else self.sizes.get("patch_size", 1))
        most = least * self.sizes.get("pos_embed_max_size", size)
        known = self.kind in RESIZED
        if not known or not 0 < size <= most or size % least:
            raise ConfigurationError(
                f"size is {size} of a {self.kind}: expected 0"
                + (f", or a multiple of {least}" if known else "")
                + (f" up to {most}" if known and most != least * size else "")
            )
        return replace(self, sizes={**self.sizes, "sample_size": size // self.shrinks})


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
    check_parts(path, kind, index)
    settings = _settings(path, kind)
    check_scheduler(path, kind, settings)
    coder = coder_of(kind)
    sizes = _read(path, f"{next(iter(KINDS[kind]))}/config.json")
    if kind == FLUX:
        sizes["sample_size"] = FLUX_SIDE
    codes = _read(path, f"{coder}/config.json") if coder else None
    check_numbers(path, kind, settings, sizes, codes)
    check_fit(path, kind, sizes, codes)
    return PipelineFolder(path, kind, index, settings, sizes, codes, _names(path, index.get("id2label")))


def coder_of(kind: str) -> str | None:
    """The part between pixels and latents, of those kinds that have one."""
    _, *others = KINDS[kind]
    return others[0] if others else None


def _settings(path: Path, kind: str) -> dict[str, Any]:
    settings = _read(path, "scheduler/scheduler_config.json")
    if coder_of(kind) and kind not in FLOWS:  # DDIM clips what it is not told of to −1..1, as if all were pixels
        settings = {"clip_sample": False, **settings}
    if kind == TEXT:  # as diffusers' own pipeline puts right what old folders say
        settings |= {"clip_sample": False, "steps_offset": 1}
    return settings


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
