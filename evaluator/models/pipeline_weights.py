"""The files that hold the weights of a pipeline's parts: safetensors only."""

from __future__ import annotations

from pathlib import Path

from evaluator.models.pipeline_kinds import of_transformers
from hygiene.errors import ConfigurationError


def weights_file(part: str) -> str:
    """What the library of `part` calls the file of its weights."""
    return "model.safetensors" if of_transformers(part) else "diffusion_pytorch_model.safetensors"


def check_weights(path: Path, part: str) -> None:
    """Refuse a part without weights that can be read."""
    file = weights_file(part)
    if not part.startswith("tokenizer") and not any(
        (path / part / each).is_file() for each in (file, f"{file}.index.json")
    ):
        raise ConfigurationError(
            f"{path} cannot be loaded: expected {part}/{file}; pickled weights (.bin) and variants (.fp16.safetensors) "
            "are not read: save the pipeline again with save_pretrained"
        )
