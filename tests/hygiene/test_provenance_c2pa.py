"""C2PA: files signed with c2pa-python by certificates made here; what is broken, foreign or offline is a finding."""

import contextlib
import datetime
import http.server
import io
import json
import os
import sys
import threading

import c2pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data

from hygiene.errors import ConfigurationError, KeyFileError, TagRefused, UnreadableImage
from hygiene.provenance import Declaration, Signer, declare, load_signer, read_provenance
from hygiene.provenance.c2pa import OFFLINE, join_segments
from hygiene.provenance.containers import jpeg_segments

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
FORMATS = ["jpeg", "png", "webp"]
WHERE = {"jpeg": "JPEG APP11 JUMBF", "png": "PNG caBX", "webp": "WebP C2PA"}


def picture(format, size=48):
    out = io.BytesIO()
    Image.fromarray(data.astronaut()[:size, :size]).save(out, format)
    return out.getvalue()


def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def certificate(subject, key, issuer, issuer_key, authority, ocsp=""):
    """By the certificate profile of C2PA Technical Specification 2.2 §14.5.1."""
    now = datetime.datetime.now(datetime.UTC)
    names = [
        x509.Name(
            [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test Studio"), x509.NameAttribute(NameOID.COMMON_NAME, cn)]
        )
        for cn in (subject, issuer)
    ]
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
    )
    usage |= {"decipher_only": False, "digital_signature": not authority}
    builder = (
        x509.CertificateBuilder()
        .subject_name(names[0])
        .issuer_name(names[1])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(authority, None), True)
        .add_extension(x509.KeyUsage(key_cert_sign=authority, crl_sign=authority, **usage), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False)
    )
    if not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
    if ocsp:
        place = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp))
        builder = builder.add_extension(x509.AuthorityInformationAccess([place]), False)
    signed = builder.sign(issuer_key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


ROOT_KEY = ec.generate_private_key(ec.SECP256R1())
ROOT = certificate("Root", ROOT_KEY, "Root", ROOT_KEY, authority=True)


def signer(key=None, ocsp="", algorithm="es256"):
    key = key or ec.generate_private_key(ec.SECP256R1())
    return Signer(certificate("Signer", key, "Root", ROOT_KEY, False, ocsp) + ROOT, pem(key), algorithm)


SIGNER = signer()


def signed(format, *actions, parent=None, part=None, by=SIGNER):
    """A file signed by c2pa-python itself, with these actions, made from other files."""
    manifest = {
        "claim_generator_info": [{"name": "a test"}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": list(actions)}}],
    }
    info = c2pa.C2paSignerInfo(by.algorithm, by.certificates, by.key, None)
    out = io.BytesIO()
    settings = OFFLINE | {"builder": {"thumbnail": {"enabled": False}}}
    with c2pa.Builder(manifest, context=c2pa.Context.from_dict(settings)) as builder:
        for source, relationship in ((parent, "parentOf"), (part, "componentOf")):
            if source:
                ingredient = {"title": "x", "relationship": relationship, "instance_id": relationship}
                builder.add_ingredient(json.dumps(ingredient), "image/png", io.BytesIO(source))
        builder.sign(c2pa.Signer.from_info(info), f"image/{format}", io.BytesIO(picture(format)), out)
    return out.getvalue()


def created(term):
    return {"action": "c2pa.created", "digitalSourceType": IPTC + term}


def opened(relationship="parentOf", name="c2pa.opened"):
    return {"action": name, "parameters": {"ingredientIds": [relationship]}}


GENERATED = {format: signed(format, created("trainedAlgorithmicMedia")) for format in FORMATS}


@pytest.mark.parametrize("format", FORMATS)
def test_a_manifest_is_read_with_its_signer_and_state(format):
    (found,) = read_provenance(GENERATED[format]).declarations
    assert (found.kind, found.source, found.where, found.generative) == ("generated", "C2PA", WHERE[format], True)
    assert found.detail == "trainedAlgorithmicMedia; c2pa.created; valid, signed by Test Studio, Signer"
    (trusted,) = read_provenance(GENERATED[format], ROOT.decode()).declarations
    assert "; trusted, signed by" in trusted.detail


@pytest.mark.parametrize(
    ("term", "verdict", "generative"),
    [
        ("digitalCapture", "captured", False),
        ("compositeWithTrainedAlgorithmicMedia", "edited", True),
        ("algorithmicMedia", "nothing", False),
    ],
)
def test_the_source_type_decides(term, verdict, generative):
    found = read_provenance(signed("png", created(term)))
    assert (found.verdict, found.generative) == (verdict, generative)
    assert term in found.decisive.detail


def test_the_history_decides():
    capture, made = signed("png", created("digitalCapture")), GENERATED["png"]
    edit = {"action": "c2pa.color_adjustments"}
    converted = {"action": "c2pa.converted"}
    placed = opened("componentOf", "c2pa.placed")
    painted = {"action": "c2pa.edited", "digitalSourceType": IPTC + "trainedAlgorithmicMedia"}

    def verdict(*actions, **sources):
        found = read_provenance(signed("jpeg", *actions, **sources))
        return found.verdict, found.generative

    assert verdict(opened(), converted, parent=made) == ("generated", True)
    assert verdict(opened(), edit, parent=made) == ("generated", True)
    assert verdict(opened(), converted, parent=capture) == ("captured", False)
    assert verdict(opened(), edit, parent=capture) == ("edited", False)
    assert verdict(opened(), painted, parent=capture) == ("edited", True)
    assert verdict(opened(), placed, parent=capture, part=made) == ("edited", True)
    assert verdict(opened(), parent=picture("png")) == ("nothing", False)


@pytest.mark.parametrize("format", FORMATS)
def test_a_changed_picture_is_a_finding(format):
    changed = bytearray(GENERATED[format])
    place = changed.rfind({"jpeg": b"\xff\xda", "png": b"IDAT", "webp": b"VP8 "}[format]) + 60
    changed[place] ^= 1
    found = read_provenance(bytes(changed))
    assert found.verdict == "generated"
    assert "invalid (assertion.dataHash.mismatch)" in found.decisive.detail


def unsigned(file):
    """The box that holds the signature becomes one of another type: "c2cs" names it."""
    assert file.count(b"c2cs") > 0
    return file.replace(b"c2cs", b"c2cX")


@pytest.mark.parametrize("format", FORMATS)
def test_an_unsigned_manifest_is_a_finding(format):
    (found,) = read_provenance(unsigned(GENERATED[format])).declarations
    assert (found.kind, found.generative) == ("generated", True)
    assert "broken: " in found.detail


def test_several_source_types_that_nothing_validated_decide_nothing():
    edit = {"action": "c2pa.edited", "digitalSourceType": IPTC + "humanEdits"}
    file = unsigned(signed("png", opened(), edit, parent=GENERATED["png"]))
    (found,) = read_provenance(file).declarations
    assert (found.kind, found.generative) == ("other", True)
    assert "humanEdits, trainedAlgorithmicMedia" in found.detail


@pytest.mark.parametrize("format", FORMATS)
def test_without_the_package_a_manifest_is_reported(format, monkeypatch):
    monkeypatch.setitem(sys.modules, "c2pa", None)
    (found,) = read_provenance(GENERATED[format]).declarations
    assert (found.kind, found.where) == ("generated", WHERE[format])
    assert "C2PA manifest present, not validated: pip install" in found.detail
    with pytest.raises(ConfigurationError, match="c2pa-python"):
        declare(picture(format), SIGNER)


def test_a_manifest_of_many_segments_is_joined(monkeypatch):
    filler = {"action": "c2pa.unknown", "description": "x" * 150_000}
    file = signed("jpeg", created("digitalCapture"), filler)
    assert sum(marker == 0xEB for marker, *_ in jpeg_segments(file)) > 2
    assert read_provenance(file).verdict == "captured"
    monkeypatch.setitem(sys.modules, "c2pa", None)
    assert read_provenance(file).verdict == "captured"


@pytest.mark.parametrize("header", [b"\0\1\0\0jumb", b"\0\0\0\1jumb\0\0\0\0\0\1\0\0"], ids=["32 bits", "64 bits"])
def test_segments_are_joined_without_their_repeated_headers(header):
    boxes = header + b"the description of c2pa and its content"
    parts = [boxes[len(header) + at :][:13] for at in range(0, len(boxes) - len(header), 13)]
    bodies = [b"\0\1" + number.to_bytes(4, "big") + header + part for number, part in enumerate(parts, 1)]
    assert join_segments(bodies) == boxes


def test_other_jumbf_is_none_of_ours():
    plain = picture("jpeg")
    body = b"JP\0\1\0\0\0\1\0\0\0\x20jumb\0\0\0\x18jumd" + b"a 360 picture..."
    file = plain[:2] + b"\xff\xeb" + (len(body) + 2).to_bytes(2, "big") + body + plain[2:]
    assert not read_provenance(file).declarations


class Recorder(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append(self.path)
        self.send_error(404)

    do_POST = do_GET

    def log_message(self, *_):
        """Nothing on stderr: what was asked for is in `seen`."""


@pytest.fixture
def listener():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder) as server:
        server.seen = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def read_with(file, verify):
    context = c2pa.Context.from_dict({"verify": verify})
    with contextlib.suppress(c2pa.C2paError):
        c2pa.Reader("image/jpeg", io.BytesIO(file), context=context).close()


def test_nothing_is_asked_of_the_network(listener):
    here = f"http://127.0.0.1:{listener.server_port}"
    asks_ocsp = signed("jpeg", created("digitalCapture"), by=signer(ocsp=f"{here}/ocsp"))
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description xmlns:dcterms="http://purl.org/dc/terms/" dcterms:provenance="{here}/remote"/>'
        "</rdf:RDF></x:xmpmeta>"
    )
    out = io.BytesIO()
    Image.fromarray(data.astronaut()[:48, :48]).save(out, "jpeg", xmp=xmp.encode())
    remote = out.getvalue()
    assert read_provenance(asks_ocsp).verdict == "captured"
    assert read_provenance(remote).decisive.detail.endswith("/remote")
    read_with(remote, OFFLINE["verify"])
    assert listener.seen == []
    # The files would ask: with other settings the requests arrive.
    read_with(remote, {"remote_manifest_fetch": True})
    assert listener.seen == ["/remote"]
    read_with(asks_ocsp, {"ocsp_fetch": True})
    assert len(listener.seen) == 2


@pytest.mark.parametrize("format", FORMATS)
def test_declaring_with_a_signer(format):
    file = declare(picture(format), SIGNER)
    found = read_provenance(file, ROOT.decode())
    assert {each.source for each in found.declarations} == {"C2PA", "IPTC"}
    assert all(each.kind == "generated" for each in found.declarations)
    assert any("trusted, signed by Test Studio, Signer" in each.detail for each in found.declarations)
    with pytest.raises(TagRefused, match="C2PA"):
        declare(file, SIGNER)


def files_of(folder, one):
    paths = folder / "chain.pem", folder / "key.pem"
    paths[0].write_bytes(one.certificates)
    paths[1].write_bytes(one.key)
    os.chmod(paths[1], 0o600)
    return paths


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (ec.generate_private_key(ec.SECP256R1()), "es256"),
        (ec.generate_private_key(ec.SECP384R1()), "es384"),
        (ed25519.Ed25519PrivateKey.generate(), "ed25519"),
        (rsa.generate_private_key(65537, 2048), "ps256"),
    ],
    ids=["P-256", "P-384", "Ed25519", "RSA"],
)
def test_a_signer_is_loaded_from_files(tmp_path, key, algorithm):
    loaded = load_signer(*files_of(tmp_path, signer(key)))
    assert loaded.algorithm == algorithm
    assert "PRIVATE" not in repr(loaded)
    assert "BEGIN" not in repr(loaded)
    assert read_provenance(declare(picture("png"), loaded)).verdict == "generated"


def test_mistakes_with_a_signer_are_told_in_one_line(tmp_path):
    chain, key = files_of(tmp_path, SIGNER)
    other = tmp_path / "other.pem"
    other.write_bytes(signer().certificates)
    rooted = tmp_path / "root.pem"
    rooted.write_bytes(ROOT)
    root_key = tmp_path / "root_key.pem"
    root_key.write_bytes(pem(ROOT_KEY))
    os.chmod(root_key, 0o600)
    sealed = tmp_path / "sealed.pem"
    private = ec.generate_private_key(ec.SECP256R1())
    sealed.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
        )
    )
    cases = [
        (tmp_path / "none.pem", key, ConfigurationError, "No such file"),
        (key, key, ConfigurationError, "no PEM certificates"),
        (other, key, ConfigurationError, "does not belong to the key"),
        (rooted, root_key, ConfigurationError, "cannot sign C2PA manifests"),
        (chain, tmp_path / "none.pem", KeyFileError, "No such file"),
        (chain, chain, KeyFileError, "no signing key"),
        (chain, sealed, KeyFileError, "unencrypted"),
    ]
    for certificates, private_key, kind, reason in cases:
        with pytest.raises(kind, match=reason) as caught:
            load_signer(certificates, private_key)
        assert "\n" not in str(caught.value)
    os.chmod(key, 0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        load_signer(chain, key)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_broken_manifests_never_crash(data):
    file = bytearray(GENERATED[data.draw(st.sampled_from(FORMATS))])
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(file) - 1))
        broken = data.draw(st.sampled_from([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\4", b""]))
        file[at : at + len(broken)] = broken or bytes([file[at] ^ 1 << data.draw(st.integers(0, 7))])
    with contextlib.suppress(UnreadableImage):
        found = read_provenance(bytes(file[: data.draw(st.integers(0, len(file)))]))
        assert all(isinstance(each, Declaration) for each in found.declarations)
