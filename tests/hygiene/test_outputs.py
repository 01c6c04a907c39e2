"""Outputs tagged where they are made: what comes in marked comes out as what it was, and nothing unmarked unnoticed."""

import asyncio
import copy
import io
import pickle
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from hygiene import outputs
from hygiene.codecs import Spread
from hygiene.detectors import KeyedDetector
from hygiene.detectors.two_keys import TwoKeyDetector
from hygiene.errors import ConfigurationError, TagRefused
from hygiene.keys import Key
from hygiene.looks import Look
from hygiene.outputs import Tagger, tagged
from hygiene.outputs.tagger import AT_ONCE_ON_CPU
from hygiene.payloads import Payload

KEY, OTHER = Key(b"k" * 32), Key(b"o" * 32)
SIDE = 128


def photograph(name="astronaut", height=SIDE, width=SIDE, mode="RGB"):
    return Image.fromarray(getattr(data, name)()).resize((width, height), Image.Resampling.LANCZOS).convert(mode)


PHOTOS = [photograph(name) for name in ("astronaut", "coffee", "chelsea")]
BATCH = np.stack([np.asarray(picture) for picture in PHOTOS])
NOISE = np.random.default_rng(3).integers(0, 256, (28, 28), np.uint8)


def file_of(picture, form="PNG", **options):
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def log10_p(picture, key=KEY, form="PNG", **options):
    """As `hygiene detect` finds it in the file."""
    return KeyedDetector(Spread(), key).detect("", Look(file_of(picture, form, **options))).log10_p


def drawn(array):
    """An array's pictures, as a user would write them."""
    array = torch.as_tensor(array)
    levels = array if array.dtype == torch.uint8 else (array.float() * 255).round().to(torch.uint8)
    return [Image.fromarray(each) for each in levels.numpy()]


def check_marked(picture, host):
    assert log10_p(picture) < -20
    assert log10_p(picture, form="JPEG", quality=90) < -20
    assert log10_p(picture, OTHER) > -6
    assert log10_p(host) > -6
    change = np.asarray(picture, dtype=float) - np.asarray(host)
    assert 39.5 < 10 * np.log10(255**2 / np.mean(change**2)) < 49


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_a_picture_stays_one_of_its_mode_with_its_transparency_and_texts(mode):
    host = photograph(mode=mode)
    if "A" in mode:
        host.putalpha(Image.fromarray(np.tile(np.arange(SIDE, dtype=np.uint8), (SIDE, 1))))
    host.info["prompt"] = "an astronaut"
    before = host.tobytes()
    marked = Tagger(KEY)(host)
    assert (marked.mode, marked.size, marked.info) == (mode, host.size, host.info)
    assert host.tobytes() == before
    if "A" in mode:
        assert marked.getchannel("A").tobytes() == host.getchannel("A").tobytes()
    colours = mode.removesuffix("A")
    check_marked(marked.convert(colours), host.convert(colours))


KINDS = [(library, dtype) for library in ("numpy", "torch") for dtype in ("uint8", "float16", "float32", "float64")]


@pytest.mark.parametrize(("library", "dtype"), [*KINDS, ("torch", "bfloat16")])
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 3, 1, 2)], ids=["last", "first"])
def test_arrays_keep_library_dtype_shape_and_order_of_axes(library, dtype, order):
    host = torch.from_numpy(BATCH.copy())
    host = host if dtype == "uint8" else (host / 255).to(getattr(torch, dtype))
    host = host.permute(order).contiguous()
    host = host.numpy() if library == "numpy" else host
    before = copy.deepcopy(host)
    marked = Tagger(KEY)(host)
    assert (type(marked), marked.dtype, marked.shape) == (type(host), host.dtype, host.shape)
    assert (host == before).all()
    if library == "torch":
        assert marked.is_contiguous()
    back = [order.index(axis) for axis in range(4)]
    for picture, plain in zip(*(drawn(torch.as_tensor(each).permute(back)) for each in (marked, host)), strict=True):
        check_marked(picture, plain)


@pytest.mark.parametrize(
    ("shape", "layers"),
    [((), slice(0, 1)), ((3,), slice(None)), ((1,), slice(0, 1))],
    ids=["H W", "three colours", "one colour"],
)
def test_single_pictures_of_two_and_three_axes(shape, layers):
    last = BATCH[0][..., layers].reshape(SIDE, SIDE, *shape)
    for host in (last, np.moveaxis(last, -1, 0)) if shape else (last,):
        marked = Tagger(KEY)(host)
        assert marked.shape == host.shape
        back = np.moveaxis(marked, 0, -1) if shape and host.shape[0] == shape[0] else marked
        check_marked(*(Image.fromarray(each.reshape(last.shape).squeeze()) for each in (back, last)))


@dataclass(frozen=True)
class Output:
    images: object
    flagged: object = None


Pair = namedtuple("Pair", "images seed")


def test_containers_and_outputs_stay_what_they_were():
    mark = Tagger(KEY)
    batch = torch.from_numpy(BATCH.copy())
    for output, of in (
        (PHOTOS, lambda made: made),
        ((PHOTOS, [False] * 3), lambda made: made[0]),
        ({"images": PHOTOS, "seed": 7, "scores": np.zeros(3)}, lambda made: made["images"]),
        (Output(PHOTOS, [True]), lambda made: made.images),
        (Pair(PHOTOS, 7), lambda made: made.images),
        (SimpleNamespace(images=PHOTOS, text="three"), lambda made: made.images),
        (Output(batch), lambda made: [Image.fromarray(each.numpy()) for each in made.images]),
        ([batch[0], batch[1], batch[2]], lambda made: [Image.fromarray(each.numpy()) for each in made]),
    ):
        made = mark(output)
        assert type(made) is type(output)
        assert of(output) is PHOTOS or not isinstance(of(output)[0], Image.Image) or log10_p(of(output)[0]) > -6
        for picture, host in zip(of(made), PHOTOS, strict=True):
            check_marked(picture, host)
    named = mark({"images": PHOTOS[:1], "seed": 7, "text": "one"})
    assert (named["seed"], named["text"]) == (7, "one")


def test_pictures_of_one_size_are_marked_in_one_batch_and_come_back_in_order(monkeypatch):
    hosts = [photograph("coffee", 64, 96), PHOTOS[0], photograph("chelsea", 64, 96), photograph("moon", mode="L")]
    shapes, embed = [], Spread.embed

    def watched(self, batch, key):
        shapes.append(batch.shape)
        return embed(self, batch, key)

    monkeypatch.setattr(Spread, "embed", watched)
    marked = Tagger(KEY)(hosts)
    assert sorted(shapes) == sorted([(2, 64, 96, 3), (1, SIDE, SIDE, 3), (1, SIDE, SIDE)])
    for picture, host in zip(marked, hosts, strict=True):
        assert picture.size == host.size
        assert log10_p(picture) < -9
        change = np.asarray(picture, dtype=float) - np.asarray(host)
        assert 0 < np.mean(change**2) < 8


def test_batches_too_large_for_the_caches_are_parted_by_pictures(monkeypatch):
    counts, embed = [], Spread.embed

    def watched(self, batch, key):
        counts.append(len(batch))
        return embed(self, batch, key)

    monkeypatch.setattr(Spread, "embed", watched)
    side = 512
    most = AT_ONCE_ON_CPU // side**2
    hosts = np.stack([np.asarray(photograph(height=side, width=side))] * (most + 1))
    marked = Tagger(KEY)(torch.from_numpy(hosts).permute(0, 3, 1, 2).contiguous())
    assert counts == [most, 1]
    assert marked.is_contiguous()
    assert (Spread().score(marked.permute(0, 2, 3, 1), KEY).log10_p < -50).all()


def test_what_carries_the_mark_comes_back_as_it_is():
    seen = []
    mark = Tagger(KEY, report=seen.append)
    once = mark(PHOTOS)
    again = mark(once)
    assert all(a is b for a, b in zip(again, once, strict=True))
    assert [each.outcome for each in seen] == ["tagged"] * 3 + ["already"] * 3
    assert seen[-1].psnr is None
    assert seen[-1].log10_p < -20
    array = torch.from_numpy(BATCH / 255.0)
    marked = mark(array)
    assert mark(marked) is marked


def test_a_report_says_what_was_done_to_each_picture():
    seen = []
    Tagger(KEY, psnr=45, report=seen.append)((PHOTOS, Output(torch.from_numpy(BATCH / 255.0))))
    assert [each.place for each in seen] == [f"output[0][{i}]" for i in range(3)] + [
        f"output[1].images[{i}]" for i in range(3)
    ]
    for each, host in zip(seen, PHOTOS * 2, strict=True):
        assert each.outcome == "tagged"
        assert each.psnr == pytest.approx(45, abs=0.5)
        again = Spread(psnr=45).embed(np.asarray(host)[None], KEY)
        assert each.log10_p == pytest.approx(Spread().score(again, KEY).log10_p[0], rel=0.1)


def test_a_payload_is_read_back_and_told():
    payload, seen = Payload(0xC0FFEE42, 32), []
    marked = Tagger(KEY, payload=payload, report=seen.append)(photograph(height=512, width=512))
    assert seen[0].payload == str(payload)
    found = KeyedDetector(Spread(), KEY, registry={}).detect("", Look(file_of(marked)))
    assert found.finding["payload"] == str(payload)


def test_two_keys_are_both_there_and_one_of_them_is_not_enough():
    seen = []
    mark = Tagger(KEY, two_keys=True, report=seen.append)
    for host in (PHOTOS[0], Tagger(KEY)(PHOTOS[0])):
        marked = mark(host)
        found = TwoKeyDetector(KeyedDetector(Spread(), KEY)).detect("", Look(file_of(marked)))
        assert seen[-1].outcome == "tagged"
        assert found.log10_p < -20
        assert seen[-1].log10_p == pytest.approx(found.log10_p, rel=0.02)
    assert mark(marked) is marked


REFUSED = {
    "small": (np.zeros((1, 20, 64, 3), np.uint8), "output.0.: pictures of 64×20 pixels: the short side must be ≥ 28"),
    "noise": (Image.fromarray(NOISE), "output: no room: an invisible mark would be lost in its texture"),
    "negative": (torch.linspace(-1, 1, 64 * 64 * 3).reshape(1, 3, 64, 64), "values from -1 to 1"),
    "bytes": (np.linspace(0, 255, 64 * 64 * 3).reshape(64, 64, 3), "values from 0 to 255"),
    "nan": (torch.full((1, 3, 64, 64), torch.nan), "values that are not finite"),
    "integers": (np.zeros((64, 64, 3), np.int64), "a batch of int64"),
    "latents": (torch.zeros(2, 4, 64, 64), r"output: an array of shape \(2, 4, 64, 64\), latents, or transparency"),
    "packed": (torch.randn(1, 4096, 64, generator=torch.Generator().manual_seed(0)), "output: .* values from -4"),
    "video": (torch.zeros(1, 8, 3, 64, 64), "video: expected"),
    "frames": (SimpleNamespace(images=None, frames=[PHOTOS]), "without any picture"),
    "frames of an output": ({"frames": [PHOTOS]}, r"output\['frames'\]: a video"),
    "lists of lists": ([PHOTOS[:1]] * 2, r"output\[0\]\[0\]: pictures in a list of lists.*\(and 1 more of 2\)"),
    "palette": (PHOTOS[0].convert("P"), "output: a picture of mode P: expected L, LA, RGB, RGBA: convert it"),
    "deep": (Image.new("I;16", (64, 64)), "mode I;16"),
    "encoded": ([file_of(PHOTOS[0])], r"output\[0\]: encoded bytes"),
    "another library": (Output([SimpleNamespace(shape=(64, 64, 3))]), "output.images.0.: a SimpleNamespace: expected"),
    "name": ("picture.png", "output: a str without any picture"),
    "nothing": (None, "output: a NoneType without any picture"),
    "nothing in it": ([], "output: a list without any picture"),
}


@pytest.mark.parametrize(("output", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_marked_is_refused_or_passed_on_as_it_is_with_a_report(output, reason):
    with pytest.raises(TagRefused, match=reason):
        Tagger(KEY)(output)
    seen = []
    passed = Tagger(KEY, on_refusal="pass", report=seen.append)(output)
    assert {each.outcome for each in seen} == {"refused"}
    assert all(each.reason for each in seen)
    assert passed is output


def test_one_that_is_refused_does_not_keep_the_others_from_their_mark():
    seen = []
    batch = BATCH / 255.0
    batch[1] = np.nan
    mark = Tagger(KEY, on_refusal="pass", report=seen.append)
    marked = mark({"images": batch, "more": [PHOTOS[0], PHOTOS[1].convert("P")]})
    assert [(each.place, each.outcome) for each in seen] == [
        ("output['images'][0]", "tagged"),
        ("output['images'][1]", "refused"),
        ("output['images'][2]", "tagged"),
        ("output['more'][0]", "tagged"),
        ("output['more'][1]", "refused"),
    ]
    assert np.isnan(marked["images"][1]).all()
    assert marked["more"][1].mode == "P"
    pictures = [*drawn(marked["images"][[0, 2]]), marked["more"][0]]
    for picture, host in zip(pictures, [*PHOTOS[::2], PHOTOS[0]], strict=True):
        check_marked(picture, host)
    told = []
    with pytest.raises(TagRefused, match=r"output\['images'\]\[1\]: .*not finite.*\(and 1 more of 5\)"):
        Tagger(KEY, report=told.append)({"images": batch, "more": [PHOTOS[0], PHOTOS[1].convert("P")]})
    assert not told  # of pictures that did not leave


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.bfloat16])
def test_flat_pictures_carry_a_mark_that_is_there_after_rounding(level, dtype):
    flat = torch.full((1, 3, 64, 64), level, dtype=torch.uint8)
    marked = Tagger(KEY)(flat if dtype == torch.uint8 else (flat / 255).to(dtype))
    levels = marked if dtype == torch.uint8 else (marked.float() * 255).round()
    assert log10_p(Image.fromarray(levels[0].permute(1, 2, 0).numpy().astype(np.uint8))) < -20


def test_a_mark_that_rounding_takes_away_is_refused_and_left_out():
    """At 60 dB the change is a quarter of a grey level."""
    host, seen = np.asarray(photograph("moon", 80, 80, "L"), np.float32) / 255, []
    assert Spread().score(Spread(psnr=60).embed(host[None], KEY), KEY).log10_p < -9
    passed = Tagger(KEY, psnr=60, on_refusal="pass", report=seen.append)(host)
    assert seen[0].reason.startswith("the mark does not survive rounding to 8 bits: log10 p is -")
    assert passed is host


def test_pictures_can_be_sent_elsewhere_to_be_marked():
    for output in (PHOTOS, BATCH / 255.0):
        here, there = Tagger(KEY)(output), Tagger(KEY, device="cpu")(output)
        assert type(there) is type(here)
        for a, b in zip(here, there, strict=True):
            np.testing.assert_allclose(np.asarray(a, dtype=float), np.asarray(b, dtype=float), atol=1)
    with pytest.raises(ConfigurationError, match="device 'nowhere' cannot be used"):
        Tagger(KEY, device="nowhere")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"on_refusal": "pass"}, "give report"),
        ({"on_refusal": "ignore"}, "expected 'raise' or 'pass'"),
        ({"report": "log.txt"}, "report is a str: expected a function of a Tagging"),
        ({"psnr": 90}, "psnr 90 dB is out of range"),
        ({"payload": "c0ffee42"}, "payload is a str: expected a Payload"),
    ],
)
def test_mistakes_are_told_before_anything_runs(options, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        tagged(lambda: PHOTOS, KEY, **options)


def test_mistakes_with_the_key_and_the_generator():
    for key in ("my.key", Path("my.key"), b"k" * 32):
        with pytest.raises(ConfigurationError, match="expected a Key, as hygiene"):
            tagged(lambda: PHOTOS, key)
    for generator, what in ((Path("generated"), "a PosixPath"), ("generated", "a str"), (PHOTOS, "a list")):
        with pytest.raises(ConfigurationError, match=f"{what} is no generator: .* `hygiene tag`"):
            tagged(generator, KEY)
    with pytest.raises(ConfigurationError, match="the class Output is no generator"):
        tagged(Output, KEY)

    async def awaited():
        return PHOTOS

    def iterated():
        yield from PHOTOS

    for generator in (awaited, iterated, partial(awaited)):
        with pytest.raises(ConfigurationError, match="awaited or iterated"):
            tagged(generator, KEY)
    with pytest.raises(TagRefused, match="output: a generator without any picture"):
        tagged(lambda: iterated(), KEY)()


class Generator:
    """What a pipeline is to its user: called, moved, configured."""

    def __init__(self):
        self.steps, self.moved, self.runs = 50, [], 0

    def to(self, device):
        self.moved.append(device)
        return self

    def enable_offload(self):
        self.moved.append("offload")

    def named(self, name):
        return {"name": name}

    def __call__(self, name="astronaut", *, output_type="pil"):
        self.runs += 1
        return Output([photograph(name)], output_type)


def test_the_wrapper_is_the_generator_in_all_but_what_it_returns():
    inner = Generator()
    pipe = tagged(inner, KEY)
    assert pipe.to("cuda").to("cpu") is pipe
    pipe.enable_offload()
    pipe.steps = 4
    assert (inner.moved, inner.steps, pipe.steps) == (["cuda", "cpu", "offload"], 4, 4)
    assert pipe.named("x") == {"name": "x"}
    assert {"to", "steps", "tagger"} <= set(dir(pipe))
    assert not hasattr(pipe, "scheduler")
    del pipe.steps
    assert not hasattr(inner, "steps")
    check_marked(pipe.to("cuda")("coffee").images[0], photograph("coffee"))
    assert pipe.__wrapped__ is inner
    assert KEY.secret.hex() not in repr(pipe)
    assert repr(KEY.secret) not in repr(pipe)
    assert KEY.digest in repr(pipe)


def test_latents_that_are_asked_for_are_refused_before_the_generator_runs():
    inner = Generator()
    with pytest.raises(TagRefused, match="output_type is 'latent'"):
        tagged(inner, KEY)(output_type="latent")
    assert inner.runs == 0
    seen = []
    tagged(inner, KEY, on_refusal="pass", report=seen.append)(output_type="latent")
    assert inner.runs == 1
    assert len(seen) == 1


def test_wrapped_twice_marks_once_and_with_two_keys_twice():
    pipe = tagged(Generator(), KEY)
    once, twice = pipe().images[0], tagged(pipe, KEY)().images[0]
    assert once.tobytes() == twice.tobytes()
    both = tagged(pipe, OTHER)().images[0]
    assert max(log10_p(both), log10_p(both, OTHER)) < -20


def test_copies_and_pickles_go_on_marking():
    pipe = tagged(Generator(), KEY)
    for other in (copy.copy(pipe), copy.deepcopy(pipe), pickle.loads(pickle.dumps(pipe))):
        assert log10_p(other().images[0]) < -20


def test_partial_and_compiled_callables_and_modules():
    batch = torch.from_numpy(BATCH.copy()).permute(0, 3, 1, 2) / 255
    decoder = torch.nn.Upsample(scale_factor=2, mode="bilinear")
    expected = decoder(batch)
    for generator in (
        decoder,
        partial(torch.nn.functional.interpolate, scale_factor=2, mode="bilinear"),
        torch.compile(decoder, backend="eager"),
        torch.compile(lambda x: decoder(x), backend="eager"),
    ):
        marked = tagged(generator, KEY)(batch)
        for picture, host in zip(*(drawn(each.permute(0, 2, 3, 1)) for each in (marked, expected)), strict=True):
            check_marked(picture, host)


def test_threads_share_a_wrapper():
    pipe = tagged(Generator(), KEY)
    names = ["astronaut", "coffee", "chelsea", "rocket"] * 2
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda name: pipe(name).images[0], names))

    async def served():
        return await asyncio.gather(*(asyncio.to_thread(pipe, name) for name in names))

    for pictures in (made, [each.images[0] for each in asyncio.run(served())]):
        for name, picture in zip(names, pictures, strict=True):
            assert picture.tobytes() == pipe(name).images[0].tobytes()


def test_no_gradient_passes_and_none_is_kept():
    batch = (torch.from_numpy(BATCH.copy()) / 255).requires_grad_()
    assert not Tagger(KEY)(batch).requires_grad


def test_nothing_of_torch_is_needed_to_wrap_what_returns_pictures():
    import subprocess
    import sys

    code = (
        "import sys\n"
        "from PIL import Image\n"
        "from hygiene.keys import new_key\n"
        "from hygiene.outputs import tagged\n"
        "tagged(lambda: Image.new('RGB', (64, 64)), new_key())()\n"
        "assert not {'torch', 'diffusers'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(outputs.__file__).parents[2])
