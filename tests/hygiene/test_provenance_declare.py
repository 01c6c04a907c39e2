"""Declaring: the IPTC field goes in, everything else stays, and nothing is dropped to make room."""

import contextlib
import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from skimage import data

from hygiene.errors import HygieneError, TagRefused, UnreadableImage
from hygiene.images import decode_raster
from hygiene.provenance import declare, read_provenance
from hygiene.provenance.vocabulary import GENERATED
from hygiene.provenance.xmp_writing import with_source_type

PICTURE = data.astronaut()[:40, :50]
ALPHA = np.dstack([PICTURE, np.full(PICTURE.shape[:2], 128, np.uint8)])
RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
EXT = 'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
CREATOR = '<dc:creator xmlns:dc="http://purl.org/dc/elements/1.1/"><rdf:Seq><rdf:li>Zoë</rdf:li></rdf:Seq></dc:creator>'


def encoded(format, picture=PICTURE, **options):
    out = io.BytesIO()
    Image.fromarray(picture).save(out, format, **options)
    return out.getvalue()


def with_packet(format, packet, **options):
    if format != "png":
        return encoded(format, xmp=packet, **options)
    info = PngInfo()
    info.add_text("Comment", "kept")
    info.add_itxt("XML:com.adobe.xmp", packet.decode(), zip=True)
    return encoded("png", pnginfo=info, **options)


def packet(attributes="", elements=CREATOR, about=""):
    return (
        f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {RDF}>'
        f'<rdf:Description rdf:about="{about}" {EXT} {attributes}>{elements}</rdf:Description>'
        f"</rdf:RDF></x:xmpmeta>{' ' * 40}<?xpacket end='w'?>"
    ).encode()


def packet_of(file):
    with Image.open(io.BytesIO(file)) as image:
        return image.info["xmp"]


PLAIN = {
    "jpeg": encoded("jpeg"),
    "jpeg with EXIF": encoded("jpeg", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"),
    "grey jpeg": encoded("jpeg", PICTURE[:, :, 0]),
    "png": encoded("png"),
    "png alpha": encoded("png", ALPHA),
    "webp": encoded("webp"),
    "webp lossless": encoded("webp", lossless=True),
    "webp lossless alpha": encoded("webp", ALPHA, lossless=True),
    "webp alpha": encoded("webp", ALPHA),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_a_declared_file_says_so_and_shows_the_same_picture(kind):
    file = declare(PLAIN[kind])
    found = read_provenance(file)
    assert found.verdict == "generated"
    assert found.decisive.where.endswith("XMP DigitalSourceType")
    before, after = decode_raster(PLAIN[kind]), decode_raster(file)
    np.testing.assert_array_equal(after.pixels, before.pixels)
    assert (after.alpha is None) == (before.alpha is None)
    assert after.alpha is None or np.array_equal(after.alpha, before.alpha)
    with Image.open(io.BytesIO(file)) as image:
        image.verify()  # PNG checksums among others
    assert GENERATED.encode() in packet_of(file)


@pytest.mark.parametrize("kind", PLAIN)
def test_declaring_again_changes_nothing_more(kind):
    once = declare(PLAIN[kind])
    assert len(declare(once)) == len(once)
    assert len(read_provenance(declare(once)).declarations) == 1


@pytest.mark.parametrize("format", ["jpeg", "png", "webp"])
@pytest.mark.parametrize(
    "before",
    [
        packet(),
        packet(f'Iptc4xmpExt:DigitalSourceType="{IPTC}digitalCapture"'),
        packet(f"Iptc4xmpExt:DigitalSourceType = '{IPTC}digitalCapture'"),
        packet(elements=f"<Iptc4xmpExt:DigitalSourceType>x</Iptc4xmpExt:DigitalSourceType>{CREATOR}"),
        packet(elements=f'{CREATOR}<Iptc4xmpExt:DigitalSourceType rdf:resource="{IPTC}print"/>'),
        packet("xmlns:a='http://example.org/?a&gt;b' a:b='>'", about="uuid:1&amp;2"),
    ],
)
def test_an_existing_packet_is_merged_with(format, before):
    file = with_packet(format, before)
    merged = packet_of(declare(file))
    (found,) = read_provenance(declare(file)).declarations
    assert found.kind == "generated"
    assert CREATOR.encode() in merged
    assert b"digitalCapture" not in merged
    assert merged.count(b"DigitalSourceType") == 2  # one element: its two tags
    if b"uuid" in before:
        assert merged.count(b'about="uuid:1&amp;2"') == 2


def test_other_metadata_stays_byte_for_byte():
    info = PngInfo()
    info.add_text("Comment", "kept")
    file = encoded("png", pnginfo=info, icc_profile=b"a profile")
    written = declare(file)
    at = next(i for i, (a, b) in enumerate(zip(file, written, strict=False)) if a != b)
    added = len(written) - len(file)
    assert written[:33] == file[:33]
    assert at >= 33
    assert written[33 + added :] == file[33:]
    jpeg = encoded("jpeg", comment=b"kept", icc_profile=b"a profile")
    written = declare(jpeg)
    assert written[:20] == jpeg[:20]  # SOI, JFIF
    assert written[-(len(jpeg) - 20) :] == jpeg[20:]


def test_a_region_keeps_its_own_type():
    region = f"<Iptc4xmpExt:DigitalSourceType>{IPTC}digitalCapture</Iptc4xmpExt:DigitalSourceType>"
    region = f"<Iptc4xmpExt:ImageRegion><rdf:Bag><rdf:li rdf:parseType='Resource'>{region}</rdf:li></rdf:Bag>"
    file = with_packet("jpeg", packet(elements=region + "</Iptc4xmpExt:ImageRegion>"))
    assert b"digitalCapture" in packet_of(declare(file))
    assert read_provenance(declare(file)).verdict == "generated"


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (packet()[:-60], "cannot be read"),
        (b"<!DOCTYPE x>" + packet()[packet().index(b"<x:") :], "document type"),
        (b"<a/>", "cannot be read"),
        (f"<rdf:RDF {RDF}/>".encode(), "cannot be read"),
        (packet(elements="x" * 65_000), "no room"),
    ],
)
def test_a_packet_is_never_dropped(broken, reason):
    plain = encoded("jpeg")
    body = b"http://ns.adobe.com/xap/1.0/\0" + broken
    file = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + plain[2:]
    with pytest.raises(TagRefused, match=reason):
        declare(file)


def test_a_manifest_is_never_broken():
    plain = encoded("png")
    chunk = b"caBX" + b"\0\0\0\x10jumb\0\0\0\x08c2pa"
    file = plain[:33] + struct.pack(">I", len(chunk) - 4) + chunk + bytes(4) + plain[33:]
    with pytest.raises(TagRefused, match="C2PA"):
        declare(file)


@pytest.mark.parametrize("kind", PLAIN)
def test_truncated_files_are_refused_or_declared(kind):
    for size in (*range(64), len(PLAIN[kind]) // 2):
        with contextlib.suppress(HygieneError):
            assert GENERATED.encode() in declare(PLAIN[kind][:size])


def test_what_is_no_picture():
    with pytest.raises(UnreadableImage):
        declare(b"GIF89a")


def test_utf16_packets_are_refused():
    with pytest.raises(TagRefused):
        with_source_type(packet().decode().encode("utf-16"), GENERATED)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_broken_packets_are_refused_or_merged(data):
    broken = bytearray(packet(f'Iptc4xmpExt:DigitalSourceType="{IPTC}digitalCapture"'))
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(broken) - 1))
        broken[at : at + data.draw(st.integers(0, 9))] = data.draw(st.sampled_from([b"<", b'"', b"", b"\xff", b"/>"]))
    with contextlib.suppress(TagRefused):
        assert GENERATED.encode() in with_source_type(bytes(broken), GENERATED)
