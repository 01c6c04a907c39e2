"""Every kind of picture goes through `tag_dataset`: what it was it stays, and its empty parts stay empty."""

import json

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy.ndimage import maximum_filter, minimum_filter
from skimage import data

from hygiene import images, png
from hygiene.keys import Key
from hygiene.pipeline import tag_dataset

SIDE = 256
KEY = Key(bytes(range(32)))
PHOTO = np.asarray(Image.fromarray(data.astronaut()).resize((SIDE, SIDE), Image.Resampling.LANCZOS))
GREY = data.camera()[::2, ::2]
DISC = np.hypot(*np.mgrid[-128:128, -128:128]) < 80


def drawn(draw, ground=255, mode="L"):
    image = Image.new(mode, (2 * SIDE, 2 * SIDE), ground)
    draw(ImageDraw.Draw(image))
    return image


def text(pen, ink=0):
    for y in range(20, 480, 24):
        pen.text((20, y), "the quick brown fox jumps over the lazy dog " * 2, fill=ink)


def lines(pen):
    for step in range(12):
        pen.line([(40 * step, 10), (500 - 30 * step, 500)], fill=0, width=1 + step % 3)
        pen.ellipse([20 * step, 30 * step, 100 + 30 * step, 140 + 20 * step], outline=0, width=2)


def sprite():
    colours = np.array([(92, 148, 252), (228, 92, 16), (255, 255, 255)], dtype=np.uint8)
    rows, columns = np.indices((SIDE, SIDE)) // 32
    return colours[(rows * columns + rows) % 3]


def framed(ground):
    canvas = np.full((2 * SIDE, 2 * SIDE, 3), ground, dtype=np.uint8)
    canvas[128:384, 128:384] = PHOTO
    return canvas


def flat(*colour):
    return np.broadcast_to(np.uint8(colour), (SIDE, SIDE, len(colour))).copy()


KINDS = {
    "grey": GREY,
    "text page": drawn(text),
    "light text on dark": drawn(lambda pen: text(pen, 210), 20),
    "two tones": drawn(text).convert("1"),
    "line art": drawn(lines),
    "pixel art": sprite(),
    "palette": Image.fromarray(sprite()).quantize(3),
    "black frame": framed(0),
    "white margin": framed(255),
    "black": flat(0, 0, 0),
    "white": flat(255, 255, 255),
    "pure red": flat(255, 0, 0),
    "gradient": np.tile(np.linspace(0, 255, SIDE).astype(np.uint8), (SIDE, 1)),
    "dark": (PHOTO * 0.06).astype(np.uint8),
    "saturated": np.where(PHOTO > 127, 255, 0).astype(np.uint8),
    "a hole": np.dstack([PHOTO, DISC * np.uint8(255)]),
    "quite transparent": np.dstack([PHOTO, np.zeros_like(GREY)]),
    "grey and soft alpha": np.dstack([GREY, np.tile(np.arange(SIDE, dtype=np.uint8), (SIDE, 1))]),
    "tall": np.tile(GREY, (4, 1))[:, :60],
}
DEEP = {
    "deep, four 8-bit levels of contrast": 30_000 + GREY[:, :, None].astype(np.uint16) * 4,
    "deep, a smooth gradient": np.tile(
        np.linspace(20_000, 30_000, SIDE).astype(np.uint16)[:, None, None], (1, SIDE, 3)
    ),
    "deep, black": np.zeros((SIDE, SIDE, 1), np.uint16),
    "deep, a hole": np.dstack([PHOTO.astype(np.uint16) * 257, DISC * np.uint16(65535)]),
}


@pytest.fixture(scope="module")
def tagged(tmp_path_factory):
    """name → (the picture, its bytes as tagged, the line about it)."""
    folder = tmp_path_factory.mktemp("kinds")
    (folder / "in").mkdir()
    for name, kind in KINDS.items():
        (kind if isinstance(kind, Image.Image) else Image.fromarray(kind)).save(folder / "in" / f"{name}.png")
    frame = (folder / "in" / "black.png").read_bytes()
    for name, samples in DEEP.items():
        (folder / "in" / f"{name}.png").write_bytes(png.write16(samples, frame))
    tag_dataset(folder / "in", folder / "out", KEY, copy_refused=True)
    told = [json.loads(line) for line in (folder / "out" / "tags.jsonl").read_text().splitlines()]
    files = {line["id"]: [(folder / side / line["id"]).read_bytes() for side in ("in", "out")] for line in told}
    return {line["id"].removesuffix(".png"): (*files[line["id"]], line) for line in told}


@pytest.mark.parametrize("name", [*KINDS, *DEEP])
def test_it_is_tagged_and_stays_what_it_was(tagged, name):
    before, after, told = tagged[name]
    assert told["outcome"] == "tagged", told
    assert told["log10_p"] <= -9
    assert told["psnr"] >= 39.5
    old, new = images.decode_raster(before), images.decode_raster(after)
    assert (new.pixels.dtype, new.pixels.shape) == (old.pixels.dtype, old.pixels.shape)
    assert images.psnr(old.pixels, new.pixels) == pytest.approx(told["psnr"])
    assert (new.alpha is None) == (old.alpha is None)
    if old.alpha is not None:
        np.testing.assert_array_equal(new.alpha, old.alpha)


@pytest.mark.parametrize("name", ["black", "white", "pure red", "gradient", "deep, a smooth gradient", "deep, black"])
def test_an_empty_picture_hardly_changes(tagged, name):
    change = luma_change(*tagged[name][:2])
    assert np.sqrt(np.mean(change**2)) <= 1
    assert np.abs(change).max() <= 4.5


def luma_change(before, after):
    """In 8-bit levels, [H, W]."""
    old, new = (images.decode_raster(each).pixels for each in (before, after))
    change = (new.astype(float) - old) * (255 / np.iinfo(old.dtype).max)
    return change if change.ndim == 2 else change @ (0.299, 0.587, 0.114)


@pytest.mark.parametrize(
    "name", ["text page", "light text on dark", "two tones", "line art", "pixel art", "white margin", "black frame"]
)
def test_the_empty_ground_beside_edges_hardly_changes(tagged, name):
    before, after, _ = tagged[name]
    change = luma_change(before, after)
    seen = images.decode_luma(before).luma.astype(float)
    ground = maximum_filter(seen, 7) == minimum_filter(seen, 7)
    assert ground.mean() > 0.1
    assert np.abs(change[ground]).max() <= 4.5
    assert np.sqrt(np.mean(change[ground] ** 2)) <= 1
