"""Batches as programs hand them over: none, one, in other units, under autocast."""

import numpy as np
import pytest
import torch
from skimage import data

from hygiene.codecs import Spread
from hygiene.errors import ConfigurationError
from hygiene.keys import Key
from hygiene.payloads import Payload

KEY = Key(b"k" * 32)
GREY = data.camera()[:200, 100:340]


@pytest.mark.parametrize(
    ("batch", "says"),
    [
        (GREY[None] / 127.5 - 1, r"values from -0.969 to 1: expected .* in 0..1"),
        (GREY[None].astype(np.float32), r"values from 4 to 255: expected .* in 0..1"),
        (np.dstack([GREY, GREY, GREY]), r"shape \(\d+, \d+, 3\): expected .*picture\[None\]"),
        ([GREY], r"of type list: expected"),
    ],
)
def test_what_would_be_marked_wrongly_is_refused_with_what_to_do(batch, says):
    for call in (Spread().score, Spread().embed):
        with pytest.raises(ConfigurationError, match=says):
            call(batch, KEY)


def test_a_little_beyond_the_range_is_clipped_as_resampling_leaves_it():
    beyond = GREY[None] / 255 * 1.2 - 0.1
    marked = Spread().embed(beyond, KEY)
    assert (marked.min(), marked.max()) == (0, 1)
    assert Spread().score(marked, KEY).log10_p[0] < -50


@pytest.mark.parametrize("library", [np.asarray, torch.asarray])
@pytest.mark.parametrize("codec", [Spread(), Spread(search="deep"), Spread(payload=Payload(7, 32))])
def test_no_pictures_are_a_batch_too(library, codec):
    for none in (library(np.zeros((0, 64, 64, 3), np.uint8)), library(np.zeros((0, 64, 64), np.float32))):
        marked = codec.embed(none, KEY)
        assert (marked.shape, marked.dtype) == (none.shape, none.dtype)
        assert codec.score(none, KEY).log10_p.shape == (0,)
        assert codec.read(none, KEY) == []


def test_autocast_around_it_changes_nothing():
    batch = torch.asarray(GREY[None] / np.float32(255))
    marked, read = Spread().embed(batch, KEY), Spread().read(batch, KEY)
    scores = Spread().score(marked, KEY)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(Spread().embed(batch, KEY), marked)
        np.testing.assert_array_equal(Spread().score(marked, KEY).log10_p, scores.log10_p)
        assert Spread().read(batch, KEY) == read
