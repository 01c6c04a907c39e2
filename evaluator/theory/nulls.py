"""What metrics say of real data against real data."""

from math import prod


def coverage_null(n_real: int, n_synthetic: int, k: int) -> float:
    """E[coverage] of real data against real data: 1 − Π_{i=1..k} (N−i)/(N+M−i) (Naeem et al. 2020, arXiv:2002.09797).

    A real ball misses all M rows if the k nearest of the N+M−1 others are all real.
    """
    return 1 - prod((n_real - i) / (n_real + n_synthetic - i) for i in range(1, k + 1))
