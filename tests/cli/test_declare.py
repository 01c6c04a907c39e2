"""Tagging with a declaration: the mark in the pixels, the statement beside it, and neither at the other's cost."""

import datetime
import os

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image
from skimage import data

from cli.main import main
from hygiene.detectors.provenance import ProvenanceDetector
from hygiene.errors import ConfigurationError
from hygiene.keys import Key, write_key
from hygiene.looks import Look
from hygiene.pipeline import score_dataset, tag_dataset
from hygiene.provenance import load_signer, read_provenance

KEY = Key(b"k" * 32)
NAMES = ("a.png", "b.jpg", "c.webp")


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for i, name in enumerate(NAMES):
        Image.fromarray(data.astronaut()[64 * i :][:160, :160]).save(folder / name)
    return folder


@pytest.fixture
def files(tmp_path):
    """A certificate with its authority, and the key."""
    root, key = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
    chain = _certificate("Signer", key, root, False) + _certificate("Root", root, root, True)
    (tmp_path / "chain.pem").write_bytes(chain)
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (tmp_path / "key.pem").write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    os.chmod(tmp_path / "key.pem", 0o600)
    return tmp_path / "chain.pem", tmp_path / "key.pem"


def _certificate(name, key, root, authority):
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, each)]) for each in (name, "Root")]
    identifiers = (
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
        x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()),
    )
    builder = x509.CertificateBuilder(*reversed(names), key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=9))
    for extension in identifiers:
        builder = builder.add_extension(extension, False)
    signs = {"digital_signature": not authority, "key_cert_sign": authority, "crl_sign": authority}
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    others += ("encipher_only", "decipher_only")
    builder = builder.add_extension(x509.KeyUsage(**signs, **dict.fromkeys(others, False)), True)
    builder = builder.add_extension(x509.BasicConstraints(authority, None), True)
    if not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
    return builder.sign(root, None).public_bytes(serialization.Encoding.PEM)


def schemes(folder):
    return [
        sorted(each.source for each in read_provenance((folder / name).read_bytes()).declarations) for name in NAMES
    ]


def test_the_mark_and_the_declaration_are_both_there(pictures, tmp_path):
    report = tag_dataset(pictures, tmp_path / "out", KEY, declare=True)
    assert report.tagged == 3
    assert schemes(tmp_path / "out") == [["IPTC"]] * 3
    assert all(each.log10_p < -9 for each in score_dataset(tmp_path / "out", KEY))
    said = [ProvenanceDetector().detect(name, Look((tmp_path / "out" / name).read_bytes())).declared for name in NAMES]
    assert said == ["generated"] * 3


def test_nothing_is_declared_unasked(pictures, tmp_path):
    tag_dataset(pictures, tmp_path / "out", KEY)
    assert schemes(tmp_path / "out") == [[]] * 3


def test_a_signer_adds_a_manifest(pictures, files, tmp_path):
    tag_dataset(pictures, tmp_path / "out", KEY, signer=load_signer(*files))
    assert schemes(tmp_path / "out") == [["C2PA", "IPTC"]] * 3
    assert all(each.log10_p < -9 for each in score_dataset(tmp_path / "out", KEY))
    for name in NAMES:
        found = read_provenance((tmp_path / "out" / name).read_bytes())
        assert any("; valid, signed by Signer" in each.detail for each in found.declarations)


def test_pictures_that_carry_the_mark_are_declared_too_and_once(pictures, files, tmp_path):
    tag_dataset(pictures, tmp_path / "marked", KEY)
    first = tag_dataset(tmp_path / "marked", tmp_path / "declared", KEY, declare=True, signer=load_signer(*files))
    again = tag_dataset(tmp_path / "declared", tmp_path / "again", KEY, declare=True, signer=load_signer(*files))
    assert (first.already, again.already) == (3, 3)
    assert schemes(tmp_path / "declared") == [["C2PA", "IPTC"]] * 3
    for name in NAMES:
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "declared" / name).read_bytes()


def test_an_output_is_declared_or_not(pictures, tmp_path):
    tag_dataset(pictures, tmp_path / "out", KEY)
    with pytest.raises(ConfigurationError, match="declare"):
        tag_dataset(pictures, tmp_path / "out", KEY, declare=True)


def test_on_the_command_line(pictures, files, tmp_path):
    write_key(KEY, tmp_path / "my.key")
    common = ["tag", str(pictures), str(tmp_path / "out"), "--key", str(tmp_path / "my.key"), "--workers", "1"]
    signed = ["--certificate", str(files[0]), "--certificate-key", str(files[1])]
    for wrong in (signed, ["--declare", *signed[:2]], ["--declare", *signed[2:]]):
        result = CliRunner().invoke(main, [*common, *wrong])
        assert result.exit_code == 2
        assert "all of --declare, --certificate and --certificate-key" in result.stderr
    assert CliRunner().invoke(main, [*common, "--declare", *signed]).exit_code == 0
    assert schemes(tmp_path / "out") == [["C2PA", "IPTC"]] * 3
    assert "PRIVATE" not in (tmp_path / "out" / "manifest.json").read_text()
