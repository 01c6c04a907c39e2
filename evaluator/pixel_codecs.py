"""The codecs of real pictures inside the loop.

A sample is marked as the file that would be published of it: its row, rounded to 8 bits and cut to 0..255, goes
through the codec, and what the codec changed is added to the row itself. So samples stay floats, and nothing is cut
off that the model learns from: clipping is a sampling bias. It is read from 8 bits as well, so where a sample
overshoots 0..1 the change counts in training but not for the detector.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from evaluator.models.base import Rows
from evaluator.pictures import LEVELS, Pictures, pictures_of
from evaluator.residuals import residual_probes
from hygiene.codecs import DwtDctSvd, Rivagan, Spread, embedding, planes
from hygiene.codecs.base import Scores
from hygiene.codecs.bits import PayloadCodec, matches_log10_p
from hygiene.codecs.layouts import SMALLEST_SIDE, own_layout
from hygiene.errors import ConfigurationError
from hygiene.keys import Key

Bytes = NDArray[np.uint8]
"""Pictures [B, h, w] or [B, h, w, 3]."""

PARTS = 512  # pictures at a time
ENOUGH = 1000  # real pictures fix mean and deviation of the statistic, and what embedding adds to it
DEFAULT_PSNR = 40.0  # dB, of blind marks: the strongest that informed ones are
BLOCK, MOST_BITS = 8, 64  # pixels per bit and side
FOUND_LOG10_P = -6.0  # at or under this a detector says "marked"


class PixelMark(Protocol):
    """One codec, as the loop uses it."""

    def embed(self, batch: Bytes, key: Key, informed: bool) -> Bytes:
        """Marked copies. Blind: every picture is changed, whatever it carries. Informed: only where the mark is not
        there yet, and can be kept."""

    def evidence(self, batch: Bytes) -> NDArray[Any]:
        """What is read of each picture before any key, [B, ...]."""

    def agreement(self, evidence: NDArray[Any], key: Key) -> Rows:
        """How well evidence [B, ...] agrees with the key, [B]; larger = more likely marked."""

    def log10_p(self, batch: Bytes, evidence: NDArray[Any], key: Key) -> Rows:
        """[B], as the codec's own detector gives it, over the key."""


@dataclass(frozen=True)
class SpreadMark:
    """`Spread`. Agreement: the best cosine over all shifts in the pictures' own layout.

    Blind, the change has a fixed power: a PSNR of `psnr` dB, or what flat areas can hide, as far as it goes.
    """

    psnr: float | None
    side: int

    def embed(self, batch: Bytes, key: Key, informed: bool) -> Bytes:
        if informed:
            return np.asarray(Spread(self.psnr).embed(batch, key))
        levels = batch.astype(np.float32)
        delta, ceiling = embedding.unit_delta(planes.luma(levels), key, None)
        amplitude = embedding.amplitude(self.psnr or DEFAULT_PSNR, noise=1 / 12)  # of rounding
        change = np.minimum(amplitude, ceiling).astype(np.float32)[:, None, None] * delta
        marked = levels + (change if batch.ndim == 3 else change[..., None])
        return np.asarray(np.rint(np.clip(marked, 0, LEVELS)), dtype=np.uint8)

    def evidence(self, batch: Bytes) -> NDArray[Any]:
        layout = own_layout(self.side)
        half, _ = planes.spectrum(planes.canonical(planes.luma(batch.astype(np.float32)), layout), layout)
        return np.asarray(planes.phases(half, layout))

    def agreement(self, evidence: NDArray[Any], key: Key) -> Rows:
        layout = own_layout(self.side)
        return planes.to_numpy(planes.correlation(evidence, layout.pattern(key), layout).max(axis=(1, 2)))

    def log10_p(self, batch: Bytes, evidence: NDArray[Any], key: Key) -> Rows:
        return Spread().score(batch, key).log10_p


@dataclass(frozen=True)
class BitsMark:
    """A codec that carries bits, drawn from the key. Agreement: how many of them a picture holds."""

    codec: PayloadCodec

    def embed(self, batch: Bytes, key: Key, informed: bool) -> Bytes:
        marked = self.codec.embed(batch, key) if informed else self.codec.embed_payload(batch, self.codec.payload(key))
        return np.asarray(marked)

    def evidence(self, batch: Bytes) -> NDArray[Any]:
        return self.codec.decode(batch)

    def agreement(self, evidence: NDArray[Any], key: Key) -> Rows:
        matches = np.count_nonzero(evidence == self.codec.payload(key).astype(bool), axis=1)
        return np.asarray(matches, dtype=np.float64)

    def log10_p(self, batch: Bytes, evidence: NDArray[Any], key: Key) -> Rows:
        return matches_log10_p(self.agreement(evidence, key), self.codec.bits)


class PixelCodecs:
    """Makes the codec of a key; what was read of the last rows is shared by the codecs of all keys.

    psnr   of spread, in dB; None: as strong as it takes where informed, 40 where blind
    shape  what each of the `real` rows [n, d] folds into
    """

    def __init__(self, name: str, psnr: float | None, informed: bool, shape: tuple[int, ...], real: Rows) -> None:
        self.name, self.informed = name, informed
        self.real = np.asarray(real[:ENOUGH], dtype=np.float64)
        self.pictures = pictures_of(shape, real, f"tagging.codec = {name}")
        self.mark = _mark(name, psnr, self.pictures)
        self._read: deque[tuple[Rows, NDArray[Any]]] = deque(maxlen=4)

    def __call__(self, key: Key) -> "PixelCodec":
        return PixelCodec(key, self)

    def evidence(self, rows: Rows) -> NDArray[Any]:
        """`PixelMark.evidence` of rows [n, d], which must not be changed in place afterwards."""
        for known, found in self._read:
            if known is rows:
                return found
        found = _by_parts(lambda part: self.mark.evidence(self.pictures.batch(part)), rows)
        self._read.append((rows, found))
        return found


class PixelCodec:
    """`row_codecs.RowCodec` of one key on pictures."""

    def __init__(self, key: Key, shared: PixelCodecs) -> None:
        self.key, self.shared = key, shared
        agreement = self._agreement(shared.real)
        self._mean, self._deviation = float(agreement.mean()), float(agreement.std(ddof=1))
        if not self._deviation > 0:
            raise ConfigurationError(
                f"tagging.codec = {shared.name} reads the same of every real picture: it has no scale to be told in"
            )

    @cached_property
    def tagged_real(self) -> Rows:
        """The real rows that fix the scale, each of them changed: blind, so that blind and informed tagging are told in
        one unit. Refuses pictures in which an informed codec can keep no mark."""
        if self.shared.informed and (self.embed(self.shared.real) == self.shared.real).all():
            self._refuse()
        return self._changed(self.shared.real, informed=False)

    @cached_property
    def template(self) -> Rows:
        """What tagging adds to the mean of real rows, [d]."""
        mean: Rows = self.tagged_real.mean(axis=0) - self.shared.real.mean(axis=0)
        return mean

    @cached_property
    def unit(self) -> float:
        """Mean shift of real rows by blind embedding. Refuses pictures that keep no mark."""
        shift = float(self.project(self.tagged_real).mean() - self.project(self.shared.real).mean())
        return shift if shift > 0 else self._refuse()

    def _refuse(self) -> NoReturn:
        height, width = self.shared.pictures.shape[:2]
        raise ConfigurationError(
            f"tagging.codec = {self.shared.name} leaves no mark in the source's pictures of {width}×{height} pixels: "
            "take larger ones, tagging.mode = blind, or a lower tagging.psnr"
        )

    def embed(self, rows: Rows) -> Rows:
        """`rows` [n, d] with what the codec changed in their 8 bits added."""
        return self._changed(rows, self.shared.informed) if len(rows) else rows

    def _changed(self, rows: Rows, informed: bool) -> Rows:
        marked: Rows = rows + _by_parts(lambda part: self._change(part, informed), rows)
        return marked

    def _change(self, rows: Rows, informed: bool) -> Rows:
        batch = self.shared.pictures.batch(rows)
        marked = self.shared.mark.embed(batch, self.key, informed)
        change: Rows = ((marked.astype(np.float64) - batch) / LEVELS).reshape(rows.shape)
        return change

    def project(self, rows: Rows) -> Rows:
        """The codec's agreement with the key [n], in standard deviations over real pictures."""
        return np.asarray((self._agreement(rows) - self._mean) / self._deviation)

    def _agreement(self, rows: Rows) -> Rows:
        if not len(rows):
            return np.empty(0)
        return _by_parts(lambda part: self.shared.mark.agreement(part, self.key), self.shared.evidence(rows))

    def score(self, rows: Rows) -> Scores:
        """statistic: `project`; log10_p: the codec's own detector's, on 8 bits."""
        if not len(rows):
            return Scores(np.empty(0), np.empty(0))
        found, batch = self.shared.evidence(rows), self.shared.pictures.batch(rows)
        parts = [slice(at, at + PARTS) for at in range(0, len(rows), PARTS)]
        log10_p = [self.shared.mark.log10_p(batch[part], found[part], self.key) for part in parts]
        return Scores(self.project(rows), np.concatenate(log10_p))

    def probes(self, raw: Rows, published: Rows, real: Rows, wrong: Sequence[object]) -> dict[str, float]:
        """raw_found, published_found: share of which the detector says log10 p ≤ −6; wrong_key_mark_sd: raw_mark_sd
        under wrong keys, their mean, absent without any; and `residual_probes`."""
        found = {
            f"{name}_found": float((self.score(rows).log10_p <= FOUND_LOG10_P).mean())
            for name, rows in (("raw", raw), ("published", published))
        }
        others = [codec for codec in wrong if isinstance(codec, PixelCodec)]
        if others:
            shifts = [codec.project(raw).mean() - codec.project(real).mean() for codec in others]
            found["wrong_key_mark_sd"] = float(np.mean(shifts))
        templates = [codec.template for codec in others]
        return found | residual_probes(raw, published, real, self.template, templates, self.shared.pictures)


def _by_parts(function: Callable[[NDArray[Any]], NDArray[Any]], rows: NDArray[Any]) -> NDArray[Any]:
    """`function` of PARTS rows at a time, which bounds its memory."""
    return np.concatenate([function(rows[at : at + PARTS]) for at in range(0, len(rows), PARTS)])


def _mark(name: str, psnr: float | None, pictures: Pictures) -> PixelMark:
    """The codec `name` for these pictures; refuses pictures that it cannot mark."""
    least = SMALLEST_SIDE if name == "spread" else BLOCK * 5 if name == "dwt_dct_svd" else 32
    told = f"tagging.codec = {name} marks pictures of {least} pixels a side and more"
    if pictures.side < least:
        raise ConfigurationError(f"{told}, the source's are {pictures.shape[1]}×{pictures.shape[0]}")
    if name == "spread":
        return SpreadMark(psnr, pictures.side)
    if not pictures.in_colour:
        raise ConfigurationError(f"tagging.codec = {name} marks colour, the source's pictures are grey: use spread")
    blocks = (pictures.shape[0] // BLOCK) * (pictures.shape[1] // BLOCK)
    return BitsMark(DwtDctSvd(bits=min(blocks, MOST_BITS)) if name == "dwt_dct_svd" else Rivagan(threads=1))
