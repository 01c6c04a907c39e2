"""Folders of IDX files, as MNIST and Fashion-MNIST come (http://yann.lecun.com/exdb/mnist/, "the IDX file format")."""

import gzip
import math
import struct
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from evaluator.reading import refused
from evaluator.sources.arrays import ArraySource, without_copies
from hygiene.errors import ConfigurationError

UNSIGNED_BYTES = 0x08
MAX_BYTES = 1 << 32  # of one array; MNIST has 47 million


def idx(path: str, repeats: bool = False) -> ArraySource:
    """Pictures [h, w] and their classes out of the folder `path`: train-* to learn from, t10k-* held out.

    Files as they are distributed: train-images-idx3-ubyte, train-labels-idx1-ubyte and the same with t10k, plain or
    gzipped. Held-out pictures that also stand in the training half are left out. Debian has Fashion-MNIST as
    dataset-fashion-mnist, in /usr/share/datasets/fashion-mnist.
    """
    folder = Path(path)
    training = _half(folder, "train")
    if training is None:
        raise ConfigurationError(f"{folder} holds no train-images-idx3-ubyte[.gz]: expected a folder of IDX files")
    other = _half(folder, "t10k")
    if other is not None and other.shape != training.shape:
        raise ConfigurationError(f"{folder}: training pictures are {training.shape}, those of t10k {other.shape}")
    held_out = None if other is None else without_copies(other, training)
    return ArraySource(training.rows, training.shape, training.labels, held_out, repeats)


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array of unsigned bytes in one IDX file, plain or gzipped; reads no more than its header promises."""
    complaint = refused(f"{path} is no IDX file of unsigned bytes")
    with complaint, path.open("rb") as plain:
        packed = plain.read(2) == b"\x1f\x8b"
        plain.seek(0)
        with gzip.open(plain) if packed else plain as file:
            return _array(file)


def _array(file: IO[bytes] | gzip.GzipFile) -> NDArray[np.uint8]:
    """Header: two zeros, the type, the number of dimensions, then each dimension as a big-endian uint32."""
    zeros, kind, dimensions = struct.unpack(">HBB", file.read(4))
    if zeros or kind != UNSIGNED_BYTES or not 1 <= dimensions <= 4:
        raise ValueError(f"it starts with {zeros:04x}{kind:02x}{dimensions:02x}, expected 000008 and 1 to 4 dimensions")
    shape = struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
    size = math.prod(shape)
    if not 0 < size <= MAX_BYTES:
        raise ValueError(f"its header says {shape}, expected 1 to {MAX_BYTES} bytes")
    data = file.read(size)
    if len(data) != size or file.read(1):
        raise ValueError(f"its header says {shape}, it holds {'more' if len(data) == size else f'{len(data)} bytes'}")
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)


def _half(folder: Path, name: str) -> ArraySource | None:
    images = _file(folder, f"{name}-images", 3)
    if images is None:
        return None
    pixels = read_idx(images)
    if pixels.ndim != 3:
        raise ConfigurationError(f"{images} holds an array of shape {pixels.shape}, expected pictures [n, h, w]")
    labels = _file(folder, f"{name}-labels", 1)
    return ArraySource(
        pixels.reshape(len(pixels), -1), pixels.shape[1:], None if labels is None else _labels(labels, len(pixels))
    )


def _labels(path: Path, n: int) -> NDArray[Any]:
    labels = read_idx(path)
    if labels.shape != (n,):
        raise ConfigurationError(f"{path} holds an array of shape {labels.shape}, expected one label for {n} pictures")
    return labels.astype(np.int64)


def _file(folder: Path, stem: str, dimensions: int) -> Path | None:
    ending = f"idx{dimensions}-ubyte"
    names = [f"{stem}{dot}{ending}{packed}" for dot in "-." for packed in ("", ".gz")]
    return next((folder / name for name in names if (folder / name).is_file()), None)
