"""What each class of a pretrained pipeline is made from: a prompt, or one of the pipeline's own classes."""

from __future__ import annotations

from pathlib import Path

from evaluator.models.conditions import Conditions
from evaluator.models.pipeline_folder import PipelineFolder
from evaluator.models.pipeline_kinds import CLASSES, OF_PROMPTS
from evaluator.models.texts import encoded
from evaluator.reading import refused
from hygiene.errors import ConfigurationError

Prompts = list[str] | str


def asked(folder: PipelineFolder, prompts: Prompts, labels: int) -> list[str]:
    """What each class is made from, in the order of labels; empty where a pipeline has no condition.

    Refuses prompts that are missing, that the pipeline does not know, or that are not as many as `labels`, if any.
    """
    if labels < 0 or labels == 1:
        raise ConfigurationError(f"labels is {labels}, expected 0 or ≥ 2")
    given = _lines(prompts)
    if folder.kind not in (CLASSES, *OF_PROMPTS):
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
        return Conditions(len(given), {"class_labels": torch.tensor(numbers, device=device)})
    return Conditions(len(given), encoded(folder, [*given, ""], device)) if given else None


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
