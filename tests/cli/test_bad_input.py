"""Real bad files in one folder: each gets a clear line, nothing is lost, and the run goes on."""

import io
import json
import os
import struct
import zlib

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from skimage import data

from cli.main import main

GOOD = data.astronaut()[:96, :112]


def call(*arguments):
    """Run `hygiene`; (exit code, stdout, stderr). A traceback of any kind fails the test."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result.exit_code, result.stdout, result.stderr


def encoded(picture, format, **options):
    out = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(out, format, **options)
    return out.getvalue()


def rgb16():
    """Pillow writes no 16-bit RGB."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    rows = b"".join(b"\0" + (row.astype(">u2") * 257).tobytes() for row in GOOD)
    header = struct.pack(">IIBBBBB", GOOD.shape[1], GOOD.shape[0], 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def bomb():
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(1 << 20))
    chunks = [(b"IHDR", header), (b"IDAT", body), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def rotated():
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(GOOD, "JPEG", quality=95, exif=exif)


PALETTE = Image.fromarray(GOOD).quantize(64)
FRAMES = [Image.fromarray(np.roll(GOOD, shift, 0)) for shift in (0, 20)]
ANIMATED = {"save_all": True, "append_images": FRAMES[1:], "duration": 50}

# name → (bytes, what tag says, what filter says). "tagged" and "kept" are outcomes, all else is a reason.
FILES = {
    "empty.png": (b"", "empty file", "empty file"),
    "truncated.jpg": (encoded(GOOD, "JPEG", quality=90)[:1500], "truncated", "truncated"),
    "truncated.png": (encoded(GOOD, "PNG")[:9000], "truncated", "truncated"),
    "text.png": (b"this is no picture", "not an image", "not an image"),
    "png-inside.jpg": (encoded(GOOD, "PNG"), "tagged", "kept"),
    "grey16.png": (encoded(Image.fromarray(GOOD[:, :, 0].astype(np.uint16) * 257), "PNG"), "tagged", "kept"),
    "rgb16.png": (rgb16(), "tagged", "kept"),
    "truncated16.png": (rgb16()[:9000], "truncated", "truncated"),
    "cmyk.jpg": (encoded(Image.fromarray(GOOD).convert("CMYK"), "JPEG"), "CMYK", "kept"),
    "palette.png": (encoded(PALETTE, "PNG"), "tagged", "kept"),
    "palette-transparent.png": (encoded(PALETTE, "PNG", transparency=7), "tagged", "kept"),
    "animated.gif": (encoded(FRAMES[0], "GIF", **ANIMATED), "not a supported format (GIF)", "not a supported format"),
    "animated.webp": (encoded(FRAMES[0], "WEBP", **ANIMATED), "animated", "animated"),
    "animated.png": (encoded(FRAMES[0], "PNG", **ANIMATED), "animated", "animated"),
    "rotated.jpg": (rotated(), "tagged", "kept"),
    "bomb.png": (bomb(), "too many pixels", "too many pixels"),
    "good.webp": (encoded(GOOD, "WEBP", quality=95), "tagged", "kept"),
}
# No bytes to copy: they are only listed.
WITHOUT_BYTES = {"dangling.png": "missing: a link to nothing", "folder.png": "a folder", "pipe.png": "not a plain file"}


@pytest.fixture
def shop(tmp_path):
    """A key, and in/ with every bad file that there is."""
    source = tmp_path / "in"
    source.mkdir()
    for name, (content, _, _) in FILES.items():
        (source / name).write_bytes(content)
    (source / "dangling.png").symlink_to(tmp_path / "nowhere.png")
    (source / "folder.png").mkdir()
    os.mkfifo(source / "pipe.png")
    call("keygen", tmp_path / "my.key")
    return tmp_path


def test_filter_goes_on_and_loses_nothing(shop):
    code, out, err = call(
        "filter", shop / "in", shop / "out", "--key", shop / "my.key", "--workers", 1, "--format", "json"
    )
    assert (code, err) == (0, "")
    output = json.loads(out)["outputs"][0]
    assert output["seen"] == len(FILES) + len(WITHOUT_BYTES)
    assert output["seen"] == output["kept"] + output["excluded"] + output["unreadable"]
    reasons = {row["id"]: row["reason"] for row in map(json.loads, (shop / "out/unreadable.jsonl").open())}
    for name, (content, _, expected) in FILES.items():
        if expected == "kept":
            assert (shop / "out/kept" / name).read_bytes() == content
        else:
            assert reasons.pop(name).startswith(expected)
            assert (shop / "out/unreadable" / name).read_bytes() == content
    for name, expected in WITHOUT_BYTES.items():
        assert reasons.pop(name).startswith(expected)
    assert reasons == {}


def test_tag_goes_on_and_names_every_reason(shop):
    code, _, err = call("tag", shop / "in", shop / "out", "--key", shop / "my.key", "--workers", 1)
    assert (code, err) == (0, "")
    rows = {row["id"]: row for row in map(json.loads, (shop / "out/tags.jsonl").open())}
    assert set(rows) == set(FILES) | set(WITHOUT_BYTES)
    for name, (_, expected, _) in FILES.items():
        row = rows[name]
        assert (shop / "out" / name).exists() == (expected == "tagged")
        assert row["outcome"] == expected or row["reason"].startswith(expected), row
    for name, expected in WITHOUT_BYTES.items():
        assert rows[name]["reason"].startswith(expected)
    assert Image.open(shop / "out/png-inside.jpg").format == "PNG"
    upright = Image.open(shop / "out/rotated.jpg")
    assert upright.size == (96, 112)
    assert upright.getexif().get(0x0112, 1) == 1
    transparent = Image.open(shop / "out/palette-transparent.png")
    assert transparent.mode == "RGBA"
    np.testing.assert_array_equal(np.asarray(transparent)[:, :, 3] == 0, np.asarray(PALETTE) == 7)


def test_what_was_tagged_is_detected_and_the_unreadable_are_lines(shop):
    options = ("--key", shop / "my.key", "--workers", 1)
    call("tag", shop / "in", shop / "out", *options, "--copy-refused")
    code, out, _ = call("detect", shop / "out", *options)
    rows = {row["id"]: row for row in map(json.loads, out.splitlines())}
    assert code == 0
    tagged = {name for name, (_, expected, _) in FILES.items() if expected == "tagged"}
    assert {name for name, row in rows.items() if row.get("found")} == tagged
    code, out, err = call("detect", shop / "in", *options)
    rows = [json.loads(line) for line in out.splitlines()]
    assert len(rows) == len(FILES) + len(WITHOUT_BYTES)
    unreadable = {row["id"] for row in rows if set(row) == {"id", "unreadable"}}
    assert unreadable == {name for name, (_, _, expected) in FILES.items() if expected != "kept"} | set(WITHOUT_BYTES)
    assert f"unreadable: {len(unreadable)}\n" in err


def test_max_pixels_is_the_users_to_set(shop):
    options = ("--key", shop / "my.key", "--workers", 1, "--max-pixels", GOOD.shape[0] * GOOD.shape[1] - 1)
    _, out, _ = call("detect", shop / "in/good.webp", *options)
    assert json.loads(out)["unreadable"].startswith("too many pixels: 112 × 96, the limit is 10751")


def write_key(path, text, mode=0o600):
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("command", ["tag", "detect", "filter", "calibrate"])
def test_bad_keys_are_refused_before_any_work(shop, command):
    good = (shop / "my.key").read_text()
    cases = {
        shop / "missing.key": "no key file",
        write_key(shop / "open.key", good, 0o644): "others can read it: run `chmod 600",
        write_key(shop / "short.key", good[:20]): "expected 64 hexadecimal digits",
        write_key(shop / "words.key", "correct horse battery staple"): "expected 64 hexadecimal digits",
        shop / "in": "is not a key file",
    }
    (shop / "in").chmod(0o700)
    out = [] if command == "detect" else [shop / "out"]
    for path, expected in cases.items():
        code, stdout, err = call(command, shop / "in", *out, "--key", path)
        assert (code, stdout) == (2, "")
        assert err.count("\n") == 1
        assert expected in err
        assert str(path) in err
        assert good.strip()[:16] not in err
        assert not (shop / "out").exists()


@pytest.mark.parametrize("command", ["tag", "filter"])
def test_bad_folders_are_refused_and_left_alone(shop, command):
    foreign = shop / "foreign"
    foreign.mkdir()
    (foreign / "mine.txt").write_text("mine")
    (shop / "nothing").mkdir()
    cases = [
        (shop / "in", shop / "in", "lie in each other"),
        (shop / "in", shop / "in/out", "lie in each other"),
        (shop / "in", shop, "lie in each other"),
        (shop / "in", foreign, "is not empty"),
        (shop / "in", foreign / "mine.txt", "is a file"),
        (shop / "in", foreign / "mine.txt" / "out", "Not a directory"),
        (shop / "in/good.webp", shop / "marked.webp", "named like a picture: expected a folder"),
        (shop / "nowhere", shop / "out", "does not exist"),
        (shop / "nothing", shop / "out", "holds no pictures"),
    ]
    before = sorted(str(path) for path in shop.rglob("*"))
    for source, out, expected in cases:
        code, stdout, err = call(command, source, out, "--key", shop / "my.key", "--workers", 1)
        assert (code, stdout) == (2, ""), expected
        assert expected in err
        assert err.count("\n") == 1
    assert sorted(str(path) for path in shop.rglob("*")) == before
