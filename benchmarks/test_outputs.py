"""Tagging at the source: what a pipeline returns, as tensors and as Pillow's pictures, and what else is done to it."""

from importlib import import_module

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from hygiene.codecs import Spread
from hygiene.codecs.spread import REQUIRED_LOG10_P
from hygiene.images import Raster, encode
from hygiene.keys import Key
from hygiene.outputs import Tagger

KEY = Key(b"k" * 32)
SIDES = (512, 1024)
devices = pytest.mark.parametrize("device", ["cpu", "cuda"])
sides = pytest.mark.parametrize("side", SIDES)


@pytest.fixture(autouse=True)
def _there(device):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip(f"torch sees no CUDA device: torch {torch.__version__}")


@pytest.fixture
def watermarker():
    """diffusers' own, of Stable Diffusion XL, its OpenCV on one thread."""
    try:
        import_module("cv2").setNumThreads(1)
        import_module("imwatermark")
    except ImportError as error:
        pytest.skip(f"cannot import invisible-watermark ({error}): pip install '.[rivagan]'")
    return import_module("diffusers.pipelines.stable_diffusion_xl.watermark").StableDiffusionXLWatermarker()


def photographs(side):
    """Four of scikit-image, as a pipeline's output_type "pil" has them."""
    pictures = [Image.fromarray(getattr(data, name)()) for name in ("astronaut", "coffee", "chelsea", "rocket")]
    return [each.resize((side, side), Image.Resampling.LANCZOS) for each in pictures]


def tensors(side, device):
    """The same as output_type "pt" has them: [4, 3, side, side], float32 in 0..1."""
    levels = np.stack([np.asarray(each) for each in photographs(side)])
    return (torch.from_numpy(levels).permute(0, 3, 1, 2).contiguous() / 255).to(device)


def check_marked(levels):
    assert (Spread().score(levels, KEY).log10_p <= REQUIRED_LOG10_P).all()


@devices
@sides
def test_tag_tensors(compare, watermarker, side, device):
    images, tagger = tensors(side, device), Tagger(KEY)
    marked, theirs = compare(
        lambda: tagger(images),
        lambda: watermarker.apply_watermark(2 * images - 1),
        "diffusers' own watermark of SDXL (invisible-watermark)",
        len(images),
        "images",
        torch.cuda.synchronize if device == "cuda" else lambda: None,
    )
    check_marked(marked.permute(0, 2, 3, 1))
    assert not torch.allclose((theirs + 1) / 2, images.cpu(), atol=1 / 255)


@devices
@sides
def test_tag_pictures(compare, side, device):
    """On a GPU sent there to be marked, and brought back."""
    images = photographs(side)
    tagger = Tagger(KEY, device="" if device == "cpu" else device)
    marked, _ = compare(
        lambda: tagger(images),
        lambda: [encode(Raster(np.asarray(each), None, "png"), np.asarray(each)) for each in images],
        "other work: writing the pictures as PNG",
        len(images),
        "images",
    )
    check_marked(np.stack([np.asarray(each) for each in marked]))
