"""RivaGAN (Zhang et al. 2019, arXiv:1909.01285): two small networks that write and read 32 bits.

The networks are the ONNX files that invisible-watermark 0.2.0 ships, run by onnxruntime (the extra `rivagan`). The
package itself is not imported, so neither torch nor OpenCV has to work. What is fed and read is as in its rivaGan.py.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hygiene.codecs.base import Batch
from hygiene.codecs.bits import Bits, PayloadCodec, check_colour, check_finite
from hygiene.errors import ConfigurationError

INSTALL = "pip install 'hygiene-toolkit[rivagan]'"

THRESHOLD = 0.52
"""Outputs above it are ones: the package's."""

PIXELS_AT_A_TIME = 2**20
"""Of a batch in one run of a network: its layers take about 300 bytes a pixel."""

PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")
"""What "auto" chooses from, best first."""


@dataclass(frozen=True)
class Rivagan(PayloadCodec):
    """Reads what the package's rivaGan wrote and the other way round; see `PayloadCodec`. Batches run as batches.

    bits      always 32, so log10 p never falls below −9.6
    models    folder with rivagan_encoder.onnx and rivagan_decoder.onnx; None: where invisible-watermark is installed
    provider  onnxruntime's name of what to run on, or "auto"; `providers_used` says what ran
    threads   for the CPU; 0: as many as there are cores
    """

    bits: int = 32
    models: Path | None = None
    provider: str = "auto"
    threads: int = 0
    name: ClassVar[str] = "rivagan"

    def __post_init__(self) -> None:
        if self.bits != 32:
            raise ConfigurationError(f"rivagan with {self.bits} bits: the networks take 32")

    def embed_payload(self, batch: Batch, payload: Bits) -> Batch:
        """Rounded to the nearest level where the package cuts off."""
        check_colour(batch, self.name)
        check_finite(batch)
        sent = self.checked(payload).astype(np.float32)
        run = self._network("encoder")
        marked = batch.copy()
        for part in _parts(batch):
            data = np.broadcast_to(sent, (len(batch[part]), self.bits))
            frames = run({"frame": _frames(batch[part]), "data": np.ascontiguousarray(data)})
            marked[part] = _like(frames, batch)
        return marked

    def decode(self, batch: Batch) -> NDArray[np.bool_]:
        return self.outputs(batch) > THRESHOLD

    def outputs(self, batch: Batch) -> NDArray[np.float32]:
        """What the network says of each bit, [B, 32]; larger = a one. Not a probability: seen from −70 to 30."""
        check_colour(batch, self.name)
        check_finite(batch)
        run = self._network("decoder")
        parts = [run({"frame": _frames(batch[part])}) for part in _parts(batch)]
        return np.concatenate([np.zeros((0, self.bits), dtype=np.float32), *parts])

    def providers_used(self) -> dict[str, int]:
        """What really runs the networks, by onnxruntime's own profile of one picture: provider to number of nodes."""
        ran: Counter[str] = Counter()
        for which in ("encoder", "decoder"):
            ran += _profile(self._file(which), _checked_provider(self.provider))
        return dict(ran)

    def _network(self, which: str) -> Any:
        session = _session(self._file(which), self.provider, self.threads)
        return lambda feeds: session.run(None, feeds)[0]

    def _file(self, which: str) -> Path:
        folder = self.models or _installed()
        file = folder / f"rivagan_{which}.onnx"
        if not file.is_file():
            raise ConfigurationError(f"rivagan has no network {file}: name the folder that holds it, or {INSTALL}")
        return file


def _installed() -> Path:
    """The folder of invisible-watermark, found without importing it."""
    spec = find_spec("imwatermark")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError(f"rivagan's networks come with invisible-watermark, which is not installed: {INSTALL}")
    return Path(next(iter(spec.submodule_search_locations)))


@lru_cache(maxsize=8)
def _session(file: Path, provider: str, threads: int) -> Any:
    """An onnxruntime session on the provider asked for; ConfigurationError if it went elsewhere."""
    wanted = _checked_provider(provider)
    options = _runtime().SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # what it would print on falling back is said below
    try:
        session = _runtime().InferenceSession(file, options, providers=[wanted])
    except Exception:  # onnxruntime's own kinds have no base class in common
        raise ConfigurationError(f"{file} is not a network that onnxruntime can load: {INSTALL} brings one") from None
    if provider != "auto" and session.get_providers()[0] != wanted:
        raise ConfigurationError(f"onnxruntime offers {wanted} but runs rivagan on {session.get_providers()[0]}")
    return session


def _checked_provider(provider: str) -> str:
    offered = _runtime().get_available_providers()
    wanted = next(each for each in PROVIDERS if each in offered) if provider == "auto" else provider
    if wanted not in offered:
        raise ConfigurationError(f"onnxruntime has no {wanted} here: choose from auto, {', '.join(offered)}")
    return str(wanted)


def _runtime() -> Any:
    try:
        return import_module("onnxruntime")
    except ImportError:
        raise ConfigurationError(f"rivagan runs on onnxruntime, which cannot be imported: {INSTALL}") from None


def _profile(file: Path, provider: str) -> Counter[str]:
    """Run one small picture and count the nodes that each provider ran."""
    options = _runtime().SessionOptions()
    options.enable_profiling = True
    options.log_severity_level = 4
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = _runtime().InferenceSession(file, options, providers=[provider])
        shapes = {"frame": (1, 3, 1, 32, 32), "data": (1, 32)}
        session.run(None, {each.name: np.zeros(shapes[each.name], dtype=np.float32) for each in session.get_inputs()})
        events = json.loads(Path(session.end_profiling()).read_text())
    return Counter(event["args"]["provider"] for event in events if event.get("args", {}).get("provider"))


def _parts(batch: Batch) -> Iterator[slice]:
    step = max(PIXELS_AT_A_TIME // (batch.shape[1] * batch.shape[2]), 1)
    return (slice(start, start + step) for start in range(0, len(batch), step))


def _frames(batch: Batch) -> NDArray[np.float32]:
    """[B, H, W, 3] RGB -> [B, 3, 1, H, W] BGR in −1..1."""
    levels = batch.astype(np.float32) * np.float32(1 if batch.dtype == np.uint8 else 255)
    scaled = levels / np.float32(127.5) - np.float32(1)
    return np.ascontiguousarray(scaled[..., ::-1].transpose(0, 3, 1, 2)[:, :, None])


def _like(frames: NDArray[np.float32], batch: Batch) -> Batch:
    """Back from the network's frames to the batch's order, range and dtype."""
    levels = (np.clip(frames[:, :, 0].transpose(0, 2, 3, 1)[..., ::-1], -1, 1) + 1) * np.float32(127.5)
    return (np.rint(levels) if batch.dtype == np.uint8 else levels / 255).astype(batch.dtype)
