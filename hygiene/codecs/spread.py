"""The keyed spread-spectrum codec: presence, with a p-value that is exact over the key, and a payload if wanted.

A secret isotropic direction in the phases, faint waves weighted down, of a mid band of the whitened luma (`planes`,
`layouts`). The detector tries every cyclic shift, so the embedder starts from the shift that the picture favours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj
from numpy.typing import NDArray

from hygiene import statistics
from hygiene.codecs import embedding, planes, symbols
from hygiene.codecs.base import OVERSHOOT, Batch, Scores, misplaced
from hygiene.codecs.evidence import (
    fast_alignment,
    fast_log10_p,
    search_log10_p,
    searched_alignment,
    shift_log10_p,
)
from hygiene.codecs.layouts import SMALLEST_SIDE, own_layout, searched_layouts
from hygiene.codecs.precision import full_precision
from hygiene.codecs.symbols import Reading
from hygiene.errors import ConfigurationError
from hygiene.keys import Key
from hygiene.payloads import Payload

Array = Any

HIGHEST_PSNR, LOWEST_PSNR = 48.0, 40.0
"""Adaptive strength, dB: never weaker than the first, never stronger than the second."""

TARGET_LOG10_P = -100.0
"""Adaptive strength stops here: enough in reserve for re-encoding, resizing and crops."""

REQUIRED_LOG10_P = -9.0
"""A mark that stays above this is not worth its distortion: the picture is left as it was."""

PRESENT_LOG10_P = -12.0
"""At or under this, the mark counts as there already and nothing is added."""

SEARCHES = {
    "fast": ("fast",),
    "deep": ("fast", "deep"),
    "exhaustive": ("fast", "deep", "exhaustive"),
    "auto": ("fast", "deep"),
}

ROOM_LOG10_P = -25.0
"""A payload is left out where presence beside it would stay above this: naming must not cost finding."""

BISECTIONS = 5


@dataclass(frozen=True)
class Spread:
    """Keyed presence mark for grey and RGB pictures from 28×28 pixels up, on batches of one size.

    Some of it is worked out on the host: what `torch.compile` traces calls it through `torch.compiler.disable`.

    psnr  strength as a peak signal-to-noise ratio in dB, or None for adaptive: the weakest mark between 48 and
          40 dB that reaches log10 p = −100. Pictures with much flat area are marked more weakly than that.
    search  fast: shifts and proportional scale. deep: also flips, quarter turns, crops, stretches. exhaustive: also
          rotations, crops with a changed aspect. auto: fast, and deep where fast found nothing.
    payload  bits to embed beside the mark where there is room for them, or None; `read` tells what a picture carries
    """

    psnr: float | None = None
    search: str = "fast"
    payload: Payload | None = None

    def __post_init__(self) -> None:
        if self.search not in SEARCHES:
            raise ConfigurationError(f"there is no search {self.search!r}: choose one of {', '.join(SEARCHES)}")
        if self.psnr is not None and not 30 <= self.psnr <= 60:
            raise ConfigurationError(f"psnr {self.psnr:g} dB is out of range: expected 30 (strong) to 60 (weak)")

    @full_precision
    def score(self, batch: Batch, key: Key) -> Scores:
        """Evidence for `key`'s mark. statistic = −log10_p, which is comparable between sizes; larger = marked.

        Each cyclic shift's cosine has an exact p-value over the key (`statistics.cosine_log10_p`); the best of all
        shifts and layouts pays for them by Bonferroni, so the result is valid, and conservative, for any picture.
        """
        plane = planes.luma(_levels(batch))
        if not len(plane):
            return Scores(np.empty(0), np.empty(0))
        fast = fast_log10_p(plane, key)
        if self.search == "fast":
            return Scores(-fast, fast)
        best = [self._searched(plane[i : i + 1], key, float(fast[i])) for i in range(len(fast))]
        log10_p = np.array([each for each, _ in best])
        return Scores(-log10_p, log10_p, tuple(how for _, how in best))

    @property
    def name(self) -> str:
        """Says the search as well: scores of different searches are not comparable."""
        return "spread" if self.search == "fast" else f"spread-{self.search}"

    def _searched(self, plane: Array, key: Key, fast: float) -> tuple[float, str]:
        """log10 p of the best of the searches, which pays for all that may be made, and how it was come by.

        Where nothing was found, the best geometry is chance and is not told.
        """
        searches = SEARCHES[self.search]
        found = {"fast": (fast, "")}
        if self.search != "auto" or fast + np.log10(len(searches)) > PRESENT_LOG10_P:
            found |= {name: search_log10_p(plane, key, name) for name in searches if name != "fast"}
        name = min(found, key=lambda each: found[each][0])
        log10_p = float(statistics.bonferroni_log10_p(found[name][0], len(searches)))
        if log10_p > REQUIRED_LOG10_P:
            return log10_p, list(found)[-1]
        where = found[name][1]
        return log10_p, f"{name}: {where}" if where else name

    @full_precision
    def embed(self, batch: Batch, key: Key) -> Batch:
        """Marked copies, same shape, dtype and library; see `Codec.embed` for when a picture comes back unchanged."""
        levels = _levels(batch)
        xp, plane = array_namespace(batch), planes.luma(levels)
        if not len(plane):
            return batch
        marked, log10_p = self._marked(batch, levels, plane, key, self.payload)
        if self.payload is not None and (log10_p > ROOM_LOG10_P).any():
            roomy = _per_picture(log10_p <= ROOM_LOG10_P, batch)
            plain, plain_log10_p = self._marked(batch, levels, plane, key, None)
            marked = xp.where(roomy, marked, plain)
            log10_p = np.where(log10_p <= ROOM_LOG10_P, log10_p, plain_log10_p)
        absent = fast_log10_p(plane, key) > PRESENT_LOG10_P
        return xp.where(_per_picture(absent & (log10_p <= REQUIRED_LOG10_P), batch), marked, batch)

    def _marked(
        self, batch: Batch, levels: Array, plane: Array, key: Key, payload: Payload | None
    ) -> tuple[Batch, NDArray[np.float64]]:
        """Every picture with the mark, and its log10 p then."""
        delta, ceiling = embedding.unit_delta(plane, key, payload)
        amplitude = self._amplitudes(plane, delta, key, ceiling, batch.dtype == array_namespace(batch).uint8)
        change = planes.to_like(amplitude.astype(np.float32), levels)[:, None, None] * delta
        marked = _like_input(levels + (change if levels.ndim == 3 else change[..., None]), batch)
        return marked, fast_log10_p(planes.luma(_levels(marked)), key)

    @full_precision
    def read(self, batch: Batch, key: Key, among: Sequence[Payload] = ()) -> list[Reading]:
        """The likeliest payload of each picture, whether it carries `key`'s mark or not: `score` tells that.

        among  the payloads that come into question, if they are known: fewer are told apart where more are not
        """
        plane = planes.luma(_levels(batch))
        return [self._read(plane[i : i + 1], key, among) for i in range(plane.shape[0])]

    def _read(self, plane: Array, key: Key, among: Sequence[Payload]) -> Reading:
        tries = [fast_alignment(plane, layout, key) for layout in searched_layouts(min(plane.shape[-2:]))]
        if min(each[0] for each in tries) > PRESENT_LOG10_P:  # else the picture is as it was embedded
            tries += [searched_alignment(plane, key, name) for name in SEARCHES[self.search][1:]]
        _, layout, aligned = min(tries, key=lambda each: each[0])
        return symbols.read(aligned, layout, key, among)

    def _amplitudes(
        self, plane: Array, delta: Array, key: Key, ceiling: NDArray[np.float64], whole: bool
    ) -> NDArray[np.float64]:
        """Root-mean-square change per picture, in grey levels, at most `ceiling`. whole: levels will be rounded."""
        xp = array_namespace(plane)
        noise = 1 / 12 if whole else 0.0  # mean squared error of rounding, in squared levels
        if self.psnr is not None:
            return np.asarray(np.minimum(embedding.amplitude(np.float64(self.psnr), noise), ceiling))
        layout = own_layout(min(plane.shape[-2:]))
        host = planes.canonical(plane, layout)
        enough = np.full(plane.shape[0], LOWEST_PSNR)  # reaches the target, or is as strong as may be
        trial = np.full(plane.shape[0], HIGHEST_PSNR)
        step = HIGHEST_PSNR - LOWEST_PSNR
        for _ in range(BISECTIONS + 1):
            amplitude = np.minimum(embedding.amplitude(trial, noise), ceiling).astype(np.float32)
            change = planes.to_like(amplitude, plane)[:, None, None] * delta
            mark = planes.canonical(xp.round(change) if whole else change, layout)
            reached = shift_log10_p(host + mark, layout, key) <= TARGET_LOG10_P
            enough = np.where(reached, np.maximum(trial, enough), enough)
            step /= 2
            trial = np.clip(trial + np.where(reached, step, -step), LOWEST_PSNR, HIGHEST_PSNR)
        return np.asarray(np.minimum(embedding.amplitude(enough, noise), ceiling))


def _levels(batch: Batch) -> Array:
    """float32 grey levels 0..255 of a checked batch."""
    _check(batch)
    xp = array_namespace(batch)
    floats = xp.astype(batch, xp.float32)
    return floats if batch.dtype == xp.uint8 else floats * 255.0


def _check(batch: Batch) -> None:
    expected = "expected [B, H, W] or [B, H, W, 3], uint8 or floating point in 0..1"
    if not is_array_api_obj(batch):
        raise ConfigurationError(f"a batch of type {type(batch).__name__}: {expected}, of NumPy or torch")
    xp = array_namespace(batch)
    if batch.ndim not in (3, 4) or (batch.ndim == 4 and batch.shape[3] != 3):
        raise ConfigurationError(f"a batch of shape {tuple(batch.shape)}: {expected}")
    if batch.ndim == 3 and batch.shape[2] in (1, 3, 4):
        raise ConfigurationError(f"a batch of shape {tuple(batch.shape)}: {expected}; of one picture, picture[None]")
    if batch.dtype != xp.uint8 and not xp.isdtype(batch.dtype, "real floating"):
        raise ConfigurationError(f"a batch of {batch.dtype}: {expected}")
    if batch.dtype != xp.uint8 and not bool(xp.all((batch >= -OVERSHOOT) & (batch <= 1 + OVERSHOOT))):
        raise ConfigurationError(f"{misplaced(float(xp.min(batch)), float(xp.max(batch)))}: {expected}")
    _check_size(batch)


def _check_size(batch: Batch) -> None:
    if min(batch.shape[1:3]) < SMALLEST_SIDE:
        raise ConfigurationError(
            f"pictures of {batch.shape[2]}×{batch.shape[1]} pixels: the short side must be ≥ {SMALLEST_SIDE}; "
            "for smaller arrays use hygiene.codecs.spread_vectors"
        )


def _like_input(levels: Array, batch: Batch) -> Batch:
    """Back from float32 levels to the batch's dtype and range."""
    xp = array_namespace(batch)
    clipped = xp.clip(levels, 0.0, 255.0)
    whole = batch.dtype == xp.uint8
    return xp.astype(xp.round(clipped) if whole else clipped / 255.0, batch.dtype)


def _per_picture(mask: NDArray[np.bool_], batch: Batch) -> Array:
    """[B] as an array that chooses between pictures of `batch`."""
    return planes.to_like(mask.reshape((-1,) + (1,) * (batch.ndim - 1)), batch)
