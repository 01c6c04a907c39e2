"""Metrics of network features, nothing cached from one call to the next, against the libraries that define them."""

import numpy as np
import pytest

from benchmarks import plain
from evaluator.metrics import METRICS
from evaluator.models import make_model
from evaluator.sources import OracleSource

WHAT = {
    "frechet": "the published formula with scipy.linalg.sqrtm",
    "manifold": "prdc.compute_prdc",
    "diversity": "numpy.linalg.svd and slogdet",
}


@pytest.fixture(scope="module")
def features(digits):
    """n -> features [n, 84] of real digits and of a Gaussian's; both from fitted models, for there are 1797 digits."""
    rng = np.random.default_rng(0)
    oracle = OracleSource(digits.training.rows, (8, 8), rng)
    model = make_model("gaussian")
    model.fit(digits.training.rows, rng)
    return lambda n: (digits.network(oracle.draw(n, rng)), digits.network(model.sample(n, 1.0, rng)))


@pytest.mark.parametrize("n", [900, 5000])
@pytest.mark.parametrize("metric", WHAT)
def test_metric(compare, features, metric, n):
    real, synthetic = features(n)
    ours, expected = compare(
        lambda: METRICS[metric](real, synthetic),
        lambda: plain.METRICS[metric](real, synthetic),
        WHAT[metric],
        n,
        "samples",
    )
    assert ours == pytest.approx(expected, rel=1e-6)
