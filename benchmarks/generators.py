"""Pictures marked by the code that generators use, and the decoder that stands in the same package.

Needs `pip install diffusers invisible-watermark` (which brings OpenCV and PyWavelets). No weights are loaded.
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from hygiene.detectors.mark_table import MARKS

Pixels = NDArray[np.uint8]
STOCK_P = 1e-6
"""The stock decoder's bits are believed where as many right ones are less likely than this from fair coins."""


def check_installed() -> None:
    missing = [name for name in ("imwatermark", "diffusers", "torch") if find_spec(name) is None]
    if missing:
        raise SystemExit(f"{', '.join(missing)} missing: pip install diffusers invisible-watermark torch")


def sdxl(rgb: Pixels) -> Pixels:
    """StableDiffusionXLWatermarker between the VAE and diffusers' VaeImageProcessor, as the pipeline has it."""
    import torch

    module = import_module("diffusers.pipelines.stable_diffusion_xl.watermark")
    decoded = torch.from_numpy(rgb.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
    marked = module.StableDiffusionXLWatermarker().apply_watermark(decoded)
    levels = (marked / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).float().numpy()[0]
    return np.asarray((levels * 255).round().astype(np.uint8))


def sdxl_rgb(rgb: Pixels) -> Pixels:
    """Before pull request 7013 diffusers passed RGB where BGR is expected: the same with the channels exchanged."""
    return np.ascontiguousarray(sdxl(np.ascontiguousarray(rgb[..., ::-1]))[..., ::-1])


def flux(rgb: Pixels) -> Pixels:
    """FLUX's WatermarkEmbedder step by step (src/flux/util.py) on float32, then `byte()`, which cuts (cli.py)."""
    image = (rgb.astype(np.float32) / 127.5 - 1) * 0.5 + 0.5
    encoder = import_module("imwatermark").WatermarkEncoder()
    encoder.set_watermark("bits", [int(bit) for bit in MARKS["flux"].bits])
    bgr = encoder.encode(np.ascontiguousarray((255 * image)[..., ::-1]), "dwtDct")
    marked = np.clip(bgr[..., ::-1] / 255, 0, 1) * 2 - 1
    return np.ascontiguousarray((127.5 * (marked + 1)).astype(np.uint8))


def whole(text: str) -> Callable[[Pixels], Pixels]:
    """What the scripts of Stable Diffusion 1 and 2 and InvokeAI do: `text` into uint8 BGR."""

    def mark(rgb: Pixels) -> Pixels:
        encoder = import_module("imwatermark").WatermarkEncoder()
        encoder.set_watermark("bytes", text.encode())
        return np.ascontiguousarray(encoder.encode(np.ascontiguousarray(rgb[..., ::-1]), "dwtDct")[..., ::-1])

    return mark


GENERATORS: dict[str, tuple[str, Callable[[Pixels], Pixels]]] = {
    "SDXL": ("sdxl", sdxl),
    "SDXL, RGB order": ("sdxl", sdxl_rgb),
    "FLUX": ("flux", flux),
    "SD 1.x": ("sd1", whole("StableDiffusionV1")),
    "SD 1.x inpainting": ("sd1-inpainting", whole("StableDiffusionV1-Inpainting")),
    "SD 2.x": ("sd2", whole("SDV2")),
    "InvokeAI": ("invokeai", whole("InvokeAI")),
}
"""Title: name of the mark, and what embeds it in RGB uint8 [h, w, 3]."""


@cache
def stock_limit(count: int) -> int:
    """The fewest right bits of `count` that STOCK_P allows: 41 of 48."""
    return next(k for k in range(count + 1) if stats.binom.sf(k - 1, count, 0.5) <= STOCK_P)


def stock_finds(rgb: Pixels, mark: str) -> bool:
    """Whether `WatermarkDecoder` on uint8 BGR, as everybody calls it, gets enough of the mark's bits right."""
    bits = MARKS[mark].bits
    decoder: Any = import_module("imwatermark").WatermarkDecoder("bits", len(bits))
    decoded = decoder.decode(np.ascontiguousarray(rgb[..., ::-1]), "dwtDct")
    right = sum(bool(found) == (bit == "1") for found, bit in zip(decoded, bits, strict=True))
    return right >= stock_limit(len(bits))
