"""Decoding and encoding, against Pillow and scikit-image; every kind of bad bytes."""

import contextlib
import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo
from skimage import data
from skimage.metrics import structural_similarity

from hygiene import images
from hygiene.errors import TagRefused, UnreadableImage

ASTRONAUT = data.astronaut()


def encoded(picture, format, **options):
    out = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(out, format, **options)
    return out.getvalue()


def png(width, height, depth, colour, rows, before=b""):
    """A PNG by hand: what Pillow does not write. `before`: chunks in front of the pixels."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + before + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


FORMATS = {
    "jpeg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    "png": {"format": "PNG"},
    "webp": {"format": "WEBP", "lossless": True},
}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_applied_and_reset(format, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = "a description"
    source = encoded(ASTRONAUT[:100, :140], exif=exif, **FORMATS[format])
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(source))))

    raster, picture = images.decode_raster(source), images.decode_luma(source)
    np.testing.assert_array_equal(raster.pixels, upright)
    assert (picture.height, picture.width) == picture.luma.shape == upright.shape[:2]
    grey = np.asarray(Image.fromarray(upright).convert("L"), dtype=float)
    assert np.mean(np.abs(picture.luma - grey)) < 1

    again = Image.open(io.BytesIO(images.encode(raster, raster.pixels)))
    assert again.getexif().get(0x0112, 1) == 1
    assert again.getexif()[0x010E] == "a description"
    assert again.size == (upright.shape[1], upright.shape[0])


def test_jpeg_luma_is_reduced_to_no_less_than_256():
    for (width, height), expected in {
        (512, 512): (256, 256),
        (510, 800): (510, 800),
        (200, 300): (200, 300),
        (1030, 513): (515, 257),
        (1100, 4096): (275, 1024),
    }.items():
        source = encoded(Image.fromarray(ASTRONAUT).resize((width, height)), "JPEG", quality=90)
        picture = images.decode_luma(source)
        assert picture.luma.shape == (expected[1], expected[0])
        assert (picture.width, picture.height, picture.format) == (width, height, "jpeg")


@pytest.mark.parametrize("format", FORMATS)
def test_grey_colour_and_transparent_pictures_come_back(format):
    alpha = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))
    colour = ASTRONAUT[100:148, 100:164]
    cases = {"RGB": colour, "L": colour[:, :, 0]}
    if format != "jpeg":
        cases |= {"RGBA": np.dstack([colour, alpha]), "LA": np.dstack([colour[:, :, 0], alpha])}
    if format == "webp":
        del cases["L"], cases["LA"]
    for mode, array in cases.items():
        raster = images.decode_raster(encoded(array, **FORMATS[format]))
        assert raster.pixels.ndim == (3 if mode.startswith("RGB") else 2)
        assert (raster.alpha is not None) == mode.endswith("A")
        changed = np.clip(raster.pixels.astype(int) + 3, 0, 255).astype(np.uint8)
        again = images.decode_raster(images.encode(raster, changed))
        assert again.format == format
        if format == "jpeg":
            assert images.psnr(again.pixels, changed) > 38
        else:
            np.testing.assert_array_equal(again.pixels, changed)
        if raster.alpha is not None:
            np.testing.assert_array_equal(again.alpha, alpha)


def test_lossy_webp_keeps_alpha_exactly_and_stays_lossy():
    alpha = np.tile(np.arange(128, dtype=np.uint8) * 2, (128, 1))
    source = encoded(np.dstack([ASTRONAUT[:128, :128], alpha]), "WEBP", quality=90)
    raster = images.decode_raster(source)
    again = images.encode(raster, raster.pixels)
    assert b"VP8L" not in again
    np.testing.assert_array_equal(images.decode_raster(again).alpha, alpha)


def test_palettes_become_rgb_with_their_transparency():
    image = Image.fromarray(ASTRONAUT[:64, :64]).quantize(16)
    plain = images.decode_raster(encoded(image, "PNG"))
    np.testing.assert_array_equal(plain.pixels, np.asarray(image.convert("RGB")))
    assert plain.alpha is None
    see_through = images.decode_raster(encoded(image, "PNG", transparency=3))
    np.testing.assert_array_equal(see_through.alpha == 0, np.asarray(image) == 3)
    assert images.decode_luma(encoded(image, "PNG", transparency=3)).luma.shape == (64, 64)


def test_metadata_is_carried_over():
    info = PngInfo()
    info.add_text("prompt", "a cat")
    info.add_itxt("title", "кот", zip=True)
    source = encoded(ASTRONAUT[:64, :64], "PNG", pnginfo=info, icc_profile=b"not really a profile", dpi=(300, 300))
    raster = images.decode_raster(source)
    again = Image.open(io.BytesIO(images.encode(raster, raster.pixels)))
    assert again.text == {"prompt": "a cat", "title": "кот"}
    assert again.info["icc_profile"] == b"not really a profile"
    assert again.info["dpi"] == pytest.approx((300, 300), abs=0.1)

    jpeg = encoded(ASTRONAUT[:64, :64], "JPEG", icc_profile=b"profile", comment=b"a note", exif=Image.Exif())
    raster = images.decode_raster(jpeg)
    again = Image.open(io.BytesIO(images.encode(raster, raster.pixels)))
    assert (again.info["icc_profile"], again.info["comment"]) == (b"profile", b"a note")
    assert again.layer[0][1:3] == (1, 1)  # no chroma subsampling


def test_a_rotated_picture_with_xmp_is_not_rotated_twice():
    exif = Image.Exif()
    exif[0x0112] = 6
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    raster = images.decode_raster(encoded(ASTRONAUT[:64, :80], "WEBP", lossless=True, exif=exif, xmp=xmp))
    again = images.encode(raster, raster.pixels)
    assert b'tiff:Orientation="1"' in again
    assert images.decode_raster(again).pixels.shape == (80, 64, 3)


def test_cmyk_is_scored_and_never_tagged():
    source = encoded(Image.fromarray(ASTRONAUT).convert("CMYK"), "JPEG", quality=95)
    with pytest.raises(TagRefused, match="CMYK"):
        images.decode_raster(source)
    grey = np.asarray(Image.fromarray(ASTRONAUT).convert("L"), dtype=float)
    assert np.mean(np.abs(images.decode_luma(source).luma - grey)) < 3


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_animations_are_neither_scored_nor_tagged(format):
    frames = [Image.fromarray(np.roll(ASTRONAUT[:64, :64], shift, 0)) for shift in (0, 9, 18)]
    source = encoded(frames[0], format, save_all=True, append_images=frames[1:], duration=100)
    with pytest.raises(UnreadableImage, match="animated"):
        images.decode_luma(source)
    with pytest.raises(TagRefused, match="animated"):
        images.decode_raster(source)


def test_a_jpeg_of_several_pictures_is_not_tagged():
    source = encoded(ASTRONAUT[:64, :64], "MPO", save_all=True, append_images=[Image.fromarray(ASTRONAUT[:64, :64])])
    with pytest.raises(TagRefused, match="several pictures"):
        images.decode_raster(source)
    assert images.decode_luma(source).format == "jpeg"


JPEG = encoded(ASTRONAUT, "JPEG", quality=90)
PNG = encoded(ASTRONAUT, "PNG")
WEBP = encoded(ASTRONAUT, "WEBP")
BAD = {
    "empty": (b"", "empty file"),
    "text": (b"hello, world", "not an image"),
    "gif": (encoded(Image.fromarray(ASTRONAUT).quantize(), "GIF"), r"not a supported format \(GIF\)"),
    "tiff": (encoded(ASTRONAUT, "TIFF"), r"not a supported format \(TIFF\)"),
    "bmp": (encoded(ASTRONAUT, "BMP"), r"not a supported format \(BMP\)"),
    "half a jpeg": (JPEG[: len(JPEG) // 2], "truncated"),
    "half a jpeg with an end": (JPEG[: len(JPEG) // 2] + b"\xff\xd9", "truncated"),
    "a jpeg's first bytes": (JPEG[:20], "its JPEG header is cut off"),
    "half a png": (PNG[: len(PNG) // 2], "truncated"),
    "a png's first bytes": (PNG[:20], "truncated"),
    "half a webp": (WEBP[: len(WEBP) // 2], "cannot be decoded"),
    "a webp's first bytes": (WEBP[:20], "truncated"),
    "no pixels": (png(0, 5, 8, 0, b""), "no pixels"),
    "wrong bytes in a png": (PNG[:200] + bytes(100) + PNG[300:], "corrupt"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_bytes_are_unreadable_with_a_reason(name):
    source, reason = BAD[name]
    for decode in (images.decode_luma, images.decode_raster):
        with pytest.raises(UnreadableImage, match=reason) as caught:
            decode(source)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("source", [JPEG, PNG, WEBP, encoded(ASTRONAUT, "WEBP", lossless=True)])
def test_the_pixel_limit_is_checked_on_the_header(source):
    header = source[:700]  # the pixels are not even there
    for decode in (images.decode_luma, images.decode_raster):
        with pytest.raises(UnreadableImage, match="too many pixels: 512 × 512, the limit is 262143"):
            decode(header, 512 * 512 - 1)
    assert images.decode_luma(source, 512 * 512).width == 512


def test_a_bomb_is_not_inflated():
    bomb = png(60_000, 60_000, 8, 0, bytes(1000))
    with pytest.raises(UnreadableImage, match="too many pixels"):
        images.decode_luma(bomb)


@pytest.mark.filterwarnings("error")
def test_a_larger_limit_is_honoured_beyond_that_of_pillow(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert images.decode_raster(PNG).pixels.shape == (512, 512, 3)


def test_broken_exif_does_not_cost_the_picture():
    source = encoded(ASTRONAUT[:64, :64], "JPEG", exif=b"Exif\0\0rubbish that is no TIFF")
    assert images.decode_luma(source).luma.shape == (64, 64)
    assert images.decode_raster(source).pixels.shape == (64, 64, 3)


@pytest.mark.parametrize("decode", [images.decode_luma, images.decode_raster])
def test_what_pillow_only_warns_of_is_not_shown(decode):
    """A line of Pillow's source on stderr for each of a million crawled files, and no file's name in it."""
    source = encoded(ASTRONAUT[:64, :64], "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0")
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        Image.open(io.BytesIO(source)).getexif()
        assert len(shown) == 1
        decode(source)
        assert len(shown) == 1


def with_checksums(data):
    """A mutated PNG whose checksums are right again, so that the mutations get past them."""
    out, at = bytearray(data), 8
    while data.startswith(b"\x89PNG") and at + 12 <= len(out):
        end = at + 8 + int.from_bytes(out[at : at + 4], "big")
        if end + 4 <= len(out):
            out[end : end + 4] = struct.pack(">I", zlib.crc32(out[at + 4 : end]))
        at = end + 4
    return bytes(out)


@pytest.mark.filterwarnings("error")
@settings(max_examples=200, deadline=None)
@given(
    source=st.sampled_from(
        [encoded(ASTRONAUT[:40, :40], **options) for options in FORMATS.values()]
        + [encoded(np.dstack([ASTRONAUT[:40, :40], ASTRONAUT[:40, :40, 0]]), "WEBP")]
        + [encoded(Image.fromarray(ASTRONAUT[:40, :40]).quantize(8), "PNG", transparency=1)]
    ),
    edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8),
    cut=st.floats(0.05, 1),
)
def test_mutated_bytes_raise_nothing_but_the_two_kinds(source, edits, cut):
    mutated = bytearray(source)
    for place, value in edits:
        # Squared: headers are where the surprises are.
        mutated[int(place**2 * (len(mutated) - 1))] = value
    mutated = bytes(mutated[: int(cut * len(mutated))] if cut < 0.5 else mutated)
    for decode in (images.decode_luma, images.decode_raster):
        for version in (mutated, with_checksums(mutated)):
            with contextlib.suppress(UnreadableImage, TagRefused):
                decode(version, 1 << 16)


def test_psnr_and_ssim():
    rng = np.random.default_rng(0)
    noisy = np.clip(ASTRONAUT + rng.normal(0, 8, ASTRONAUT.shape), 0, 255).astype(np.uint8)
    assert images.psnr(ASTRONAUT, ASTRONAUT) == float("inf")
    assert images.psnr(np.zeros((9, 9), np.uint8), np.full((9, 9), 255, np.uint8)) == pytest.approx(0)
    assert images.psnr(ASTRONAUT, noisy) == images.psnr(noisy, ASTRONAUT) == pytest.approx(30.4, abs=0.5)
    assert images.ssim(ASTRONAUT, ASTRONAUT) == pytest.approx(1)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = structural_similarity(ASTRONAUT, noisy, channel_axis=-1, **options)
    assert images.ssim(ASTRONAUT, noisy) == pytest.approx(expected, abs=1e-9)
    grey = structural_similarity(ASTRONAUT[:, :, 0], noisy[:, :, 0], **options)
    assert images.ssim(ASTRONAUT[:, :, 0], noisy[:, :, 0]) == pytest.approx(grey, abs=1e-9)


def test_encode_refuses_another_shape():
    raster = images.decode_raster(PNG)
    with pytest.raises(ValueError, match="expected uint8"):
        images.encode(raster, raster.pixels[:, :, 0])
