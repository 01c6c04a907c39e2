"""The demo on a small scale: every figure of summary.json against the files and the rows that it came from."""

import json
import math
import re

import numpy as np
import pytest

from evaluator import demo_loops
from evaluator.collapse import collapse_generation
from evaluator.demo import DemoScale, run_demo
from evaluator.demo_pool import PoolSizes
from evaluator.demo_recall import CURVE_RECALLS
from evaluator.report import write_report
from evaluator.theory import fresh_frechet, real_frechet
from hygiene.errors import ConfigurationError

SMALL = DemoScale(
    PoolSizes(generated=80, calibration=300),
    demo_loops.Scale(seeds=2, tide_generations=6, loop_seeds=2, loop_generations=3, mark_seeds=2, mark_generations=5),
)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("main") / "demo"
    run_demo(folder, scale=SMALL)
    return folder


@pytest.fixture(scope="module")
def summary(out):
    return json.loads((out / "summary.json").read_text())


@pytest.fixture(scope="module")
def rows(out):
    return [json.loads(line) for line in (out / "loops.jsonl").read_text().splitlines()]


def test_filter_rows_are_what_lies_on_disk(out, summary):
    pictures = out / "pictures"
    truth = {row["id"]: row["origin"] for row in map(json.loads, (pictures / "truth.jsonl").open())}
    assert {path.name for path in (pictures / "pool").iterdir()} == set(truth)
    assert list(truth.values()).count("tagged") == SMALL.pool.generated
    for row in summary["filter"]:
        level = pictures / "filtered" / f"recall-{row['recall_asked']:g}"
        kept = {path.name for path in (level / "kept").iterdir()}
        excluded = {path.name for path in (level / "excluded").iterdir() if path.suffix in (".png", ".jpg")}
        assert (len(kept), len(excluded)) == (row["kept"], row["excluded"])
        assert kept | excluded == set(truth)
        assert row["seen"] == row["kept"] + row["excluded"] + row["unreadable"] == len(truth)
        hits = sum(truth[name] == "tagged" for name in excluded)
        assert row["recall_measured"] == hits / SMALL.pool.generated
        assert row["recall_low"] <= row["recall_measured"] <= row["recall_high"]
        for name in kept:
            assert (level / "kept" / name).read_bytes() == (pictures / "pool" / name).read_bytes()


def test_the_key_stays_in_its_file(out):
    secret = (out / "pictures" / "key").read_text().strip()
    for path in out.rglob("*"):
        if path.is_file() and path.name != "key":
            assert secret.encode() not in path.read_bytes()


def test_delays_are_the_crossings_of_the_stored_series(summary, rows):
    recall = {}
    for row in rows:
        if row["study"] == "tide":
            recall.setdefault((row["arm"], row["seed"]), []).append(row["metrics"]["manifold_recall"])
    for row in summary["delay"]:
        found = [collapse_generation(recall[f"{row['recall']:g}", seed], row["threshold"]) for seed in range(2)]
        assert row["t_star"] == pytest.approx(np.mean([each.generation for each in found]))
        assert row["censored_share"] == np.mean([each.censored for each in found])
        assert row["law"] == (None if row["recall"] == 1 else pytest.approx(-math.log2(1 - row["recall"])))


def test_blind_tagging_is_amplified_and_informed_tagging_is_not(summary):
    gains = {(row["tagging"], row["recall"]): row for row in summary["amplification"]}
    for row in gains.values():
        assert row["gain"] == pytest.approx(row["law"], rel=0.15)  # five generations have not quite settled
    assert gains["blind", 0.0]["gain"] > 1.6 > 1.2 > gains["informed", 0.0]["gain"]
    blind, informed = summary["closed_loop"]
    assert blind["published"] == pytest.approx(5, rel=0.1)
    assert informed["published"] == pytest.approx(1, rel=0.1)


def test_the_report_is_one_page_that_loads_nothing(out, summary):
    page = (out / "report.html").read_text()
    assert "<script" not in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    for row in summary["delay"]:
        assert f"{row['t_star']:.2f}" in page
    assert page.count("data:image/svg+xml") == 6


def test_the_report_is_made_from_files_alone(out):
    before = (out / "report.html").read_text()
    write_report(out)
    assert (out / "report.html").read_text() == before


def test_a_folder_in_use_is_refused_and_left_alone(out):
    before = sorted(path.name for path in out.iterdir())
    with pytest.raises(ConfigurationError, match="exists already"):
        run_demo(out, scale=SMALL)
    assert sorted(path.name for path in out.iterdir()) == before


def test_the_recall_curve_agrees_with_the_closed_form(summary):
    large = summary["recall_curve"][0]
    values = dict(zip(large["recall"], large["frechet_distance"], strict=True))
    for recall in (0.0, 0.5, 0.9, 0.95):
        expected = fresh_frechet(1000, round(9000 * (1 - recall)), 0.8, 100)
        assert values[recall] == pytest.approx(expected, rel=0.05)
    assert values[1.0] == pytest.approx(real_frechet(1000, 100), rel=0.05)
    assert large["best_recall"] in (0.9, 0.95)
    assert large["recall"] == list(CURVE_RECALLS)


def test_the_interval_of_a_median_covers_it():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        band = demo_loops.interval_rows(rng.standard_normal((12, 5)))
        covered += sum(low <= 0 <= high for low, high in zip(band["low"], band["high"], strict=True))
    assert covered / 2000 >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / 2000)
    assert demo_loops.interval_rows([[1.0], [2.0], [3.0]]) == {"median": [2.0], "low": [1.0], "high": [3.0]}
