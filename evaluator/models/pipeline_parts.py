"""The parts of a diffusers pipeline, loaded from its folder: classes known by name, safetensors, nothing downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from evaluator.models.denoising import check_diffusers
from evaluator.models.pictures import new_network, seeded
from evaluator.models.pipeline_folder import PipelineFolder
from evaluator.models.pipeline_kinds import FLUX, KINDS, OF_PROMPTS, T5, of_transformers
from evaluator.models.pipeline_weights import variant_of, weights_file
from evaluator.reading import refused
from hygiene.errors import ConfigurationError

if TYPE_CHECKING:
    import torch

INSTALL = "pip install 'hygiene-toolkit[stable-diffusion]'"


def check_packages(folder: PipelineFolder) -> None:
    """Refuse a pipeline whose parts need what is not installed."""
    check_diffusers("pipeline")
    if folder.kind in OF_PROMPTS and find_spec("transformers") is None:
        raise ConfigurationError(f"a {folder.kind} needs transformers: {INSTALL}")
    for name in KINDS[folder.kind]:
        pieces, made = (folder.path / name / file for file in ("spiece.model", "tokenizer.json"))
        if pieces.is_file() and not made.is_file() and find_spec("sentencepiece") is None:
            raise ConfigurationError(
                f"{folder.path} has its {name} as spiece.model alone: pip install sentencepiece protobuf, which read it"
            )


def loaded(folder: PipelineFolder, name: str) -> Any:
    """The part called `name`, its weights as float32.

    Refuses a file that lacks weights: diffusers would draw them at random, and go on.
    """
    variant = variant_of(folder.path, name)
    complaint = f"{folder.path} cannot be loaded: expected {name}/{weights_file(name, variant)}"
    with _quietly(), refused(complaint), seeded(0):  # some draw weights before they read them
        made = _class(folder, name)
        part, found = made.from_pretrained(
            folder.path / name,
            local_files_only=True,
            use_safetensors=True,
            variant=variant,
            output_loading_info=True,
            **_options(folder, name),
        )
    if missing := sorted(found["missing_keys"]):
        raise ConfigurationError(
            f"{folder.path} lacks {len(missing)} of the weights of its {name}, among them {missing[0]}: save it again"
        )
    return _prepared(part)


def tokenizer(folder: PipelineFolder, name: str) -> Any:
    """What makes numbers of words."""
    with _quietly(), refused(f"{folder.path} cannot be loaded: expected {name}, as save_pretrained makes it"):
        return _class(folder, name).from_pretrained(folder.path / name, local_files_only=True)


def renewed(folder: PipelineFolder, source: torch.Generator) -> Any:
    """The network that takes noise away with new weights, fixed by `source`."""
    with _quietly(), refused(f"{folder.path} has a network that cannot be made"):
        made = _class(folder, folder.network)
        return _prepared(new_network(source, lambda: made.from_config(folder.sizes)))


def as_of_pictures(folder: PipelineFolder, network: Any) -> Any:
    """The network that takes noise away, to be called with pictures and times as those of the other kinds."""
    if folder.kind != FLUX:
        return network
    from evaluator.models.packed import Packed

    return Packed(network, folder.sizes["sample_size"])


def _class(folder: PipelineFolder, name: str) -> Any:
    """What diffusers or transformers call the part."""
    library = import_module("transformers" if of_transformers(name) else "diffusers")
    return getattr(library, str(KINDS[folder.kind][name][0]))


def _options(folder: PipelineFolder, name: str) -> dict[str, Any]:
    """How a part is loaded: its own configuration might name code on the hub for its attention."""
    import torch

    if of_transformers(name):
        attention = "eager" if KINDS[folder.kind][name][0] == T5 else "sdpa"  # of T5 transformers 4 has no other
        return {"attn_implementation": attention, "dtype": torch.float32}
    sized = name == folder.network and folder.kind != FLUX
    size = {"sample_size": folder.sizes["sample_size"]} if sized else {}
    return {"low_cpu_mem_usage": False, **size}


def _prepared(part: Any) -> Any:
    """Ready to be used, in float32; in training `Denoiser` leaves out conditions, not layers of their own accord."""
    from diffusers.models.embeddings import LabelEmbedding

    for layer in part.modules():
        if isinstance(layer, LabelEmbedding):
            layer.dropout_prob = 0.0
    return part.eval().float()


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the bars and the advice that both libraries write to the terminal; errors come as exceptions."""
    from diffusers.utils import logging as ours

    loggers: list[Any] = [ours]
    if find_spec("transformers"):
        from transformers.utils import logging as theirs

        loggers.append(theirs)
    before = [(each, each.get_verbosity(), each.is_progress_bar_enabled()) for each in loggers]
    for each in loggers:
        each.set_verbosity_error()
        each.disable_progress_bar()
    try:
        yield
    finally:
        for each, verbosity, bars in before:
            each.set_verbosity(verbosity)
            if bars:
                each.enable_progress_bar()
