"""One look at a file serves luma and colour: a JPEG is decoded once, to what two passes give, and never from a part."""

import io
import struct
from dataclasses import dataclass

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from skimage import data

from hygiene.codecs import Spread
from hygiene.detectors import Detection, KeyedDetector, ProvenanceDetector, PublicMarks, TwoKeyDetector
from hygiene.detectors.base import look_at_both
from hygiene.errors import UnreadableImage
from hygiene.images import jpeg
from hygiene.keys import Key
from hygiene.looks import Look
from hygiene.pipeline import score_dataset

KEYED, PUBLIC = KeyedDetector(Spread(), Key(b"k" * 32)), PublicMarks()
ASTRONAUT = Image.fromarray(data.astronaut())
SAMPLING = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}
SIZES = [(512, 512), (300, 201), (701, 513), (1023, 1030), (2101, 2060), (17, 9), (1, 40), (1, 1)]


def stored(size, **options):
    out = io.BytesIO()
    ASTRONAUT.resize(size).save(out, "JPEG", quality=85, **options)
    return out.getvalue()


def by_pillow(file, size):
    """Y, Cb and Cr, by another wrapper of libjpeg."""
    image = JpegImageFile(io.BytesIO(file))
    image.draft("YCbCr", size)
    return np.asarray(image)


@pytest.mark.parametrize("sampling", SAMPLING)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_planes_are_those_that_are_stored(size, sampling):
    file = stored(size, subsampling=SAMPLING[sampling])
    whole, look = by_pillow(file, size), Look(file, both=True)
    if look.planes.reduced == 1:
        np.testing.assert_array_equal(look.planes.luma, whole[..., 0])
    if sampling == "4:4:4":
        np.testing.assert_array_equal(look.planes.chroma, whole[..., 1:])
    if sampling == "4:2:0" and min(size) > 1:
        half = by_pillow(file, (size[0] // 2, size[1] // 2))
        np.testing.assert_array_equal(look.planes.chroma, half[..., 1:])
        assert look.planes.reduced == 1 or np.array_equal(look.planes.luma, half[..., 0])
    np.testing.assert_array_equal(look.planes.chroma, Look(file).planes.chroma)


@pytest.mark.parametrize(("sampling", "down", "across"), [("422", 1, 2), ("440", 2, 1)])
def test_planes_that_are_subsampled_one_way_come_as_stored(sampling, down, across):
    rng = np.random.default_rng(3)
    luma = rng.integers(0, 256, (96, 128), dtype=np.uint8)
    cb, cr = rng.integers(60, 190, (2, 96 // down, 128 // across), dtype=np.uint8)
    file = simplejpeg.encode_jpeg_yuv_planes(luma, cb, cr, quality=100)
    planes, chroma = Look(file).planes, Look(file).chroma
    assert (planes.down, planes.across) == (down, across)
    assert np.abs(planes.chroma.astype(int) - np.dstack([cb, cr])).max() <= 2
    means = np.dstack([each.reshape(48, 2 // down, 64, 2 // across).mean(axis=(1, 3)) for each in (cb, cr)])
    assert (chroma.reduction, chroma.samples.shape) == (2, (48, 64, 2))
    assert np.abs(chroma.samples - means).max() <= 2


@pytest.mark.parametrize("sampling", SAMPLING)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_luma_beside_colour_is_luma_alone(size, sampling):
    """Bit by bit where libjpeg reduces neither or both; elsewhere means of cells against its scaled transform."""
    exif = Image.Exif()
    exif[0x0112] = 6
    file = stored(size, subsampling=SAMPLING[sampling], exif=exif)
    alone, both = Look(file).picture, Look(file, both=True).picture
    assert (alone.width, alone.height, alone.luma.shape) == (both.width, both.height, both.luma.shape)
    reduction = -(-max(size) // max(alone.luma.shape))
    if reduction == 1 or (reduction == 2 and sampling == "4:2:0"):
        np.testing.assert_array_equal(alone.luma, both.luma)
    assert np.abs(alone.luma.astype(int) - both.luma).mean() < 1.5


def unread(file, **options):
    """Why neither luma nor colour can be had; the same reason for both, or none."""

    def reason(part):
        try:
            assert getattr(Look(file, **options), part) is not None
        except UnreadableImage as error:
            return str(error)
        return ""

    assert reason("picture") == reason("chroma")
    return reason("picture")


GREY = Image.new("RGB", (200, 130), (128, 128, 128))
KINDS = {
    "4:2:0": {"subsampling": 2},
    "4:4:4": {"subsampling": 0},
    "4:2:2": {"subsampling": 1},
    "4:2:0, restarts": {"subsampling": 2, "restart_marker_blocks": 5},
    "4:4:4, restarts": {"subsampling": 0, "restart_marker_rows": 1},
    "progressive": {"subsampling": 2, "progressive": True},
    "progressive 4:4:4": {"subsampling": 0, "progressive": True},
    "optimised": {"subsampling": 2, "optimize": True},
}


@pytest.mark.parametrize("end", [b"\xff\xd9", b""], ids=["with an end", "without"])
@pytest.mark.parametrize("picture", [ASTRONAUT.resize((200, 130)), GREY], ids=["photograph", "grey"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_truncated_to_one_is_truncated_to_all(kind, picture, end):
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=80, **KINDS[kind])
    file = out.getvalue()
    assert unread(file) == unread(file, both=True) == ""
    scan = file.index(b"\xff\xda") + 14
    cuts = {*np.linspace(scan, len(file) - 2, 40).astype(int), *range(max(scan, len(file) - 24), len(file) - 2)}
    said = {cut: unread(file[:cut] + end) for cut in sorted(cuts)}
    assert said == {cut: unread(file[:cut] + end, both=True) for cut in said}
    reasons = {reason for reason in said.values() if reason}
    if "progressive" in kind:  # a cut inside a header between scans
        reasons -= {"cannot be decoded: broken data stream when reading image file"}
    assert reasons == {"truncated: the JPEG data ends early"}
    # A cut between two symbols, or at a scan that only refines, may leave the very same pixels.
    assert len([reason for reason in said.values() if reason]) > 0.5 * len(said)


def test_a_part_of_a_segment_that_is_missing_is_told():
    """The last bytes of the last cell: nothing of it is left uniform, and Pillow is silent."""
    file = stored((160, 160), subsampling=2, optimize=True)
    cut = file[:-10] + b"\xff\xd9"
    assert by_pillow(cut, (160, 160)).shape == (160, 160, 3)
    for both in (False, True):
        assert unread(cut, both=both).startswith("truncated")


def test_what_libjpeg_only_warns_of_is_read():
    file = stored((300, 200), subsampling=2)
    at = file.index(b"\xff\xdb")
    for strange in (
        file[:at] + b"stray" + file[at:],
        file[:-2] + b"stray" + file[-2:],
        file[:at] + b"\xff\xff\xff" + file[at:],  # fill bytes, allowed before any marker
        file[:at] + b"\xff\xfe\0\x08\xff\xda\xff\xd9\0\0" + file[at:],  # a comment like a scan
        file + b"a second file",
    ):
        look = Look(strange, both=True)
        np.testing.assert_array_equal(look.picture.luma, Look(file).picture.luma)
        np.testing.assert_array_equal(look.chroma.samples, Look(file).chroma.samples)
        np.testing.assert_array_equal(Look(strange).chroma.samples, Look(file).chroma.samples)
        assert Look(strange).picture.luma.shape == look.picture.luma.shape


def test_the_colour_space_may_be_said_in_any_way():
    """By JFIF, by Adobe, or by nothing: 1, 2, 3 are Y, Cb, Cr then."""
    file = stored((300, 200), subsampling=2)
    length = struct.unpack(">H", file[4:6])[0]
    rest, adobe = file[4 + length :], b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0"
    want = Look(file).chroma.samples
    for before in (b"", adobe + b"\1", adobe + b"\1" + file[2 : 4 + length]):
        look = Look(file[:2] + before + rest, both=True)
        np.testing.assert_array_equal(look.chroma.samples, want)
        np.testing.assert_array_equal(look.picture.luma, Look(file).picture.luma)


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
def test_files_without_planes_are_read_as_ever(mode):
    out = io.BytesIO()
    ASTRONAUT.convert(mode).save(out, "JPEG", keep_rgb=True)
    alone, both = Look(out.getvalue()), Look(out.getvalue(), both=True)
    assert both.planes is None
    np.testing.assert_array_equal(alone.picture.luma, both.picture.luma)
    grey = np.asarray(ASTRONAUT.convert("L").reduce(512 // len(both.picture.luma)))
    assert np.abs(both.picture.luma - grey.astype(int)).mean() < 3
    assert (both.chroma is None) == (mode == "L")


JPEGS = [stored((40, 30), subsampling=sampling, restart_marker_blocks=2) for sampling in (0, 1, 2)]


@settings(max_examples=300, deadline=None)
@given(
    file=st.sampled_from(JPEGS),
    edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.floats(0.3, 1),
)
def test_broken_bytes_raise_one_kind_and_nothing_missing_gets_through(file, edits, cut):
    broken = bytearray(file)
    for place, value in edits:
        broken[int(place * (len(broken) - 1))] = value
    broken = bytes(broken[: int(cut * len(broken))] if cut < 0.7 else broken)
    said = {}
    for both in (False, True):
        for part in ("picture", "chroma"):
            try:
                getattr(Look(broken, 1 << 16, both), part)
            except UnreadableImage as error:
                said[part, both] = str(error)
    if said.get(("picture", False), "").startswith("truncated"):
        assert len({*said.values()}) == 1, said
        assert len(said) == 4 or Look(broken).chroma is None


# A run


@pytest.fixture
def decodings(monkeypatch):
    """How often libjpeg was asked for pixels."""
    calls = []
    decode = simplejpeg.decode_jpeg

    def counted(*arguments, **options):
        calls.append(arguments[1])
        return decode(*arguments, **options)

    def loaded(image):
        calls.append("pillow")
        return load(image)

    load = JpegImageFile.load
    monkeypatch.setattr(jpeg.simplejpeg, "decode_jpeg", counted)
    monkeypatch.setattr(JpegImageFile, "load", loaded)
    return calls


@dataclass(frozen=True)
class Thirds:
    """A detector of somebody else's, who knows nothing of `looks_at`."""

    name: str = "thirds"

    def detect(self, id, look):
        return Detection(id, self.name, 0.0, float(look.picture.luma.mean() + look.chroma.samples.mean()))


@pytest.mark.parametrize(
    ("detectors", "passes"),
    [
        ([KEYED], 1),
        ([PUBLIC], 1),
        ([KEYED, PUBLIC], 1),
        ([PUBLIC, ProvenanceDetector(alpha=True), TwoKeyDetector(KEYED)], 1),
        ([KEYED, ProvenanceDetector()], 1),
        ([ProvenanceDetector()], 0),
        ([Thirds()], 2),
        ([KEYED, PUBLIC, Thirds()], 1),
    ],
    ids=lambda value: str([each.name.split(":")[0] for each in value]) if isinstance(value, list) else None,
)
def test_a_run_decodes_each_jpeg_once(tmp_path, decodings, detectors, passes):
    for name, size in {"small": (300, 200), "large": (1100, 1030)}.items():
        (tmp_path / f"{name}.jpg").write_bytes(stored(size))
    assert all(isinstance(each, Detection) for each in score_dataset(tmp_path, detectors))
    assert len(decodings) == 2 * passes


def test_a_mark_is_found_as_well_beside_colour(tmp_path):
    pixels = np.asarray(ASTRONAUT.resize((1024, 1024)))
    marked = Image.fromarray(Spread().embed(pixels[None], KEYED.key)[0])
    marked.save(tmp_path / "marked.jpg", quality=90)
    marked.save(tmp_path / "full.jpg", quality=90, subsampling=0)
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "marked.jpg").read_bytes()[:-2000] + b"\xff\xd9")
    alone = {each.id: each for each in score_dataset(tmp_path, KEYED)}
    both = {each.id: each for each in score_dataset(tmp_path, [KEYED, PUBLIC])}
    assert alone["cut.jpg"] == both["cut.jpg"]
    for name in ("marked.jpg", "full.jpg"):
        assert both[name].detector == KEYED.name
        assert both[name].log10_p < 0.9 * alone[name].log10_p < -40


def test_detectors_say_what_they_look_at():
    assert look_at_both([KEYED, PUBLIC])
    assert look_at_both([TwoKeyDetector(KEYED), PublicMarks(crop=True)])
    for fewer in ([], [KEYED], [PUBLIC], [KEYED, ProvenanceDetector(alpha=True)], [PUBLIC, Thirds()]):
        assert not look_at_both(fewer)
