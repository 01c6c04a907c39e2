"""From a low band to one soft vote per block, and from the votes of a picture to one number per bit.

Nothing here looks at the bits of a message, only at their number and form. So whatever is estimated from the picture,
the law of `mark_evidence` stays exact.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from hygiene.detectors.mark_table import DOMAINS, STEP, Mark

Plane = NDArray[np.float32]
Floats = NDArray[np.float64]

U_OF_BLUE = np.float32(0.492)
"""U is this times blue − luma, plus the offset."""

SMALLEST_SHARE = np.float32(0.5)
"""What the smallest value's vote counts beside the largest's: the least-squares weight on JPEG at quality 95."""

NOISE_FLOOR = np.float32(0.3)
"""Added to a block's local noise: a vote is at best as good as a mark leaves it, about ±1."""


def u_band(blue: Plane, red: Plane, order: str) -> Plane:
    """The low band of U without its offset, as an embedder saw it that took the channels in `order`.

    In RGB it took red for blue: its luma was ours + (.299 − .114)(blue − red).
    """
    if order == "bgr":
        return blue * U_OF_BLUE
    swap = np.float32(0.299 - 0.114)
    return (red * (1 + swap) - blue * swap) * U_OF_BLUE


def votes(band: Plane, domain: str) -> Plane:
    """How far each 4 × 4 block of `band` [h, w] says 1 (positive) or 0: float32 [h/4, w/4].

    The moved value was its block's largest. A 1 leaves it largest; a 0 may have put it below all others, so the
    smallest votes too. −sin(2πv/36) is −1 where a 0 lies and +1 where a 1 lies.
    """
    height, width = (side // 4 for side in band.shape)
    values = np.abs(band + np.float32(DOMAINS[domain])).reshape(height, 4, width, 4)
    values[:, 0, :, 0] = values[:, 0, :, 1]  # the first is never moved: let its neighbour stand for it
    down = values.max(axis=1), values.min(axis=1)
    turn = np.float32(-2 * np.pi / STEP)
    return np.asarray(np.sin(turn * down[0].max(axis=2)) + SMALLEST_SHARE * np.sin(turn * down[1].min(axis=2)))


def cleaned(raw: Plane) -> tuple[Plane, Plane]:
    """Votes [h, w] less what they share with their neighbours, and the weight of each.

    A picture changes slowly from block to block, a message does not: so the mean of 3 × 3 votes is taken away. The
    weight is the inverse of the votes' mean square over 5 × 5 blocks.
    """
    rest = raw - uniform_filter(raw, 3, mode="nearest")
    noise = uniform_filter(np.square(rest), 5, mode="nearest")
    return rest, np.asarray(1 / (noise + NOISE_FLOOR))


def per_bit(rest: Plane, weights: Plane, mark: Mark) -> Floats:
    """Weighted mean vote for each bit of the message, less the mean of its class of every `period`-th: [n].

    Bits without a block, and those that carry no evidence, get 0.
    """
    count = len(mark.bits)
    at = np.arange(rest.size) % count
    sums = np.bincount(at, (rest * weights).ravel(), count)
    totals = np.bincount(at, weights.ravel(), count)
    means = np.divide(sums, totals, out=np.zeros(count), where=totals > 0).reshape(-1, mark.period)
    counts = mark.counts.reshape(means.shape)
    shares = counts / np.maximum(counts.sum(axis=0), 1)
    return np.asarray((counts * (means - (shares * means).sum(axis=0))).ravel())
