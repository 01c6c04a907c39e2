"""Kept, excluded and unreadable add up to seen, whatever comes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hygiene.detectors.base import Detection, Unreadable
from hygiene.filtering import count, kind, outcome, split, strongest

EVIDENCE = st.one_of(
    st.builds(Detection, st.text(), st.sampled_from("ab"), st.floats(-400, 0), st.floats(0, 400)),
    st.builds(Unreadable, st.text(), st.sampled_from(["empty file", "truncated: early", "truncated: late"])),
)


@given(st.lists(EVIDENCE), st.floats(-400, 0))
def test_nothing_is_lost_and_the_order_stays(stream, limit):
    parts = list(split(stream, limit))
    assert [evidence for _, evidence in parts] == stream
    counts = count(parts)
    assert counts.seen == len(stream)
    assert counts.total_unreadable == sum(isinstance(item, Unreadable) for item in stream)
    assert counts.total_excluded == sum(isinstance(item, Detection) and item.log10_p <= limit for item in stream)


def test_the_threshold_itself_excludes():
    at = Detection("x", "a", -9.0, 9.0)
    assert outcome(at, -9.0) == "excluded"
    assert outcome(at, math.nextafter(-9.0, -math.inf)) == "kept"
    assert outcome(at, -math.inf) == "kept"
    assert outcome(Unreadable("x", "empty file"), 0.0) == "unreadable"


def test_reasons_are_counted_by_kind():
    assert kind("truncated: the JPEG data ends early") == "truncated"
    parts = split([Unreadable("x", "truncated: a"), Unreadable("y", "truncated: b"), Unreadable("z", "empty file")], 0)
    assert count(parts).unreadable == {"truncated": 2, "empty file": 1}


def test_the_strongest_detector_pays_for_all():
    weak, strong = Detection("x", "a", -3.0, 3.0), Detection("x", "b", -12.0, 12.0, {"generator": "g"})
    best = strongest([weak, strong])
    assert (best.detector, best.finding, best.statistic) == ("b", {"generator": "g"}, 12.0)
    assert best.log10_p == pytest.approx(-12 + math.log10(2))
    assert strongest([weak]) == weak
    assert strongest([Detection("x", "a", -0.1, 0.1)] * 2).log10_p == 0.0
