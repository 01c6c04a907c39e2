import json
import math
from dataclasses import replace

import numpy as np
import pytest

from hygiene.detectors.base import RULES
from hygiene.errors import ConfigurationError, InfeasibleError
from hygiene.policies import Calibration, Fdr, MaxP, TargetFpr, TargetRecall, nominal_fpr


def calibration(tagged=(), untagged=()):
    return Calibration("spread:0123", tuple(map(float, tagged)), tuple(map(float, untagged)))


def test_a_fixed_p_is_its_own_threshold():
    threshold = MaxP(1e-6).threshold([])
    assert threshold.max_log10_p == pytest.approx(-6)
    np.testing.assert_array_equal(threshold.excludes([-7, -6, -5.9, 0]), [True, True, False, False])


@pytest.mark.parametrize("recall", [0.5, 0.9, 0.99])
def test_promised_recall_is_kept_in_95_of_100_calibrations(recall):
    rng = np.random.default_rng(3)
    kept = 0
    for _ in range(1000):
        sample = -rng.exponential(20, size=400)
        limit = TargetRecall(recall, calibration(sample)).threshold([]).max_log10_p
        kept += math.exp(limit / 20) >= recall  # the true recall at this threshold
    # the promise is a probability of at least .95; 3 standard errors of 1000 Bernoulli draws below it
    assert kept / 1000 >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / 1000)


@pytest.mark.parametrize("fpr", [0.1, 0.01])
def test_promised_fpr_is_kept_in_95_of_100_calibrations(fpr):
    rng = np.random.default_rng(4)
    kept = 0
    for _ in range(1000):
        nulls = np.log10(rng.uniform(size=600))
        kept += 10 ** TargetFpr(fpr, calibration(untagged=nulls)).threshold([]).max_log10_p <= fpr
    assert kept / 1000 >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / 1000)


def test_the_calibration_sample_at_the_threshold_is_excluded_for_recall_and_kept_for_fpr():
    tagged = -np.arange(1, 60, dtype=float)
    threshold = TargetRecall(0.95, calibration(tagged)).threshold([])
    assert threshold.excludes(tagged).all()
    nulls = -np.arange(1, 60, dtype=float)
    assert not TargetFpr(0.05, calibration(untagged=nulls)).threshold([]).excludes(nulls).any()


def test_too_few_samples_are_refused_with_the_numbers():
    with pytest.raises(InfeasibleError, match=r"at least 299 tagged samples, the calibration has 298"):
        TargetRecall(0.99, calibration([-30.0] * 298)).threshold([])
    with pytest.raises(InfeasibleError, match=r"2,995,731 untagged samples.* has 10"):
        TargetFpr(1e-6, calibration(untagged=[-0.1] * 10)).threshold([])


def test_recall_against_max_p_is_refused_with_what_is_possible():
    tagged = [-30.0] * 80 + [-2.0] * 20
    assert TargetRecall(0.7, calibration(tagged), max_p=1e-9).threshold([]).max_log10_p == -30
    with pytest.raises(InfeasibleError, match=r"recall ≥ 0.9 needs p ≤ 0.01.*promises recall ≥ 0.72"):
        TargetRecall(0.9, calibration(tagged), max_p=1e-9).threshold([])


def test_a_recall_that_would_exclude_everything_is_refused():
    with pytest.raises(InfeasibleError, match=r"exclude every record.*at p ≤ 0.01 .*recall ≥ 0.41"):
        TargetRecall(0.9, calibration([-30.0] * 50 + [0.0] * 50)).threshold([])


def test_a_recall_names_its_price_in_untagged_records():
    threshold = TargetRecall(0.5, calibration([-3.0] * 100)).threshold([])
    assert threshold.facts["nominal_fpr"] == pytest.approx(1e-3)
    assert nominal_fpr(-math.inf) == 0


def test_false_discovery_rate_holds_on_average():
    rng = np.random.default_rng(5)
    shares = []
    for _ in range(300):
        log10_p = np.log10(rng.uniform(size=500))
        log10_p[:100] -= 4
        hit = Fdr(0.1).threshold(log10_p).excludes(log10_p)
        shares.append(hit[100:].sum() / max(hit.sum(), 1))
    assert np.mean(shares) <= 0.1 * 400 / 500 + 3 * np.std(shares) / math.sqrt(300)
    assert np.mean(shares) > 0.04


def test_calibrations_survive_json_and_other_files_are_refused():
    one = Calibration("spread:01", (-3.5, -40.25), (-0.5,), "jpeg 75")
    assert Calibration.from_json(one.to_json()) == one
    assert one.rules == RULES
    old = json.loads(one.to_json())
    del old["rules"]
    assert Calibration.from_json(json.dumps(old)) == replace(one, rules=0)
    for text in ("", "{}", "[]", '{"format": "hygiene-calibration/2"}', one.to_json().replace("-3.5", '"x"')):
        with pytest.raises(ConfigurationError, match="hygiene calibrate"):
            Calibration.from_json(text)


@pytest.mark.parametrize("value", [0, 1, -0.5, 2])
def test_shares_out_of_range_are_refused(value):
    for make in (MaxP, Fdr, lambda v: TargetRecall(v, calibration()), lambda v: TargetFpr(v, calibration())):
        with pytest.raises(ConfigurationError, match="out of range"):
            make(value)
