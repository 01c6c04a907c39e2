"""The change that a mark makes: which direction, given the host, drawn in pixels under a perceptual mask."""

from functools import lru_cache
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from hygiene.codecs import planes, symbols
from hygiene.codecs.layouts import Layout, own_layout
from hygiene.keys import Key
from hygiene.payloads import Payload

Array = Any

FLAT_CHANGE = 0.75
"""Root-mean-square change, in grey levels, that a flat area shows at most."""

PAYLOAD_SHARE = 0.68
"""A payload's push as a share of the presence mark's, for one symbol; it grows with the fourth root of their number."""

MASK_POWER = 0.7
LARGEST_ACTIVITY = 16.0
"""Grey levels of local deviation beyond which no more is hidden: edges of text and line art would be spoilt."""

AMPLITUDE_KNEE = 1.0
REDUNDANT_SHARE = 0.8


def amplitude(psnr: Any, noise: float) -> Any:
    """Root-mean-square change in levels that, with the rounding noise, comes to `psnr` dB."""
    return np.sqrt(np.maximum(255.0**2 / 10 ** (psnr / 10) - noise, 1e-3))


def unit_delta(plane: Array, key: Key, payload: Payload | None) -> tuple[Array, NDArray[np.float64]]:
    """The change to the luma, masked by local activity, and the amplitude at which flat areas begin to show it.

    [B, h, w] of unit root-mean-square, and [B] in grey levels: the mask is 1 where the picture is flat.
    """
    xp = array_namespace(plane)
    layout = own_layout(min(plane.shape[-2:]))
    scale = layout.short / min(plane.shape[-2:])
    half, deviation = planes.spectrum(planes.canonical(plane, layout), layout)
    pattern = _draw(_informed(half, _wanted(half, key, layout, payload), layout), layout, plane, scale)
    delta = _mask(plane, deviation, scale) * pattern
    size, plain = (xp.sqrt(xp.mean(each * each, axis=(1, 2), keepdims=True) + 1e-20) for each in (delta, pattern))
    return delta / size, FLAT_CHANGE * planes.to_numpy(size / plain)[:, 0, 0]


def _mask(plane: Array, deviation: Array, scale: float) -> Array:
    """How much a change is hidden at each native pixel, [B, h, w], 1 in flat areas, even beside an edge.

    The canonical `deviation` spreads over WINDOW canonical pixels, which are many native ones: around text and lines
    that alone would mark the empty paper.
    """
    xp = array_namespace(plane)
    activity = xp.minimum(planes.enlarge(deviation, plane.shape[1], plane.shape[2], scale), 2.0 * planes.texture(plane))
    return xp.clip(activity, 0.0, LARGEST_ACTIVITY) ** MASK_POWER + 1.0


def _informed(half: Array, wanted: Array, layout: Layout) -> Array:
    """The half spectrum to add to the host's, so that its phases turn towards `wanted`.

    Little but phases is scored, so a weak host bin turns further for the same energy (weight 1/|F|, kept finite by
    AMPLITUDE_KNEE), and of a bin's push the part along its own phase only lengthens it (REDUNDANT_SHARE of that
    part is spared). Both follow from the gradient of the cosine; the constants were measured on photographs.
    """
    xp = array_namespace(half)
    bins = planes.to_like(layout.bins, half)
    amplitude = xp.abs(half)
    power = xp.sum(xp.where(bins, amplitude**2, xp.zeros_like(amplitude)), axis=(1, 2), keepdims=True)
    knee = AMPLITUDE_KNEE**2 * power / (layout.dimension / 2) + 1e-6
    push = wanted / xp.sqrt(amplitude**2 + knee)
    along = xp.real(push * xp.conj(half)) / (amplitude**2 + 1e-6)
    spared = REDUNDANT_SHARE * xp.clip(along, 0.0, None) * half
    return xp.where(bins, push - spared, xp.zeros_like(push))


def _wanted(half: Array, key: Key, layout: Layout, payload: Payload | None) -> Array:
    """The key's pattern at the cyclic shift that correlates best with each host already, and the payload's there."""
    phases = planes.phases(half, layout)
    pattern = planes.to_like(layout.pattern(key), half)
    turns = shift_waves(planes.to_numpy(planes.correlation(phases, pattern, layout)), layout)
    shifted = pattern * planes.to_like(turns, half)
    if payload is None:
        return shifted
    hosts = planes.to_complex(phases) * np.conj(turns)
    words = np.stack([symbols.direction(layout, key, payload, host[layout.bins]) for host in hosts])
    share = PAYLOAD_SHARE * len(payload.symbols) ** 0.25
    return shifted + planes.to_like((share * words * turns).astype(np.complex64), half)


def shift_waves(cosines: NDArray[np.float64], layout: Layout) -> NDArray[np.complex64]:
    """[B, tile, tile] cosines at every shift -> [B, tile, tile//2 + 1]: what the best shift multiplies each wave by."""
    best = cosines.reshape(len(cosines), -1).argmax(axis=1)
    down, right = np.divmod(best, layout.tile)
    rows = np.fft.fftfreq(layout.tile, 1 / layout.tile)[None, :, None]
    columns = np.arange(layout.tile // 2 + 1)[None, None, :]
    turns = (down[:, None, None] * rows + right[:, None, None] * columns) / layout.tile
    return np.asarray(np.exp(-2j * np.pi * turns), dtype=np.complex64)


def _draw(half: Array, layout: Layout, plane: Array, scale: float) -> Array:
    """The periodic pattern of half spectrum `half`, drawn at every native pixel, band-limited at any scale."""
    xp = array_namespace(half)
    used = int(np.ceil(layout.high))
    height, width = plane.shape[-2:]
    down = planes.to_like(_waves(height, scale, layout.tile), half)
    across = planes.to_like(_waves(width, scale, layout.tile)[:, :used], half)
    lines = down @ half[:, :, :used]
    return xp.real(lines) @ xp.real(across).T - xp.imag(lines) @ xp.imag(across).T


@lru_cache(maxsize=64)
def _waves(native: int, scale: float, tile: int) -> NDArray[np.complex64]:
    """[native, tile]: the tile's waves at the canonical position of each native pixel."""
    position = (np.arange(native)[:, None] + 0.5) * scale - 0.5
    return np.asarray(np.exp(2j * np.pi * position * np.fft.fftfreq(tile)[None, :]), dtype=np.complex64)
