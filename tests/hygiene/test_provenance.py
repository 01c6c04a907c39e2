"""Every kind of declaration, in files made by Pillow or by the format's own rules, is found, named and located."""

import gzip
import io
import json
import struct
import time
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngImageFile, PngInfo
from skimage import data

from hygiene.codecs.spread import Spread
from hygiene.detectors import KeyedDetector, PublicMarks
from hygiene.detectors.provenance import ProvenanceDetector
from hygiene.errors import UnreadableImage
from hygiene.keys import Key
from hygiene.looks import Look
from hygiene.provenance import Declaration, Provenance, read_provenance
from hygiene.provenance.bounded import MOST_BYTES
from hygiene.provenance.stealth import declaration_of_alpha
from hygiene.provenance.vocabulary import declaration_of, term_of

PICTURE = Image.fromarray(data.astronaut()[:48, :64])
SETTINGS = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 42, Size: 512x512, Model: v1-5, Version: v1.10.1"
INFOTEXT = f"a cat — “quoted”\nNegative prompt: a dog\n{SETTINGS}"
GRAPH = json.dumps({"3": {"class_type": "KSampler", "inputs": {"seed": 42}}, "4": {"class_type": "VAEDecode"}})
WORKFLOW = json.dumps({"nodes": [{"id": 3, "type": "KSampler"}], "links": []})
LABEL = {"Label": "1", "ContentProducer": "001191X", "ProduceID": "p-1", "ReservedCode1": "", "ReservedCode2": ""}
IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def encoded(format, picture=PICTURE, **options):
    out = io.BytesIO()
    picture.save(out, format, **options)
    return out.getvalue()


def png_text(compressed=False, **chunks):
    info = PngInfo()
    for keyword, text in chunks.items():
        info.add_text(keyword.replace("_D_", "-"), text, zip=compressed)
    return encoded("png", pnginfo=info)


def exif(user_comment=None, **fields):
    tags = Image.Exif()
    for name, value in fields.items():
        tags[ExifTags.Base[name]] = value
    if user_comment is not None:
        tags.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = user_comment
    return tags


def intel(user_comment):
    """A TIFF stream with the low byte first, and the comment in its Exif directory."""
    first = struct.pack("<HHHIII", 1, 0x8769, 4, 1, 26, 0)
    second = struct.pack("<HHHIII", 1, 0x9286, 7, len(user_comment), 44, 0)
    return b"II*\0\x08\0\0\0" + first + second + user_comment


def packet(attributes="", elements=""):
    """An XMP packet by the rules of XMP Specification Part 1 §7."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
        ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        ' xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/" xmlns:dcterms="http://purl.org/dc/terms/"'
        f" {attributes}>{elements}</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"
    ).encode()


def source_type(term):
    return packet(f'Iptc4xmpExt:DigitalSourceType="{IPTC}{term}"')


def with_xmp(format, xmp):
    if format != "png":
        return encoded(format, xmp=xmp)
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", "surrogateescape"))
    return encoded("png", pnginfo=info)


def with_extended_xmp(xmp, size=40):
    """A JPEG whose packet lies in APP1 segments of XMP Specification Part 3 §1.1.3.1, the last part first."""
    segments = []
    for at in range(0, len(xmp), size):
        body = b"http://ns.adobe.com/xmp/extension/\0" + b"0123456789ABCDEF" * 2
        body += struct.pack(">II", len(xmp), at) + xmp[at : at + size]
        segments.append(b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body)
    plain = encoded("jpeg")
    return plain[:2] + b"".join(reversed(segments)) + plain[2:]


def raw_profile(kind, profile):
    """ImageMagick's text form of a profile."""
    lines = [profile.hex()[at : at + 72] for at in range(0, 2 * len(profile), 72)]
    return "\n".join(["", kind, f"{len(profile):8}", *lines, ""])


def stealth_alpha(magic, text, height=40, width=64):
    """Alpha [height, width] by NovelAI's rules: column by column, high bit first."""
    message = magic + struct.pack(">I", 8 * len(text)) + text
    bits = np.unpackbits(np.frombuffer(message, np.uint8))
    alpha = np.full(height * width, 254, np.uint8)
    alpha[: bits.size] |= bits
    return alpha.reshape(width, height).T


def with_alpha(alpha):
    colours = np.asarray(PICTURE.resize(alpha.shape[::-1]))
    return encoded("png", Image.fromarray(np.dstack([colours, alpha])))


FLUX = exif(Software="AI generated;txt2img;flux", Make="Black Forest Labs", Model="flux-dev")
WIDE = b"UNICODE\0" + INFOTEXT.encode("utf-16-be")
NARROW = b"ASCII\0\0\0" + INFOTEXT.encode()
INVOKE_OLD = {"model": "stable diffusion", "app_id": "invoke-ai/InvokeAI", "app_version": "2.3.5", "image": {}}
INVOKE_NEW = {"generation_mode": "txt2img", "app_version": "4.2.0", "positive_prompt": "a cat"}
ELEMENT = f"<Iptc4xmpExt:DigitalSourceType>{IPTC}trainedAlgorithmicMedia</Iptc4xmpExt:DigitalSourceType>"
RESOURCE = f'<Iptc4xmpExt:DigitalSourceType rdf:resource="{IPTC}trainedAlgorithmicMedia"/>'
SYSTEM = "<Iptc4xmpExt:AISystemUsed>DALL-E</Iptc4xmpExt:AISystemUsed>"
LABEL_XMP = json.dumps(LABEL).replace('"', "&quot;")

GENERATED = {
    "A1111 PNG": (png_text(parameters=INFOTEXT), "Automatic1111", "PNG iTXt parameters"),
    "A1111 PNG Latin-1": (png_text(parameters=SETTINGS), "Automatic1111", "PNG tEXt parameters"),
    "A1111 PNG packed": (png_text(compressed=True, parameters=SETTINGS), "Automatic1111", "PNG zTXt parameters"),
    "A1111 PNG packed UTF-8": (png_text(compressed=True, parameters=INFOTEXT), "Automatic1111", "PNG iTXt parameters"),
    "A1111 JPEG": (encoded("jpeg", exif=exif(WIDE)), "Automatic1111", "JPEG APP1 EXIF UserComment"),
    "A1111 WebP": (encoded("webp", exif=exif(WIDE)), "Automatic1111", "WebP EXIF UserComment"),
    "A1111 EXIF in PNG": (encoded("png", exif=exif(NARROW, Artist="me")), "Automatic1111", "PNG eXIf UserComment"),
    "A1111 little-endian": (
        encoded("jpeg", exif=exif(b"UNICODE\0" + INFOTEXT.encode("utf-16-le"))),
        "Automatic1111",
        "JPEG APP1 EXIF UserComment",
    ),
    "A1111 TIFF of Intel's order": (
        encoded("jpeg", exif=b"Exif\0\0" + intel(NARROW)),
        "Automatic1111",
        "JPEG APP1 EXIF UserComment",
    ),
    "A1111 no charset": (encoded("jpeg", exif=exif(INFOTEXT.encode())), "Automatic1111", "JPEG APP1 EXIF UserComment"),
    "A1111 in a raw profile": (
        png_text(compressed=True, **{"Raw profile type exif": raw_profile("exif", exif(NARROW).tobytes())}),
        "Automatic1111",
        "PNG zTXt raw EXIF UserComment",
    ),
    "ComfyUI prompt": (png_text(prompt=GRAPH), "ComfyUI", "PNG tEXt prompt"),
    "ComfyUI workflow": (png_text(workflow=WORKFLOW), "ComfyUI", "PNG tEXt workflow"),
    "ComfyUI WebP": (
        encoded("webp", exif=exif(Model=f"prompt:{GRAPH}", Make=f"workflow:{WORKFLOW}")),
        "ComfyUI",
        "WebP EXIF Make",
    ),
    "InvokeAI": (png_text(invokeai_metadata=json.dumps(INVOKE_NEW)), "InvokeAI", "PNG tEXt invokeai_metadata"),
    "InvokeAI 2": (png_text(sd_D_metadata=json.dumps(INVOKE_OLD)), "InvokeAI", "PNG tEXt sd-metadata"),
    "InvokeAI 1": (png_text(Dream='"a cat" -s 50 -S 42 -W512 -H512 -C7.5'), "InvokeAI", "PNG tEXt Dream"),
    "NovelAI": (png_text(Software="NovelAI", Source="NovelAI Diffusion V4"), "NovelAI", "PNG tEXt Software"),
    "FLUX": (encoded("jpeg", exif=FLUX), "FLUX", "JPEG APP1 EXIF Make"),
    "FLUX Software": (
        encoded("jpeg", exif=exif(Software="AI generated;img2img;flux")),
        "FLUX",
        "JPEG APP1 EXIF Software",
    ),
    "IPTC JPEG": (
        with_xmp("jpeg", source_type("trainedAlgorithmicMedia")),
        "IPTC",
        "JPEG APP1 XMP DigitalSourceType",
    ),
    "IPTC PNG": (with_xmp("png", source_type("trainedAlgorithmicMedia")), "IPTC", "PNG iTXt XMP DigitalSourceType"),
    "IPTC WebP": (with_xmp("webp", source_type("trainedAlgorithmicMedia")), "IPTC", "WebP XMP DigitalSourceType"),
    "IPTC element": (with_xmp("jpeg", packet(elements=ELEMENT)), "IPTC", "JPEG APP1 XMP DigitalSourceType"),
    "IPTC resource": (with_xmp("jpeg", packet(elements=RESOURCE)), "IPTC", "JPEG APP1 XMP DigitalSourceType"),
    "IPTC extended": (
        with_extended_xmp(source_type("trainedAlgorithmicMedia")),
        "IPTC",
        "JPEG APP1 extended XMP DigitalSourceType",
    ),
    "IPTC raw profile": (
        png_text(**{"Raw profile type xmp": raw_profile("xmp", source_type("trainedAlgorithmicMedia"))}),
        "IPTC",
        "PNG tEXt raw XMP DigitalSourceType",
    ),
    "IPTC AI system": (with_xmp("jpeg", packet(elements=SYSTEM)), "IPTC", "JPEG APP1 XMP"),
    "GB 45438 XMP": (
        with_xmp("jpeg", packet(elements=f"<TC260:AIGC>{LABEL_XMP}</TC260:AIGC>")),
        "GB 45438",
        "JPEG APP1 XMP AIGC",
    ),
    "GB 45438 XMP attribute": (
        with_xmp("webp", packet(f'TC260:AIGC="{LABEL_XMP}"')),
        "GB 45438",
        "WebP XMP AIGC",
    ),
    "GB 45438 PNG": (png_text(AIGC=json.dumps(LABEL)), "GB 45438", "PNG tEXt AIGC"),
    "GB 45438 EXIF": (
        encoded("jpeg", exif=exif(b"ASCII\0\0\0" + json.dumps({"AIGC": LABEL}).encode())),
        "GB 45438",
        "JPEG APP1 EXIF UserComment",
    ),
}


@pytest.mark.parametrize("kind", GENERATED)
def test_a_declaration_is_found_named_and_located(kind):
    file, source, where = GENERATED[kind]
    found = read_provenance(file)
    assert found.verdict == "generated"
    assert found.generative
    assert (found.decisive.source, found.decisive.where) == (source, where)


def test_the_settings_are_told():
    assert read_provenance(GENERATED["A1111 PNG"][0]).decisive.detail == SETTINGS
    assert "class" not in read_provenance(GENERATED["ComfyUI prompt"][0]).decisive.detail
    assert "2 nodes" in read_provenance(GENERATED["ComfyUI prompt"][0]).decisive.detail
    assert "InvokeAI 2.3.5" in read_provenance(GENERATED["InvokeAI 2"][0]).decisive.detail
    assert "ContentProducer 001191X" in read_provenance(GENERATED["GB 45438 PNG"][0]).decisive.detail
    both = packet(f'Iptc4xmpExt:DigitalSourceType="{IPTC}trainedAlgorithmicMedia"', SYSTEM)
    (one,) = read_provenance(with_xmp("jpeg", both)).declarations
    assert one.detail == "trainedAlgorithmicMedia; AISystemUsed DALL-E"


@pytest.mark.parametrize(
    ("term", "verdict", "generative"),
    [
        ("digitalCapture", "captured", False),
        ("computationalCapture", "captured", False),
        ("compositeCapture", "captured", False),
        ("negativeFilm", "captured", False),
        ("humanEdits", "edited", False),
        ("algorithmicallyEnhanced", "edited", False),
        ("composite", "edited", False),
        ("compositeSynthetic", "edited", True),
        ("compositeWithTrainedAlgorithmicMedia", "edited", True),
        ("algorithmicMedia", "nothing", False),
        ("dataDrivenMedia", "nothing", False),
        ("digitalCreation", "nothing", False),
        ("noSuchTerm", "nothing", False),
    ],
)
def test_the_iptc_vocabulary_decides(term, verdict, generative):
    found = read_provenance(with_xmp("jpeg", source_type(term)))
    assert (found.verdict, found.generative) == (verdict, generative)
    assert term in found.decisive.detail  # what decides nothing is a finding too


def test_terms_are_known_in_every_spelling():
    spellings = ("https://cv.iptc.org/newscodes/digitalsourcetype/TrainedAlgorithmicMedia", "digsrctype:print/ ")
    assert [term_of(each) for each in spellings] == ["trainedAlgorithmicMedia", "print"]
    assert term_of("trainedAlgorithmicMediaX") == term_of("") == ""


def test_the_strongest_declaration_decides():
    def said(*terms):
        return Provenance(tuple(declaration_of(term, "IPTC", "here") for term in terms))

    assert said("digitalCapture", "compositeSynthetic", "humanEdits").verdict == "edited"
    assert said("digitalCapture", "humanEdits", "compositeSynthetic").decisive.generative
    assert said("digitalCapture", "algorithmicMedia").verdict == "captured"
    assert said("algorithmicMedia", "digitalCapture").decisive.kind == "captured"
    unclear = Declaration("other", "C2PA", "several, not validated", "here", generative=True)
    assert Provenance((*said("digitalCapture").declarations, unclear)).decisive == unclear
    assert said("humanEdits", "trainedAlgorithmicMedia").verdict == "generated"
    assert said().verdict == "nothing"
    assert said().decisive is None


def test_what_is_said_of_a_part_is_not_said_of_the_whole():
    region = f"<Iptc4xmpExt:ImageRegion><rdf:Bag><rdf:li rdf:parseType='Resource'>{ELEMENT}</rdf:li></rdf:Bag>"
    found = read_provenance(with_xmp("jpeg", packet(elements=region + "</Iptc4xmpExt:ImageRegion>")))
    assert (found.verdict, found.generative) == ("edited", True)


@pytest.mark.parametrize("value", ["2", "3", "9"])
def test_a_suspicion_is_no_declaration(value):
    found = read_provenance(png_text(AIGC=json.dumps(LABEL | {"Label": value})))
    assert (found.verdict, found.generative) == ("nothing", False)
    assert f"Label {value}" in found.decisive.detail


def test_a_remote_manifest_is_named_and_not_fetched():
    found = read_provenance(with_xmp("jpeg", packet('dcterms:provenance="https://example.org/m.c2pa"')))
    assert found.verdict == "nothing"
    assert "https://example.org/m.c2pa" in found.decisive.detail


INNOCENT = {
    "JPEG": encoded("jpeg"),
    "PNG": encoded("png"),
    "WebP": encoded("webp"),
    "lossless WebP": encoded("webp", lossless=True),
    "camera": encoded("jpeg", exif=exif(b"ASCII\0\0\0a note", Make="Canon", Model="EOS", Software="Lightroom")),
    "prompt of something else": png_text(prompt="C:\\>", workflow="review", parameters="a=1, Steps taken: 3"),
    "JSON of something else": png_text(prompt='{"user": {"name": "x"}}', workflow='{"nodes": 3}', AIGC='{"Label": 1}'),
    "a dream": png_text(Dream="I dreamt of -s and -S"),
    "other software": png_text(Software="gimp", invokeai_metadata="{}", sd_D_metadata='{"app_id": "other"}'),
    "other XMP": with_xmp("jpeg", packet('dcterms:creator="me"')),
    "prose about XMP": png_text(Comment=ELEMENT, Description=INFOTEXT),
}


@pytest.mark.parametrize("kind", INNOCENT)
def test_files_that_declare_nothing(kind):
    assert read_provenance(INNOCENT[kind]) == Provenance()


def test_metadata_after_the_pixels_counts():
    file = encoded("png")
    body = b"parameters\0" + SETTINGS.encode()
    chunk = struct.pack(">I", len(body)) + b"tEXt" + body + struct.pack(">I", zlib.crc32(b"tEXt" + body))
    assert read_provenance(file[:-12] + chunk + file[-12:]).verdict == "generated"


def test_a_packet_that_cannot_be_read_is_a_finding():
    xmp = source_type("trainedAlgorithmicMedia").partition(b"</rdf:RDF>")[0]
    found = read_provenance(with_xmp("jpeg", xmp))
    assert found.verdict == "generated"
    assert "not well-formed" in found.decisive.detail
    (other,) = read_provenance(with_xmp("jpeg", b"<x DigitalSourceType")).declarations
    assert other.kind == "other"


def test_entities_are_never_expanded():
    lol = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12))
    doctype = f'<!DOCTYPE x [<!ENTITY l0 "lol">{lol}]>'.encode()
    xmp = doctype + packet(elements=f"<Iptc4xmpExt:DigitalSourceType>{IPTC}&l11;</Iptc4xmpExt:DigitalSourceType>")
    (found,) = read_provenance(with_xmp("jpeg", xmp)).declarations
    assert found.kind == "other"
    assert "document type" in found.detail


def with_chunk(name, body):
    """A PNG with one more chunk before its pixels."""
    plain = encoded("png")
    chunk = struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return plain[:33] + chunk + plain[33:]


@pytest.mark.parametrize(
    ("name", "head"), [(b"zTXt", b"parameters\0\0"), (b"iTXt", b"parameters\0\1\0\0\0"), (b"zTXt", b"AIGC\0\0")]
)
def test_a_decompression_bomb_stays_small(name, head):
    bomb = zlib.compress(b" " * (16 * MOST_BYTES))
    assert len(bomb) < MOST_BYTES / 32
    file = with_chunk(name, head + bomb)
    tracemalloc.start()
    try:
        assert read_provenance(file).verdict == "nothing"
        assert tracemalloc.get_traced_memory()[1] < 4 * MOST_BYTES
    finally:
        tracemalloc.stop()


def test_details_are_one_printable_line():
    (found,) = read_provenance(png_text(parameters=f"{SETTINGS}, note: \x1b[31m\u202e{'x' * 999}")).declarations
    assert found.detail.isprintable()
    assert len(found.detail) == 200


@pytest.mark.parametrize("deep", ["[" * 100_000, '{"a":' * 100_000])
def test_deeply_nested_text_is_no_crash(deep):
    assert read_provenance(png_text(prompt=deep, workflow='{"nodes":' + deep)).verdict == "nothing"


def test_webp_chunks_start_at_even_offsets():
    file = encoded("webp", exif=b"odd", xmp=source_type("trainedAlgorithmicMedia"))
    assert b"EXIF\3\0\0\0odd\0XMP " in file
    assert read_provenance(file).verdict == "generated"


@pytest.mark.parametrize("file", [b"", b"GIF89a", b"hello"])
def test_other_formats_are_unreadable(file):
    with pytest.raises(UnreadableImage):
        read_provenance(file)


def bombs():
    """A thousand chunks that unpack to megabytes each."""
    body = b"zTXtparameters\0\0" + zlib.compress(b"Steps: 1, " + b" " * MOST_BYTES)
    chunk = struct.pack(">I", len(body) - 4) + body + bytes(4)
    return encoded("png")[:33] + 1000 * chunk


def crowded_exif():
    """Thousands of entries that point at the same megabytes."""
    entries = struct.pack("<HHII", 0x0131, 2, MOST_BYTES, 8) * 65535
    return with_chunk(b"eXIf", b"II*\0\x08\0\0\0\xff\xff" + entries + bytes(MOST_BYTES))


def crumbled_xmp():
    """One property in half a million pieces."""
    return with_chunk(
        b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet(elements=f"<TC260:AIGC>{'x<b/>' * 400_000}</TC260:AIGC>")
    )


def crowded_xmp():
    return with_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet(elements="<TC260:AIGC/>" * 200_000))


HOSTILE = {
    "bombs": bombs,
    "EXIF": crowded_exif,
    "XMP in pieces": crumbled_xmp,
    "XMP in numbers": crowded_xmp,
    "chunks": lambda: encoded("png")[:33] + bytes(8_000_000),
    "fill bytes": lambda: b"\xff\xd8" + b"\xff" * 8_000_000,
    "nested JSON": lambda: with_chunk(b"tEXt", b"prompt\0" + b'{"a":[' + b"{}," * 2_000_000),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_take_seconds_at_most(kind):
    file = HOSTILE[kind]()
    start = time.process_time()
    found = read_provenance(file)
    assert time.process_time() - start < 5
    assert found.verdict == "nothing"
    assert len(found.declarations) <= 101


NAI = json.dumps({"Software": "NovelAI", "Comment": "{}", "Description": "a cat"}).encode()


@pytest.mark.parametrize("height", [1, 7, 40, 153])
@pytest.mark.parametrize(
    ("magic", "text"), [(b"stealth_pngcomp", gzip.compress(NAI)), (b"stealth_pnginfo", NAI)], ids=["packed", "plain"]
)
def test_stealth_alpha(magic, text, height):
    found = declaration_of_alpha(stealth_alpha(magic, text, height, width=-(-2400 // height)))
    assert (found.kind, found.source) == ("generated", "NovelAI")


def declared(file, **options):
    return ProvenanceDetector(**options).detect("a.png", Look(file))


def test_stealth_alpha_is_looked_for_on_request():
    file = with_alpha(stealth_alpha(b"stealth_pngcomp", gzip.compress(json.dumps({"parameters": INFOTEXT}).encode())))
    found = declared(file, alpha=True)
    assert (found.declared, found.finding["detail"]) == ("generated", SETTINGS)
    assert declared(file).declared == ""  # bytes do not show it
    assert declared(INNOCENT["JPEG"], alpha=True).declared == ""


def test_every_look_at_a_png_shares_one_decoding(monkeypatch):
    decoded, original = [], PngImageFile.load_prepare
    monkeypatch.setattr(PngImageFile, "load_prepare", lambda image: decoded.append(image) or original(image))
    look = Look(with_alpha(stealth_alpha(b"stealth_pnginfo", NAI)))
    for detector in (ProvenanceDetector(alpha=True), PublicMarks(), KeyedDetector(Spread(), Key(b"k" * 32))):
        detector.detect("a.png", look)
    assert len(decoded) == 1


def test_alpha_that_cannot_be_decoded_takes_nothing_from_what_was_said():
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet(source_type("digitalCapture")).decode())
    layers = Image.fromarray(np.dstack([np.asarray(PICTURE), np.full((48, 64), 255, np.uint8)]))
    says, silent = (encoded("png", layers, pnginfo=each)[:-300] for each in (info, None))
    assert declared(says, alpha=True).declared == "captured"
    with pytest.raises(UnreadableImage, match="truncated"):
        declared(silent, alpha=True)
    assert declared(silent).declared == ""


@pytest.mark.parametrize(
    ("alpha", "kind"),
    [
        (np.full((40, 64), 255, np.uint8), None),
        (np.zeros((2, 2), np.uint8), None),
        (stealth_alpha(b"stealth_pngcomp", b"no gzip"), "other"),
        (stealth_alpha(b"stealth_pngcomp", gzip.compress(b"no json")), "other"),
        (stealth_alpha(b"stealth_pngcomp", gzip.compress(b" " * 64 * MOST_BYTES)[:300]), "other"),
        (stealth_alpha(b"stealth_pnginfo\xff\xff\xff\xff", b""), "other"),
    ],
)
def test_alpha_without_settings(alpha, kind):
    found = declaration_of_alpha(alpha)
    assert (found.kind if found else None) == kind


def test_the_detector_reports_plain_values():
    found = declared(GENERATED["FLUX"][0])
    assert (found.id, found.detector, found.declared) == ("a.png", "provenance", "generated")
    assert json.loads(json.dumps(found.finding)) == {
        "scheme": "FLUX",
        "where": "JPEG APP1 EXIF Make",
        "detail": "Make Black Forest Labs",
        "declarations": 2,
    }
    assert declared(INNOCENT["PNG"]).finding == {}


@pytest.mark.parametrize(
    ("term", "statement"),
    [
        ("trainedAlgorithmicMedia", "generated"),
        ("compositeSynthetic", "generative edit"),
        ("humanEdits", "edited"),
        ("digitalCapture", "captured"),
        ("algorithmicMedia", ""),
    ],
)
def test_the_detector_tells_generative_edits_from_others(term, statement):
    found = declared(with_xmp("jpeg", source_type(term)))
    assert found.declared == statement
    assert found.finding["detail"] == term


FILES = [*(file for file, *_ in GENERATED.values()), *INNOCENT.values()]


def check(file):
    """Whatever the bytes, the answer is a Provenance of printable declarations, or one kind of error."""
    try:
        found = read_provenance(file)
    except UnreadableImage:
        return
    assert all(isinstance(each, Declaration) and each.detail.isprintable() for each in found.declarations)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP"]), st.binary(max_size=400))
def test_random_bytes_never_crash(start, rest):
    check(start + rest)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_broken_files_never_crash(data):
    file = bytearray(data.draw(st.sampled_from(FILES)))
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(file) - 1))
        broken = data.draw(st.sampled_from([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f", b"<", b""]))
        file[at : at + len(broken)] = broken or bytes([file[at] ^ 1 << data.draw(st.integers(0, 7))])
    check(bytes(file[: data.draw(st.integers(0, len(file)))]))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"]))
def test_random_exif_never_crashes(tiff, order):
    check(with_chunk(b"eXIf", order + tiff))
