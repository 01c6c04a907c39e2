"""Limited sources in a whole loop: no row twice unless the source says so, and none of the reference half."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evaluator.config import Choice, Filter, LoopConfig, Tagging
from evaluator.loop import run_loop
from evaluator.setup import floors, prepare
from evaluator.sources import load_digits_halves
from hygiene.errors import ConfigurationError

FRESH = LoopConfig(
    loop="fresh_data",
    n_ini=150,
    n_r=100,
    n_s=50,
    generations=6,
    n_reference=899,
    n_measure=60,
    source=Choice("digits"),
    model=Choice("kde"),
    metrics={"frechet": {}},
)
TIDE = replace(FRESH, loop="rising_tide", n_r=0, n_s=120, filter=Filter("simulated", tpr=0.5))
AUGMENTED = replace(FRESH, loop="synthetic_augmentation")


def real_rows(config: LoopConfig) -> list[set[bytes]]:
    """What each generation learns from that is a real digit, exactly."""
    known = {row.tobytes() for half in load_digits_halves(0) for row in half.rows}
    sets = [step.state.training_set for step in run_loop(config)]
    return [{row.tobytes() for row in rows} & known for rows in sets]


@pytest.mark.parametrize("config", [FRESH, TIDE, replace(FRESH, seed=1)], ids=["fresh", "tide", "another seed"])
def test_fresh_draws_never_repeat(config: LoopConfig) -> None:
    drawn = real_rows(config)
    assert len(drawn[0]) == 150
    assert all(drawn)
    assert sum(map(len, drawn)) == len(set.union(*drawn))


def test_a_source_that_says_so_repeats() -> None:
    drawn = real_rows(replace(FRESH, source=Choice("digits", {"repeats": True})))
    assert sum(map(len, drawn)) > len(set.union(*drawn))
    assert drawn[1] != drawn[2]


@pytest.mark.parametrize("config", [FRESH, TIDE, AUGMENTED], ids=lambda config: config.loop)
def test_the_reference_half_is_never_trained_on(config: LoopConfig) -> None:
    held_out = {row.tobytes() for row in prepare(config).held_out}
    assert len(held_out) == 899
    assert not held_out & set.union(*real_rows(config))


def test_a_reference_of_the_same_rows_is_refused_and_one_row_is_none(tmp_path: Path) -> None:
    """Under another name too; rows of a distribution are drawn anew, and may be the same source's."""
    rows = np.random.default_rng(5).standard_normal((300, 4))
    for name, part in {"real": rows, "copy": rows, "held": rows[200:], "one": rows[:1]}.items():
        np.savez(tmp_path / f"{name}.npz", samples=part)
    stored = {name: Choice("npz", {"path": str(tmp_path / f"{name}.npz")}) for name in ("real", "copy", "held", "one")}
    config = replace(AUGMENTED, source=stored["real"], reference=stored["held"], n_reference=50)
    for name in ("real", "copy"):
        with pytest.raises(ConfigurationError, match="the reference holds the rows of the source"):
            prepare(replace(config, reference=stored[name]))
    with pytest.raises(ConfigurationError, match="holds 1 sample, expected 2 or more"):
        prepare(replace(config, reference=stored["one"]))
    assert len(prepare(config).held_out) == 50
    gaussian = Choice("gaussian", {"dimension": 4})
    assert len(prepare(replace(config, source=gaussian, reference=gaussian)).held_out) == 50


def test_what_runs_out_is_refused_before_the_first_generation() -> None:
    with pytest.raises(ConfigurationError, match=r"draws 950 real samples in 9 generations.* the source holds 898"):
        next(run_loop(replace(FRESH, generations=9)))
    with pytest.raises(ConfigurationError, match=r"rising_tide draws 990 real samples in 8 generations"):
        next(run_loop(replace(TIDE, generations=8)))
    with pytest.raises(ConfigurationError, match="a top-up through a detector draws real samples without an end"):
        next(run_loop(replace(TIDE, filter=Filter("detector", max_p=0.01), tagging=Tagging("blind"))))
    next(run_loop(replace(FRESH, generations=9, source=Choice("digits", {"repeats": True}))))


def test_a_source_without_another_half_needs_a_reference(tmp_path) -> None:
    from PIL import Image

    for i in range(3):
        Image.fromarray(np.full((9, 9), 80 * i, dtype=np.uint8)).save(tmp_path / f"{i}.png")
    source = Choice("images", {"path": str(tmp_path), "size": 8, "colour": "grey", "reference_share": 0.0})
    with pytest.raises(ConfigurationError, match=r"'images' has no other half .*: give a \[reference\]"):
        prepare(replace(AUGMENTED, source=source))
    setup = prepare(replace(AUGMENTED, source=source, reference=Choice("digits")))
    assert setup.held_out.shape == (898, 64)


class TestMemorisation:
    CONFIG = replace(AUGMENTED, generations=1, metrics={"memorisation": {}}, n_measure=150)

    def test_a_model_that_copies_is_seen_and_the_floor_is_held_out_rows(self) -> None:
        narrow = replace(self.CONFIG, model=Choice("kde", {"bandwidth": 1e-6}))
        wide = replace(self.CONFIG, model=Choice("gaussian"))
        copies, others = (next(run_loop(config)).metrics for config in (narrow, wide))
        assert copies["memorised"] == 1
        assert others["memorised"] < 0.05
        assert others["training_distance_ratio"] > 0.7
        floor = floors(wide, prepare(wide))
        assert floor["training_distance_ratio"] == 1
        assert floor["memorised"] < 0.05

    def test_each_seed_is_held_against_its_own_rows(self) -> None:
        setup = prepare(self.CONFIG)
        configs = [replace(self.CONFIG, seed=seed, model=Choice("kde", {"bandwidth": 1e-6})) for seed in (0, 1, 0)]
        assert [next(run_loop(config, setup)).metrics["memorised"] for config in configs] == [1, 1, 1]


class TestClasses:
    CONFIG = replace(AUGMENTED, metrics={"class_entropy": {}, "class_counts": {}}, generations=1, n_measure=400)

    @pytest.mark.parametrize("features", ["lenet", "identity", "pca"])
    def test_a_network_or_the_nearest_labelled_digit_names_them(self, features: str) -> None:
        config = replace(self.CONFIG, features=Choice(features), n_ini=500)
        setup = prepare(config)
        values = next(run_loop(config, setup)).metrics
        assert values["classes_seen"] == 10
        assert 2.0 < values["class_entropy"] <= np.log(10)
        assert sum(values[f"class_{number}"] for number in range(10)) == 400
        _, other = load_digits_halves(0)
        assert (setup.reference.classify(setup.features(other.rows)) == other.labels).mean() > 0.93

    def test_a_source_without_labels_is_refused(self) -> None:
        config = replace(self.CONFIG, source=Choice("gaussian", {"dimension": 3}))
        with pytest.raises(ConfigurationError, match="class_entropy and class_counts: the source 'gaussian' has no la"):
            prepare(config)
