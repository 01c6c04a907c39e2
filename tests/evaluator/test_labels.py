"""Labels through the loop: they stay with their rows, whatever mixes, filters, stops or trains them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluator.config import Choice, Filter, LoopConfig, Processing, Tagging
from evaluator.loop import run_loop
from evaluator.models import make_model
from evaluator.models.labels import parted, with_labels
from evaluator.models.plugged import Plugged
from evaluator.runs import run_in_folder
from evaluator.setup import floors, prepare
from evaluator.side_by_side import exact, run_side_by_side
from evaluator.sources import ArraySource, make_source
from hygiene.errors import ConfigurationError

Floats = NDArray[np.float64]

CLASSES, DIMENSION = 3, 16


def rows_of(labels: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Rows [n, 16] that show their class: it is the largest of their first three numbers, by far."""
    return 10.0 * np.eye(CLASSES, DIMENSION)[labels] + 0.3 * rng.standard_normal((len(labels), DIMENSION))


def shown(rows: Floats) -> NDArray[np.int64]:
    return rows[:, :CLASSES].argmax(axis=1)


class Told:
    """Rows around the mean of the class that it is told."""

    def fit(self, rows: Floats, rng: np.random.Generator, labels: NDArray[np.int64]) -> None:
        found = [rows[labels == c] for c in range(CLASSES)]  # a filter may leave a class without rows
        self.means = np.stack([each.mean(axis=0) if len(each) else np.zeros(DIMENSION) for each in found])

    def sample(self, n: int, bias: float, rng: np.random.Generator, labels: NDArray[np.int64]) -> Floats:
        return self.means[labels] + 0.3 * rng.standard_normal((n, DIMENSION))


class Liar(Told):
    """Makes another class than it is told."""

    def sample(self, n: int, bias: float, rng: np.random.Generator, labels: NDArray[np.int64]) -> Floats:
        return super().sample(n, bias, rng, (labels + 1) % CLASSES)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Fields of a loop on rows that show their class."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("world")
    labels = rng.choice(CLASSES, 900, p=[0.5, 0.3, 0.2])
    np.savez(folder / "real.npz", samples=rows_of(labels, rng), labels=labels)
    np.savez(folder / "other.npz", samples=rows_of(labels[:100], rng))
    real = {"path": str(folder / "real.npz"), "labels": "labels", "repeats": True}
    return {
        "n_ini": 120,
        "n_s": 60,
        "generations": 4,
        "source": Choice("npz", real),
        "reference": Choice("npz", {"path": str(folder / "other.npz")}),
        "model": Choice("ddpm_mlp", {"labels": CLASSES}),  # `model=Told` counts, the labels are from here
        "metrics": {"class_counts": {}},
        "probe_keys": 1,
    }


FRESH = {"loop": "fresh_data", "n_r": 60}
AUGMENTED = {"loop": "synthetic_augmentation", "n_r": 60}
WEAK = Tagging("blind", strength=0.05)
KINDS: dict[str, dict[str, Any]] = {
    "fully synthetic": {"loop": "fully_synthetic"},
    "augmentation": AUGMENTED,
    "fresh data, all": {**FRESH, "pool": "all"},
    "fresh data, simulated": {**FRESH, "filter": Filter("simulated", tpr=0.5, fpr=0.2)},
    "fresh data, top-up": {**FRESH, "top_up": True, "filter": Filter("simulated", tpr=0.5)},
    "fresh data, top-up, detector": {
        **FRESH,
        "top_up": True,
        "filter": Filter("detector", recall=0.5),
        "tagging": WEAK,
    },
    "fresh data, detector": {**FRESH, "filter": Filter("detector", recall=0.5), "tagging": WEAK},
    "augmentation, adoption": {
        **AUGMENTED,
        "pool": "all",
        "filter": Filter("detector", max_p=0.3),
        "tagging": Tagging("informed", strength=0.1, adoption=0.5),
    },
    "tide": {"loop": "rising_tide", "filter": Filter("simulated", tpr=0.5)},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_row_keeps_its_label(kind: str, world: dict[str, Any]) -> None:
    config = LoopConfig(**world, **KINDS[kind])
    steps = list(run_loop(config, model=Told))
    for step in steps:
        assert step.state is not None
        assert step.n_synthetic > 0 or step.generation == 1
        for carried in (step.state.training_set, step.state.pool):
            rows, labels = parted(np.asarray(carried), CLASSES)
            assert rows.shape[1] == DIMENSION
            np.testing.assert_array_equal(shown(rows), labels)
        assert step.samples.shape == (16, DIMENSION)
        assert step.metrics["label_agreement"] == 1
        shares = np.bincount(parted(step.state.training_set, CLASSES)[1], minlength=CLASSES) / len(
            step.state.training_set
        )
        counts = [step.metrics[f"class_{number}"] for number in range(CLASSES)]
        np.testing.assert_allclose(np.divide(counts, config.n_s), shares, atol=0.25)
    again = list(run_loop(config, start=replace(steps[1].state, model=None), model=Told))
    assert again == steps[2:]


def test_a_model_that_makes_another_class_than_it_is_told_is_seen(world: dict[str, Any]) -> None:
    steps = list(run_loop(LoopConfig(**world, **KINDS["fully synthetic"]), model=Liar))
    assert steps[0].metrics["label_agreement"] == 0
    rows, labels = parted(steps[1].state.training_set, CLASSES)
    np.testing.assert_array_equal(shown(rows), (labels + 1) % CLASSES)  # as published: nobody puts it right


def test_without_the_parameter_the_loop_carries_no_labels(world: dict[str, Any]) -> None:
    step = next(run_loop(LoopConfig(**{**world, "model": Choice("gaussian")}, loop="fully_synthetic")))
    assert step.state.training_set.shape == (120, DIMENSION)
    assert "label_agreement" not in step.metrics


SMALL = {"steps": 30, "width": 32, "depth": 1, "batch": 32, "sampling_steps": 8, "labels": 10}
DIGITS = LoopConfig(
    loop="synthetic_augmentation",
    n_ini=60,
    n_r=40,
    n_s=40,
    generations=3,
    n_reference=100,
    source=Choice("digits"),
    model=Choice("ddpm_mlp", SMALL),
    tagging=Tagging("blind", strength=1.0),
    filter=Filter("detector", recall=0.3),
    processing=Processing("png"),
    metrics={"frechet": {}, "class_entropy": {}, "memorisation": {}},
)


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and ".hygiene" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("changes", [{}, {"warm_start": True}], ids=["scratch", "warm"])
def test_a_run_stopped_and_one_side_by_side_are_the_same_bytes(changes: dict[str, Any], tmp_path: Path) -> None:
    configs = [replace(DIGITS, seed=seed, **changes) for seed in range(2)]
    for config in configs:
        list(run_in_folder(config, tmp_path / f"whole{config.seed}"))
    steps = run_in_folder(configs[0], tmp_path / "stopped")
    next(steps)
    steps.close()
    list(run_in_folder(configs[0], tmp_path / "stopped"))
    run_side_by_side(configs, [tmp_path / f"side{seed}" for seed in range(2)], prepare(DIGITS))
    assert content(tmp_path / "whole0") == content(tmp_path / "stopped") == content(tmp_path / "side0")
    assert content(tmp_path / "whole1") == content(tmp_path / "side1")


def test_labels_can_go_side_by_side_at_all() -> None:
    """The trial itself must be one: rows of 48 numbers and a label are trained the same in a batch and alone."""
    assert exact("ddpm_mlp", tuple(sorted(SMALL.items())), 49, 2)


def test_real_rows_set_the_level_of_agreement() -> None:
    level = floors(DIGITS, prepare(DIGITS))["label_agreement"]
    assert level == 1  # the nearest labelled row of digits that are labelled themselves
    oracle = replace(DIGITS, source=Choice("digits_oracle"), n_measure=300)
    assert 0.9 < floors(oracle, prepare(oracle))["label_agreement"] <= 1


class TestSources:
    def test_an_array_hands_each_row_its_label_and_the_same_draws(self) -> None:
        pixels = np.arange(60, dtype=np.uint8).reshape(20, 3)
        source = ArraySource(pixels, (3,), np.arange(20) % 7)
        rows, labels = parted(source.with_labels().draw(12, np.random.default_rng(1)), 7)
        np.testing.assert_array_equal(rows, source.draw(12, np.random.default_rng(1)))
        np.testing.assert_array_equal(labels, (np.rint(rows[:, 0] * 255) // 3) % 7)
        dealt = source.with_labels().deal(5, 12, np.random.default_rng(1))
        np.testing.assert_array_equal(dealt[:, :-1], source.deal(5, 12, np.random.default_rng(1)))

    def test_an_oracle_hands_the_class_of_the_nearest_row_and_the_same_draws(self) -> None:
        source = make_source("digits_oracle")
        rows, labels = parted(source.with_labels().draw(300, np.random.default_rng(1)), 10)
        np.testing.assert_array_equal(rows, source.draw(300, np.random.default_rng(1)))
        known = source.fitted_to
        nearest = np.square(rows[:, None] - known.rows[None]).sum(axis=2).argmin(axis=1)
        np.testing.assert_array_equal(labels, known.labels[nearest])
        assert source.draw(2, np.random.default_rng(1)).shape == (2, 64)  # itself as it was


def clouds(n: int, rng: np.random.Generator) -> Floats:
    """Pictures of 4 × 4 that are light where the class is 1, with its label: k-means would number them at random."""
    labels = (rng.random(n) < 0.25).astype(np.int64)
    return with_labels(np.where(labels, 1.5, -1.5)[:, None] + 0.3 * rng.standard_normal((n, 16)), labels)


LEARNERS = {
    "ddpm_mlp": {"steps": 300, "width": 32, "depth": 2, "sampling_steps": 20, "labels": 3},
    "ddpm_unet": {"steps": 100, "width": 8, "batch": 16, "rate": 5e-3, "sampling_steps": 8, "labels": 3},
}


@pytest.mark.parametrize("name", LEARNERS)
def test_models_make_the_class_they_are_told_in_its_share(name: str) -> None:
    """Class 2 has no rows, so nothing is made of it."""
    rng = np.random.default_rng(3)
    model = make_model(name, **LEARNERS[name])
    training = clouds(600, rng)
    model.fit(training, rng)
    np.testing.assert_array_equal(model.shares, np.bincount(parted(training, 3)[1], minlength=3) / 600)
    restored = make_model(name, **LEARNERS[name])
    restored.restore(model.weights())
    for bias in (1.0, 0.5):
        drawn = model.sample(300, bias, np.random.default_rng(4))
        np.testing.assert_array_equal(restored.sample(300, bias, np.random.default_rng(4)), drawn)
        rows, labels = parted(drawn, 3)
        assert np.bincount(labels, minlength=3) / 300 == pytest.approx(model.shares, abs=0.1)
        assert ((rows.mean(axis=1) > 0) == labels).mean() > 0.9


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": Choice("kde", {"labels": 10})}, "the model 'kde' has no parameter labels: it takes"),
        (
            {"source": Choice("gaussian")},
            "labels = 10 .*: the source 'gaussian' has no labels, use a source with labels",
        ),
        ({"model": Choice("ddpm_mlp", {"labels": 9})}, "source 'digits' has the label 9, give labels = 10"),
        ({"model": Choice("ddpm_mlp", {"labels": 10, "clusters": 10})}, "only one of them given"),
        ({"model": Choice("ddpm_unet", {"labels": 1})}, "clusters and labels must be 0 or ≥ 2"),
        ({"model": Choice("ddpm_mlp", {"labels": "ten"})}, "labels of the model 'ddpm_mlp' is 'ten', expected int"),
        ({"warm_start": True, "warm_parameters": {"labels": 10}}, "warm_parameters.labels: whether rows have"),
    ],
)
def test_what_cannot_carry_labels_says_so(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        next(run_loop(replace(DIGITS, metrics={"frechet": {}}, **changes)))


@pytest.mark.parametrize("label", [-1.0, 2.0, 0.5, np.nan])
def test_a_label_beyond_the_classes_is_refused(label: float) -> None:
    with pytest.raises(ConfigurationError, match=r"labels = 2 takes whole numbers from 0 to 1"):
        parted(np.array([[1.0, 2.0, label]]), 2)


def test_a_plain_function_knows_no_labels(world: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="a plain function knows no labels"):
        next(run_loop(LoopConfig(**world, loop="fully_synthetic"), model=lambda n, rng: rng.random((n, DIMENSION))))
    with pytest.raises(ConfigurationError, match="labels is 1, expected 0 or ≥ 2"):
        Plugged(Told, "mine", 1)
