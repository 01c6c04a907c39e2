"""From calibration to filter with scores of real pictures: what a policy promises is kept."""

import io
import math

import numpy as np
import pytest
from PIL import Image
from skimage import data

from hygiene import images
from hygiene.codecs.spread import Spread
from hygiene.keys import Key
from hygiene.policies import Calibration, MaxP, TargetRecall

KEY = Key(b"k" * 32)


def crops(count, side, seed):
    rng = np.random.default_rng(seed)
    photographs = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
    corners = [[int(rng.integers(0, 300 - side)) for _ in "yx"] for _ in range(count)]
    return np.stack([photographs[i % 4][y : y + side, x : x + side] for i, (y, x) in enumerate(corners)])


def as_jpeg(picture):
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=75)
    return images.decode_luma(out.getvalue()).luma


@pytest.fixture(scope="module")
def tagged():
    marked = Spread(psnr=42).embed(crops(300, 64, seed=1), KEY)
    return Spread().score(np.stack([as_jpeg(picture) for picture in marked]), KEY).log10_p


@pytest.mark.parametrize("recall", [0.5, 0.8])
def test_a_calibrated_recall_is_kept_on_real_scores(tagged, recall):
    rng, draws, kept = np.random.default_rng(2), 400, 0
    for _ in range(draws):
        calibration = Calibration("spread", tuple(rng.choice(tagged, 100)))
        kept += TargetRecall(recall, calibration).threshold([]).excludes(tagged).mean() >= recall
    # promised with probability .95; 3 standard errors of 400 draws below it
    assert kept / draws >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / draws)


def test_a_fixed_p_costs_no_more_untagged_pictures_than_it_says():
    hosts, rng, max_p = crops(100, 64, seed=3), np.random.default_rng(4), 1e-2
    log10_p = np.concatenate([Spread().score(hosts, Key(rng.bytes(32))).log10_p for _ in range(60)])
    excluded, expected = MaxP(max_p).threshold([]).excludes(log10_p).sum(), max_p * log10_p.size
    assert excluded <= expected + 3 * math.sqrt(expected)
    assert excluded > 0.3 * expected  # the price of the search is not paid twice
