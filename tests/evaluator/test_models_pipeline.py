"""Pretrained pipelines of pixels: a tiny one is made here, saved by diffusers, and used as any user's would be."""

import json
import shutil
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from evaluator.config import Choice, LoopConfig
from evaluator.models import make_model
from evaluator.models.base import Trainable
from evaluator.models.pipeline import Pipeline
from hygiene.errors import ConfigurationError

SIDE, COLOURS = 8, 3


def saved(folder: Path, kind: str = "DDPM", prediction: str = "epsilon", **changes: Any) -> Path:
    """An untrained pipeline of 8 × 8 pixels in colour."""
    sizes: dict[str, Any] = {
        "sample_size": SIDE,
        "in_channels": COLOURS,
        "out_channels": COLOURS,
        "block_out_channels": (8, 16),
        "down_block_types": ("DownBlock2D",) * 2,
        "up_block_types": ("UpBlock2D",) * 2,
        "layers_per_block": 1,
        "norm_num_groups": 8,
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        unet = diffusers.UNet2DModel(**{**sizes, **changes})
    scheduler = getattr(diffusers, f"{kind}Scheduler")(num_train_timesteps=100, prediction_type=prediction)
    getattr(diffusers, f"{kind}Pipeline")(unet, scheduler).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return saved(tmp_path_factory.mktemp("pipeline") / "ddpm")


def rows(n: int, seed: int = 0) -> Any:
    """Pictures of one colour each, 0..1, mostly bright and red."""
    rng = np.random.default_rng([71, seed])
    return np.repeat(rng.normal([0.9, 0.5, 0.1], 0.05, (n, 1, COLOURS)), SIDE**2, axis=1).reshape(n, -1)


def fitted(folder: Path, seed: int = 1, start: Any = None, **parameters: Any) -> Pipeline:
    model = Pipeline(str(folder), **{"steps": 5, **parameters})
    model.fit(rows(40), np.random.default_rng(seed), start)
    return model


@pytest.mark.parametrize("kind", ["DDPM", "DDIM"])
def test_samples_are_those_of_diffusers_own_pipeline(tmp_path, kind):
    """Pixel for pixel in 0..1, in rows of height × width × colours: DDIM from the same noise."""
    path = saved(tmp_path, kind)
    theirs = diffusers.DDIMPipeline.from_pretrained(path, use_safetensors=True)
    theirs.set_progress_bar_config(disable=True)
    noise = torch.Generator().manual_seed(int(np.random.default_rng(2).integers(2**63)))
    expected = theirs(batch_size=4, generator=noise, num_inference_steps=5, output_type="np").images
    drawn = fitted(path).sample(4, 1.0, np.random.default_rng(2))
    assert expected.std() > 0.1
    np.testing.assert_allclose(drawn.reshape(expected.shape), expected, atol=1e-5)


def test_rows_and_pixels_are_each_others_inverse(folder):
    model = fitted(folder, black=-3.0, white=5.0)
    given = 8 * rows(6) - 3
    pixels = model._inward(given)
    assert pixels.shape == (6, COLOURS, SIDE, SIDE)
    np.testing.assert_allclose(
        pixels[:, 0, 3, 4], 2 * rows(6).reshape(6, SIDE, SIDE, COLOURS)[:, 3, 4, 0] - 1, atol=1e-6
    )
    plain = fitted(folder).sample(3, 1.0, np.random.default_rng(3))
    np.testing.assert_allclose(model.sample(3, 1.0, np.random.default_rng(3)), 8 * plain - 3, atol=1e-9)


def test_a_frozen_pipeline_learns_nothing_and_keeps_no_weights(folder):
    model = fitted(folder)
    drawn = model.sample(5, 0.8, np.random.default_rng(4))
    np.testing.assert_array_equal(drawn, fitted(folder, seed=9).sample(5, 0.8, np.random.default_rng(4)))
    assert model.weights() == {}
    assert (drawn != model.sample(5, 1.0, np.random.default_rng(4))).any()
    again = Pipeline(str(folder), steps=5)
    again.restore({})
    np.testing.assert_array_equal(again.sample(5, 0.8, np.random.default_rng(4)), drawn)


def test_fine_tuning_goes_towards_the_rows(tmp_path):
    """Colour by colour; a network that says the clean picture itself learns the mean one at once."""
    path, colours = saved(tmp_path, prediction="sample"), {}
    for name, parameters in {"frozen": {}, "tuned": {"fit_steps": 40, "rate": 5e-2}}.items():
        drawn = fitted(path, **parameters).sample(40, 1.0, np.random.default_rng(5))
        colours[name] = drawn.reshape(-1, COLOURS).mean(axis=0)
    wanted = np.array([0.9, 0.5, 0.1])
    assert np.abs(colours["tuned"] - wanted).max() < 0.06
    assert np.abs(colours["frozen"] - wanted).max() > 0.2


def test_from_the_folder_from_the_last_generation_or_from_scratch(folder):
    still: dict[str, Any] = {"fit_steps": 1, "rate": 1e-12}
    tuned = fitted(folder, fit_steps=5, rate=1e-2)
    drawn = {
        "folder": fitted(folder, **still),
        "last": fitted(folder, start=tuned.weights(), **still),
        "scratch": fitted(folder, scratch=True, **still),
        "scratch, then the last": fitted(folder, start=tuned.weights(), scratch=True, **still),
    }
    found = {name: model.sample(5, 1.0, np.random.default_rng(6)) for name, model in drawn.items()}
    expected = {
        name: model.sample(5, 1.0, np.random.default_rng(6))
        for name, model in {"folder": fitted(folder), "last": tuned}.items()
    }
    np.testing.assert_allclose(found["folder"], expected["folder"], atol=1e-5)
    np.testing.assert_allclose(found["last"], expected["last"], atol=1e-5)
    np.testing.assert_allclose(found["scratch, then the last"], expected["last"], atol=1e-5)
    assert np.abs(found["scratch"] - expected["folder"]).max() > 0.05
    assert np.abs(expected["last"] - expected["folder"]).max() > 0.05


def test_restored_weights_sample_the_same_to_the_bit(folder):
    model = fitted(folder, fit_steps=3)
    assert isinstance(model, Trainable)
    again = Pipeline(str(folder), steps=5, fit_steps=3)
    again.restore(model.weights())
    np.testing.assert_array_equal(*(each.sample(5, 1.0, np.random.default_rng(7)) for each in (model, again)))


def test_what_a_warm_start_only_takes_over_it_hands_on_and_restores(folder):
    tuned = fitted(folder, fit_steps=5, rate=1e-2)
    still = fitted(folder, start=tuned.weights())
    again = Pipeline(str(folder), steps=5)
    again.restore(still.weights())
    models = (tuned, still, fitted(folder, start=still.weights()), again)
    first, *others = (each.sample(5, 1.0, np.random.default_rng(7)) for each in models)
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_a_learned_variance_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="says 6 numbers per pixel of 3 colours"):
        Pipeline(str(saved(tmp_path / "learned", out_channels=2 * COLOURS)))


@pytest.mark.parametrize("fit_steps", [0, 2])
def test_in_a_loop_with_a_warm_start_it_goes_on_to_the_same_bytes(folder, tmp_path, fit_steps, whole_and_stopped):
    np.savez(tmp_path / "pictures.npz", samples=rows(60)[:40])
    np.savez(tmp_path / "held.npz", samples=rows(60)[40:])
    config = LoopConfig(
        loop="fully_synthetic", n_ini=20, n_s=20, generations=3, n_reference=20, metrics={"frechet": {}},
        source=Choice("npz", {"path": str(tmp_path / "pictures.npz")}),
        reference=Choice("npz", {"path": str(tmp_path / "held.npz")}),
        model=Choice("pipeline", {"path": str(folder), "steps": 2, "fit_steps": fit_steps}),
        warm_start=True,
    )  # fmt: skip
    whole, stopped = whole_and_stopped(config)
    assert whole == stopped


def test_nothing_is_looked_for_elsewhere(tmp_path, monkeypatch):
    """A name on the hub is no folder; and what lies in the folder is never unpickled."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ConfigurationError, match=r"no diffusers pipeline in google/ddpm-cifar10-32: .*nothing is downl"
    ):
        make_model("pipeline", path="google/ddpm-cifar10-32")
    path = saved(tmp_path / "pickled")
    weights = path / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save(diffusers.UNet2DModel.from_pretrained(path / "unet").state_dict(), weights.with_suffix(".bin"))
    weights.unlink()
    with pytest.raises(
        ConfigurationError, match=r"pickled cannot be loaded: expected unet/diffusion_pytorch_model.safet"
    ):
        fitted(path)


def damaged_index(path: Path) -> None:
    (path / "model_index.json").write_text("{")


def another_kind(path: Path) -> None:
    index = json.loads((path / "model_index.json").read_text())
    (path / "model_index.json").write_text(json.dumps({**index, "_class_name": "StableDiffusionXLImg2ImgPipeline"}))


def own_code(path: Path) -> None:
    index = json.loads((path / "model_index.json").read_text())
    (path / "model_index.json").write_text(json.dumps({**index, "unet": ["evil", "Network"]}))


def without_scheduler(path: Path) -> None:
    shutil.rmtree(path / "scheduler")


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (damaged_index, "is no diffusers pipeline: model_index.json cannot be read"),
        (
            another_kind,
            "is a StableDiffusionXLImg2ImgPipeline: expected one of DDPMPipeline, DDIMPipeline, LD",
        ),
        (own_code, "is a DDPMPipeline with Network as its unet: expected UNet2DModel"),
        (without_scheduler, "is no diffusers pipeline: scheduler/scheduler_config.json cannot be read"),
    ],
)
def test_other_folders_are_refused_before_anything_is_loaded(folder, tmp_path, damage, complaint):
    path = shutil.copytree(folder, tmp_path / "copy")
    damage(path)
    with pytest.raises(ConfigurationError, match=complaint):
        make_model("pipeline", path=str(path))


def test_classes_and_other_sizes_are_refused(folder, tmp_path):
    with pytest.raises(ConfigurationError, match="has a network with num_class_embeds = 3: expected None: a DDPM"):
        Pipeline(str(saved(tmp_path / "classes", num_class_embeds=3)))
    with pytest.raises(ConfigurationError, match="makes pictures of 8 × 8 × 3, got rows of 64 numbers"):
        Pipeline(str(folder)).fit(np.zeros((5, 64)), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"steps": 0}, "expected steps, batch ≥ 1"),
        ({"steps": 101}, "steps is 101, .* has 100 noise levels"),
        ({"rate": 0.0}, "rate > 0"),
        ({"eta": 1.1}, "0 ≤ eta ≤ 1"),
        ({"black": 1.0}, r"black is 1.0, white 1.0: expected black below white"),
        ({"scratch": True}, "fit_steps = 0 teaches them nothing"),
        ({"device": "tpu"}, "device is 'tpu'"),
    ],
)
def test_impossible_parameters_are_refused(folder, parameters, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        Pipeline(str(folder), **parameters)
