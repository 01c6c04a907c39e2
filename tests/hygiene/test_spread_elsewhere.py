"""Spread where a batch does not lie on the CPU: on a device that is pretended, and on CUDA where there is one.

Tensors of the pretended device compute on the CPU and say that they lie elsewhere. What goes wrong on a GPU alone goes
wrong there too, with real numbers: tensors of two devices in one operation, and a tensor read as an array before it was
brought back. torch's meta device lends its name.
"""

import contextlib

import numpy as np
import pytest
import torch
from skimage import data
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from hygiene.codecs import Spread, planes
from hygiene.keys import Key
from hygiene.outputs import Tagger
from hygiene.payloads import Payload

KEY = Key(bytes(range(32)))
PICTURES = np.stack([each[:244, :300] for each in (data.astronaut(), data.coffee())])

NAME = "meta"
CROSSING = ("copy_", "_to_copy")  # operations that may have tensors of two devices


def elsewhere(device):
    return device is not None and torch.device(device).type == NAME


def inner(value):
    return value.inner if isinstance(value, Elsewhere) else value


def outer(value):
    return Elsewhere(value) if isinstance(value, torch.Tensor) else value


class Elsewhere(torch.Tensor):
    """A tensor of the pretended device; `inner` is the one that computes."""

    @staticmethod
    def __new__(cls, tensor):
        return torch.Tensor._make_wrapper_subclass(
            cls, tensor.shape, strides=tensor.stride(), dtype=tensor.dtype, device=NAME
        )

    def __init__(self, tensor):
        self.inner = tensor

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), options=None):
        options, name = dict(options or {}), operation.overloadpacket.__name__
        here = [
            each
            for each in tree_leaves((args, options))
            if isinstance(each, torch.Tensor) and not isinstance(each, Elsewhere) and each.dim()
        ]
        if here and name not in CROSSING:
            raise RuntimeError(f"{name}: tensors of two devices, one of shape {tuple(here[0].shape)} on the CPU")
        back = options.get("device") is not None and not elsewhere(options["device"])
        if "device" in options:
            options["device"] = "cpu"
        made = operation(*tree_map(inner, args), **tree_map(inner, options))
        if name.endswith("_"):
            return args[0]
        return made if back else tree_map(outer, made)


class Pretended(TorchFunctionMode):
    """While it lasts tensors can be made on the pretended device, sent there and brought back."""

    def __torch_function__(self, function, types, args=(), options=None):
        options, name = dict(options or {}), getattr(function, "__name__", "")
        tensor = args[0] if args and isinstance(args[0], Elsewhere) else None
        if tensor is not None and name in ("numpy", "__array__", "tolist"):
            raise TypeError(f"{name} of a tensor that is not on the CPU: bring it there first")
        if tensor is not None and name == "cpu":
            return tensor.inner.clone()
        if tensor is not None and name == "__setitem__" and not isinstance(args[2], torch.Tensor):
            tensor.inner[tree_map(inner, args[1])] = args[2]
            return None
        if name == "to" and (elsewhere(options.get("device")) or any(map(names_elsewhere, args[1:]))):
            return outer(inner(args[0]).clone())
        if elsewhere(options.get("device")):
            return outer(function(*args, **options | {"device": "cpu"}))
        return function(*args, **options)


def names_elsewhere(value):
    return isinstance(value, str | torch.device) and elsewhere(value)


def sent(array):
    """An array on the pretended device."""
    return Elsewhere(torch.from_numpy(np.ascontiguousarray(array)))


def on_cuda(array):
    return torch.from_numpy(array.copy()).cuda()


DEVICES = {"pretended": (sent, Pretended)}
if torch.cuda.is_available():
    DEVICES["cuda"] = (on_cuda, contextlib.nullcontext)


@pytest.mark.parametrize(("send", "there"), DEVICES.values(), ids=DEVICES)
@pytest.mark.parametrize(
    "codec",
    [
        Spread(),
        Spread(psnr=45.0),
        Spread(search="deep"),
        Spread(search="exhaustive"),
        Spread(payload=Payload(0x1234ABCD, 32)),
    ],
    ids=["adaptive", "fixed", "deep", "exhaustive", "payload"],
)
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_marks_and_scores_are_those_of_the_cpu(send, there, codec, kind):
    pictures = PICTURES if kind is np.uint8 else (PICTURES / 255).astype(kind)
    expected = codec.embed(pictures, KEY)
    with there():
        marked = codec.embed(send(pictures), KEY)
        found = codec.score(marked, KEY)
        assert marked.device == send(pictures).device
        brought = marked.cpu().numpy()
    assert brought.dtype == kind
    assert np.abs(expected.astype(float) - brought).max() <= (1 if kind is np.uint8 else 1e-3)
    np.testing.assert_allclose(found.log10_p, codec.score(brought, KEY).log10_p, rtol=1e-2)
    assert found.log10_p.max() < -20


@pytest.mark.parametrize(("send", "there"), DEVICES.values(), ids=DEVICES)
@pytest.mark.parametrize("payload", [None, Payload(0x1234ABCD, 32)], ids=["mark", "payload"])
def test_what_a_generator_returns_is_marked_where_it_lies(send, there, payload):
    """As diffusers' output_type "pt": [B, 3, H, W] in 0..1."""
    pictures = np.ascontiguousarray((PICTURES / 255).astype(np.float32).transpose(0, 3, 1, 2))
    seen = []
    tagger = Tagger(KEY, payload=payload, two_keys=True, report=seen.append)
    expected = tagger(pictures)
    with there():
        marked = tagger([send(pictures)])[0]
        assert marked.device == send(pictures).device
        brought = marked.cpu().numpy()
    np.testing.assert_allclose(brought, expected, atol=1e-3)
    assert [each.outcome for each in seen] == ["tagged"] * 4
    np.testing.assert_allclose([each.log10_p for each in seen[2:]], [each.log10_p for each in seen[:2]], rtol=1e-2)


@pytest.mark.parametrize(("send", "there"), DEVICES.values(), ids=DEVICES)
def test_pictures_are_sent_to_be_marked_and_brought_back(send, there):
    expected = Tagger(KEY)(PICTURES)
    with there():
        marked = Tagger(KEY, device=send(PICTURES).device.type)(PICTURES)
    assert isinstance(marked, np.ndarray)
    assert np.abs(expected.astype(int) - marked).max() <= 1


def test_what_stays_on_the_cpu_is_seen(monkeypatch):
    monkeypatch.setattr(planes, "to_like", lambda values, like: torch.from_numpy(values))
    with Pretended(), pytest.raises(RuntimeError, match="tensors of two devices"):
        Spread().embed(sent(PICTURES), KEY)


def test_what_is_not_brought_back_is_seen():
    with Pretended(), pytest.raises(TypeError, match="bring it there first"):
        sent(PICTURES).numpy()
