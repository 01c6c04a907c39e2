"""Pictures of a run show what the run stored: the right rows in the right places, and nothing where too little is."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from evaluator.config import Choice, LoopConfig
from evaluator.run_pictures import counts_of, embedded, evenly, grid, left_out, write_pictures
from evaluator.run_record import read_run
from evaluator.runs import run_in_folder
from evaluator.setup import prepare
from hygiene.errors import ConfigurationError

CONFIG = LoopConfig(
    loop="fully_synthetic",
    n_ini=300,
    n_s=150,
    generations=3,
    sampling_bias=0.7,
    n_reference=150,
    keep_samples=100,
    source=Choice("digits"),
    metrics={"frechet": {}, "class_counts": {}},
)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pictures") / "run"
    list(run_in_folder(CONFIG, folder))
    return write_pictures(folder)


def test_all_are_drawn_and_nothing_is_missed(drawn: list[Path]) -> None:
    assert [path.name for path in drawn] == ["samples.png", "tsne.svg", "classes.csv", "classes.svg"]
    assert left_out(CONFIG) == []


def test_sample_rows_are_the_stored_samples_real_ones_first(drawn: list[Path]) -> None:
    record, setup = read_run(drawn[0].parent), prepare(CONFIG)
    strips = [setup.held_out, *(step.samples for step in record.generations)]
    expected = grid([strip[:16] for strip in strips], (8, 8), setup.held_out)
    scale = 1000 // expected.shape[1]
    picture = np.asarray(Image.open(drawn[0]).convert("RGB"))[
        -expected.shape[0] * scale :, -expected.shape[1] * scale :
    ]
    np.testing.assert_array_equal(picture[scale // 2 :: scale, scale // 2 :: scale], expected)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1), (2, 3, 3)], ids=["grey", "one channel", "colour"])
def test_a_grid_has_a_row_per_strip_and_white_between(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    strips = [rng.integers(0, 2, (4, int(np.prod(shape)))).astype(float) for _ in range(2)]
    found = grid(strips, shape, np.array([[0.0, 1.0]] * 50))
    assert found.shape == (2 * 3 - 1, 4 * 4 - 1, 3)
    assert (found[2] == 255).all()
    assert (found[:, 3::4] == 255).all()
    tile = found[3:5, 8:11]  # second strip, third sample
    np.testing.assert_array_equal(tile, np.broadcast_to(255 * strips[1][2].reshape(*shape[:2], -1), (2, 3, 3)))


def test_what_lies_outside_of_real_values_is_clipped() -> None:
    real = np.repeat([[10.0, 20.0]], 50, axis=0)
    assert grid([np.array([[0.0, 10.0, 15.0, 99.0]])], (2, 2), real)[:, :, 0].tolist() == [[0, 0], [128, 255]]


def test_t_sne_keeps_groups_apart_and_is_the_same_every_time() -> None:
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(0, 1, (60, 5)), rng.normal(20, 1, (60, 5))])
    places = embedded(features)
    one, other = places[:60], places[60:]
    assert np.linalg.norm(one.mean(0) - other.mean(0)) > 2 * max(one.std(), other.std())
    np.testing.assert_array_equal(embedded(features), places)
    assert embedded(features[:, :1]).shape == (120, 2)


def test_every_generation_has_its_panel(drawn: list[Path]) -> None:
    text = [
        "".join(each.itertext()).strip() for each in ElementTree.parse(drawn[1]).iter() if each.tag.endswith("text")
    ]
    assert [each for each in text if each.startswith("generation")] == [f"generation {t}" for t in (1, 2, 3)]
    assert {"real", "samples"} <= set(text)


def test_class_counts_are_those_of_the_run(drawn: list[Path]) -> None:
    with drawn[2].open() as file:
        rows = {row.pop("generation"): [int(count) for count in row.values()] for row in csv.DictReader(file)}
    lines = [json.loads(line) for line in (drawn[2].parent / "generations.jsonl").read_text().splitlines()]
    assert list(rows) == ["real", "1", "2", "3"]
    assert [list(counts_of(line["metrics"]).values()) for line in lines] == [rows["1"], rows["2"], rows["3"]]
    assert all(sum(counts) == 150 for counts in rows.values())
    assert len(rows["real"]) == 10


def test_what_a_run_kept_too_little_for_is_said_and_not_drawn(tmp_path: Path) -> None:
    little = replace(CONFIG, keep_samples=16, metrics={"frechet": {}}, generations=1)
    missing = left_out(little)
    assert [each.split(":")[0] for each in missing] == ["no tsne.svg", "no classes.svg"]
    assert "set keep_samples = 300 (at least 100)" in missing[0]
    assert "[metrics.class_counts]" in missing[1]
    list(run_in_folder(little, tmp_path / "run"))
    assert [path.name for path in write_pictures(tmp_path / "run")] == ["samples.png"]
    assert len(left_out(replace(little, keep_samples=0))) == 3


def test_vectors_are_no_pictures(tmp_path: Path) -> None:
    config = replace(CONFIG, source=Choice("gaussian", {"dimension": 3}), metrics={"frechet": {}}, generations=1)
    list(run_in_folder(config, tmp_path / "run"))
    assert [path.name for path in write_pictures(tmp_path / "run")] == ["tsne.svg"]


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is no run folder"):
        write_pictures(tmp_path)


def test_generations_are_chosen_evenly_with_both_ends() -> None:
    assert evenly(range(1, 101), 4) == [1, 34, 67, 100]  # type: ignore[arg-type,comparison-overlap]
    assert evenly([7], 6) == [7]  # type: ignore[list-item,comparison-overlap]


def test_fewer_real_rows_than_samples_shorten_the_rows_of_the_grid(tmp_path: Path) -> None:
    few = replace(CONFIG, n_reference=5, generations=1, metrics={"class_counts": {}})
    list(run_in_folder(few, tmp_path))
    assert write_pictures(tmp_path)[0].name == "samples.png"
