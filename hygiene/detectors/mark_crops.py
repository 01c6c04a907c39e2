"""What a crop leaves of a mark: the blocks start elsewhere, and so does the message, row by row.

Block (i, j) of a crop carries bit (first + i·columns + j) mod n, where `columns` is the width of the whole picture in
blocks. Folded to n × n sums G[i mod n, j mod n], the votes of all n values of `columns` are lines through one
two-dimensional transform: with row i moved by i·columns, frequency k of the sum is Ĝ[k·columns mod n, k].
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hygiene.chroma import Chroma
from hygiene.detectors.mark_evidence import SMALLEST_NORM, log10_p
from hygiene.detectors.mark_table import Mark
from hygiene.detectors.mark_votes import Plane, cleaned, u_band, votes

Floats = NDArray[np.float64]
Spectra = NDArray[np.complex128]
Finding = dict[str, str | float | int]


@dataclass(frozen=True)
class Found:
    """One mark in one reading. log10_p: with the searches that its maker paid for. agreement: see mark_evidence."""

    log10_p: float
    agreement: float
    finding: Finding = field(default_factory=dict)


@dataclass(frozen=True)
class _Place:
    """The best of one grid: agreement, the votes per bit that gave it, and where."""

    agreement: float
    of_bits: Floats
    down: int
    across: int
    columns: int
    first: int


def search(chroma: Chroma, marks: list[Mark]) -> Iterator[Found]:
    """Each mark in each of its known readings, at the best place; the price of the places is in log10 p."""
    best: dict[tuple[str, str, str], _Place] = {}
    readings = {reading for mark in marks for reading in mark.readings}
    for down in range(chroma.phases):
        for across in range(chroma.phases):
            blue, red = chroma.low_band(down, across)
            if min(blue.shape) < 4:
                continue
            for domain, order in readings:
                rest, weights = cleaned(votes(u_band(blue, red, order), domain))
                for mark in (mark for mark in marks if (domain, order) in mark.readings):
                    place = _best_place(rest * weights, mark, down, across)
                    held = best.get((mark.name, domain, order))
                    if held is None or place.agreement > held.agreement:
                        best[mark.name, domain, order] = place
    named = {mark.name: mark for mark in marks}
    for (name, domain, order), place in best.items():
        yield _priced(place, named[name], domain, order, chroma)


def _priced(place: _Place, mark: Mark, domain: str, order: str, chroma: Chroma) -> Found:
    searched = chroma.phases**2 * len(mark.bits) ** 2
    pixels = chroma.reduction
    finding: Finding = {
        "mark": mark.name,
        "domain": domain,
        "order": order,
        "crop": f"grid at {place.across * pixels},{place.down * pixels}, bit {place.first}, "
        f"native columns {place.columns} mod {len(mark.bits)}",
    }
    p = log10_p(place.of_bits, np.roll(mark.signs, -place.first)) + math.log10(searched)
    return Found(p, place.agreement, finding)


def _best_place(weighted: Plane, mark: Mark, down: int, across: int) -> _Place:
    count = len(mark.bits)
    spectra = line_spectra(folded(weighted * np.float32(count / weighted.size), count), count)
    spectra[:, :: count // mark.period] = 0  # the means of the classes of every period-th bit
    centred = np.where(mark.counts, mark.signs - mark.signs[mark.counts].mean(), 0.0)
    totals = _moved_sums(spectra, centred)
    norms = _norms(spectra, mark)
    # Lines that are rounding only must not win.
    scores = np.where(norms > SMALLEST_NORM, totals / np.maximum(norms, SMALLEST_NORM), 0.0)
    columns, first = (int(i) for i in np.unravel_index(np.argmax(scores), scores.shape))
    of_bits, counts = np.fft.ifft(spectra[columns]).real, np.roll(mark.counts, -first)
    of_bits = np.where(counts, of_bits - of_bits[counts].mean(), 0.0)
    return _Place(float(scores[columns, first]), of_bits, down, across, columns, first)


def _norms(spectra: Spectra, mark: Mark) -> Floats:
    """Lengths of the votes that count, less their mean: [columns, first], or [columns, 1] where all count."""
    if mark.counts.all():
        return np.asarray(np.linalg.norm(spectra, axis=1, keepdims=True) / math.sqrt(len(mark.bits)))
    squares = _moved_sums(np.fft.fft(np.fft.ifft(spectra).real ** 2), mark.counts)
    sums = _moved_sums(spectra, mark.counts)
    return np.asarray(np.sqrt(np.maximum(squares - sums**2 / np.count_nonzero(mark.counts), 0)))


def _moved_sums(spectra: Spectra, template: NDArray[Any]) -> Floats:
    """Sums over r of votes[columns, r] · template[first + r mod n], of votes given as spectra: [columns, first]."""
    return np.asarray(np.fft.ifft(spectra.conj() * np.fft.fft(template)).real)


def folded(weighted: Plane, count: int) -> Floats:
    """Sums over blocks (i mod count, j mod count): [h, w] to [count, count]."""
    height, width = weighted.shape
    rows, columns = np.arange(height) % count, np.arange(width) % count
    at = rows[:, None] * count + columns
    sums = np.bincount(at.ravel(), weighted.ravel(), count * count)
    return np.asarray(sums, dtype=np.float64).reshape(count, count)


def line_spectra(grid: Floats, count: int) -> Spectra:
    """Spectra [columns, k] of the sums S[r] of all grid[i, j] with i·columns + j = r mod count."""
    k = np.arange(count)
    return np.asarray(np.fft.fft2(grid)[k[:, None] * k % count, k])
