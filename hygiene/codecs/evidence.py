"""Evidence in luma planes: where a key's pattern is looked for, and the p-value that pays for looking there."""

from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from hygiene import statistics
from hygiene.codecs import embedding, geometry, planes, search
from hygiene.codecs.layouts import Layout, own_layout, searched_layouts
from hygiene.keys import Key

Array = Any


def fast_log10_p(plane: Array, key: Key) -> NDArray[np.float64]:
    """log10 p [B] of luma planes, every searched layout and shift paid for."""
    layouts = searched_layouts(min(plane.shape[-2:]))
    searches = sum(layout.searches for layout in layouts)
    best = np.min([shift_log10_p(planes.canonical(plane, each), each, key) for each in layouts], axis=0)
    return statistics.bonferroni_log10_p(best, searches)


def shift_log10_p(plane: Array, layout: Layout, key: Key) -> NDArray[np.float64]:
    """log10 p of the best cyclic shift of each canonical plane, not yet corrected for the search."""
    half, _ = planes.spectrum(plane, layout)
    cosines = planes.correlation(planes.phases(half, layout), planes.to_like(layout.pattern(key), half), layout)
    best = array_namespace(cosines).max(cosines, axis=(1, 2))
    return statistics.cosine_log10_p(planes.to_numpy(best), layout.dimension)


Alignment = tuple[float, Layout, NDArray[np.complex128]]
"""log10 p of one picture's mark where it was looked for, and its phases [n] there, shifted back by the best shift."""


def fast_alignment(plane: Array, layout: Layout, key: Key) -> Alignment:
    """Of one picture [1, h, w] as it lies, at its best shift in `layout`."""
    half, _ = planes.spectrum(planes.canonical(plane, layout), layout)
    return _aligned(planes.to_complex(planes.phases(half, layout)), layout, key)


def searched_alignment(plane: Array, key: Key, name: str) -> Alignment:
    """Of one picture [1, h, w] under the best geometry that the deep or exhaustive search `name` finds."""
    layout, found = min(_searched(plane, key, name), key=lambda each: _found_log10_p(*each))
    small = planes.canonical(plane, layout)
    return _aligned(search.phases_under(found.matrix, small, layout), layout, key)


def _aligned(phases: NDArray[np.complex128], layout: Layout, key: Key) -> Alignment:
    cosines = planes.to_numpy(planes.correlation(phases, layout.pattern(key).astype(np.complex128), layout))
    log10_p = float(statistics.cosine_log10_p(cosines.max(), layout.dimension))
    return log10_p, layout, (phases * np.conj(embedding.shift_waves(cosines, layout)))[0][layout.bins]


def search_log10_p(plane: Array, key: Key, name: str) -> tuple[float, str]:
    """log10 p of a deep or exhaustive search of one picture [1, h, w], paid for, and its geometry in words."""
    tries = _searched(plane, key, name)
    layout, found = min(tries, key=lambda each: _found_log10_p(*each))
    hypotheses = sum(tried.hypotheses * where.searches for where, tried in tries)
    log10_p = float(statistics.bonferroni_log10_p(_found_log10_p(layout, found), hypotheses))
    return log10_p, geometry.describe(found.matrix)


def _searched(plane: Array, key: Key, name: str) -> list[tuple[Layout, search.Found]]:
    """What the search finds in each layout that it looks in."""
    height, width = plane.shape[-2:]
    own = own_layout(min(height, width))
    tries = []
    for layout in (each for each in searched_layouts(min(height, width)) if each.short >= own.short):
        small = planes.canonical(plane, layout)
        if name == "deep":
            tries.append((layout, search.deep(small, layout, key, height, width)))
        else:
            tries.append((layout, search.exhaustive(small, layout, key)))
    return tries


def _found_log10_p(layout: Layout, found: search.Found) -> float:
    return float(statistics.cosine_log10_p(found.cosine, layout.dimension))
