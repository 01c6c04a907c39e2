"""How likely a random message would agree with a picture's votes as well as the known one does.

The votes s are fixed, the signs m of a message are fair coins. P(Σ mᵢ sᵢ ≥ t) is exact for any picture, however
structured; what it leaves open is whether the known message is as good as random towards pictures, which
`benchmarks.public_marks` counts.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

PINELIS = 1 / (4 * special.ndtr(-math.sqrt(2)))
"""P(Σ mᵢ sᵢ ≥ z‖s‖) ≤ 3.18 P(N(0, 1) ≥ z) for all s (Bentkus & Dzindzalieta 2015, theorem 1.1)."""

WORTH_COUNTING = -2.0
CELLS = 4096
SMALLEST_NORM = 1e-3
"""Below it votes are float32's rounding, which moves one by 1e-5. A mark's have a length of about √n."""


def agreement(votes: Floats, signs: Floats) -> float:
    """Σ mᵢ sᵢ / ‖s‖: 0 on average for random signs, with deviation 1, and √n if every vote is equally right."""
    norm = float(np.linalg.norm(votes))
    return float(votes @ signs) / norm if norm > SMALLEST_NORM else 0.0


def log10_p(votes: Floats, signs: Floats) -> float:
    """log10 of an upper bound of P(Σ mᵢ sᵢ ≥ Σ signsᵢ votesᵢ) over fair signs m, ≤ 0.

    The bound of Bentkus and Dzindzalieta where that is no evidence worth a closer look, else `counted`.
    """
    z = agreement(votes, signs)
    if z <= 0:
        return 0.0
    bound = (float(special.log_ndtr(-z)) + math.log(PINELIS)) / math.log(10)
    return min(bound, 0.0) if bound > WORTH_COUNTING else min(bound, counted(votes, float(votes @ signs)))


def counted(votes: Floats, total: float) -> float:
    """log10 P(Σ mᵢ sᵢ ≥ total) by adding up the law bit by bit on a grid, rounding against the evidence.

    Only sums of positive numbers: the relative error stays that of the grid, however small p.
    """
    step = float(np.abs(votes).sum()) / CELLS
    jumps = np.rint(np.abs(votes) / step).astype(int)
    law = np.zeros(2 * int(jumps.sum()) + 1)
    low = high = law.size // 2
    law[low] = 1.0
    for jump in jumps:
        spread = np.zeros_like(law)
        spread[low - jump : high - jump + 1] = law[low : high + 1]
        spread[low + jump : high + jump + 1] += law[low : high + 1]
        law, low, high = spread / 2, low - jump, high + jump
    # Each vote is off by half a cell at most, so the sum by n/2 cells.
    first = law.size // 2 + math.ceil(total / step - len(votes) / 2)
    return math.log10(law[min(max(first, 0), law.size - 1) :].sum())
