"""The codecs of the package invisible-watermark, scored like a keyed mark: random bits are the key.

Their evidence is how many of the bits come back; a picture without the mark gets each right with probability ½,
so p is the binomial tail. With n bits it can never fall below 2⁻ⁿ.
"""

import io
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import stats

BITS = {"dwtDct": 64, "dwtDctSvd": 64, "rivaGan": 32}
"""Payload lengths. rivaGan's is fixed; the others take any."""


@dataclass(frozen=True)
class PublicCodec:
    method: str

    def __post_init__(self) -> None:
        if self.method not in BITS:
            raise SystemExit(f"there is no codec {self.method!r}: choose from {', '.join(BITS)}")
        if find_spec("imwatermark") is None or (self.method == "rivaGan" and find_spec("onnxruntime") is None):
            raise SystemExit(f"{self.method} is not installed: pip install invisible-watermark onnxruntime")

    @property
    def name(self) -> str:
        return f"{self.method}, {BITS[self.method]} bits"

    @property
    def version(self) -> str:
        return metadata.version("invisible-watermark")

    def embed(self, pixels: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
        """RGB [h, w, 3] of at least 65 536 pixels, with random bits in it."""
        encoder = import_module("imwatermark").WatermarkEncoder()
        encoder.set_watermark("bits", self.payload(seed))
        self.load(encoder)
        return np.ascontiguousarray(encoder.encode(pixels[..., ::-1].copy(), self.method)[..., ::-1])

    def log10_p(self, processed: Image.Image | bytes, seed: int, search: str) -> float:
        """The package has one search: none. 0 (no evidence) where a picture is smaller than it accepts."""
        image = Image.open(io.BytesIO(processed)) if isinstance(processed, bytes) else processed
        if image.width * image.height < 256 * 256:
            return 0.0
        payload = self.payload(seed)
        decoder = import_module("imwatermark").WatermarkDecoder("bits", len(payload))
        self.load(decoder)
        bits = decoder.decode(np.asarray(image.convert("RGB"))[..., ::-1].copy(), self.method)
        right = sum(int(bit) == sent for bit, sent in zip(bits, payload, strict=True))
        return float(stats.binom.logsf(right - 1, len(payload), 0.5) / np.log(10))

    def payload(self, seed: int) -> list[int]:
        return [int(bit) for bit in np.random.default_rng(seed).integers(0, 2, BITS[self.method])]

    def load(self, side: Any) -> None:
        if self.method == "rivaGan":
            side.loadModel()
