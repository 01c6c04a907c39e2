"""The two-key rule: both marks must be found."""

import numpy as np
import pytest
from skimage import data

from hygiene.codecs.spread import Spread
from hygiene.detectors import KeyedDetector, TwoKeyDetector
from hygiene.images import Raster, encode
from hygiene.keys import Key
from hygiene.looks import Look
from hygiene.payloads import Payload

KEY = Key(bytes(range(32)))


def look(luma):
    return Look(encode(Raster(luma, None, "png"), luma))


@pytest.fixture(scope="module")
def marked():
    """Untagged, tagged with the key, with both; the key's mark carries a payload."""
    plain = data.camera()[None]
    once = Spread(payload=Payload(42, 32)).embed(plain, KEY)
    return {"none": plain[0], "one": once[0], "both": Spread().embed(once, KEY.twin)[0]}


def test_the_twin_is_a_key_of_its_own():
    assert KEY.twin == Key(bytes(range(32))).twin
    assert len({KEY, KEY.twin, KEY.twin.twin, KEY.subkey("twin")}) == 4


def test_p_is_the_weaker_marks_squared(marked):
    detector = TwoKeyDetector(KeyedDetector(Spread(), KEY))
    assert detector.name == f"spread-two-keys:{KEY.digest}"
    for name, luma in marked.items():
        both = detector.detect(name, look(luma))
        single = [KeyedDetector(Spread(), key).detect("", look(luma)).log10_p for key in (KEY, KEY.twin)]
        assert both.log10_p == 2 * max(single)
        assert both.statistic == -both.log10_p
    assert detector.detect("", look(marked["both"])).log10_p < -60
    assert detector.detect("", look(marked["one"])).log10_p > -8
    assert detector.detect("", look(marked["none"])).log10_p > -8


def test_the_finding_is_the_first_keys(marked):
    detector = TwoKeyDetector(KeyedDetector(Spread(), KEY, "painter", registry={}))
    assert detector.detect("", look(marked["both"])).finding == {"generator": "painter", "payload": "0000002a"}


def test_untagged_pictures_stay_at_nominal_over_random_keys():
    """64 random crops × 40 keys at nominal .1 and .01: never more than nominal by three standard deviations."""
    rng = np.random.default_rng(0)
    photograph = data.camera()
    crops = [photograph[y : y + 64, x : x + 64] for y, x in rng.integers(0, 440, (25, 2))]
    detectors = [TwoKeyDetector(KeyedDetector(Spread(), Key(rng.bytes(32)))) for _ in range(40)]
    log10_p = np.array([each.detect("", look(crop)).log10_p for each in detectors for crop in crops])
    for nominal in (0.1, 0.01):
        expected = nominal * len(log10_p)
        assert np.sum(log10_p <= np.log10(nominal)) <= expected + 3 * np.sqrt(expected)
    assert log10_p.min() < -1, "some of a thousand draws are small: the p-values are not merely zero"
