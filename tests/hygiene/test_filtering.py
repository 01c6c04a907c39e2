"""Kept, excluded and unreadable add up to seen, whatever comes."""

import math

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
RULES = st.builds(Rule, st.floats(-400, 0), st.frozensets(st.sampled_from(STATEMENTS[1:])))


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
