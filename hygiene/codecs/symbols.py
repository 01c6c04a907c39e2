"""The words that carry a payload beside the presence mark, and how they are read.

Each symbol of 16 bits is one of 2¹⁶ nearly orthogonal words: keyed sign masks times the rows of a Hadamard matrix and
their negatives, that is cosets of the first-order Reed–Muller code, which one Hadamard transform per mask decodes
(MacWilliams & Sloane, The Theory of Error-Correcting Codes, ch. 13–14). All words lie in the dimensions of the
presence mark (`layouts`), at right angles to it and at its shift and geometry, so that reading them costs no search,
and presence is scored as if they were not there.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import hadamard

from hygiene.codecs.layouts import Layout
from hygiene.keys import Key
from hygiene.payloads import LENGTHS, SYMBOL_BITS, Payload

SPELLINGS = 16
"""Words that say one symbol: the embedder takes the one that the picture favours, as it does with the shift."""

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Reading:
    """The likeliest payload of those considered.

    error    estimated probability that another of them was embedded, given that one of them was
    log10_p  log10 of the probability, over the key, that a picture without any payload reads as clearly; every payload
             considered is paid for. An upper bound (Hoeffding 1963, theorem 2, for random signs)
    """

    payload: Payload
    error: float
    log10_p: float


@dataclass(frozen=True)
class _Book:
    """The words of one symbol. places [n]: the dimensions they use; signs [masks, n]: ±1."""

    places: NDArray[np.int64]
    signs: NDArray[np.float32]

    def words(self, symbol: int, dimension: int) -> Vector:
        """[SPELLINGS, dimension]: unit vectors that all say `symbol`."""
        size = len(self.places)
        negative, rest = divmod(symbol, 1 << SYMBOL_BITS - 1)
        mask, row = divmod(rest, size)
        parity = np.bitwise_count(np.arange(size) & row) & 1  # the row of Sylvester's Hadamard matrix
        words = np.zeros((SPELLINGS, dimension))
        signs = self.signs.reshape(SPELLINGS, -1, size)[:, mask]
        words[:, self.places] = signs * ((1 - 2 * negative) / math.sqrt(size) * (1 - 2.0 * parity))
        return words

    def scores(self, vector: Vector) -> Vector:
        """[SPELLINGS, 2¹⁶]: every word's correlation with `vector`, in standard deviations of random signs."""
        used = vector[self.places]
        plain = _hadamard(self.signs * (used / (np.linalg.norm(used) + 1e-12)).astype(np.float32))
        plain = plain.reshape(SPELLINGS, -1)
        return np.concatenate([plain, -plain], axis=1)


Place = tuple[int, int]
"""Which symbol of a payload: its index, and of the last symbol the payload's bits, of the others 0.

So all lengths share the books of all but the last symbol, and the last one's tells the length.
"""


def _places(bits: int) -> list[Place]:
    last = bits // SYMBOL_BITS - 1
    return [(index, bits if index == last else 0) for index in range(last + 1)]


@lru_cache(maxsize=32)
def _book(layout: Layout, key: Key, place: Place) -> _Book:
    rng = key.random(f"payload:{layout.short}:{place[0]}:{place[1]}")
    size = 1 << int(math.log2(layout.dimension))
    places = rng.permutation(layout.dimension)[:size]
    masks = SPELLINGS * (1 << SYMBOL_BITS - 1) // size
    return _Book(places, rng.integers(0, 2, (masks, size)).astype(np.float32) * 2 - 1)


def _hadamard(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The Walsh–Hadamard transform of every row, in Sylvester's order: one matrix for each half of the index."""
    count, size = rows.shape
    low = 1 << int(math.log2(size)) // 2
    first, second = (hadamard(n).astype(np.float32) for n in (size // low, low))
    return np.asarray(first @ rows.reshape(count, -1, low) @ second).reshape(count, size)


def direction(layout: Layout, key: Key, payload: Payload, host: NDArray[np.complex128]) -> NDArray[np.complex64]:
    """The payload's unit vector as a half spectrum [tile, tile//2 + 1], orthogonal to the key's pattern.

    host  [n] the picture's used bins at unit amplitude, aligned to the mark as in `read`: it chooses the spelling
    """
    vector, total = _apart(_real(host), layout, key), np.zeros(layout.dimension)
    for place, symbol in zip(_places(payload.bits), payload.symbols, strict=True):
        words = _book(layout, key, place).words(symbol, layout.dimension)
        total += words[(words @ vector).argmax()]
    apart = _apart(total, layout, key)
    spectrum = np.zeros(layout.bins.shape, dtype=np.complex64)
    spectrum[layout.bins] = (apart / np.linalg.norm(apart)).view(np.complex128)
    return spectrum


def read(aligned: NDArray[np.complex128], layout: Layout, key: Key, among: Sequence[Payload] = ()) -> Reading:
    """The clearest reading of all payloads of all lengths, or of those in `among`: fewer are told apart with less.

    aligned  [n] the used bins at unit amplitude, shifted and turned to where the presence mark was found
    """
    vector = _apart(_real(aligned), layout, key)
    lengths = sorted({each.bits for each in among}) or LENGTHS
    places = {place for bits in lengths for place in _places(bits)}
    best = {place: _book(layout, key, place).scores(vector).max(axis=0) for place in places}  # spellings
    scores = {bits: np.stack([best[place] for place in _places(bits)]) for bits in lengths}
    if among:
        return _likeliest(scores, among)
    return min((_blind(scores[bits]) for bits in LENGTHS), key=lambda each: each.log10_p)


def _blind(scores: Vector) -> Reading:
    """scores [k, 2¹⁶]."""
    symbols, best = scores.argmax(axis=1), scores.max(axis=1)
    bits = SYMBOL_BITS * len(symbols)
    odds = np.exp(best.mean() * (scores - best[:, None])).sum(axis=1)
    log10_p = _log10_p(best, bits * math.log10(2) + math.log10(len(LENGTHS)))
    return Reading(Payload.of_symbols(symbols.tolist()), _error(np.log(odds).sum()), log10_p)


def _likeliest(scores: Mapping[int, Vector], among: Sequence[Payload]) -> Reading:
    own = {each: scores[each.bits][np.arange(len(each.symbols)), each.symbols] for each in among}
    log10_p = {each: _log10_p(own[each], math.log10(len(own))) for each in own}
    best = min(own, key=lambda each: log10_p[each])
    evidence = np.array([own[each].sum() for each in own if each.bits == best.bits])
    odds = np.exp(own[best].mean() * (evidence - own[best].sum())).sum()
    return Reading(best, _error(np.log(odds)), log10_p[best])


def _log10_p(scores: Vector, log10_payloads: float) -> float:
    """Of k words together: their sum over √k has no heavier tail than a standard normal."""
    tail = max(float(scores.sum()), 0.0) ** 2 / len(scores) / 2 / math.log(10)
    return min(0.0, log10_payloads + len(scores) * math.log10(SPELLINGS) - tail)


def _error(log_odds: float) -> float:
    """1 − the posterior of the best: scores are normal around one amplitude, estimated from the best's, or around 0."""
    return float(-np.expm1(-log_odds))


def _real(bins: NDArray[np.complex128]) -> Vector:
    return np.ascontiguousarray(bins, dtype=np.complex128).view(np.float64)


def _apart(vector: Vector, layout: Layout, key: Key) -> Vector:
    """Without the part along the key's pattern."""
    pattern = _real(layout.pattern(key)[layout.bins].astype(np.complex128))
    pattern = pattern / np.linalg.norm(pattern)
    return np.asarray(vector - (vector @ pattern) * pattern)
