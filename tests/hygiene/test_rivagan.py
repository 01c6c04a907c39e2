import math
import sys

import numpy as np
import pytest
from skimage import data

from hygiene.codecs.rivagan import Rivagan
from hygiene.errors import ConfigurationError
from hygiene.keys import Key

KEY, OTHER = Key(b"k" * 32), Key(b"o" * 32)


@pytest.fixture(scope="session")
def package():
    """The package with its networks loaded."""
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install '.[test]'")
    imwatermark = pytest.importorskip(
        "imwatermark", reason="invisible-watermark cannot be imported: pip install '.[test]'", exc_type=ImportError
    )
    imwatermark.WatermarkEncoder.loadModel()
    return imwatermark


@pytest.fixture(scope="session")
def batch():
    """As small as the package takes them: the networks are slow."""
    return np.stack([getattr(data, name)()[20:276, 60:316] for name in ("astronaut",)])


@pytest.fixture(scope="session")
def small(batch):
    return batch[:, 20:116, 40:168]


def bgr(batch):
    return np.ascontiguousarray(batch[..., ::-1])


def stock_decode(package, batch):
    decoder = package.WatermarkDecoder("bits", 32)
    return np.stack([decoder.decode(picture, "rivaGan") for picture in bgr(batch)])


def stock_embed(package, batch, payload):
    encoder = package.WatermarkEncoder()
    encoder.set_watermark("bits", [int(bit) for bit in payload])
    return np.stack([encoder.encode(picture, "rivaGan") for picture in bgr(batch)])[..., ::-1]


def psnr(a, b):
    return 10 * math.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


def test_either_side_reads_the_other(package, batch):
    codec = Rivagan(threads=1)
    payload = codec.payload(KEY)
    ours, theirs = codec.embed_payload(batch, payload), stock_embed(package, batch, payload)
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert psnr(ours, batch) > psnr(theirs, batch) + 1
    for pictures in (batch, ours, theirs):
        np.testing.assert_array_equal(codec.decode(pictures), stock_decode(package, pictures))
    assert (codec.decode(ours) == payload).mean() > 0.98
    assert (codec.decode(ours) == payload).mean() >= (codec.decode(theirs) == payload).mean()


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_keyed_mark(package, small, dtype):
    codec = Rivagan(threads=1)
    hosts = small if dtype == "uint8" else (small / 255).astype(dtype)
    before = hosts.copy()
    marked = codec.embed(hosts, KEY)
    np.testing.assert_array_equal(hosts, before)
    assert (marked.dtype, marked.shape) == (hosts.dtype, hosts.shape)
    assert codec.score(marked, KEY).log10_p.max() <= -6
    assert codec.score(marked, OTHER).log10_p.min() > -4
    assert codec.score(hosts, KEY).log10_p.min() > -4
    np.testing.assert_array_equal(codec.embed(marked, KEY), marked)


def test_a_batch_is_its_pictures_one_by_one(package, small, monkeypatch):
    whole = Rivagan(threads=1).outputs(small)
    monkeypatch.setattr("hygiene.codecs.rivagan.PIXELS_AT_A_TIME", 1)
    np.testing.assert_allclose(Rivagan(threads=1).outputs(small), whole, atol=1e-3)
    assert Rivagan(threads=1).decode(small[:0]).shape == (0, 32)


def test_what_ran_is_named(package):
    ran = Rivagan().providers_used()
    assert set(ran) <= set(sys.modules["onnxruntime"].get_available_providers())
    assert ran["CPUExecutionProvider"] > 10


def test_a_provider_that_is_not_there(package, batch):
    with pytest.raises(ConfigurationError, match="no WarpExecutionProvider here: choose from auto, "):
        Rivagan(provider="WarpExecutionProvider").decode(batch)


def test_networks_that_are_not_there(package, tmp_path, batch, monkeypatch):
    with pytest.raises(ConfigurationError, match=r"no network .*rivagan_decoder.onnx"):
        Rivagan(models=tmp_path).decode(batch)
    (tmp_path / "rivagan_decoder.onnx").write_bytes(b"no network")
    with pytest.raises(ConfigurationError, match="not a network that onnxruntime can load"):
        Rivagan(models=tmp_path).decode(batch)
    monkeypatch.setattr("hygiene.codecs.rivagan.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="invisible-watermark, which is not installed: pip install"):
        Rivagan().decode(batch)


def test_a_runtime_that_is_not_there(tmp_path, batch, monkeypatch):
    (tmp_path / "rivagan_decoder.onnx").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigurationError, match="cannot be imported: pip install"):
        Rivagan(models=tmp_path).decode(batch)


def test_requests_that_make_no_sense(batch):
    with pytest.raises(ConfigurationError, match="the networks take 32"):
        Rivagan(bits=64)
    with pytest.raises(ConfigurationError, match="expected 32 zeros and ones"):
        Rivagan().embed_payload(batch, [1])
    with pytest.raises(ConfigurationError, match="no colour"):
        Rivagan().decode(batch[..., 0])
