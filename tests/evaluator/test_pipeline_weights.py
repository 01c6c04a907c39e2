"""Weights of pretrained pipelines in half precision, and in shards."""

import json
import shutil
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from evaluator.models.pipeline import Pipeline
from hygiene.errors import ConfigurationError


def drawn(path: Path) -> Any:
    model = Pipeline(str(path), steps=2, prompts=["a cat"])
    model.fit(np.zeros((2, 192)), np.random.default_rng(1))
    network = model._denoiser.network
    assert {weight.dtype for weight in network.parameters()} == {torch.float32}
    return model.sample(3, 0.5, np.random.default_rng(2))


@pytest.fixture(scope="module")
def half(stable_diffusion: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With every part saved as fp16 alone: the network and the autoencoder in shards, the text encoder in one file."""
    path = tmp_path_factory.mktemp("half") / "precision"
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(stable_diffusion, dtype=torch.float16)
    pipeline.save_pretrained(path, variant="fp16", max_shard_size="12KB")
    return path


def test_half_precision_is_read_as_the_same_numbers_in_float32(half: Path, tmp_path: Path) -> None:
    names = {file.name for file in half.rglob("*") if file.parent.name in ("unet", "vae", "text_encoder")}
    assert {"diffusion_pytorch_model.safetensors.index.fp16.json", "model.fp16.safetensors"} < names
    assert not {"diffusion_pytorch_model.safetensors", "model.safetensors"} & names
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(half, variant="fp16", dtype=torch.float32)
    pipeline.save_pretrained(tmp_path / "full", max_shard_size="12KB")
    np.testing.assert_array_equal(drawn(half), drawn(tmp_path / "full"))


def test_full_precision_is_preferred(half: Path, stable_diffusion: Path, tmp_path: Path) -> None:
    """Part by part."""
    full = drawn(stable_diffusion)
    assert np.abs(drawn(half) - full).max() > 1e-5
    both = shutil.copytree(half, tmp_path / "both")
    for part in ("unet", "vae", "text_encoder"):
        assert (drawn(both) != full).any()
        shutil.copytree(stable_diffusion / part, both / part, dirs_exist_ok=True)
    np.testing.assert_array_equal(drawn(both), full)


def test_other_variants_and_half_of_the_shards_are_refused(half: Path, tmp_path: Path) -> None:
    path = shutil.copytree(half, tmp_path / "copy")
    next((path / "unet").glob("*-00002-*")).unlink()
    with pytest.raises(ConfigurationError, match=r"copy cannot be loaded: expected unet/diffusion_pytorch_model\.fp16"):
        drawn(path)
    file = path / "text_encoder" / "model.fp16.safetensors"
    file.rename(file.with_name("model.bf16.safetensors"))
    with pytest.raises(ConfigurationError, match=r"expected text_encoder/model\.safetensors; .* other than \.fp16"):
        drawn(path)


@pytest.mark.parametrize("name", ["shard.bin", "../other.safetensors", "/tmp/other.safetensors"])
def test_an_index_names_no_pickles_and_nothing_outside(half: Path, tmp_path: Path, name: str) -> None:
    path = shutil.copytree(half, tmp_path / "copy")
    index = path / "unet" / "diffusion_pytorch_model.safetensors.index.fp16.json"
    said = json.loads(index.read_text())
    weight = next(iter(said["weight_map"]))
    index.write_text(json.dumps({**said, "weight_map": {**said["weight_map"], weight: name}}))
    with pytest.raises(ConfigurationError, match=f"names '{name}': expected .safetensors files beside it"):
        Pipeline(str(path), prompts=["a cat"])
    index.write_text("{")
    with pytest.raises(ConfigurationError, match=r"index\.fp16\.json cannot be read"):
        Pipeline(str(path), prompts=["a cat"])
