"""16-bit PNG against files made by hand after the specification, and against Pillow's decoder."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo
from skimage import data

from hygiene import images, png
from hygiene.codecs.spread import Spread
from hygiene.errors import UnreadableImage
from hygiene.keys import Key

CHANNELS = {1: 0, 2: 4, 3: 2, 4: 6}  # number of channels -> colour type, PNG §11.2.1
# x start, y start, x step, y step of Adam7's passes, PNG §8.2
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def deep(side, channels, seed=0):
    """A picture whose low bytes mean something: a photograph with noise below 8 bits, and alpha with holes."""
    photo = np.dstack([data.astronaut(), data.camera()])[:side, : side + 5, :channels].astype(np.uint16)
    samples = photo * 257 ^ np.random.default_rng(seed).integers(0, 256, photo.shape, dtype=np.uint16)
    if channels in (2, 4):
        samples[: side // 2, :, -1] = 0
    return samples


def filtered(samples):
    """Every row by another filter type, byte by byte as §9.2 says it."""
    step = samples.shape[2] * 2
    rows = samples.astype(">u2").reshape(len(samples), -1).view(np.uint8).astype(int)
    above, out = np.zeros_like(rows[0]), b""
    for at, row in enumerate(rows):
        left, corner = (np.concatenate([np.zeros(step, int), each[:-step]]) for each in (row, above))
        near = [np.abs(left + above - corner - each) for each in (left, above, corner)]
        paeth = np.where((near[0] <= near[1]) & (near[0] <= near[2]), left, np.where(near[1] <= near[2], above, corner))
        guess = (0 * row, left, above, (left + above) // 2, paeth)[at % 5]
        out += bytes([at % 5]) + ((row - guess) % 256).astype(np.uint8).tobytes()
        above = row
    return out


def by_hand(samples, interlaced=False, before=b"", packed=None):
    """A 16-bit PNG of uint16 [H, W, C] that none of our code wrote."""
    height, width, channels = samples.shape
    passes = ADAM7 if interlaced else [(0, 0, 1, 1)]
    parts = [samples[y::down, x::right] for x, y, right, down in passes]
    rows = b"".join(filtered(part) for part in parts if part.size)
    header = struct.pack(">IIBBBBB", width, height, 16, CHANNELS[channels], 0, 0, interlaced)
    pixels = chunk(b"IDAT", zlib.compress(rows) if packed is None else packed)
    return png.SIGNATURE + chunk(b"IHDR", header) + before + pixels + chunk(b"IEND", b"")


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("side", [1, 3, 64])
def test_every_kind_is_read_exactly(side, channels, interlaced):
    samples = deep(side, channels)
    np.testing.assert_array_equal(png.read16(by_hand(samples, interlaced)), samples)


@pytest.mark.parametrize("channels", CHANNELS)
def test_what_is_written_is_what_pillow_reads(channels):
    samples = deep(300, channels)  # more rows than are written at a time
    frame = io.BytesIO()
    Image.new("L", (1, 1)).save(frame, "PNG", dpi=(300, 300))
    written = png.write16(samples, frame.getvalue())
    np.testing.assert_array_equal(png.read16(written), samples)
    png.check(written)
    image = Image.open(io.BytesIO(written))
    assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    if channels == 1:
        np.testing.assert_array_equal(np.asarray(image), samples[:, :, 0])
    else:
        kept = {2: [0, 0, 0, 1], 3: [0, 1, 2], 4: [0, 1, 2, 3]}[channels]
        np.testing.assert_array_equal(np.asarray(image), samples[:, :, kept] >> 8)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("channels", CHANNELS)
def test_a_deep_picture_is_tagged_and_stays_deep(channels, interlaced):
    samples, key = deep(160, channels), Key(bytes(range(32)))
    raster = images.decode_raster(by_hand(samples, interlaced))
    np.testing.assert_array_equal(images.from_batch(images.to_batch(raster.pixels)), raster.pixels)
    marked = images.from_batch(Spread(psnr=42).embed(images.to_batch(raster.pixels), key))
    written = images.encode(raster, marked)

    assert struct.unpack(">BB", written[24:26]) == (16, CHANNELS[channels])
    again = images.decode_raster(written)
    np.testing.assert_array_equal(again.pixels, marked)
    if channels in (2, 4):
        np.testing.assert_array_equal(again.alpha, samples[:, :, -1])
        assert not np.array_equal(again.pixels[:80], raster.pixels[:80])  # the mark is in the hidden colours too
    assert images.psnr(raster.pixels, marked) == pytest.approx(42, abs=0.3)
    # Neither the picture nor its change is in whole 8-bit levels, which are 257 apart.
    for each in (marked, marked.astype(int) - raster.pixels):
        assert len(np.unique(each % 257)) > 200
    assert Spread().score(images.decode_luma(written).luma[None], key).log10_p[0] < -30


def test_one_colour_that_is_transparent_becomes_alpha():
    grey, colour = deep(40, 1), deep(40, 3)
    grey[5:9], colour[5:9] = 40_001, (1, 40_001, 7)
    colour[9:12] = (1, 40_001, 8)  # the same when cut to 8 bits, and opaque
    for samples, key in ((grey, (40_001,)), (colour, (1, 40_001, 7))):
        raster = images.decode_raster(by_hand(samples, before=chunk(b"tRNS", struct.pack(f">{len(key)}H", *key))))
        hidden = np.all(samples == np.array(key), axis=2)
        assert hidden.sum() >= 4 * 45
        np.testing.assert_array_equal(raster.alpha, np.where(hidden, 0, 65535))
        np.testing.assert_array_equal(np.atleast_3d(raster.pixels), samples)
        again = images.decode_raster(images.encode(raster, raster.pixels))
        np.testing.assert_array_equal(again.alpha, raster.alpha)


def test_metadata_and_orientation_are_kept():
    samples, exif, text = deep(40, 4), Image.Exif(), PngInfo()
    exif[0x0112], exif[0x010E] = 6, "a description"
    text.add_text("prompt", "a cat")
    frame = io.BytesIO()
    Image.new("L", (1, 1)).save(frame, "PNG", exif=exif, pnginfo=text, icc_profile=b"a profile", dpi=(300, 300))
    raster = images.decode_raster(png.write16(samples, frame.getvalue()))
    np.testing.assert_array_equal(raster.pixels, np.rot90(samples, -1)[:, :, :3])
    np.testing.assert_array_equal(raster.alpha, np.rot90(samples, -1)[:, :, 3])

    again = Image.open(io.BytesIO(images.encode(raster, raster.pixels)))
    assert again.text == {"prompt": "a cat"}
    assert again.info["icc_profile"] == b"a profile"
    assert again.getexif()[0x010E] == "a description"
    assert ImageOps.exif_transpose(again).size == again.size == (40, 45)


def test_detection_sees_the_high_byte():
    grey, colour = deep(64, 1), deep(64, 3)
    np.testing.assert_array_equal(images.decode_luma(by_hand(grey)).luma, grey[:, :, 0] >> 8)
    seen = images.decode_luma(by_hand(colour)).luma
    np.testing.assert_allclose(seen, (colour >> 8) @ (0.299, 0.587, 0.114), atol=0.6)


def test_psnr_knows_the_depth():
    low, high = deep(40, 3), deep(40, 3, seed=1)
    error = np.mean((low / 65535 - high / 65535) ** 2)
    assert images.psnr(low, high) == pytest.approx(-10 * np.log10(error), abs=1e-3)
    assert images.psnr(low, low) == float("inf")
    eight = (low >> 8).astype(np.uint8), (high[::-1] >> 8).astype(np.uint8)
    assert images.psnr(eight[0].astype(np.uint16) * 257, eight[1].astype(np.uint16) * 257) == pytest.approx(
        images.psnr(*eight), abs=1e-3
    )


WHOLE = by_hand(deep(64, 3))
BROKEN = {
    "cut": (WHOLE[: len(WHOLE) // 2], "truncated"),
    "fewer rows than its header says": (by_hand(deep(64, 3), packed=zlib.compress(filtered(deep(20, 3)))), "decoded"),
    "no zlib stream": (by_hand(deep(64, 3), packed=b"not zlib at all"), "decoded"),
    "an unknown filter": (by_hand(deep(64, 3), packed=zlib.compress(b"\7" * 64 * (1 + 69 * 6))), "decoded"),
    "wrong bytes": (WHOLE[:500] + bytes(50) + WHOLE[550:], "corrupt"),
    "a palette of 16 bits": (png.SIGNATURE + chunk(b"IHDR", WHOLE[16:25] + b"\3\0\0\0") + WHOLE[33:], "."),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_unreadable(name):
    source, reason = BROKEN[name]
    for decode in (images.decode_raster, images.decode_luma):
        with pytest.raises(UnreadableImage, match=reason):
            decode(source)


def eight_bits(pixels, interlaced=False, lacks=0, packed=None):
    """An 8-bit RGB PNG of uint8 [H, W, 3], its inflated pixel data `lacks` bytes short."""
    height, width = pixels.shape[:2]
    parts = [pixels[y::down, x::right] for x, y, right, down in (ADAM7 if interlaced else [(0, 0, 1, 1)])]
    rows = b"".join(b"\0" + row.tobytes() for part in parts if part.size for row in part)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, interlaced)
    pixel_data = zlib.compress(rows[: len(rows) - lacks]) if packed is None else packed
    return png.SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", pixel_data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("decode", [images.decode_raster, images.decode_luma])
@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("lacks", [1, 145, 1450])  # 145 bytes are a row; a part of one Pillow misses by itself
def test_rows_that_a_file_lacks_are_no_black_rows(lacks, interlaced, decode):
    """Pillow says nothing of whole rows that the zlib stream ends before."""
    pixels = (deep(43, 3) >> 8).astype(np.uint8) | 1
    with pytest.raises(UnreadableImage, match="truncated"):
        decode(eight_bits(pixels, interlaced, lacks))


@pytest.mark.parametrize("interlaced", [False, True])
def test_black_rows_are_rows(interlaced):
    pixels = (deep(43, 3) >> 8).astype(np.uint8)
    pixels[-9:] = 0
    np.testing.assert_array_equal(images.decode_raster(eight_bits(pixels, interlaced)).pixels, pixels)


@pytest.mark.parametrize("decode", [images.decode_raster, images.decode_luma])
@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("packed", [b"not zlib at all", zlib.compress(b"\7" * 43 * 145)])
def test_broken_pixel_data_is_not_hidden_by_a_look_at_the_exif(packed, interlaced, decode):
    """Pillow loads the pixels when asked for the EXIF, and after a failure there gives black ones."""
    with pytest.raises(UnreadableImage, match="decoded"):
        decode(eight_bits((deep(43, 3) >> 8).astype(np.uint8), interlaced, packed=packed))


def test_more_pixels_than_the_header_says_are_not_inflated():
    samples = deep(64, 3)
    bomb = by_hand(samples, packed=zlib.compress(filtered(samples) + bytes(1 << 27)))
    tracemalloc.start()
    try:
        np.testing.assert_array_equal(images.decode_raster(bomb).pixels, samples)
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()
    with pytest.raises(UnreadableImage, match="too many pixels"):
        images.decode_raster(bomb, 64 * 69 - 1)
