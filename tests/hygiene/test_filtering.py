"""Kept, excluded and unreadable add up to seen, whatever comes."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hygiene.detectors.base import Declared, Detection, Unreadable
from hygiene.filtering import DECLARED, Rule, combined, count, kind, outcome, split

STATEMENTS = ["", "generated", "generative edit", "edited", "captured"]
EVIDENCE = st.one_of(
    st.builds(
        Detection,
        st.text(),
        st.sampled_from("ab"),
        st.floats(-400, 0),
        st.floats(0, 400),
        declared=st.sampled_from(STATEMENTS),
    ),
    st.builds(
        Unreadable,
        st.text(),
        st.sampled_from(["empty file", "truncated: early", "truncated: late"]),
        st.sampled_from(STATEMENTS),
    ),
)
DECLARATIONS = st.frozensets(st.sampled_from(STATEMENTS[1:]))
RULES = st.builds(Rule, st.floats(-400, 0), DECLARATIONS)


@given(st.lists(EVIDENCE), RULES)
def test_nothing_is_lost_and_the_order_stays(stream, rule):
    parts = list(split(stream, rule))
    assert [evidence for _, evidence in parts] == stream
    counts = count(stream, rule)
    assert counts.seen == len(stream)
    excluded = [
        item
        for item in stream
        if item.declared in rule.declared or (isinstance(item, Detection) and item.log10_p <= rule.max_log10_p)
    ]
    unreadable = [item for item in stream if isinstance(item, Unreadable) and item.declared not in rule.declared]
    assert [evidence for where, evidence in parts if where == "unreadable"] == unreadable
    assert counts.total_unreadable == len(unreadable)
    assert counts.total_excluded == len(excluded)
    assert [evidence for where, evidence in parts if where == "excluded"] == excluded


@given(st.lists(EVIDENCE), RULES, st.floats(0.01, 0.99))
def test_what_is_given_back_is_kept_and_nothing_else_changes(stream, rule, share):
    generous = replace(rule, give_back=share)
    before, after = ([where for where, _ in split(stream, each)] for each in (rule, generous))
    moved = [was != now for was, now in zip(before, after, strict=True)]
    assert moved == [generous.given_back(row) for row in stream]
    for row, was, now in zip(stream, before, after, strict=True):
        if was != now:
            assert (was, now, row.declared in rule.declared) == ("excluded", "kept", False)
            assert row.log10_p <= rule.max_log10_p
    counts = count(stream, generous)
    assert (counts.given_back, counts.seen) == (sum(moved), len(stream))
    assert counts.kept == count(stream, rule).kept + sum(moved)


def test_a_share_is_given_back_at_random_and_a_larger_one_gives_the_same_and_more():
    rows = [Detection(f"pictures/{i:06d}.png", "a", -12.0 - i % 97, 1.0) for i in range(20_000)]
    small, large = ({row.id for row in rows if Rule(-9.0, give_back=share).given_back(row)} for share in (0.1, 0.7))
    assert small < large
    for share, back in ((0.1, small), (0.7, large)):
        error = math.sqrt(share * (1 - share) / len(rows))
        assert len(back) / len(rows) == pytest.approx(share, abs=4 * error)
    evidence = [row.log10_p for row in rows if row.id in small]
    assert sum(evidence) / len(evidence) == pytest.approx(-12 - 48, abs=4 * 28 / math.sqrt(len(small)))


def test_the_same_ids_are_given_back_in_every_release():
    rows = [Detection(f"{i}.png", "a", -12.0, 1.0) for i in range(12)]
    assert [row.id for row in rows if Rule(-9.0, give_back=0.25).given_back(row)] == [
        f"{i}.png" for i in (1, 3, 6, 9, 10, 11)
    ]


def test_the_threshold_itself_excludes():
    at = Detection("x", "a", -9.0, 9.0)
    assert outcome(at, Rule(-9.0)) == "excluded"
    assert outcome(at, Rule(math.nextafter(-9.0, -math.inf))) == "kept"
    assert outcome(at, Rule(-math.inf)) == "kept"
    assert outcome(Unreadable("x", "empty file"), Rule(0.0)) == "unreadable"
    assert outcome(Unreadable("x", "truncated", "edited"), Rule(0.0, frozenset({"generated"}))) == "unreadable"
    assert outcome(Unreadable("x", "truncated", "edited"), Rule(0.0, frozenset({"edited"}))) == "excluded"


def test_each_reason_to_exclude_is_named():
    rule = Rule(-9.0, frozenset({"generated"}))
    marked, said = {"log10_p": -12.0}, {"declared": "generated"}
    plain = {"log10_p": -1.0, "declared": "captured"}
    for facts, causes in ((marked, ("a",)), (said, (DECLARED,)), (marked | said, ("a", DECLARED)), (plain, ())):
        evidence = Detection(**{"id": "x", "detector": "a", "log10_p": 0.0, "statistic": 0.0} | facts)
        assert rule.causes(evidence) == causes
        assert count([evidence], rule).excluded == ({causes[0]: 1} if causes else {})


def test_reasons_are_counted_by_kind():
    assert kind("truncated: the JPEG data ends early") == "truncated"
    rows = [Unreadable("x", "truncated: a"), Unreadable("y", "truncated: b"), Unreadable("z", "empty file")]
    assert count(rows, Rule(0.0)).unreadable == {"truncated": 2, "empty file": 1}


def test_the_strongest_detector_pays_for_all():
    weak, strong = Detection("x", "a", -3.0, 3.0), Detection("x", "b", -12.0, 12.0, {"generator": "g"})
    best = combined([weak, strong])
    assert (best.detector, best.finding, best.statistic) == ("b", {"generator": "g"}, 12.0)
    assert best.log10_p == pytest.approx(-12 + math.log10(2))
    assert combined([weak]) == weak
    assert combined([Detection("x", "a", -0.1, 0.1)] * 2).log10_p == 0.0


def test_what_a_file_says_is_no_test_and_pays_nothing():
    test, said = Detection("x", "a", -3.0, 3.0, {"search": "fast"}), Declared("x", "p", "edited", {"source": "IPTC"})
    both = combined([test, said])
    assert (both.detector, both.log10_p, both.declared) == ("a", -3.0, "edited")
    assert both.finding == {"search": "fast", "source": "IPTC"}
    alone = combined([said])
    assert (alone.detector, alone.log10_p, alone.declared, alone.finding) == ("p", 0.0, "edited", {"source": "IPTC"})
