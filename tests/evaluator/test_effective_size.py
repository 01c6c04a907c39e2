"""What a loop is worth in real samples, against closed forms and against simulation."""

import numpy as np
import pytest

from evaluator import theory
from evaluator.effective_size import (
    admissible_interval,
    admissible_size,
    effective_size,
    gaussian_effective_size,
)
from evaluator.limits import distances, settling_time
from evaluator.models.chains import Chains
from hygiene.errors import ConfigurationError, InfeasibleError

SIZES = [100, 300, 1000, 5000]
CURVE = [theory.real_frechet(n, 100) for n in SIZES]


@pytest.mark.parametrize("n", SIZES)
def test_a_measured_curve_gives_its_own_sizes_back(n):
    assert effective_size(theory.real_frechet(n, 100), SIZES, CURVE) == pytest.approx(n)


def test_between_its_sizes_the_curve_is_read_on_logarithmic_scales():
    """The distance falls as 1/n for large n: a line on these scales."""
    assert effective_size(0.5, [100, 10_000], [1.0, 0.01]) == pytest.approx(200)


@pytest.mark.parametrize("n", [10, 100, 843, 50_000])
def test_the_gaussian_curve_gives_its_own_sizes_back(n):
    assert gaussian_effective_size(theory.real_frechet(n, 100), 100) == pytest.approx(n, rel=1e-6)


def test_unbiased_synthetic_data_makes_a_loop_worth_more_than_its_real_samples_and_biased_data_less():
    unbiased, biased = (theory.fresh_frechet(1000, 2000, bias, 100) for bias in (1.0, 0.7))
    assert gaussian_effective_size(unbiased, 100) > 1000 > gaussian_effective_size(biased, 100)


@pytest.mark.parametrize(("distance", "call"), [(1e9, gaussian_effective_size), (1e-12, gaussian_effective_size)])
def test_what_no_number_of_real_samples_has_is_refused(distance, call):
    with pytest.raises(InfeasibleError, match="no number of real samples"):
        call(distance, 100)


def test_beyond_a_measured_curve_nothing_is_guessed():
    with pytest.raises(InfeasibleError, match="outside the measured curve"):
        effective_size(100.0, SIZES, CURVE)
    with pytest.raises(ConfigurationError, match="falling distances"):
        effective_size(1.0, [100, 200], [1.0, 2.0])


def test_the_admissible_size_is_where_the_ratio_falls_to_one():
    assert admissible_size([100, 400, 900], [1.5, 1.2, 0.8]) == pytest.approx(600)  # half way, on a logarithmic scale
    with pytest.raises(InfeasibleError, match="never falls to 1"):
        admissible_size([100, 400], [0.9, 0.5])
    with pytest.raises(ConfigurationError, match="rising sizes"):
        admissible_size([400, 100], [1.5, 0.5])


def test_the_admissible_size_of_simulated_loops_is_the_closed_forms():
    n_real, bias, dimension, chains = 120, 0.6, 12, 40
    law = theory.admissible_synthetic(n_real, bias, dimension)
    sizes = [round(law * factor) for factor in (0.4, 0.7, 1.0, 1.5, 2.5)]
    rng = np.random.default_rng(0)
    alone = Chains(4000, n_real, 0, 2, unbiased=True, dimension=dimension)
    limits = []
    for n_synthetic in sizes:
        kind = Chains(chains, n_real, n_real, n_synthetic, bias, unbiased=True, dimension=dimension)
        steps = settling_time(n_real, n_synthetic, bias) + 60
        limits.append(distances(kind, steps, rng, last=60).mean(axis=1))
    found, low, high = admissible_interval(sizes, np.transpose(limits), distances(alone, 1, rng)[:, 0])
    assert low < found < high
    assert found == pytest.approx(law, rel=0.1)
    assert high - low < 0.3 * law
