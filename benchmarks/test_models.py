"""One generation of the self-consuming loop on digits, and Gaussian loops in bulk."""

import numpy as np
import pytest

from benchmarks import plain
from evaluator.metrics import Reference, measure
from evaluator.models import make_model
from evaluator.models.chains import Chains
from evaluator.models.members import fit_side_by_side

SAMPLES = 900
WHAT = {
    "gaussian": "multivariate_normal",
    "mixture": "GaussianMixture on all 64 pixels",
    "kde": "KernelDensity",
}


@pytest.mark.parametrize("name", WHAT)
def test_generation(compare, digits, name):
    rows, real = digits.training.rows, digits.network(digits.reference.rows)
    reference = Reference(real)  # kept for the whole loop, as run_loop keeps it; the other libraries start over
    rng = np.random.default_rng(0)

    def ours():
        model = make_model(name)
        model.fit(rows, rng)
        return measure(reference, digits.network(model.sample(SAMPLES, 1.0, rng)))

    def plainly():
        synthetic = digits.network(plain.GENERATORS[name](rows, SAMPLES, rng))
        return {key: value for metric in plain.METRICS.values() for key, value in metric(real, synthetic).items()}

    what = f"{WHAT[name]}; then the same network, prdc, sqrtm and numpy.linalg"
    measured, expected = compare(ours, plainly, what, 1, "generations")
    assert measured.keys() == expected.keys()
    assert measured["manifold_precision"] == pytest.approx(expected["manifold_precision"], abs=0.1)


@pytest.mark.parametrize("dimension", [1, 8])
def test_gaussian_chains(compare, dimension):
    chains, n, generations = 1000, 100, 20
    rng = np.random.default_rng(0)
    kind = Chains(chains, n, 0, n, dimension=dimension)
    ours, drawn = compare(
        lambda: list(kind.run(generations, rng))[-1][1],
        lambda: plain.gaussian_chains(chains, n, dimension, generations, rng),
        f"numpy drawing all {n} samples of every chain at once",
        chains * generations,
        "chain-generations",
    )
    expected = (1 - 1 / n) ** generations  # of the maximum-likelihood variance, Alemohammad et al. 2023
    for covariance in (ours.reshape(chains, dimension, dimension), drawn):
        assert np.trace(covariance, axis1=1, axis2=2).mean() / dimension == pytest.approx(expected, abs=0.08)


@pytest.mark.parametrize("reference", ["own", "plain"])
def test_seeds_side_by_side(compare, digits, reference):
    """Sixteen seeds of a small diffusion model in one batch, against one seed after the other."""
    seeds, steps, shape, rows = 16, 40, {"width": 64, "depth": 2, "batch": 32}, digits.training.rows

    def fitted(together):
        models = [make_model("ddpm_mlp", steps=steps, **shape) for _ in range(seeds)]
        rngs = [np.random.default_rng(seed) for seed in range(seeds)]
        if together:
            fit_side_by_side(models, [rows] * seeds, rngs)
        else:
            for model, rng in zip(models, rngs, strict=True):
                model.fit(rows, rng)
        return models, rngs

    def plainly():
        return [plain.ddpm(rows, steps, **shape, seed=seed) for seed in range(seeds)]

    own = reference == "own"
    what = "the same model's fit, seed after seed" if own else "torch.nn, Adam and AveragedModel, seed after seed"
    alone = (lambda: fitted(False)) if own else plainly
    together, after = compare(lambda: fitted(True), alone, what, seeds * steps, "training steps")
    if own:
        drawn = [[model.sample(20, 1.0, rng) for model, rng in zip(*each, strict=True)] for each in (together, after)]
        np.testing.assert_allclose(*drawn, atol=1e-3)
