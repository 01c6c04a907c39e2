"""The files that hold the weights of a pipeline's parts: safetensors, in one file or in shards, in full or in fp16."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

from evaluator.models.pipeline_kinds import of_transformers
from evaluator.reading import refused
from hygiene.errors import ConfigurationError

VARIANTS = (None, "fp16")
"""What `save_pretrained` was asked for, the first that is there: what is not rounded to half precision, if it is."""


def weights_file(part: str, variant: str | None) -> str:
    """What the library of `part` calls the file of its weights."""
    stem = "model" if of_transformers(part) else "diffusion_pytorch_model"
    return f"{stem}.{variant}.safetensors" if variant else f"{stem}.safetensors"


def variant_of(path: Path, part: str) -> str | None:
    """Which of VARIANTS a part's weights lie in; refuses a part without any, or with shards that are no safetensors."""
    for variant in VARIANTS:
        index = path / part / _index_file(part, variant)
        if index.is_file():
            _check_shards(index)
        if index.is_file() or (path / part / weights_file(part, variant)).is_file():
            return variant
    raise ConfigurationError(
        f"{path} cannot be loaded: expected {part}/{weights_file(part, None)}; pickled weights (.bin) and variants "
        "other than .fp16.safetensors are not read: save the pipeline again with save_pretrained"
    )


def _index_file(part: str, variant: str | None) -> str:
    """Of weights in shards, says which lies where."""
    file = f"{weights_file(part, None)}.index"
    return f"{file}.{variant}.json" if variant else f"{file}.json"


def _check_shards(index: Path) -> None:
    """Refuse what the libraries would unpickle, or look for elsewhere."""
    with refused(f"{index} cannot be read"):
        files = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
        strange = [file for file in files if PurePosixPath(file).name != file or not file.endswith(".safetensors")]
    if strange:
        raise ConfigurationError(f"{index} names {strange[0]!r}: expected .safetensors files beside it")
