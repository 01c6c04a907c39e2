"""Tagging inside one loop: the key, the codec of each generation, what is published and what is read of it."""

import hashlib
from pathlib import Path

import numpy as np

from evaluator.cleaning import Mask
from evaluator.config import LoopConfig, Tagging
from evaluator.models.base import Rows
from evaluator.probes import carried_mark, mark_probes
from hygiene.codecs.spread_vectors import SpreadVectors
from hygiene.keys import Key, load_key


def loop_key(config: LoopConfig) -> Key | None:
    """The key that this loop tags with: from its file, or derived from the seed; None without tagging."""
    if config.tagging.mode == "none":
        return None
    if config.tagging.key_file is not None:
        return load_key(Path(config.tagging.key_file))
    return Key(hashlib.sha256(f"self-consuming loop {config.seed}".encode()).digest())


def published(codec: SpreadVectors | None, tagging: Tagging, raw: Rows, carries: Mask | None = None) -> Rows:
    """What leaves the generator [n, d]: `raw`, marked as `tagging` says, where `carries` [n] is true."""
    if codec is None:
        return raw
    marked = codec.embed(raw, tagging.alpha, informed=tagging.mode == "informed")
    return marked if carries is None else np.where(carries[:, None], marked, raw)


class Marking:
    """What marks a loop's output and reads it back, generation by generation.

    config  the loop's
    real    the rows [n, d] that generation 1 learns from: they fix the mark's unit
    """

    def __init__(self, config: LoopConfig, real: Rows) -> None:
        self.tagging, self.real, self.key = config.tagging, real, loop_key(config)
        self._fixed = None if self.key is None else SpreadVectors(self.key, real)
        others = [] if self.key is None else [self.key.subkey(f"wrong {i}") for i in range(config.probe_keys)]
        self._wrong = [SpreadVectors(other, real) for other in others]

    def codec(self, generation: int) -> SpreadVectors | None:
        """What `generation` tags with, and what its output is read with; None without tagging."""
        if self.key is None or not self.tagging.rotate:
            return self._fixed
        return SpreadVectors(self.key.subkey(f"generation {generation}"), self.real)

    def carriers(self, n: int, rng: np.random.Generator) -> Mask | None:
        """Which of `n` published samples are tagged; None = all."""
        adoption = self.tagging.adoption
        return None if adoption == 1 else rng.random(n) < adoption

    def published(self, generation: int, raw: Rows, carries: Mask | None = None) -> Rows:
        """`raw` [n, d] as `generation` publishes it."""
        return published(self.codec(generation), self.tagging, raw, carries)

    def readings(self, generation: int, raw: Rows, held_out: Rows, rng: np.random.Generator) -> dict[str, float]:
        """`probes.mark_probes` of raw output [n, d] against real rows, empty without tagging; with rotating keys also
        last_key_mark, what is left of the key before. `rng` says which samples are tagged."""
        codec, strength = self.codec(generation), self.tagging.alpha
        if codec is None:
            return {}
        marked = self.published(generation, raw, self.carriers(len(raw), rng))
        mark = mark_probes(raw, marked, held_out, codec, strength, self._wrong)
        last = self.codec(generation - 1)
        if self.tagging.rotate and generation > 1 and last is not None:
            mark["last_key_mark"] = carried_mark(raw, held_out, last, strength)
        return mark
