"""Memorisation and classes: scenes whose answer is known, and what they need being asked for."""

from math import log

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from evaluator.metrics import Reference
from evaluator.metrics.classes import class_counts, class_entropy
from evaluator.metrics.memorisation import memorisation
from hygiene.errors import ConfigurationError

Floats = NDArray[np.float64]


def normal(seed: int, n: int, f: int = 6) -> Floats:
    return np.random.default_rng([53, seed]).standard_normal((n, f))


class TestMemorisation:
    def test_copies_are_memorised(self) -> None:
        training = normal(0, 200)
        values = memorisation(Reference(normal(1, 150), training), training[:60])
        assert values == {"memorised": 1.0, "training_distance_ratio": 0.0}

    def test_fresh_rows_keep_their_distance(self) -> None:
        values = memorisation(Reference(normal(1, 2000), normal(0, 500)), normal(2, 2000))
        assert values["memorised"] < 0.01
        assert values["training_distance_ratio"] == pytest.approx(1, abs=0.05)

    def test_a_mix_is_counted(self) -> None:
        training = normal(0, 500)
        copies = training[:100] + 1e-3 * normal(3, 100)
        values = memorisation(Reference(normal(1, 500), training), np.vstack([copies, normal(2, 300)]))
        assert values["memorised"] == pytest.approx(0.25, abs=0.01)
        assert values["training_distance_ratio"] < 1

    def test_what_lies_outside_is_far_and_no_copy(self) -> None:
        values = memorisation(Reference(normal(1, 300), normal(0, 300)), normal(2, 300) + 20)
        assert values["memorised"] == 0
        assert values["training_distance_ratio"] > 5

    def test_equals_scikit_learns_neighbours(self) -> None:
        real, training, rows = normal(1, 150), normal(0, 200), 0.5 * normal(2, 180)
        search = NearestNeighbors(n_neighbors=2, algorithm="brute").fit(training)
        first, second = search.kneighbors(rows)[0].T
        unseen = search.kneighbors(real)[0][:, 0]
        values = memorisation(Reference(real, training), rows)
        assert values["memorised"] == pytest.approx((first / second <= 1 / 3).mean())
        assert values["training_distance_ratio"] == pytest.approx(np.median(first) / np.median(unseen), rel=1e-6)

    def test_another_runs_training_rows(self) -> None:
        reference = Reference(normal(1, 150), normal(0, 200))
        before = memorisation(reference, normal(2, 100))
        moments, radii = reference.moments, reference.radii(3)
        other = reference.learnt_from(normal(2, 100))
        assert memorisation(other, normal(2, 100))["memorised"] == 1
        assert memorisation(reference, normal(2, 100)) == before
        assert other.moments is moments
        assert other.radii(3) is radii

    def test_what_is_missing_is_asked_for(self) -> None:
        with pytest.raises(ConfigurationError, match="memorisation needs what a model learnt from"):
            memorisation(normal(0, 20), normal(1, 20))
        with pytest.raises(ConfigurationError, match="those of the training rows 5"):
            Reference(normal(0, 20), normal(1, 20, 5))


class TestClassEntropy:
    def test_known_shares(self) -> None:
        real = Reference(normal(0, 20), classify=lambda rows: rows[:, 0].astype(np.int64))
        rows = np.zeros((80, 6))
        assert class_entropy(real, rows) == {"class_entropy": 0.0, "classes_seen": 1.0}
        rows[:, 0] = np.arange(80) % 4
        assert class_entropy(real, rows) == {"class_entropy": pytest.approx(log(4)), "classes_seen": 4.0}
        rows[:, 0] = np.arange(80) % 4 == 0
        shares = np.array([0.25, 0.75])
        assert class_entropy(real, rows)["class_entropy"] == pytest.approx(-(shares * np.log(shares)).sum())

    def test_classes_without_a_row_count_0(self) -> None:
        real = Reference(np.repeat(np.arange(4.0), 6)[:, None], classify=lambda rows: rows[:, 0].astype(np.int64))
        rows = np.array([1, 1, 1, 0, 0])[:, None]
        assert class_counts(real, rows) == {"class_0": 2.0, "class_1": 3.0, "class_2": 0.0, "class_3": 0.0}
        assert list(class_counts(real, rows + 4)) == [f"class_{number}" for number in range(6)]

    def test_a_missing_classifier_is_asked_for(self) -> None:
        with pytest.raises(ConfigurationError, match="class_entropy needs a classifier"):
            class_entropy(normal(0, 20), normal(1, 20))
        with pytest.raises(ConfigurationError, match="class_counts needs a classifier"):
            class_counts(normal(0, 20), normal(1, 20))
