"""Every closed form against simulation: at a fixed seed, within 3 standard errors of the simulated mean."""

from itertools import islice
from math import inf, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluator import theory
from evaluator.metrics.manifold import manifold
from evaluator.models import make_model
from evaluator.models.chains import Chains, Statistics, draw
from hygiene.codecs.spread_vectors import SpreadVectors
from hygiene.errors import ConfigurationError
from hygiene.keys import Key

Floats = NDArray[np.float64]


def assert_mean(simulated: Floats, expected: float, relative_accuracy: float = 0.0) -> None:
    """`relative_accuracy` is what an approximate formula claims in its docstring; exact ones claim nothing."""
    error = simulated.std(ddof=1) / sqrt(simulated.size)
    gap = abs(simulated.mean() - expected)
    assert gap <= 3 * error + relative_accuracy * expected, (
        f"simulated {simulated.mean():.6g} ± {error:.2g}, theory says {expected:.6g}"
    )


def refitted(
    n: int, refits: int, sampling_bias: float = 1.0, unbiased: bool = True, chains: int = 100_000
) -> tuple[Floats, Floats]:
    rng = np.random.default_rng([n, refits])
    mean, variance = np.zeros(chains), np.ones(chains)
    for _ in range(refits):
        fitted = draw(mean, sampling_bias * variance, n, rng)
        mean, variance = fitted.mean, fitted.covariance(unbiased)
    return mean, variance


def last(chains: Chains, generations: int, seed: int = 0) -> tuple[Floats, Floats]:
    return next(islice(chains.run(generations, np.random.default_rng(seed)), generations - 1, None))


def frechet_to_real(mean: Floats, covariance: Floats) -> Floats:
    spread = 1 + covariance.trace(axis1=1, axis2=2) / mean.shape[1]
    roots = np.sqrt(np.maximum(np.linalg.eigvalsh(covariance), 0)).sum(axis=1)
    return (mean**2).sum(axis=1) + spread * mean.shape[1] - 2 * roots


class TestFullySynthetic:
    @pytest.mark.parametrize(("n", "refits", "bias"), [(20, 5, 1.0), (20, 8, 0.9), (100, 10, 0.7)])
    def test_moments_and_distance(self, n: int, refits: int, bias: float) -> None:
        mean, variance = refitted(n, refits, bias)
        assert_mean(variance, theory.mean_variance(refits, bias))
        assert_mean(mean**2, theory.mean_drift(n, refits, bias))
        assert_mean(mean**2 + (np.sqrt(variance) - 1) ** 2, theory.wasserstein(n, refits, bias))

    def test_drift_is_the_geometric_sum(self) -> None:
        assert theory.mean_drift(50, 7, 0.8) == pytest.approx(0.8 / 50 * (1 - 0.8**7) / (1 - 0.8))
        assert theory.mean_drift(50, 7) == pytest.approx(7 / 50)

    def test_mean_stays_while_the_median_collapses(self) -> None:
        _, variance = refitted(100, 50)
        log_median = np.log(np.median(variance))
        # a median's standard error is √(π/2) times the mean's for near-normal logs
        error = sqrt(np.pi / 2) * np.log(variance).std() / sqrt(variance.size)
        # neglected: skewness 1/(3(n−1)) and the next term of ψ, t/(3(n−1)²)
        neglected = 1 / (3 * 99) + 50 / (3 * 99**2)
        assert abs(log_median - np.log(theory.median_variance(100, 50))) <= 3 * error + neglected
        assert theory.mean_variance(50, 1.0) == 1

    def test_maximum_likelihood(self) -> None:
        mean, variance = refitted(10, 6, unbiased=False)
        assert_mean(variance, theory.mean_variance_mle(10, 6))
        assert_mean(mean**2 + (np.sqrt(variance) - 1) ** 2, theory.wasserstein_mle(10, 6))

    @pytest.mark.parametrize("dimension", [1, 5])
    def test_log_det(self, dimension: int) -> None:
        chains, n = 20_000, 12
        start = np.broadcast_to(np.eye(dimension), (chains, dimension, dimension))
        fitted = draw(np.zeros((chains, dimension)), 0.8 * start, n, np.random.default_rng(dimension))
        steps = np.linalg.slogdet(fitted.covariance(unbiased=True))[1]
        assert_mean(steps, theory.log_det_step(n, dimension, 0.8))

    def test_without_noise(self) -> None:
        many = theory.wasserstein(10**9, 4, 0.8)
        assert theory.frechet_without_noise(1, 4, 0.8) == pytest.approx(many, rel=1e-6)
        assert theory.frechet_without_noise(64, 4, 0.8) == pytest.approx(64 * many, rel=1e-6)

    def test_half_life(self) -> None:
        assert theory.mean_variance(1, 0.7) ** theory.half_life(0.7) == pytest.approx(0.5)
        assert theory.half_life(1.0) == inf


class TestConservation:
    @pytest.mark.parametrize(
        "chains",
        [
            Chains(100_000, 10, 0, 10),
            Chains(100_000, 10, 5, 20),
            Chains(100_000, 10, 10, 10, fixed_real=True),
            Chains(100_000, 10, 10, 10, fixed_real=True, accumulate=True),
        ],
        ids=["fully_synthetic", "fresh", "augmentation", "accumulating"],
    )
    def test_gaussian_loops(self, chains: Chains) -> None:
        mean, variance = last(chains, 8)
        assert_mean(variance + mean**2, theory.conserved_moment())
        assert variance.mean() < 0.97  # the variance itself is not conserved

    @pytest.mark.parametrize(("name", "parameters"), [("kde", {"bandwidth": 0.5}), ("mixture", {"components": 3})])
    def test_other_moment_matching_models(self, name: str, parameters: dict[str, float]) -> None:
        moments = []
        for seed in range(150):
            rng = np.random.default_rng([7, seed])
            rows = rng.standard_normal((30, 2))
            for _ in range(4):
                model = make_model(name, **parameters)
                model.fit(rows, rng)
                rows = model.sample(30, 1.0, rng)
            moments.append((rows**2).mean())
        assert_mean(np.array(moments), theory.conserved_moment())


class TestAccumulating:
    @pytest.mark.parametrize(("n", "limit"), [(5, 0.7020), (20, 0.9198)])
    def test_product_and_limit(self, n: int, limit: float) -> None:
        _, variance = last(Chains(200_000, n, n, n, fixed_real=True, accumulate=True), 12)
        assert_mean(variance, theory.accumulated_variance(n, 12))
        assert theory.accumulated_variance(n, 100_000) == pytest.approx(theory.accumulated_variance_limit(n), rel=1e-5)
        assert theory.accumulated_variance_limit(n) == pytest.approx(limit, abs=5e-5)


class TestFreshData:
    @pytest.mark.parametrize(
        ("n_real", "n_synthetic", "bias", "variance", "mean_error"),
        [(50, 450, 0.8, 0.3558, 0.00375), (50, 450, 1.0, 0.98957, 0.01043), (100, 100, 0.9, 0.9036, 0.00604)],
    )
    def test_exact_limit(self, n_real: int, n_synthetic: int, bias: float, variance: float, mean_error: float) -> None:
        limit = theory.fresh_limit(n_real, n_synthetic, bias)
        assert limit == pytest.approx((variance, mean_error), abs=5e-5)
        mean, fitted = last(Chains(50_000, n_real, n_real, n_synthetic, bias), 60)
        assert_mean(fitted, limit.variance)
        assert_mean(mean**2, limit.mean_error)

    def test_exact_limit_unbiased(self) -> None:
        mean, fitted = last(Chains(100_000, 10, 10, 30, 0.9, unbiased=True), 40)
        limit = theory.fresh_limit(10, 30, 0.9, unbiased=True)
        assert_mean(fitted, limit.variance)
        assert_mean(mean**2, limit.mean_error)

    def test_large_training_sets(self) -> None:
        assert theory.fresh_limit(10**7, 9 * 10**7, 0.8).variance == pytest.approx(theory.fresh_variance(0.1, 0.8))
        exact = theory.fresh_limit(10**5, 10**5, 1.0).mean_error
        assert 1 / (10**5 * exact) == pytest.approx(theory.mean_effective_ratio(0.5), rel=1e-4)

    def test_memory(self) -> None:
        # away from its limit by e^−1 after one memory: the first model has variance near 1, the limit is .357
        generations = list(Chains(2_000, 10**6, 1_000, 9_000, 0.8).run(4, np.random.default_rng(0)))
        gaps = [variance.mean() - theory.fresh_limit(1_000, 9_000, 0.8).variance for _, variance in generations]
        assert gaps[3] / gaps[0] == pytest.approx(np.exp(-3 / theory.memory(0.1, 0.8)), rel=0.01)
        assert theory.memory(0.0, 1.0) == inf
        assert theory.memory(1.0, 0.8) == 0

    @pytest.mark.parametrize(("n", "quoted"), [(100, 31.9), (300, 9.17), (1000, 2.66), (5000, 0.526)])
    def test_real_frechet(self, n: int, quoted: float) -> None:
        assert theory.real_frechet(n, 100) == pytest.approx(quoted, rel=2e-3)
        assert theory.real_frechet(50 * n, 100) == pytest.approx(theory.real_frechet_floor(50 * n, 100), rel=0.01)

    @pytest.mark.parametrize(("n", "dimension"), [(100, 100), (300, 100), (41, 20), (15, 20)])
    def test_real_frechet_simulated(self, n: int, dimension: int) -> None:
        mean, covariance = last(Chains(300, n, 0, n, unbiased=True, dimension=dimension), 1)
        assert_mean(frechet_to_real(mean, covariance), theory.real_frechet(n, dimension))

    @pytest.mark.parametrize(("bias", "limit", "tolerance"), [(1.0, 12.3, 0.2), (0.8, 20.6, 0.1)])
    def test_few_real_rows_forget_where_they_started(self, bias: float, limit: float, tolerance: float) -> None:
        def distances(n_ini: int) -> Floats:
            chains = Chains(12, n_ini, 100, 900, bias, unbiased=True, dimension=100)
            return frechet_to_real(*last(chains, 60, seed=n_ini))

        few, many = distances(100), distances(1000)
        both = np.concatenate([few, many])
        error = both.std(ddof=1) / sqrt(both.size)
        assert abs(both.mean() - limit) <= tolerance + 3 * error
        assert abs(few.mean() - many.mean()) <= 3 * 2 * error  # halves: the difference has twice the error

    def test_admissible_synthetic(self) -> None:
        # the quoted roots, and one simulated: as good as its real rows alone, within the errors
        assert theory.admissible_synthetic(250, 0.7, 100) == pytest.approx(778, rel=0.015)
        assert theory.admissible_synthetic(1000, 0.7, 100) == pytest.approx(843, rel=0.015)
        admissible = round(theory.admissible_synthetic(500, 0.7, 10))
        chains = Chains(20_000, 500, 500, admissible, 0.7, unbiased=True, dimension=10)
        assert_mean(frechet_to_real(*last(chains, 8)), theory.real_frechet(500, 10))

    def test_admissible_synthetic_limit(self) -> None:
        limit = theory.admissible_synthetic_limit(0.7, 100)
        assert theory.admissible_synthetic(10**6, 0.7, 100) == pytest.approx(limit, rel=2e-3)
        assert theory.admissible_synthetic_limit(0.999, 100) == pytest.approx(105 / 0.001**2, rel=2e-3)


class TestAugmentation:
    @pytest.mark.parametrize(("n_real", "n_synthetic", "bias"), [(20, 20, 1.0), (20, 60, 0.8), (50, 10, 0.9)])
    def test_exact_limit(self, n_real: int, n_synthetic: int, bias: float) -> None:
        mean, variance = last(Chains(100_000, n_real, n_real, n_synthetic, bias, fixed_real=True), 40)
        # E over the fixed real rows: their own variance is (n−1)/n, their own mean adds 1/n
        limit = theory.augmented_limit((n_real - 1) / n_real, n_real, n_synthetic, bias)
        assert_mean(variance, limit.variance)
        assert_mean(mean**2, 1 / n_real + limit.mean_error)


class TestFilter:
    LEVELS = (0.0, 0.5, 0.9, 0.95, 0.99, 1.0)

    def test_u_curve_as_quoted(self) -> None:
        curve = [theory.fresh_frechet(1000, 9000 * (1 - tpr), 0.8, 100) for tpr in self.LEVELS]
        assert curve == pytest.approx([16.6, 8.27, 2.18, 2.08, 2.45, 2.66], rel=0.01)

    @pytest.mark.parametrize("tpr", [0.5, 0.9, 0.99])
    def test_u_curve_simulated(self, tpr: float) -> None:
        left = theory.filtered(10_000, 0.9, tpr, 0.0)
        n_real, n_synthetic = round(left.n_real), round(left.n_synthetic)
        distances = frechet_to_real(
            *last(Chains(8, n_real, n_real, n_synthetic, 0.8, unbiased=True, dimension=100), 30)
        )
        assert_mean(distances, theory.fresh_frechet(n_real, n_synthetic, 0.8, 100), relative_accuracy=0.01)

    def test_best_tpr(self) -> None:
        assert theory.best_tpr(1000, 9000, 0.8, 100) == pytest.approx(0.95, abs=0.011)
        assert theory.best_tpr(1000, 9000, 1.0, 100) == 0
        assert theory.best_tpr(100, 900, 0.8, 100) == pytest.approx(0.7, abs=0.05)
        assert theory.real_frechet(100, 100) > theory.fresh_frechet(100, 900, 0.8, 100)

    def test_filtered_counts(self) -> None:
        rng = np.random.default_rng(3)
        tagged = rng.random((2_000, 1_000)) < 0.9
        passed = rng.random(tagged.shape) >= np.where(tagged, 0.8, 0.05)
        real, synthetic = (passed & ~tagged).sum(axis=1), (passed & tagged).sum(axis=1)
        expected = theory.filtered(1_000, 0.9, 0.8, 0.05)
        assert_mean(real.astype(float), expected.n_real)
        assert_mean(synthetic.astype(float), expected.n_synthetic)
        share = theory.residual_synthetic(0.9, 0.8, 0.05)
        assert share == pytest.approx(expected.n_synthetic / sum(expected))

    @pytest.mark.parametrize(("fpr", "mean", "variance"), [(0.01, -0.0269, 0.9366), (0.001, -0.0034, 0.9896)])
    def test_false_positives_cut_the_tail(self, fpr: float, mean: float, variance: float) -> None:
        after = theory.real_after_filter(fpr)
        assert after == pytest.approx((mean, variance), abs=5.1e-5)
        scores = np.random.default_rng(4).standard_normal(1_000_000)
        kept = np.sort(scores)[: round(scores.size * (1 - fpr))]
        assert_mean(kept, after.mean)
        assert_mean((kept - after.mean) ** 2, after.variance)

    def test_leak(self) -> None:
        leak = theory.leak(3.0, 0.01)
        assert leak == pytest.approx((0.750, 1.73), abs=5e-3)
        scores = 3 + np.random.default_rng(5).standard_normal(200_000)
        missed = scores[scores <= 2.3263478740408408]  # the normal's upper 1 % point
        assert_mean((scores > 2.3263478740408408).astype(float), leak.tpr)
        assert_mean(missed, leak.missed_mean)


class TestMark:
    N_REAL, N_SYNTHETIC, STRENGTH = 10, 30, 2.0

    def marks(self, generations: int, informed: bool) -> Floats:
        """Mean of the untagged model output in generation `generations`, fresh loop, 50 000 chains."""
        rng = np.random.default_rng([8, informed])
        chains = 50_000
        training = draw(np.zeros(chains), np.ones(chains), self.N_REAL, rng)
        for _ in range(generations - 1):
            raw = draw(training.mean, training.covariance(unbiased=False), self.N_SYNTHETIC, rng)
            published = np.full(chains, self.STRENGTH) if informed else raw.mean + self.STRENGTH
            tagged = Statistics(raw.count, published, np.zeros(chains) if informed else raw.scatter)
            training = tagged.pooled(draw(np.zeros(chains), np.ones(chains), self.N_REAL, rng))
        return training.mean

    @pytest.mark.parametrize("generation", [2, 5, 25])
    def test_blind(self, generation: int) -> None:
        assert_mean(self.marks(generation, informed=False), theory.raw_mark(self.STRENGTH, 0.75, generation))

    def test_blind_limit_is_the_gain(self) -> None:
        published = theory.raw_mark(1.0, 0.75, 200) + 1.0
        assert published == pytest.approx(theory.blind_gain(0.75))
        assert theory.raw_mark(0.5, 1.0, 11) == pytest.approx(5.0)  # closed loop: linear growth
        assert theory.blind_gain(1.0) == inf

    def test_informed(self) -> None:
        assert_mean(self.marks(6, informed=True), theory.informed_raw_mark(self.STRENGTH, 0.75))

    def test_gains_as_quoted(self) -> None:
        gains = [theory.blind_gain(theory.residual_synthetic(0.9, tpr, 0.01)) for tpr in (0.0, 0.5, 0.9, 0.99)]
        assert gains == pytest.approx([10.1, 5.5, 1.9, 1.09], rel=0.01)

    def test_closed_loop_with_a_real_model_and_codec(self) -> None:
        carried = []
        for seed in range(100):
            rng = np.random.default_rng([9, seed])
            rows = rng.standard_normal((50, 4))
            codec = SpreadVectors(Key(bytes(32)), rng.standard_normal((4_000, 4)))
            for _ in range(5):
                model = make_model("gaussian")
                model.fit(rows, rng)
                raw = model.sample(50, 1.0, rng)
                rows = codec.embed(raw, 0.5)
            carried.append(codec.project(raw).mean())
        assert_mean(np.array(carried), theory.raw_mark(0.5, 1.0, 5))

    def test_false_attribution(self) -> None:
        scores = 1.2 + np.random.default_rng(6).standard_normal(200_000)
        assert_mean((scores > 2.0).astype(float), theory.false_attribution(2.0, 1.2))


class TestOtherMedia:
    def test_unigrams(self) -> None:
        rng = np.random.default_rng(10)
        shares = np.full((20_000, 6), 1 / 6)
        pool = np.zeros_like(shares)
        pooled = shares
        for _ in range(40):
            shares = rng.multinomial(30, shares) / 30
            pool = pool + rng.multinomial(30, pooled)
            pooled = pool / pool.sum(axis=1, keepdims=True)
        assert_mean(1 - (shares**2).sum(axis=1), theory.heterozygosity(5 / 6, 30, 40))
        assert_mean(1 - (pooled**2).sum(axis=1), theory.accumulated_heterozygosity(5 / 6, 30, 40))
        assert theory.heterozygosity(5 / 6, 30, 40) == pytest.approx(0.2147, abs=5e-5)
        assert theory.accumulated_heterozygosity(5 / 6, 30, 40) == pytest.approx(0.7890, abs=5e-5)

    def test_token_loss(self) -> None:
        counts = np.random.default_rng(11).binomial(50, 3 / 50, 100_000)
        assert_mean((counts == 0).astype(float), theory.token_loss(3, 50))

    @pytest.mark.parametrize("kind", ["replace", "accumulate", "fresh"])
    def test_kde_without_shrinkage(self, kind: str) -> None:
        rng, chains, n, h, refits = np.random.default_rng(12), 4_000, 20, 0.7, 8
        rows = rng.standard_normal((chains, n))
        for _ in range(refits):
            chosen = np.take_along_axis(rows, rng.integers(rows.shape[1], size=(chains, n)), axis=1)
            batch = chosen + h * rng.standard_normal((chains, n))
            kept = {"replace": rows[:, :0], "accumulate": rows, "fresh": rng.standard_normal((chains, 3 * n))}[kind]
            rows = np.hstack([kept, batch])
        expected = {
            "replace": theory.kde_second_moment(1.0, h, refits),
            "accumulate": theory.accumulated_kde_second_moment(1.0, h, refits + 1),
            "fresh": theory.fresh_kde_second_moment(1.0, h, 0.75),
        }[kind]
        assert_mean((rows**2).mean(axis=1), expected)

    @pytest.mark.parametrize("accumulate", [False, True])
    def test_regression(self, accumulate: bool) -> None:
        rng, repeats, samples, d, noise = np.random.default_rng(13), 4_000, 20, 4, 0.5
        weights = np.zeros((repeats, d))
        design, labels = np.empty((repeats, 0, d)), np.empty((repeats, 0))
        for _ in range(4):
            rows = rng.standard_normal((repeats, samples, d))
            answers = np.einsum("rnd,rd->rn", rows, weights) + noise * rng.standard_normal((repeats, samples))
            design = np.concatenate([design, rows], axis=1) if accumulate else rows
            labels = np.concatenate([labels, answers], axis=1) if accumulate else answers
            gram = np.einsum("rnd,rne->rde", design, design)
            weights = np.linalg.solve(gram, np.einsum("rnd,rn->rd", design, labels)[:, :, None])[:, :, 0]
        expected = (theory.accumulated_regression_error if accumulate else theory.regression_error)(
            samples, d, noise, 4
        )
        assert_mean((weights**2).sum(axis=1), expected)


class TestNullsAndDelay:
    @pytest.mark.parametrize(("n", "m", "k"), [(300, 300, 5), (200, 80, 3)])
    def test_coverage_and_density_of_real_data(self, n: int, m: int, k: int) -> None:
        rng = np.random.default_rng(14)
        results = [manifold(rng.standard_normal((n, 3)), rng.standard_normal((m, 3)), k=k) for _ in range(150)]
        assert_mean(np.array([r["coverage"] for r in results]), theory.coverage_null(n, m, k))
        assert_mean(np.array([r["density"] for r in results]), 1.0)
        assert theory.coverage_null(300, 300, 5) == pytest.approx(0.9695, abs=5e-5)

    def test_delay(self) -> None:
        levels = [theory.delay(tpr) for tpr in (0.5, 0.8, 0.9, 0.95, 0.99)]
        assert levels == pytest.approx([1.0, 2.32, 3.32, 4.32, 6.64], abs=5e-3)
        assert theory.delay(0.9, 0.5) == pytest.approx(theory.delay(0.8))  # equal odds, equal fate
        assert theory.delay(1.0) == inf

    def test_delay_is_a_shift_of_the_odds(self) -> None:
        # a pool whose odds were 2^delay times worse leaks, through the filter, what the open pool holds
        odds = 4.0 * 2.0 ** -theory.delay(0.9, 0.02)
        assert theory.residual_synthetic(1 / (1 + odds), 0.9, 0.02) == pytest.approx(1 / 5)

    def test_impossible_rates_are_refused(self) -> None:
        with pytest.raises(ConfigurationError, match=r"tpr is 1\.2"):
            theory.delay(1.2)
