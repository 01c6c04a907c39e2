"""The Fréchet distance that infinitely many samples would have: a straight line in 1/n, read at 0."""

import numpy as np
from numpy.typing import ArrayLike

from evaluator.metrics.frechet import frechet
from evaluator.metrics.reference import Real, paired
from hygiene.errors import ConfigurationError


def frechet_infinity(
    real: Real, synthetic: ArrayLike, points: int = 15, smallest: int | None = None, seed: int = 0
) -> dict[str, float]:
    """{"frechet_distance_infinity"}: lower is closer, in squared feature units (Chong & Forsyth 2020,
    arXiv:1911.07023, §3.1).

    Fréchet distances of random subsets of the synthetic rows, n = smallest … m in equal steps, fitted by a line in
    1/n. What remains is the real side's bias, which is the same for every model, and values just below 0 can occur.
    The bias is a line only for n well above the number of features f.

    points    sizes between the smallest and all rows
    smallest  the least size; a tenth of the rows when not given (5000 of 50,000 in the paper), or 2f if that is
              more, but at most half of them
    seed      fixes the subsets
    """
    reference, rows = paired(real, synthetic)
    least = _smallest(len(rows), rows.shape[1]) if smallest is None else smallest
    if points < 2 or not 2 <= least < len(rows) or seed < 0:
        raise ConfigurationError(
            f"frechet_infinity takes points ≥ 2, seed ≥ 0 and 2 ≤ smallest < {len(rows)} samples, "
            f"got {points}, {seed} and {least}"
        )
    rng = np.random.default_rng(seed)
    sizes = np.linspace(least, len(rows), points).astype(np.int64)
    subsets = (rows[rng.permutation(len(rows))[:size]] for size in sizes)
    distances = [frechet(reference, subset)["frechet_distance"] for subset in subsets]
    return {"frechet_distance_infinity": float(np.polynomial.polynomial.polyfit(1 / sizes, distances, 1)[0])}


def _smallest(n: int, width: int) -> int:
    return max(2, min(max(n // 10, 2 * width), n // 2))
