"""What output differs from real pictures by on average, and at which scales: where a mark that is handed on must show.

A model that keeps the mean of what it learns from hands on the mean of the changes that a codec makes, and of a codec
that makes another change to every picture hardly anything.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from evaluator.models.base import Rows
from evaluator.pictures import Pictures

EDGES = (0.125, 0.25, 0.375)
"""Cycles per pixel between four bands of radial frequency; the first holds the mean level."""


def residual_probes(
    raw: Rows, published: Rows, real: Rows, template: Rows, others: Sequence[Rows], pictures: Pictures
) -> dict[str, float]:
    """The mean residual of raw and published output [n, d] against real rows [m, d].

    raw_residual, published_residual  along `template` [d], what tagging adds to the mean of real rows, in its unit:
                                      1 = the mean is off as if all were real and tagged once
    raw_keyed, published_keyed        the same along what `template` has beyond the mean of `others`, the templates of
                                      wrong keys: 0 where the residual is what the codec changes under any key;
                                      absent without `others`
    raw_band_1 … 4, published_…       its power per band of EDGES, over what two sets of real pictures of these sizes
                                      differ by on average: 1 = no residual
    coherence                         |mean change| / √(mean |change|²) by publishing, 0..1: 1 where all pictures are
                                      changed alike, 1/√n where each in its own way; 0 where nothing is changed
    """
    values: dict[str, float] = {}
    keyed = template - np.mean(others, axis=0) if others else None
    for name, rows in (("raw", raw), ("published", published)):
        residual = rows.mean(axis=0) - real.mean(axis=0)
        values[f"{name}_residual"] = along(template, template, residual)
        if keyed is not None:
            values[f"{name}_keyed"] = along(keyed, template, residual)
        for band, share in enumerate(band_ratios(rows, real, pictures), start=1):
            values[f"{name}_band_{band}"] = share
    return values | {"coherence": coherence(published - raw)}


def along(direction: Rows, template: Rows, residual: Rows) -> float:
    """Along `direction`, how much of `template` there is in `residual`; 0 where the template is at right angles."""
    size = float(template @ direction)
    return float(residual @ direction) / size if size else 0.0


def coherence(changes: Rows) -> float:
    """How alike changes [n, d] are, 0..1."""
    power = float(np.square(changes).sum(axis=1).mean())
    return float(np.linalg.norm(changes.mean(axis=0)) / np.sqrt(power)) if power else 0.0


def band_ratios(rows: Rows, real: Rows, pictures: Pictures) -> list[float]:
    """Power per band of the difference of the means of [n, d] and real [m, d], over its expectation where both are
    drawn from the real pictures' distribution."""
    centred = real - real.mean(axis=0)
    chance = _powers(centred, pictures) * (1 / len(rows) + 1 / len(real)) * len(real) / (len(real) - 1)
    found = _powers((rows.mean(axis=0) - real.mean(axis=0))[None], pictures)
    return [float(each) for each in found / np.maximum(chance, np.finfo(np.float64).tiny)]


def _powers(rows: Rows, pictures: Pictures) -> NDArray[np.float64]:
    """[bands]: mean power of rows [n, d], their channels together."""
    layers = rows.reshape(len(rows), *pictures.shape[:2], -1)
    power = np.square(np.abs(np.fft.fft2(layers, axes=(1, 2)))).mean(axis=0).sum(axis=-1)
    bands = _bands(pictures.shape[:2]).ravel()
    return np.asarray(np.bincount(bands, power.ravel(), minlength=len(EDGES) + 1), dtype=np.float64)


@lru_cache(maxsize=8)
def _bands(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """[h, w]: the band of each wave of the spectrum."""
    rows, columns = (np.fft.fftfreq(side) for side in shape)
    return np.asarray(np.digitize(np.hypot(rows[:, None], columns[None, :]), EDGES))
