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
    """rows [n, d]; kept [n], false where a tag that was to be verified cannot be read back; None = all of them."""

    rows: Rows
    kept: Mask | None


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
        kept = np.ones(len(raw), dtype=bool) if self.tagging.verify else None
        if raw.dtype == np.float64 or (codec is None and self._process is None):
            return Published(self._tagged(codec, raw, carries, kept), kept)
        rows = np.empty_like(raw)
        for at in slices(raw):
            part, some = raw[at].astype(np.float64), None if kept is None else kept[at]
            rows[at] = self._tagged(codec, part, None if carries is None else carries[at], some)
        return Published(rows, kept)

    def _tagged(self, codec: RowCodec | None, raw: Rows, carries: Mask | None, kept: Mask | None) -> Rows:
        """`raw` tagged and processed; writes into `kept` which tags are read back."""
        rows = tagged(codec, raw, carries)
        if codec is not None and kept is not None:
            kept[:] = codec.score(rows).log10_p <= FOUND_LOG10_P
            if carries is not None:
                kept |= ~carries
        return rows if self._process is None else self._process(rows)

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
        if kept is not None:
            marked = marked[kept]
            if not len(marked):
                raise InfeasibleError(f"generation {generation}: {unreadable(len(raw), len(raw))}")
        mark = mark_probes(raw, marked, held_out, codec, codec.unit, self._wrong)
        mark |= codec.probes(raw if kept is None else raw[kept], marked, held_out, self._wrong)
        if kept is not None:
            mark["withheld"] = 1 - float(kept.mean())
        last = self.codec(generation - 1)
        if self.tagging.rotate and generation > 1 and last is not None:
            mark["last_key_mark"] = carried_mark(raw, held_out, last, last.unit)
        return mark
