"""Tagging inside one loop: the key, the codec of each generation, what is published and what is read of it."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from evaluator.cleaning import Mask
from evaluator.config import LoopConfig
from evaluator.models.base import Rows
from evaluator.pixel_codecs import FOUND_LOG10_P
from evaluator.probes import carried_mark, mark_probes
from evaluator.processing import processor_of
from evaluator.row_codecs import RowCodec, codecs_of
from evaluator.row_parts import slices
from hygiene.errors import InfeasibleError
from hygiene.keys import Key, load_key


def unreadable(missing: int, n: int) -> str:
    """What to say of `missing` of `n` samples."""
    return (
        f"{missing} of {n} samples carry no tag that can be read back: mark them more strongly (a lower tagging.psnr), "
        "or leave tagging.verify out"
    )


def loop_key(config: LoopConfig) -> Key | None:
    """The key that this loop tags with: from its file, or derived from the seed; None without tagging."""
    if config.tagging.mode == "none":
        return None
    if config.tagging.key_file is not None:
        return load_key(Path(config.tagging.key_file))
    return Key(hashlib.sha256(f"self-consuming loop {config.seed}".encode()).digest())


def tagged(codec: RowCodec | None, raw: Rows, carries: Mask | None = None) -> Rows:
    """`raw` [n, d], marked where `carries` [n] is true."""
    if codec is None or (carries is not None and not carries.any()):
        return raw
    marked = codec.embed(raw)
    return marked if carries is None else np.where(carries[:, None], marked, raw)


class Published(NamedTuple):
    """rows [n, d]; kept [n], false where a tag that was to be verified cannot be read back."""

    rows: Rows
    kept: Mask


class Marking:
    """What marks a loop's output and reads it back, generation by generation.

    config  the loop's
    real    the rows [n, d] that generation 1 learns from: they fix the mark's unit
    shape   what one row folds into
    """

    def __init__(self, config: LoopConfig, real: Rows, shape: tuple[int, ...]) -> None:
        self.tagging, self.key = config.tagging, loop_key(config)
        self._process = processor_of(config.processing, shape, real)
        self._wrong: list[RowCodec] = []
        if self.key is not None:
            self._codec_of = lru_cache(maxsize=2)(codecs_of(config.tagging, real, shape))
            self._wrong = [self._codec_of(self.key.subkey(f"wrong {i}")) for i in range(config.probe_keys)]

    def codec(self, generation: int) -> RowCodec | None:
        """What `generation` tags with, and what its output is read with; None without tagging."""
        if self.key is None:
            return None
        return self._codec_of(self.key.subkey(f"generation {generation}") if self.tagging.rotate else self.key)

    def carriers(self, n: int, rng: np.random.Generator) -> Mask | None:
        """Which of `n` published samples are tagged; None = all."""
        adoption = self.tagging.adoption
        return None if adoption == 1 else rng.random(n) < adoption

    def published(self, generation: int, raw: Rows, carries: Mask | None = None) -> Published:
        """`raw` [n, d] as `generation` publishes it: tagged, and processed where a [processing] is configured.

        The rows are `raw` itself where neither is, and of its type; what is narrower than float64 is marked in blocks.
        A tag is verified as it leaves the generator, before any processing.
        """
        codec = self.codec(generation)
        if raw.dtype == np.float64 or (codec is None and self._process is None):
            return self._published(codec, raw, carries)
        rows, kept = np.empty_like(raw), np.empty(len(raw), dtype=bool)
        for at in slices(raw):
            some = None if carries is None else carries[at]
            rows[at], kept[at] = self._published(codec, raw[at].astype(np.float64), some)
        return Published(rows, kept)

    def _published(self, codec: RowCodec | None, raw: Rows, carries: Mask | None) -> Published:
        rows, kept = tagged(codec, raw, carries), np.ones(len(raw), dtype=bool)
        if codec is not None and self.tagging.verify:
            kept = codec.score(rows).log10_p <= FOUND_LOG10_P
            if carries is not None:
                kept |= ~carries
        return Published(rows if self._process is None else self._process(rows), kept)

    def readings(self, generation: int, raw: Rows, held_out: Rows, rng: np.random.Generator) -> dict[str, float]:
        """`probes.mark_probes` of raw output [n, d] against real rows, and its codec's own; empty without tagging. With
        rotating keys also last_key_mark, what is left of the key before; with verified tags also withheld, the share of
        samples that are not published: readings of published ones, and residuals, are without them then. `rng` says
        which are tagged."""
        codec = self.codec(generation)
        if codec is None:
            return {}
        raw = np.asarray(raw, dtype=np.float64)
        marked, kept = self.published(generation, raw, self.carriers(len(raw), rng))
        source = raw
        if not kept.all():
            source, marked = raw[kept], marked[kept]
        if not len(marked):
            raise InfeasibleError(f"generation {generation}: {unreadable(len(raw), len(raw))}")
        mark = mark_probes(raw, marked, held_out, codec, codec.unit, self._wrong)
        mark |= codec.probes(source, marked, held_out, self._wrong)
        if self.tagging.verify:
            mark["withheld"] = 1 - float(kept.mean())
        last = self.codec(generation - 1)
        if self.tagging.rotate and generation > 1 and last is not None:
            mark["last_key_mark"] = carried_mark(raw, held_out, last, last.unit)
        return mark
