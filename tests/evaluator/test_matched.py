"""Moments put back: the map against other derivations of it, and loops whose generator narrows what it learns."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import inv, sqrtm

from evaluator import side_by_side
from evaluator.arms import run_arms
from evaluator.config import Choice, LoopConfig, Tagging
from evaluator.loop import run_loop
from evaluator.models import make_model
from evaluator.models.base import ReadsFiles, Trainable
from evaluator.models.gaussian import Gaussian
from evaluator.models.labels import parted, with_labels
from evaluator.models.matched import Matched, MatchedTrainable, MomentMap, matched
from evaluator.models.members import fit_side_by_side
from evaluator.models.plugged import Plugged
from evaluator.readings import names_of, values_of
from evaluator.runs import run_in_folder
from hygiene.errors import ConfigurationError

Floats = NDArray[np.float64]

D = 6
CONFIG = LoopConfig(
    loop="fully_synthetic",
    n_ini=1000,
    n_s=1000,
    generations=4,
    n_reference=500,
    source=Choice("gaussian", {"dimension": D}),
    metrics={"frechet": {}},
)
VAE = Choice("vae", {"steps": 15, "latent": 3, "width": 16, "depth": 1, "batch": 16})


class Narrow(Gaussian):
    """Learns a Gaussian, and draws it with half of its deviation and away from its mean."""

    def sample(self, n: int, sampling_bias: float, rng: np.random.Generator) -> Floats:
        drawn = super().sample(n, sampling_bias, rng)
        return self.mean + 1 + (drawn - self.mean) / 2


def mixed(n: int, seed: int, shift: float = 0.0, spread: float = 0.25) -> Floats:
    """Correlated Gaussian rows."""
    rng = np.random.default_rng([7, seed])
    return shift + rng.standard_normal((n, D)) @ (np.eye(D) + spread * rng.standard_normal((D, D)))


def between(samples: Floats, training: Floats) -> MomentMap:
    """Of samples that come in two blocks, unequal ones."""
    return MomentMap.between(np.split(samples, [len(samples) // 3]), len(samples), training)


def test_the_map_gives_the_moments_and_is_the_one_that_moves_least() -> None:
    samples, training = mixed(3000, 0, shift=3, spread=0.15), mixed(2000, 1, spread=0.15)
    found = between(samples, training)
    moved = found(samples)
    np.testing.assert_allclose(moved.mean(axis=0), training.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(np.cov(moved.T), np.cov(training.T), atol=1e-12)
    root, covariance = sqrtm(np.cov(samples.T)), np.cov(training.T)
    monge = inv(root) @ sqrtm(root @ covariance @ root) @ inv(root)
    np.testing.assert_allclose(found.basis @ found.change @ found.basis.T + np.eye(D), monge.real, atol=1e-10)
    assert found.stretch == pytest.approx(math.sqrt(np.trace(covariance) / np.trace(np.cov(samples.T))))


def test_rows_that_have_the_moments_stay_where_they_are() -> None:
    rows = mixed(500, 2)
    found = between(rows, rows)
    np.testing.assert_allclose(found(rows), rows, atol=1e-10)
    assert found.stretch == pytest.approx(1)


def test_no_direction_is_stretched_beyond_four_and_any_is_narrowed() -> None:
    training = mixed(2000, 3, spread=0)
    for narrowest in (1e-9, 0.0):
        samples = mixed(2000, 4, spread=0) * [narrowest, 0.2, 1, 1, 1, 300]
        found = between(samples, training)
        stretches = np.linalg.eigvalsh(found.basis @ found.change @ found.basis.T) + 1
        assert stretches.max() == pytest.approx(4, rel=1e-3)
        assert stretches.min() == pytest.approx(1 / 300, rel=0.1)
        assert found(samples).std(axis=0)[2:] == pytest.approx(training.std(axis=0)[2:], rel=0.01)
        assert found(samples).std(axis=0)[1] == pytest.approx(0.8, rel=0.05)


def test_of_wide_rows_the_leading_components_are_matched_and_nothing_else_but_the_mean() -> None:
    rng = np.random.default_rng(5)
    deviations = np.r_[np.full(16, 10.0), np.full(184, 0.1)]
    training, samples = (rng.standard_normal((n, 200)) * deviations for n in (64, 90))
    found = between(2 + samples / 2, training)
    moved = found(2 + samples / 2)
    assert found.basis.shape == (200, 64 // 4)
    np.testing.assert_allclose(moved.mean(axis=0), training.mean(axis=0), atol=1e-10)
    matched_to = np.cov((training @ found.basis).T)
    np.testing.assert_allclose(np.cov((moved @ found.basis).T), matched_to, atol=1e-9)
    away = np.eye(200) - found.basis @ found.basis.T
    np.testing.assert_allclose(
        (moved - moved.mean(axis=0)) @ away, (samples - samples.mean(axis=0)) / 2 @ away, atol=1e-9
    )


def test_few_samples_match_few_components() -> None:
    assert between(mixed(20, 11), mixed(1000, 12)).basis.shape == (D, 20 // 4)


@pytest.mark.parametrize("rows", [np.ones((20, 3)), np.zeros((2, 1))])
def test_rows_that_are_all_the_same_give_their_mean(rows: Floats) -> None:
    samples = 7 + np.random.default_rng(0).standard_normal((50, rows.shape[1]))
    found = between(samples, rows)
    assert found.basis.shape[1] == 0
    np.testing.assert_allclose(found(samples).mean(axis=0), rows.mean(axis=0), atol=1e-12)


@pytest.mark.parametrize("bias", [1.0, 0.5])
def test_a_model_that_narrows_keeps_the_covariance_and_lambda(bias: float) -> None:
    training = mixed(4000, 6)
    model = matched(Narrow(), 100_000)
    model.fit(training, np.random.default_rng(0))
    drawn = model.sample(100_000, bias, np.random.default_rng(1))
    assert isinstance(model, Matched)
    assert model.stretch == pytest.approx(2, rel=0.01)
    np.testing.assert_allclose(drawn.mean(axis=0), training.mean(axis=0), atol=0.03)
    np.testing.assert_allclose(np.cov(drawn.T), bias * np.cov(training.T), atol=0.05)


def test_draws_that_are_counted_out_are_drawn() -> None:
    """And none of them where none are asked for."""
    asked: list[tuple[int, float]] = []

    class Counted(Gaussian):
        def sample(self, n: int, sampling_bias: float, rng: np.random.Generator) -> Floats:
            asked.append((n, sampling_bias))
            return super().sample(n, sampling_bias, rng)

    matched(Counted(), 123).fit(mixed(100, 7), np.random.default_rng(0))
    assert asked == [(123, 1.0)]
    plain = Counted()
    assert matched(plain, 0) is plain


def test_wide_samples_are_drawn_some_at_a_time() -> None:
    asked: list[int] = []

    def wide(n: int, rng: np.random.Generator) -> Floats:
        asked.append(n)
        return 3 + 0.5 * rng.standard_normal((n, 1)) * np.ones(5000)

    training = 2 * np.random.default_rng(0).standard_normal((40, 1)) * np.ones(5000)
    model = matched(Plugged(wide, "wide"), 2500)
    model.fit(training, np.random.default_rng(1))
    assert asked == [1000, 1000, 500]
    drawn = model.sample(3000, 1.0, np.random.default_rng(2))
    assert drawn.mean() == pytest.approx(training.mean(), abs=0.2)
    assert drawn.std() == pytest.approx(training.std(ddof=1), rel=0.1)


def test_labels_stay_with_their_rows() -> None:
    labels = np.arange(300) % 3
    training = with_labels(mixed(300, 8), labels)

    class Told:
        def sample(self, n: int, sampling_bias: float, rng: np.random.Generator, labels: Any) -> Floats:
            rows: Floats = 5 + 0.3 * rng.standard_normal((n, D)) + 10 * labels[:, None]
            return rows

    model = matched(Plugged(Told, "told", 3), 3000, labels=3)
    model.fit(training, np.random.default_rng(0))
    rows, found = parted(model.sample(2000, 1.0, np.random.default_rng(1)), 3)
    assert set(found) == {0, 1, 2}
    means = [rows[found == label].mean() for label in range(3)]
    assert means == sorted(means)
    np.testing.assert_allclose(rows.mean(axis=0), training[:, :-1].mean(axis=0), atol=0.15)


def test_what_is_stored_samples_the_same_to_the_last_bit() -> None:
    rows = mixed(200, 9)
    model = matched(make_model(VAE.name, **VAE.parameters), 400)
    assert isinstance(model, MatchedTrainable)
    assert isinstance(model, Trainable)
    model.fit(rows, np.random.default_rng(0))
    other = matched(make_model(VAE.name, **VAE.parameters), 400)
    assert isinstance(other, MatchedTrainable)
    other.restore(model.weights())
    assert other.stretch == model.stretch
    drawn = [each.sample(50, 0.8, np.random.default_rng(3)) for each in (model, other)]
    assert np.array_equal(drawn[0], drawn[1])
    into = np.empty((50, D))
    model.sample_into(into, 0.8, np.random.default_rng(3))
    assert np.array_equal(into, drawn[0])


def test_only_what_has_weights_is_trainable_and_files_are_those_of_the_model() -> None:
    assert not isinstance(matched(Gaussian(), 10), Trainable)
    model = matched(make_model("callable", entry="evaluator.models.gaussian:Gaussian"), 10)
    assert isinstance(model, ReadsFiles)
    assert [path.name for path in model.files().values()] == ["gaussian.py"]
    assert matched(Gaussian(), 10).files() == {}  # type: ignore[attr-defined]


def test_a_loop_of_a_model_that_narrows_no_longer_contracts() -> None:
    """As trained it keeps a quarter of the variance per generation; matched what finite samples keep."""
    left = {}
    for draws in (0, 20_000):
        config = replace(CONFIG, moment_draws=draws, metrics={"diversity": {}})
        steps = list(run_loop(config, model=Narrow))
        left[draws] = [math.exp(step.metrics["log_det"] / D) for step in steps]
        assert ("moment_stretch" in steps[0].metrics) == (draws > 0)
    assert left[0] == pytest.approx([0.25**t for t in range(1, 5)], rel=0.1)
    assert left[20_000] == pytest.approx([1] * 4, abs=0.12)


def test_a_loop_of_labelled_rows_matches_the_rows_alone() -> None:
    model = Choice("ddpm_mlp", {"labels": 10, "steps": 10, "width": 16, "depth": 1, "batch": 16, "sampling_steps": 4})
    config = replace(CONFIG, model=model, source=Choice("digits"), n_ini=80, n_s=80, generations=2, moment_draws=800)
    steps = list(run_loop(config))
    assert [step.n_synthetic for step in steps] == [0, 80]
    assert all(np.isfinite(step.metrics["frechet_distance"]) for step in steps)


def test_a_run_goes_on_and_side_by_side_to_the_same_lines(
    whole_and_stopped: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = []

    def counted(models: Any, samples: Any, rngs: Any, starts: Any = None) -> None:
        fit_side_by_side(models, samples, rngs, starts)
        batches.append((len(models), starts is not None, models[0].steps))

    monkeypatch.setattr(side_by_side, "fit_side_by_side", counted)
    config = replace(CONFIG, model=VAE, n_ini=100, n_s=100, generations=3, moment_draws=300, warm_start=True)
    whole, stopped = whole_and_stopped(config)
    assert whole == stopped
    configs = [config, replace(config, seed=1)]
    run_folders = [tmp_path / name for name in ("a", "b")]
    dict(run_arms(configs, folders=run_folders))
    assert [each for each in batches if each[2] == VAE.parameters["steps"]] == [(2, warm, 15) for warm in (0, 1, 1)]
    assert (run_folders[0] / "generations.jsonl").read_bytes() == whole
    list(run_in_folder(configs[1], tmp_path / "alone"))
    lines = [(folder / "generations.jsonl").read_bytes() for folder in (run_folders[1], tmp_path / "alone")]
    assert lines[0] == lines[1] != whole


def test_a_run_that_matches_is_another_than_one_that_does_not(tmp_path: Path) -> None:
    list(run_in_folder(replace(CONFIG, generations=1), tmp_path / "run"))
    with pytest.raises(ConfigurationError, match="another moment_draws"):
        list(run_in_folder(replace(CONFIG, generations=1, moment_draws=500), tmp_path / "run"))


def test_every_reading_is_announced() -> None:
    config = replace(CONFIG, generations=1, moment_draws=500)
    (step,) = run_loop(config)
    assert set(values_of(step)) == set(names_of(config, 1))
    assert "moment_stretch" not in names_of(CONFIG, 1)


def test_the_configuration_tells_only_when_it_is_chosen_and_refuses_too_few() -> None:
    assert "moment_draws" not in CONFIG.to_dict()
    chosen = replace(CONFIG, moment_draws=500)
    assert LoopConfig.from_dict(chosen.to_dict()) == chosen
    for wrong, told in ((1, "moment_draws is 1, expected 0 "), (-1, "moment_draws is -1"), (10**10, "at most")):
        with pytest.raises(ConfigurationError, match=told):
            replace(CONFIG, moment_draws=wrong)


def test_few_draws_are_warned_of() -> None:
    told = replace(CONFIG, moment_draws=999).warnings()
    assert [line.partition(",")[0] for line in told] == ["moment_draws = 999"]
    assert "10000 are a good number" in told[0]
    assert not CONFIG.warnings() + replace(CONFIG, moment_draws=1000).warnings()


def test_marks_that_are_handed_on_by_construction_are_warned_of() -> None:
    tagging = Tagging(mode="blind")
    (told,) = replace(CONFIG, moment_draws=10_000, tagging=tagging).warnings()
    assert told.startswith("moment_draws with tagging")
    assert not replace(CONFIG, tagging=tagging).warnings()


def test_samples_that_are_no_numbers_are_told_of() -> None:
    class Wild(Gaussian):
        def sample(self, n: int, sampling_bias: float, rng: np.random.Generator) -> Floats:
            return np.full((n, self.mean.size), 1e30)

    with pytest.raises(ConfigurationError, match="moments cannot be matched: samples are beyond"):
        matched(Wild(), 10).fit(mixed(100, 10), np.random.default_rng(0))
