"""The best point of a grid: found, told with an honest interval, and nothing made of one seed."""

import numpy as np
import pytest

from evaluator.optimum import Best, least
from hygiene.errors import ConfigurationError

GRID = [0.0, 0.5, 0.9, 1.0]
CURVE = np.array([16.6, 8.27, 2.18, 2.66])


def test_without_noise_the_least_value_wins_every_time():
    best = least(GRID, np.tile(CURVE, (5, 1)))
    assert (best.point, best.low, best.high) == (0.9, 0.9, 0.9)
    assert best.value == pytest.approx(2.18)


def test_the_interval_holds_the_points_that_noise_cannot_tell_apart():
    rng = np.random.default_rng(0)
    values = np.array([3.0, 1.0, 1.0, 3.0]) + rng.normal(0, 0.5, (20, 4))
    best = least(GRID, values)
    assert (best.low, best.high) == (0.5, 0.9)


def test_points_that_tie_are_all_in_the_interval():
    """As of a share that is 1 everywhere: no point loses, and the first one is no better than the others."""
    assert least(GRID, np.ones((5, 4))) == Best(0.0, 0.0, 1.0, 1.0)
    tied = least(GRID, np.array([3.0, 0.1, 0.1, 3.0]) + np.arange(5.0)[:, None] / 3)
    assert (tied.point, tied.low, tied.high) == (0.5, 0.5, 0.9)
    assert least(GRID[::-1], np.ones((5, 4))).low == 0.0


def test_more_seeds_narrow_the_interval():
    """It is about the mean over seeds, not about where single seeds have their optimum."""
    values = CURVE[1:] + np.random.default_rng(3).normal(0, 1.0, (200, 3))
    assert len({int(i) for i in np.argmin(values, axis=1)}) > 1
    best = least(GRID[1:], values)
    assert best.low == best.high == 0.9


def test_what_seeds_have_in_common_does_not_widen_the_interval():
    """Arms of one seed share their draws: a seed that is bad for all of them says nothing of which is best."""
    common = np.random.default_rng(1).normal(0, 50, (6, 1))
    best = least(GRID, CURVE + common)
    assert best.low == best.high == 0.9


def test_coverage_of_the_interval():
    """The true optimum lies in the interval in about 95 % of experiments, where the neighbours are close."""
    rng = np.random.default_rng(2)
    truth = np.array([1.3, 1.0, 1.1, 1.5])
    found = [least(GRID, truth + rng.normal(0, 0.3, (8, 4))) for _ in range(60)]
    assert np.mean([best.low <= 0.5 <= best.high for best in found]) >= 0.9
    assert any(best.low < best.high for best in found)


@pytest.mark.parametrize(("points", "values"), [(GRID, np.ones(4)), (GRID, np.ones((2, 3))), ([], np.ones((2, 0)))])
def test_shapes_that_do_not_fit_are_refused(points, values):
    with pytest.raises(ConfigurationError, match=r"expected \[p\] and \[seeds, p\]"):
        least(points, values)
