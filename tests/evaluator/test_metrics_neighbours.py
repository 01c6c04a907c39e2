"""Neighbours: as double precision without shortcuts finds them, whatever the scale, and on torch as on NumPy."""

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from evaluator.metrics import neighbours, neighbours_torch
from evaluator.metrics.neighbours import balls, nearest
from hygiene.errors import ConfigurationError

Floats = NDArray[np.float64]


def directly(a: Floats, b: Floats) -> Floats:
    """Squared distances from differences, nothing expanded."""
    return np.square(a[:, None] - b).sum(axis=-1)


def normal(seed: int, n: int, f: int) -> Floats:
    return np.random.default_rng([77, seed]).standard_normal((n, f))


def modes(seed: int, n: int) -> Floats:
    """Tight clusters far apart: single precision cannot tell the members of one from another."""
    rng = np.random.default_rng([78, seed])
    return 1e3 * rng.integers(0, 3, (n, 2)) + 1e-3 * rng.standard_normal((n, 2))


SCENES: dict[str, Callable[[int, int], Floats]] = {
    "normal": lambda seed, n: normal(seed, n, 16),
    "one column": lambda seed, n: normal(seed, n, 1),
    "far from zero": lambda seed, n: normal(seed, n, 5) + 1e6,
    "huge": lambda seed, n: normal(seed, n, 5) * 1e100,
    "tiny": lambda seed, n: normal(seed, n, 5) * 1e-100,
    "tight modes": modes,
    "an outlier": lambda seed, n: np.vstack([normal(seed, n - 1, 4), np.full((1, 4), 1e5)]),
}


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_nearest_equals_a_full_sort(scene: Callable[[int, int], Floats]) -> None:
    queries, rows = scene(0, 90), scene(1, 70)
    expected = np.sort(directly(queries, rows), axis=1)[:, :4]
    np.testing.assert_allclose(nearest(queries, rows, 4), expected, rtol=1e-9)
    among = directly(rows, rows)
    np.fill_diagonal(among, np.inf)
    np.testing.assert_allclose(nearest(rows, rows, 4, same=True), np.sort(among, axis=1)[:, :4], rtol=1e-9)


@pytest.mark.parametrize("scene", [*SCENES.values(), lambda seed, n: normal(seed, n, 3).repeat(2, axis=0)[:n]])
def test_nearest_of_many_rows_equals_a_full_sort(scene: Callable[[int, int], Floats]) -> None:
    """Enough rows for groups, with some left over."""
    rows = scene(0, 4 * neighbours.GROUPS * 2 + 7)
    among = directly(rows, rows)
    np.fill_diagonal(among, np.inf)
    np.testing.assert_allclose(nearest(rows, rows, 2, same=True), np.sort(among, axis=1)[:, :2], rtol=1e-9)


def test_neighbours_that_share_a_group_are_all_found() -> None:
    groups = neighbours.GROUPS * 3
    rows = normal(0, 5 * groups, 4) + 10.0
    rows[7::groups] = 1e-3 * normal(1, 5, 4)  # all in one group
    expected = np.sort(directly(np.zeros((1, 4)), rows), axis=1)[:, :3]
    np.testing.assert_allclose(nearest(np.zeros((1, 4)), rows, 3), expected, rtol=1e-9)


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_balls_equal_every_pair(scene: Callable[[int, int], Floats]) -> None:
    real, synthetic = scene(0, 90), scene(1, 70)
    radii, others = nearest(real, real, 3, same=True)[:, -1], nearest(synthetic, synthetic, 3, same=True)[:, -1]
    distances = directly(real, synthetic)
    counts, covered, reached = balls(real, synthetic, radii, others)
    np.testing.assert_array_equal(counts, (distances < radii[:, None]).sum(axis=0))
    np.testing.assert_array_equal(covered, (distances < radii[:, None]).any(axis=1))
    np.testing.assert_array_equal(reached, (distances < others).any(axis=1))


def test_the_rim_is_decided_in_double_precision() -> None:
    # the second pair of radii differs from the first by less than single precision can hold
    real, synthetic = normal(0, 40, 8), normal(1, 40, 8)
    rim = directly(real, synthetic)[np.arange(40), np.arange(40)]
    for radii, inside in ((rim * (1 - 1e-12), False), (rim * (1 + 1e-12), True)):
        counts, _, _ = balls(real, synthetic, radii, radii)
        expected = (directly(real, synthetic) < radii[:, None]).sum(axis=0)
        np.testing.assert_array_equal(counts, expected)
        assert (directly(real, synthetic)[np.arange(40), np.arange(40)] < radii).all() == inside


@pytest.mark.parametrize("scene", ["normal", "tight modes", "huge"])
def test_the_error_of_single_precision_is_bounded(scene: str) -> None:
    a, b = SCENES[scene](0, 200), SCENES[scene](1, 300)
    pairs = neighbours._Pairs(a, b)
    for block in pairs.blocks():
        error = np.abs(pairs.screened(block) - directly(a[block], b) / pairs.unit)
        assert 0 < error.max() < pairs.slack


def test_blocks_are_bounded() -> None:
    pairs = neighbours._Pairs(np.zeros((50_000, 1)), np.zeros((50_000, 1)))
    blocks = list(pairs.blocks())
    assert max(block.stop - block.start for block in blocks) * 50_000 <= neighbours.CELLS * 2
    assert [block.start for block in blocks[1:]] == [block.stop for block in blocks[:-1]]
    assert (blocks[0].start, blocks[-1].stop) == (0, 50_000)


def test_pairs_of_wide_rows_are_decided_a_few_at_a_time() -> None:
    # 16 points, and 12 rows about each: its 2304 pairs cannot be told apart in single precision
    rows = np.repeat(normal(0, 16, 8000), 12, axis=0) + 1e-6 * normal(1, 192, 8000)
    tracemalloc.start()
    nearest(rows, rows, 5, same=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * rows.nbytes + 3 * 8 * neighbours.NUMBERS < 2304 * 8000 * 8 * 3


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    real, synthetic = normal(0, 90, 8), normal(1, 70, 8)
    others = nearest(synthetic, synthetic, 3, same=True)[:, -1]

    def found() -> list[NDArray[np.generic]]:
        near = nearest(real, real, 3, same=True)
        return [near, *balls(real, synthetic, near[:, -1], others)]

    whole = found()
    monkeypatch.setattr(neighbours, "CELLS", 0)
    monkeypatch.setattr(neighbours, "FEWEST", 17)
    for mine, other in zip(found(), whole, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-12)


def test_copies_and_a_single_point() -> None:
    row = normal(0, 1, 6)
    copies = np.repeat(row, 30, axis=0)
    np.testing.assert_array_equal(nearest(copies, copies, 5, same=True), np.zeros((30, 5)))
    np.testing.assert_allclose(nearest(row + 2.0, copies, 3), 24.0)


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_torch_agrees_with_numpy(scene: Callable[[int, int], Floats], monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs on a CUDA device, on the CPU. One tolerance: it expands squares where NumPy takes differences."""
    monkeypatch.setattr(neighbours_torch, "CELLS", 1000)
    real, synthetic = scene(0, 90), scene(1, 70)
    cpu, size = torch.device("cpu"), np.square(real - real.mean(axis=0)).sum(axis=1).max()
    for same, rows in ((False, synthetic), (True, real)):
        here, there = nearest(real, rows, 3, same), neighbours_torch.nearest(real, rows, 3, same, cpu)
        np.testing.assert_allclose(there, here, atol=1e-13 * size)
    radii, others = np.full(90, 0.3 * size), np.full(70, 0.2 * size)
    for here, there in zip(
        balls(real, synthetic, radii, others),
        neighbours_torch.balls(real, synthetic, radii, others, cpu),
        strict=True,
    ):
        np.testing.assert_array_equal(here, there)


@pytest.mark.parametrize("far", [1e9, 1e12, 1e19])
def test_torch_is_not_misled_by_a_row_far_away(far: float) -> None:
    """As a generator whose training falls apart makes some: the others keep their neighbours."""
    real, synthetic, cpu = normal(0, 90, 6), normal(1, 70, 6), torch.device("cpu")
    synthetic[3, 2] = far
    radii, others = (nearest(rows, rows, 5, same=True)[:, -1] for rows in (real, synthetic))
    found = neighbours_torch.nearest(synthetic, synthetic, 5, True, cpu)[:, -1]
    np.testing.assert_allclose(found, others, rtol=1e-12)
    for here, there in zip(
        balls(real, synthetic, radii, others),
        neighbours_torch.balls(real, synthetic, radii, others, cpu),
        strict=True,
    ):
        np.testing.assert_array_equal(here, there)


def test_a_device_takes_large_work_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours_torch, "_cuda", lambda: torch.device("cpu"))
    assert neighbours_torch.device_for(neighbours_torch.LEAST - 1) is None
    assert neighbours_torch.device_for(neighbours_torch.LEAST) == torch.device("cpu")
    real, synthetic = normal(0, 120, 6), normal(1, 100, 6)
    radii, others = np.ones(120), np.ones(100)
    here = nearest(real, synthetic, 2), *balls(real, synthetic, radii, others)
    monkeypatch.setattr(neighbours_torch, "LEAST", 1)
    monkeypatch.delattr(neighbours, "_Pairs")
    for mine, other in zip(here, (nearest(real, synthetic, 2), *balls(real, synthetic, radii, others)), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-12)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
def test_cuda_agrees_with_numpy() -> None:
    real, synthetic, cuda = normal(0, 3000, 84), normal(1, 2500, 84), torch.device("cuda")
    np.testing.assert_allclose(
        neighbours_torch.nearest(real, synthetic, 5, False, cuda), np.sort(directly(real, synthetic))[:, :5], rtol=1e-10
    )


@pytest.mark.parametrize(("k", "same"), [(0, False), (31, False), (30, True)])
def test_a_k_that_cannot_be_is_refused(k: int, same: bool) -> None:
    rows = normal(0, 30, 2)
    with pytest.raises(ConfigurationError, match=f"k is {k} for 30 samples"):
        nearest(rows, rows, k, same)
