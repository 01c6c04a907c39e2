"""A network in an ONNX file: a graph of known operators, so that loading it runs nobody's code."""

import hashlib
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluator.features.base import as_features, image_batches
from evaluator.models.base import Rows
from evaluator.reading import refused
from hygiene.errors import ConfigurationError

MAX_BYTES = 1 << 31  # what one protobuf message can hold


class OnnxFeatures:
    """Features from an ONNX network that takes float32 pictures [n, channels, h, w], pixels as the source has them.

    Loaded from the bytes of one file, so weights in other files are refused; custom operators are not loaded. A
    hostile graph can still take time and memory: use networks of people you know. Needs the extra `onnx`.

    path    the file
    shape   of one row, (h, w) or (h, w, channels)
    output  the network's output to take; its first one when not given
    batch   rows at a time
    """

    def __init__(self, path: str, shape: tuple[int, ...], output: str | None = None, batch: int = 256) -> None:
        if batch < 1:
            raise ConfigurationError(f"batch is {batch}, expected at least 1")
        data = _read(Path(path))
        self.name, self._shape, self._batch = f"onnx:{Path(path).name}", shape, batch
        self.weights_digest = hashlib.sha256(data).hexdigest()
        with refused(f"{path} is no ONNX network that can be run"):
            self._session = _session(data)
        inputs, outputs = self._session.get_inputs(), [each.name for each in self._session.get_outputs()]
        if len(inputs) != 1 or output not in (None, *outputs):
            raise ConfigurationError(
                f"{path} has {len(inputs)} inputs and the outputs {', '.join(outputs)}: expected one input"
                + (f", and an output {output!r}" if output else "")
            )
        self._input, self._output = inputs[0].name, output or outputs[0]

    def __call__(self, rows: Rows) -> Rows:
        """Features [n, f], float64."""
        made = [self._made_of(images) for images in image_batches(rows, self._shape, self._batch)]
        return as_features(np.concatenate(made), len(rows), self.name)

    def _made_of(self, images: NDArray[np.float32]) -> Any:
        with refused(
            f"the network {self.name!r} cannot be run on pictures [n, {', '.join(map(str, images.shape[1:]))}]"
        ):
            return self._session.run([self._output], {self._input: images})[0]


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigurationError(f"{path} has more than {MAX_BYTES} bytes, expected an ONNX network in one file")
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read the network {path}: {error.strerror}") from None


def _session(data: bytes) -> Any:
    try:
        onnxruntime: Any = import_module("onnxruntime")
    except ImportError:
        raise ConfigurationError(
            "features = onnx runs on onnxruntime, which cannot be imported: pip install 'hygiene-toolkit[onnx]'"
        ) from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised
    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
    providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
    return onnxruntime.InferenceSession(data, options, providers=providers)
