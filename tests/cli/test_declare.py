"""Tagging with a declaration: the mark in the pixels, the statement beside it, and neither at the other's cost."""

import datetime
import json
import os
import sys

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
from hygiene.provenance import load_signer, load_trust_anchors, read_provenance

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


def provenance(command, *arguments):
    words = [command, *map(str, arguments), "--detect", "provenance", "--workers", "1"]
    result = CliRunner().invoke(main, words)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_signers_are_trusted_by_the_users_anchors_alone(pictures, files, tmp_path):
    tag_dataset(pictures, tmp_path / "out", KEY, declare=True, signer=load_signer(*files))
    anchors = tmp_path / "root.pem"
    anchors.write_bytes(b"a comment, \xff\n-----BEGIN" + files[0].read_bytes().rpartition(b"-----BEGIN")[2])
    strangers = tmp_path / "strangers.pem"
    other = ed25519.Ed25519PrivateKey.generate()
    strangers.write_bytes(_certificate("Root", other, other, True))
    for options, state in (
        ([], "valid"),
        (["--trust-anchors", strangers], "valid"),
        (["--trust-anchors", anchors], "trusted"),
    ):
        lines = [json.loads(line) for line in provenance("detect", tmp_path / "out", *options).stdout.splitlines()]
        assert [f"; {state}, signed by" in line["detail"] for line in lines] == [True] * 3


@pytest.mark.parametrize("command", ["detect", "filter", "calibrate"])
def test_what_holds_no_certificates_is_no_anchor(pictures, tmp_path, command):
    (tmp_path / "note.pem").write_text("trust me")
    targets = {"detect": (), "filter": (tmp_path / "out",), "calibrate": (tmp_path / "out.json",)}[command]
    for name, says in (("note.pem", "no PEM certificates in it"), ("absent.pem", "No such file")):
        result = provenance(command, pictures, *targets, "--trust-anchors", tmp_path / name)
        assert (result.exit_code, result.stdout) == (2, "")
        assert says in result.stderr
        assert result.stderr.count("\n") == 1


def test_anchors_take_the_package_that_checks_them(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(ConfigurationError, match="takes c2pa-python: pip install"):
        load_trust_anchors(tmp_path / "root.pem")


IDLE = {
    ("--trust-anchors", "root.pem"): "what files say of themselves: add --detect provenance",
    ("--stealth-alpha",): "what files say of themselves: add --detect provenance",
    ("--key", "my.key"): "your own mark: add --detect own",
    ("--generator", "painter"): "your own mark: add --detect own",
    ("--two-keys",): "your own mark: add --detect own",
}


@pytest.mark.parametrize("options", IDLE)
def test_options_of_what_nobody_looks_for_are_refused(pictures, options):
    result = CliRunner().invoke(main, ["detect", str(pictures), "--detect", "public", *options])
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{options[0]} is about {IDLE[options]}" in result.stderr


def test_what_is_done_about_statements_is_refused_where_none_are_read(pictures, tmp_path):
    arguments = ["filter", str(pictures), str(tmp_path / "out"), "--detect", "public", "--max-p", "1e-6"]
    result = CliRunner().invoke(main, [*arguments, "--declared", "generated"])
    assert (result.exit_code, (tmp_path / "out").exists()) == (2, False)
    assert "--declared is about what files say of themselves: add --detect provenance" in result.stderr
