"""The package's dwtDctSvd: the largest singular value of a block.

The package takes the singular values of a block's DCT. A DCT is a rotation on either side: it changes no singular value
and turns the singular vectors, so adding (s' − s)·u·vᵀ to the block itself is the same. It is computed only for blocks
whose bit hangs on its rounding: flat ones often lie exactly on a multiple of 36.
Source: invisible-watermark 0.2.0, dwtDctSvd.py, methods diffuse_dct_svd and infer_dct_svd.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hygiene.codecs.blocks import STEP, BlockCodec, is_one, target
from hygiene.codecs.low_band import add_to_band, low_band, rounded_blocks
from hygiene.codecs.wavelet import HALF_ROOT, Plane

ITERATIONS = 6

AT_A_TIME = 4096
"""Blocks: what they need fits the cache of a core."""

ROUNDING = 1e-5
"""Share of a singular value that float32 may get wrong; seen are 1e-6."""

COSINE, SINE, HALF = 0.6532814824381883, 0.2705980500730985, 0.49999999999999994
"""√½ times the cosine and the sine of an eighth of a half turn, and ½, as OpenCV's recurrence leaves them."""

TINY = 1e-30
"""Keeps blocks of nothing but zeros from a division by zero."""


class Largest(NamedTuple):
    """Largest singular values of n matrices 4×4, and their vectors.

    s      [n]
    u, v   [4, n], unit
    error  [n]: s is that close to a singular value; inf where that may not be the largest
    """

    s: Plane
    u: Plane
    v: Plane
    error: Plane


@dataclass(frozen=True)
class DwtDctSvd(BlockCodec):
    """Reads what the package's dwtDctSvd wrote and the other way round; see `BlockCodec` and `PayloadCodec`."""

    name: ClassVar[str] = "dwt_dct_svd"

    def ones(self, picture: Plane) -> NDArray[np.bool_]:
        low = low_band(picture)
        found = largest(_blocks(low))
        ones = is_one(found.s)
        close = np.abs(np.mod(found.s + STEP / 4, STEP / 2) - STEP / 4) <= 2 * found.error + ROUNDING * found.s
        if close.any():
            ones[close] = is_one(_exact(picture, low, close))
        return ones.reshape(len(low) // 4, -1)

    def write(self, picture: Plane, bits: Plane, marked: Plane) -> None:
        low = low_band(picture, copy=marked)
        found = _refined(_blocks(low))
        push = target(found.s, bits.ravel()) - found.s
        change = (found.u * push)[:, None] * found.v
        height, width = (side // 4 for side in low.shape)
        add_to_band(marked, change.reshape(4, 4, height, width).transpose(2, 0, 3, 1).reshape(low.shape))


def _blocks(low: Plane) -> Plane:
    """[4, 4, n]: the blocks of a low band in raster order, one behind the other along the last axis."""
    height, width = (side // 4 for side in low.shape)
    planes = low.reshape(height, 4, width, 4).transpose(1, 3, 0, 2)
    return planes.reshape(4, 4, height * width)


def largest(blocks: Plane) -> Largest:
    """Largest singular values of blocks [4, 4, n] by power iteration on BᵀB, many at once.

    With g the Rayleigh quotient and r the residual, some eigenvalue lies within r of g; it is the largest if g − r is
    more than half of the trace, the sum of all four.
    """
    starts = range(0, max(blocks.shape[2], 1), AT_A_TIME)
    parts = [_largest(blocks[..., start : start + AT_A_TIME]) for start in starts]
    return Largest(*(np.concatenate(each, axis=-1) for each in zip(*parts, strict=True)))


def _largest(blocks: Plane) -> Largest:
    gram = np.einsum("kin,kjn->ijn", blocks, blocks)
    v = gram.sum(axis=1)
    for _ in range(ITERATIONS):
        v = np.einsum("ijn,jn->in", gram, v / (np.abs(v).max(axis=0) + TINY))
    v /= np.sqrt(np.einsum("in,in->n", v, v)) + TINY
    turned = np.einsum("ijn,jn->in", gram, v)
    g = np.einsum("in,in->n", v, turned)
    r = np.sqrt(np.square(turned - g * v).sum(axis=0))
    s = np.sqrt(g)
    u = np.einsum("ijn,jn->in", blocks, v) / (s + TINY)
    error = np.where(g - r > np.einsum("iin->n", gram) / 2, r / (s + TINY), np.inf)
    return Largest(s, u, v, error)


def _lapack(blocks: Plane) -> Largest:
    u, s, vt = np.linalg.svd(np.moveaxis(blocks, -1, 0))
    return Largest(s[:, 0], u[:, :, 0].T, vt[:, 0].T, np.zeros(len(s)))


def _refined(blocks: Plane) -> Largest:
    """`largest`, and LAPACK's where that has not settled."""
    found = largest(blocks)
    rough = ~(found.error <= ROUNDING * found.s)
    if rough.any():
        for old, new in zip(found, _lapack(blocks[..., rough]), strict=True):
            old[..., rough] = new
    return found


def _exact(picture: Plane, low: Plane, which: NDArray[np.bool_]) -> Plane:
    """LAPACK's largest singular values [n] of some blocks, as the package rounds them where pixels are whole.

    LAPACK itself rounds otherwise when it computes no vectors, so it is asked for them.
    """
    if picture.dtype == np.uint8:
        blocks = rounded_dct(rounded_blocks(picture, which.reshape(len(low) // 4, -1)))
    else:
        blocks = np.moveaxis(_blocks(low)[..., which], -1, 0)
    return np.asarray(np.linalg.svd(blocks)[1][:, 0])


def rounded_dct(blocks: Plane) -> Plane:
    """`cv2.dct` of blocks [n, 4, 4] float64, bit for bit: rows first, then columns."""
    rows = _dct(*np.moveaxis(blocks, 2, 0))
    return _dct(*np.moveaxis(rows, 2, 0)).transpose(2, 0, 1)


def _dct(a: Plane, b: Plane, c: Plane, d: Plane) -> Plane:
    """Four coefficients along a new first axis, in the order of operations of OpenCV's dxt.cpp (DCTInit, DCT)."""
    even, odd, outer, inner = a + d, c + b, a - d, b - c
    first = (even + odd) * HALF_ROOT * HALF_ROOT
    return np.stack([first, COSINE * outer + SINE * inner, (even - odd) * HALF, SINE * outer - COSINE * inner])
