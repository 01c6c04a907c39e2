"""The marks that public generators leave: one row each. All are `invisible-watermark` dwtDct at its scale of 36.

That embedder takes the U plane of OpenCV's YUV, one level of the Haar wavelet, and of every 4 × 4 block of the low
band (8 × 8 pixels) the largest value but the first; it moves its modulus to 9 (a 0) or 27 (a 1) above a multiple of
36. Block i in raster order carries bit i mod n. There is no DCT in it.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

STEP = 36.0
SMALLEST_AREA = 256 * 256
"""In pixels: the embedder refuses less."""

DOMAINS = {"float32": 1.0, "uint8": 256.0}
"""What grey is in the low band: twice OpenCV's chroma offset, 0.5 for floating point and 128 for uint8."""

ORDERS = ("bgr", "rgb")
"""The order of the channels that the embedder was given; it expects BGR."""


@dataclass(frozen=True)
class Mark:
    """One message.

    bits    of 0 and 1, first block first
    domain  the type of the array that is marked, a key of DOMAINS
    orders  the channel orders that releases of the generator have passed
    period  votes are compared within classes of every `period`-th bit, a divisor of their number. 8 for long ASCII:
            its bytes are alike, and a picture that repeats every 64 pixels would agree with what they share. Shorter
            or random messages share too little for that to be evidence, and lose less with 1
    shared  places in every byte whose bits carry no evidence. Every letter of ASCII begins with 01: against a random
            message of letters those bits say nothing, but a grain that repeats every 64 pixels agrees with them
    source  where the generator's code sets it
    """

    name: str
    bits: str
    domain: str
    orders: tuple[str, ...]
    period: int
    source: str
    shared: tuple[int, ...] = ()

    @cached_property
    def signs(self) -> NDArray[np.float64]:
        """−1 for a 0, +1 for a 1: float64 [n]."""
        return np.array([1.0 if bit == "1" else -1.0 for bit in self.bits])

    @cached_property
    def counts(self) -> NDArray[np.bool_]:
        """Whether a bit carries evidence: bool [n]."""
        return ~np.isin(np.arange(len(self.bits)) % 8, self.shared)

    @property
    def readings(self) -> frozenset[tuple[str, str]]:
        """(domain, order) as the generator is known to have embedded it."""
        return frozenset((self.domain, order) for order in self.orders)


def ascii_bits(text: str) -> str:
    return "".join(f"{byte:08b}" for byte in text.encode("ascii"))


MARKS = {
    mark.name: mark
    for mark in (
        Mark(
            "sdxl",
            "101100111110110010010000011110111011000110011110",
            "float32",
            ("bgr", "rgb"),  # diffusers passed RGB until its release 0.27 (pull request 7013)
            1,
            "https://github.com/huggingface/diffusers src/diffusers/pipelines/stable_diffusion_xl/watermark.py",
        ),
        Mark(
            "flux",
            "1010101111111010000111100111001111010100101110",  # 46 bits: bin() drops the two zeros that lead 48
            "float32",
            ("bgr",),
            1,
            "https://github.com/black-forest-labs/flux src/flux/util.py",
        ),
        Mark(
            "sd1",
            ascii_bits("StableDiffusionV1"),
            "uint8",
            ("bgr",),
            8,
            "https://github.com/CompVis/stable-diffusion scripts/txt2img.py",
        ),
        Mark(
            "sd1-inpainting",
            ascii_bits("StableDiffusionV1-Inpainting"),
            "uint8",
            ("bgr",),
            8,
            "https://github.com/runwayml/stable-diffusion scripts/inpaint_st.py",
        ),
        Mark(
            "sd2",
            ascii_bits("SDV2"),
            "uint8",
            ("bgr",),
            1,
            "https://github.com/Stability-AI/stablediffusion scripts/txt2img.py",
        ),
        Mark(
            "invokeai",
            ascii_bits("InvokeAI"),
            "uint8",
            ("bgr",),
            1,
            "https://github.com/invoke-ai/InvokeAI invokeai/backend/image_util/invisible_watermark.py",
            (0, 1),
        ),
    )
}
