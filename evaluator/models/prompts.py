"""What each class of a pretrained pipeline is made from: a prompt, or one of the pipeline's own classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from evaluator.models.conditions import Conditions
from evaluator.models.pipeline_folder import CLASSES, TEXT, PipelineFolder
from evaluator.models.pipeline_parts import loaded, tokenizer
from evaluator.reading import refused
from hygiene.errors import ConfigurationError

if TYPE_CHECKING:
    import torch

Prompts = list[str] | str


def asked(folder: PipelineFolder, prompts: Prompts, labels: int) -> list[str]:
    """What each class is made from, in the order of labels; empty where a pipeline has no condition.

    Refuses prompts that are missing, that the pipeline does not know, or that are not as many as `labels`, if any.
    """
    if labels < 0 or labels == 1:
        raise ConfigurationError(f"labels is {labels}, expected 0 or ≥ 2")
    given = _lines(prompts)
    if folder.kind not in (TEXT, CLASSES):
        if labels or given:
            raise ConfigurationError(f"{folder.path} is a {folder.kind}, of no classes: leave out labels and prompts")
        return []
    if folder.kind == CLASSES:
        given = _classes(folder, given, labels)
    elif not given:
        raise ConfigurationError(f"{folder.path} makes pictures of prompts: give prompts, a list or a text file")
    if labels and len(given) != labels:
        raise ConfigurationError(f"got {len(given)} prompts, labels = {labels}: expected one for every label")
    return given


def conditions(folder: PipelineFolder, given: list[str], device: str) -> Conditions | None:
    """What the network is told of each of the prompts that were `asked`, and of none."""
    import torch

    if folder.kind == CLASSES:
        numbers = [*(_number(folder, each) for each in given), folder.sizes["num_embeds_ada_norm"]]
        return Conditions("class_labels", torch.tensor(numbers, device=device))
    return Conditions("encoder_hidden_states", _encoded(folder, [*given, ""], device)) if given else None


def _lines(prompts: Prompts) -> list[str]:
    """A list as it is, or the lines of a text file that are not blank."""
    if isinstance(prompts, list):
        if strange := [each for each in prompts if not isinstance(each, str)]:
            raise ConfigurationError(f"prompts holds {strange[0]!r}: expected texts")
        return prompts
    if not prompts:
        return []
    with refused(f"prompts is {prompts!r}: expected a list of texts, or a text file with one a line"):
        lines = Path(prompts).read_text("utf-8").splitlines()
    return [line.strip() for line in lines if line.strip()]


def _classes(folder: PipelineFolder, given: list[str], labels: int) -> list[str]:
    """The pipeline's classes by name, as diffusers' `get_label_ids`; without names the first, or all, by number."""
    known = folder.sizes["num_embeds_ada_norm"]
    if labels > known:
        raise ConfigurationError(f"labels is {labels}, {folder.path} has {known} classes: expected no more")
    chosen = given or [str(number) for number in range(labels or known)]
    for name in chosen:
        _number(folder, name)
    return chosen


def _number(folder: PipelineFolder, name: str) -> int:
    known = folder.sizes["num_embeds_ada_norm"]
    number = folder.names.get(name, int(name) if name.isdecimal() else known)
    if not 0 <= number < known:
        some = ", ".join([*folder.names][:3])
        raise ConfigurationError(
            f"{folder.path} has no class {name!r}: expected a number below {known}"
            + (f", or a name as in its model_index.json ({some}, …)" if some else "")
        )
    return number


def _encoded(folder: PipelineFolder, prompts: list[str], device: str) -> torch.Tensor:
    """What the text encoder says of each of `prompts`, [prompts, tokens, numbers]."""
    import torch

    words, encoder = tokenizer(folder), loaded(folder, "text_encoder").to(device)
    most, wanted = encoder.config.max_position_embeddings, folder.sizes.get("cross_attention_dim")
    if encoder.config.hidden_size != wanted:
        raise ConfigurationError(
            f"{folder.path} has a text encoder of {encoder.config.hidden_size} numbers and a network that takes "
            f"{wanted}: expected as many"
        )
    for prompt in prompts:
        if (length := len(words(prompt).input_ids)) > most:
            raise ConfigurationError(
                f"the prompt {prompt[:40]!r} … has {length} tokens, {folder.path} reads {most}: make it shorter"
            )
    tokens = words(prompts, padding="max_length", max_length=most, return_tensors="pt").input_ids
    with torch.inference_mode():
        encoded: torch.Tensor = encoder(tokens.to(device))[0]
    return encoded.clone()
