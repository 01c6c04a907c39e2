"""Metrics of network features, nothing cached from one call to the next, against the libraries that define them."""

import numpy as np
import pytest
import torch

from benchmarks import plain
from evaluator.metrics import METRICS, Reference
from evaluator.models import make_model
from evaluator.sources import OracleSource

WHAT = {
    "frechet": "the published formula with scipy.linalg.sqrtm",
    "manifold": "prdc.compute_prdc",
    "diversity": "numpy.linalg.svd and slogdet",
}
SIZES = [(metric, n) for metric in WHAT for n in (900, 5000)] + [("manifold", 10_000)]


@pytest.fixture(scope="module")
def features(digits):
    """n -> features [n, 84] of real digits and of a Gaussian's; both from fitted models, for there are 1797 digits."""
    rng = np.random.default_rng(0)
    oracle = OracleSource(digits.training.rows, (8, 8), rng)
    model = make_model("gaussian")
    model.fit(digits.training.rows, rng)
    return lambda n: (digits.network(oracle.draw(n, rng)), digits.network(model.sample(n, 1.0, rng)))


@pytest.mark.parametrize(("metric", "n"), SIZES)
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


@pytest.mark.parametrize("n", [1000])
def test_kid(compare, features, n):
    """One subset that is everything, so that both see the same rows."""
    from torchmetrics.image.kid import poly_mmd

    real, synthetic = features(n)
    ours, expected = compare(
        lambda: METRICS["kid"](real, synthetic)["kid"],
        lambda: float(poly_mmd(torch.from_numpy(real), torch.from_numpy(synthetic))),
        "torchmetrics.image.kid",
        n,
        "samples",
    )
    assert ours == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("n", [5000])
def test_memorisation(compare, digits, features, n):
    from sklearn.neighbors import NearestNeighbors

    real, synthetic = features(n)
    training = digits.network(digits.training.rows)

    def plainly():
        search = NearestNeighbors(n_neighbors=2, algorithm="brute").fit(training)
        first, second = search.kneighbors(synthetic)[0].T
        unseen = search.kneighbors(real, n_neighbors=1)[0]
        return {
            "memorised": float((first <= second / 3).mean()),
            "training_distance_ratio": float(np.median(first) / np.median(unseen)),
        }

    ours, expected = compare(
        lambda: METRICS["memorisation"](Reference(real, training), synthetic),
        plainly,
        "sklearn.neighbors.NearestNeighbors, brute force",
        n,
        "samples",
    )
    assert ours == pytest.approx(expected, rel=1e-6)
