"""Diffusers pipelines in one line: everything they return carries the mark, and is what the user asked for.

Untrained pipelines of 96 or 160 pixels, whose pictures are mostly noise: the hardest hosts.
"""

import io
from collections.abc import Callable
from importlib import import_module
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers.image_processor import VaeImageProcessor
from PIL import Image
from skimage import data

from hygiene.codecs import Spread
from hygiene.detectors import KeyedDetector, PublicMarks
from hygiene.errors import TagRefused
from hygiene.keys import Key
from hygiene.looks import Look
from hygiene.outputs import Tagger, Tagging, tagged

KEY, OTHER = Key(b"k" * 32), Key(b"o" * 32)
TWO = {"prompt": ["a cat", "dog"], "height": 96, "width": 96}


def log10_p(picture: Image.Image, key: Key = KEY, form: str = "PNG", **options: Any) -> float:
    """As `hygiene detect` finds it in the file."""
    file = io.BytesIO()
    picture.save(file, form, **options)
    return KeyedDetector(Spread(), key).detect("", Look(file.getvalue())).log10_p


def drawn(images: Any) -> list[Image.Image]:
    """As diffusers itself makes pictures of arrays."""
    arrays = VaeImageProcessor.pt_to_numpy(images) if isinstance(images, torch.Tensor) else images
    return VaeImageProcessor.numpy_to_pil(arrays) if isinstance(arrays, np.ndarray) else images


def check_marked(images: Any, unmarked: Any) -> None:
    for picture, host in zip(drawn(images), drawn(unmarked), strict=True):
        assert log10_p(picture) < -9
        assert log10_p(picture, form="JPEG", quality=90) < -9
        assert min(log10_p(picture, OTHER), log10_p(host)) > -6
        change = np.asarray(picture, dtype=float) - np.asarray(host)
        assert 39.7 < 10 * np.log10(255**2 / np.mean(change**2)) < 41  # noise takes the strongest; black and white clip


@pytest.fixture(scope="module")
def pipelines(tiny_pipelines, tmp_path_factory) -> Callable[[str], tuple[Any, dict[str, Any]]]:
    """name -> an untrained pipeline and what to call it with; made once."""
    folder, made = tmp_path_factory.mktemp("tagged"), {}

    def ldm() -> Any:
        pipeline = diffusers.LDMPipeline.from_pretrained(tiny_pipelines.ldm(folder / "ldm"))
        pipeline.unet.register_to_config(sample_size=48)
        return pipeline

    def ddpm() -> Any:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            sizes = {"block_out_channels": (8, 16), "norm_num_groups": 8, "layers_per_block": 1, "sample_size": 160}
            blocks = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2}
            return diffusers.DDPMPipeline(diffusers.UNet2DModel(**sizes, **blocks), diffusers.DDPMScheduler())

    def sd3() -> Any:
        path = tiny_pipelines.stable_diffusion_3(folder / "sd3", sample_size=48, pos_embed_max_size=24)
        return diffusers.StableDiffusion3Pipeline.from_pretrained(path)

    def sdxl() -> Any:
        path = tiny_pipelines.stable_diffusion_xl(folder / "sdxl")
        return diffusers.StableDiffusionXLPipeline.from_pretrained(path, add_watermarker=False)

    makers = {
        "sd": lambda: diffusers.StableDiffusionPipeline.from_pretrained(tiny_pipelines.stable_diffusion(folder / "sd")),
        "sdxl": sdxl,
        "sd3": sd3,
        "dit": lambda: diffusers.DiTPipeline.from_pretrained(tiny_pipelines.dit(folder / "dit", sample_size=48)),
        "flux": lambda: diffusers.FluxPipeline.from_pretrained(tiny_pipelines.flux(folder / "flux")),
        "pixart": lambda: diffusers.PixArtSigmaPipeline.from_pretrained(tiny_pipelines.pixart(folder / "pixart")),
        "ldm": ldm,
        "ddpm": ddpm,
    }
    asked = {"dit": {"class_labels": [0, 1]}, "ldm": {"batch_size": 2}, "ddpm": {"batch_size": 2}}
    asked["flux"] = TWO | {"max_sequence_length": 16}
    asked["pixart"] = TWO | {"max_sequence_length": 16, "use_resolution_binning": False, "clean_caption": False}

    def get(name: str) -> tuple[Any, dict[str, Any]]:
        if name not in made:
            made[name] = makers[name]()
            made[name].set_progress_bar_config(disable=True)
        return made[name], {**asked.get(name, TWO), "num_inference_steps": 1}

    return get


def run(pipeline: Any, asked: dict[str, Any], **options: Any) -> Any:
    return pipeline(**asked, **options, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ["sd", "sdxl", "sd3", "flux", "pixart", "dit", "ldm", "ddpm"])
def test_every_pipeline_returns_marked_what_the_user_asked_for(pipelines, name):
    pipeline, asked = pipelines(name)
    pipe = tagged(pipeline, KEY)
    assert pipe.to("cpu") is pipe
    for output_type, kind in (("pil", list), ("np", np.ndarray), ("pt", torch.Tensor)):
        plain, output = (run(each, asked, output_type=output_type) for each in (pipeline, pipe))
        assert type(output) is type(plain)
        assert type(output.images) is type(plain.images)
        if (name, output_type) not in {("dit", "pt"), ("ldm", "pt")}:  # which know no tensors, and return arrays
            assert isinstance(output.images, kind)
        if kind is not list:
            assert (output.images.dtype, output.images.shape) == (plain.images.dtype, plain.images.shape)
        check_marked(output.images, plain.images)
    check_marked(run(pipe, asked, return_dict=False)[0], drawn(plain.images))
    assert output[0] is output.images
    assert output["images"] is output.images


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("output_type", ["pil", "np", "pt"])
def test_half_precision_carries_the_mark_into_files(pipelines, dtype, output_type):
    pipeline, asked = pipelines("sd3")
    try:
        pipe = tagged(pipeline, KEY).to(dtype)
        plain, output = (run(each, asked, output_type=output_type) for each in (pipeline, pipe))
    finally:
        pipeline.to(torch.float32)
    if output_type == "pt":
        assert output.images.dtype == plain.images.dtype == dtype
    check_marked(output.images, plain.images)


def test_the_watermark_of_sdxl_is_read_beside_the_mark():
    """It takes 256 pixels, and is in a pipeline's pictures before they are returned."""
    module = pytest.importorskip("imwatermark") and "diffusers.pipelines.stable_diffusion_xl.watermark"
    image = torch.from_numpy(data.astronaut()[:256, :256].copy()).permute(2, 0, 1)[None] / 127.5 - 1
    watermarked = import_module(module).StableDiffusionXLWatermarker().apply_watermark(image) / 2 + 0.5
    [picture] = drawn(Tagger(KEY)(watermarked))
    file = io.BytesIO()
    picture.save(file, "PNG")
    assert PublicMarks(("sdxl",)).detect("", Look(file.getvalue())).log10_p < -9
    assert log10_p(picture) < -20


def test_parts_are_changed_through_the_wrapper(pipelines):
    pipeline, asked = pipelines("sd3")
    pipe, before = tagged(pipeline, KEY), pipeline.scheduler
    pipe.scheduler = diffusers.FlowMatchEulerDiscreteScheduler(num_train_timesteps=100, shift=1.0)
    assert pipeline.scheduler is pipe.scheduler is not before
    whole, pipe.vae = pipe.vae, torch.compile(pipe.vae, backend="eager")
    check_marked(run(pipe, asked).images, run(pipeline, asked).images)
    pipe.scheduler, pipe.vae = before, whole
    assert {"vae", "scheduler", "transformer"} <= set(pipe.components)
    assert pipe.device == torch.device("cpu")


def test_what_other_pipelines_save_and_share_knows_nothing_of_the_key(pipelines, tmp_path):
    pipe = tagged(pipelines("dit")[0], KEY)
    pipe.save_pretrained(tmp_path / "saved")
    assert "hygiene" not in (tmp_path / "saved" / "model_index.json").read_text()
    pipelines("dit")[0].__class__.from_pretrained(tmp_path / "saved")


def test_latents_are_refused_before_and_after_the_pipeline_runs(pipelines):
    pipeline, asked = pipelines("sd3")
    pipe = tagged(pipeline, KEY)
    with pytest.raises(TagRefused, match="output_type is 'latent'"):
        run(pipe, asked, output_type="latent")
    with pytest.raises(TagRefused, match=r"output.images: an array of shape \(2, 4, 48, 48\), latents"):
        pipe.tagger(run(pipeline, asked, output_type="latent"))
    pipeline, asked = pipelines("flux")  # whose latents are rows of patches
    with pytest.raises(TagRefused, match=r"output.images: an array of shape \(2, 576, 16\), no picture"):
        pipe.tagger(run(pipeline, asked, output_type="latent"))


def test_small_pictures_are_refused_with_their_size(pipelines):
    pipeline, asked = pipelines("sd")
    with pytest.raises(TagRefused, match=r"output.images.0.: pictures of 24×24 pixels: .* \(and 1 more of 2\)"):
        run(tagged(pipeline, KEY), asked | {"height": 24, "width": 24})


def test_black_pictures_of_a_safety_checker_are_marked_too(pipelines):
    pipeline, asked = pipelines("sd")
    seen: list[Tagging] = []

    def run_safety_checker(image: Any, device: Any, dtype: Any) -> tuple[Any, list[bool]]:
        return torch.stack([torch.full_like(image[0], -1.0), image[1]]), [True, False]

    own = pipeline.run_safety_checker
    pipe = tagged(pipeline, KEY, report=seen.append)
    pipe.run_safety_checker = run_safety_checker
    try:
        images, flags = run(pipe, asked, return_dict=False)
    finally:
        pipe.run_safety_checker = own
    assert flags == [True, False]
    assert np.asarray(images[0]).max() < 10
    assert all(log10_p(each) < -9 for each in images)
    assert [each.place for each in seen] == ["output[0][0]", "output[0][1]"]
