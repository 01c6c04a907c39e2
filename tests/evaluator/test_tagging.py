"""Rotating keys and generators that do not tag: who carries which mark, and what the laws say of it."""

from dataclasses import replace

import numpy as np
import pytest

from evaluator import theory
from evaluator.cleaning import FilterCounts, RandomDrop, filtered
from evaluator.config import Choice, Filter, LoopConfig, Tagging
from evaluator.loop import run_loop
from evaluator.marking import tagged
from evaluator.row_codecs import VectorCodec
from evaluator.setup import prepare
from hygiene.codecs.spread_vectors import SpreadVectors
from hygiene.errors import ConfigurationError
from hygiene.keys import Key

REAL = np.random.default_rng(0).standard_normal((400, 6))
CODEC = SpreadVectors(Key(bytes(32)), REAL)

HALF_FRESH = LoopConfig(
    loop="fresh_data",
    n_ini=4000,
    n_r=2000,
    n_s=2000,
    generations=9,
    n_measure=2000,
    n_reference=2000,
    source=Choice("gaussian", {"dimension": 40}),
    model=Choice("gaussian"),
    metrics={"frechet": {}},
    tagging=Tagging("blind", 4.0),
    probe_keys=0,
)


@pytest.fixture(scope="module")
def ground():
    return prepare(HALF_FRESH)


def settled(config, ground, probe):
    """Mean over the second half of the generations."""
    steps = list(run_loop(config, ground))[config.generations // 2 :]
    return float(np.mean([step.mark[probe] for step in steps]))


def test_a_rotating_key_publishes_what_is_embedded_and_leaves_the_last_key_behind_once(ground):
    rotating = replace(HALF_FRESH, tagging=Tagging("blind", 4.0, rotate=True))
    assert settled(HALF_FRESH, ground, "published_mark") == pytest.approx(theory.blind_gain(0.5), rel=0.1)
    assert settled(rotating, ground, "published_mark") == pytest.approx(1.0, abs=0.1)
    assert settled(rotating, ground, "last_key_mark") == pytest.approx(theory.rotated_mark(1.0, 0.5, 1), abs=0.1)


def test_a_filter_of_a_rotating_key_reads_the_key_of_the_generation_that_published(ground):
    tagging = Tagging("informed", 6.0, rotate=True)
    found = Filter("detector", max_p=1e-3)
    steps = list(run_loop(replace(HALF_FRESH, tagging=tagging, filter=found, generations=4), ground))
    assert all(step.filter.tpr > 0.9 for step in steps[1:])
    assert all(step.filter.fpr < 0.01 for step in steps[1:])


@pytest.mark.parametrize(("share", "recall"), [(0.5, 0.0), (0.5, 0.9)])
def test_where_some_generators_tag_the_mark_settles_by_the_law(ground, share, recall):
    chosen = Filter("simulated", tpr=recall) if recall else Filter()
    config = replace(HALF_FRESH, tagging=Tagging("blind", 4.0, adoption=share), filter=chosen)
    tagged, untagged, real = 0.5 * share * (1 - recall), 0.5 * (1 - share), 0.5
    total = tagged + untagged + real
    law = theory.adopted_raw_mark(1.0, tagged / total, untagged / total)
    assert settled(config, ground, "raw_mark") == pytest.approx(law, abs=0.06)
    assert settled(config, ground, "published_mark") == pytest.approx(law + share, abs=0.06)


def test_the_loops_filter_spares_what_nobody_tagged(ground):
    tagging, chosen = Tagging("blind", 4.0, adoption=0.25), Filter("simulated", tpr=0.9)
    *_, step = run_loop(replace(HALF_FRESH, tagging=tagging, filter=chosen, generations=2), ground)
    assert step.filter.untagged_seen == pytest.approx(1500, abs=80)
    assert step.filter.untagged_excluded == 0
    assert step.n_synthetic == 2000 - step.filter.tagged_excluded


def test_all_tagging_is_the_law_of_blind_tagging():
    assert theory.adopted_raw_mark(2.0, 0.5, 0.0) == pytest.approx(2.0 * (theory.blind_gain(0.5) - 1))
    assert theory.adopted_raw_mark(2.0, 0.0, 0.5) == 0
    assert theory.rotated_mark(2.0, 0.5, 3) == pytest.approx(0.25)


def test_rows_of_generators_that_do_not_tag_stay_as_they_are():
    carries = np.arange(400) % 4 == 0
    rows = tagged(VectorCodec(CODEC, 4.0, informed=False), REAL, carries)
    np.testing.assert_array_equal(rows[~carries], REAL[~carries])
    np.testing.assert_allclose(CODEC.project(rows[carries]) - CODEC.project(REAL[carries]), 4.0)


def test_untagged_synthetic_rows_are_counted_apart_and_dropped_like_real_ones():
    carries = np.arange(400) % 2 == 0
    streams = (np.random.default_rng(seed) for seed in (1, 2))
    training, counts = filtered(REAL, REAL, RandomDrop(tpr=1.0, fpr=0.25), *streams, carries)
    assert (counts.tagged_seen, counts.tagged_excluded, counts.untagged_seen) == (200, 200, 200)
    assert counts.untagged_excluded == pytest.approx(50, abs=20)
    assert training.n_synthetic == 200 - counts.untagged_excluded
    assert counts.residual_synthetic == 0
    assert counts.ppv == 200 / (200 + counts.real_excluded + counts.untagged_excluded)


def test_rows_that_an_older_version_wrote_are_read():
    row = FilterCounts(60, 45, 20, 5).to_dict()
    del row["untagged_seen"], row["untagged_excluded"]
    assert FilterCounts.from_dict(row) == FilterCounts(60, 45, 20, 5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tagging": Tagging(rotate=True)}, "tagging.rotate with tagging.mode = none"),
        ({"tagging": Tagging(adoption=0.5)}, "tagging.adoption with tagging.mode = none"),
        ({"tagging": Tagging("blind", adoption=1.5)}, "tagging.adoption is 1.5, expected a share"),
        ({"tagging": Tagging("blind", adoption=0.5), "top_up": True}, "leave top_up out"),
    ],
)
def test_what_contradicts_itself_is_refused(changes, message):
    with pytest.raises(ConfigurationError, match=message):
        replace(HALF_FRESH, **changes)
