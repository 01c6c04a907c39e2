"""Rows fewer than their numbers: the same figures and draws as by the matrix of d² numbers, which is never made."""

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from evaluator.covariances import Few, Full, moments
from evaluator.features.pca import Pca
from evaluator.geometry import Rows, participation_ratio
from evaluator.metrics import METRICS, Reference
from evaluator.metrics.frechet import frechet, gaussian_frechet
from evaluator.models import gaussian, kde, make_model
from evaluator.models.principal import Principal

FITTED = {
    "gaussian": {},
    "kde": {"bandwidth": 0.6},
    "mixture": {"components": 2, "dimensions": 5},
    "pca_gaussian": {"components": 4},
}


def wide(n: int = 20, d: int = 35, seed: int = 0) -> Rows:
    """Rows with a mean and variances of their own, two of them equal: the covariance has the rank n − 2."""
    rng = np.random.default_rng([n, d, seed])
    rows = 3.0 + rng.standard_normal((n, d)) * np.linspace(2.0, 0.1, d)
    rows[1] = rows[0]
    return rows


def by_matrix(rows: Rows, divisor: int | None = None) -> tuple[Rows, Full]:
    """What `moments` does where there are rows enough."""
    centred = rows - rows.mean(axis=0)
    return rows.mean(axis=0), Full(centred.T @ centred / (len(rows) - 1 if divisor is None else divisor))


def both(seed: int = 0) -> tuple[Few, Full]:
    few, full = moments(wide(seed=seed))[1], by_matrix(wide(seed=seed))[1]
    assert isinstance(few, Few)
    return few, full


def test_each_form_is_taken_where_it_is_the_smaller_one() -> None:
    assert isinstance(moments(wide(9, 10))[1], Few)
    assert isinstance(moments(wide(10, 10))[1], Full)
    mean, covariance = moments(wide(40, 5), divisor=40)
    np.testing.assert_array_equal(mean, wide(40, 5).mean(axis=0))
    np.testing.assert_allclose(covariance.root.T @ covariance.root, np.cov(wide(40, 5).T, bias=True), rtol=1e-9)


def test_both_forms_say_the_same() -> None:
    few, full = both()
    assert few.dimension == full.dimension == 35
    assert few.trace == pytest.approx(full.trace, rel=1e-12)
    assert few.log_det(1e-3) == pytest.approx(full.log_det(1e-3), rel=1e-9)
    np.testing.assert_allclose(few.root.T @ few.root, full.matrix, atol=1e-12)
    noise = np.random.default_rng(1).standard_normal((6, 35))
    np.testing.assert_allclose(few.coloured(noise), full.coloured(noise), atol=1e-6)  # of Σ's rounding error: its root


def test_principal_directions_make_up_the_covariance() -> None:
    few, full = both()
    (variances, directions), (expected, others) = few.principal(), full.principal()
    assert directions.shape == (35, 20)
    np.testing.assert_allclose(variances, expected[:20], atol=1e-12)
    assert (variances[-2:] == 0).all()
    np.testing.assert_allclose(directions * variances @ directions.T, full.matrix, atol=1e-12)
    np.testing.assert_allclose(np.abs((directions * others[:, :20]).sum(axis=0)[:18]), 1.0, rtol=1e-9)


@pytest.mark.parametrize(("n", "m"), [(20, 15), (20, 90), (90, 15)])
def test_frechet_distance_of_any_two_sizes(n: int, m: int) -> None:
    real, synthetic = wide(n), wide(m, seed=1) + 0.1
    (mean, of_real), (other, covariance) = by_matrix(real), by_matrix(synthetic)
    expected = gaussian_frechet(mean, of_real.matrix, other, covariance.matrix)
    assert frechet(real, synthetic)["frechet_distance"] == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_of_rows_in_two_dimensions_of_many() -> None:
    """What a rotation into more dimensions cannot change, to all digits: no root of a rounding error is in it."""
    a, b = (np.random.default_rng(seed).standard_normal((12, 2)) * [2.0, 0.5] + seed for seed in (0, 1))
    turned = np.linalg.qr(np.random.default_rng(2).standard_normal((40, 2)))[0].T
    assert frechet(a @ turned, b @ turned)["frechet_distance"] == pytest.approx(frechet(a, b)["frechet_distance"], 1e-9)


@pytest.mark.parametrize("name", ["gaussian", "kde"])
def test_draws_are_those_of_the_matrix(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn() -> Rows:
        model, rng = make_model(name, **FITTED[name]), np.random.default_rng(5)
        model.fit(wide(), rng)
        return model.sample(50, 0.8, rng)

    few = drawn()
    monkeypatch.setattr({"gaussian": gaussian, "kde": kde}[name], "moments", by_matrix)
    np.testing.assert_allclose(few, drawn(), atol=1e-6)


@pytest.mark.parametrize("name", ["gaussian", "kde", "mixture"])
def test_draws_have_the_mean_and_the_covariance_of_the_rows(name: str) -> None:
    rows, rng = wide(), np.random.default_rng(6)
    model = make_model(name, **FITTED[name])
    model.fit(rows, rng)
    drawn = model.sample(20_000, 1.0, rng)
    np.testing.assert_allclose(drawn.mean(axis=0), rows.mean(axis=0), atol=4 * 2 / np.sqrt(20_000))
    bias = name != "gaussian"
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(rows.T, bias=bias), atol=6 * np.sqrt(2) * 4 / np.sqrt(20_000))


def test_probabilistic_components_of_wide_rows() -> None:
    """Tipping and Bishop's covariance: the leading directions as they are, the mean of the rest for all others."""
    rows, rng = wide(), np.random.default_rng(7)
    model = make_model("pca_gaussian", **FITTED["pca_gaussian"])
    model.fit(rows, rng)
    values, vectors = np.linalg.eigh(np.cov(rows.T, bias=True))
    values[:-4] = values[:-4].mean()
    expected = (vectors * values) @ vectors.T
    drawn = model.sample(20_000, 1.0, rng)
    np.testing.assert_allclose(np.cov(drawn.T), expected, atol=6 * np.sqrt(2) * 4 / np.sqrt(20_000))
    assert drawn.var(axis=0, ddof=1).sum() == pytest.approx(np.trace(expected), rel=0.01)


def test_scores_of_wide_rows_have_unit_variance_and_give_the_rows_back() -> None:
    """What `flow` learns from; with all 18 components that vary nothing is left out."""
    rows, ground = wide(), Principal(wide(), 20)
    scores = ground.inward(rows)
    assert ground.kept == 18
    np.testing.assert_allclose(np.cov(scores.T, bias=True), np.eye(18), atol=1e-9)
    np.testing.assert_allclose(ground.outward(scores, 1.0, np.random.default_rng(0)), rows, atol=1e-9)
    few, rng = Principal(wide(), 4), np.random.default_rng(8)
    drawn = few.outward(rng.standard_normal((20_000, 4)), 1.0, rng)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(rows.T, bias=True), atol=6 * np.sqrt(2) * 4 / np.sqrt(20_000))


def test_participation_ratio_of_few_rows() -> None:
    values = np.linalg.eigvalsh(np.cov(wide().T))
    assert participation_ratio(wide()) == pytest.approx(values.sum() ** 2 / (values**2).sum(), rel=1e-9)


WIDTH = 20_000  # a matrix of d² numbers would take 3.2 GB


def fit_and_sample(name: str) -> Callable[[], object]:
    def run() -> Rows:
        model, rng = make_model(name, **FITTED[name]), np.random.default_rng(0)
        model.fit(wide(12, WIDTH), rng)
        return model.sample(12, 0.9, rng)

    return run


def there_and_back() -> Rows:
    ground = Principal(wide(12, WIDTH), 5)
    return ground.outward(ground.inward(wide(12, WIDTH)), 1.0, np.random.default_rng(0))


def metric_of(name: str) -> Callable[[], object]:
    def run() -> dict[str, float]:
        real = Reference(wide(12, WIDTH), wide(12, WIDTH, 2), classify=lambda rows: (rows[:, 0] > 3).astype(np.int64))
        return METRICS[name](real, wide(10, WIDTH, 1))

    return run


WORK = {name: fit_and_sample(name) for name in FITTED} | {name: metric_of(name) for name in METRICS}
WORK |= {"pca": lambda: Pca(wide(12, WIDTH), 5)(wide(12, WIDTH)), "principal": there_and_back}


@pytest.mark.parametrize("name", WORK)
def test_no_matrix_of_all_pairs_of_numbers_is_made(name: str) -> None:
    tracemalloc.start()
    WORK[name]()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30 * 8 * 12 * WIDTH
