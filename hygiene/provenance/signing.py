"""C2PA manifests of our own: the user's certificate and key, and the one statement they sign.

C2PA Technical Specification 2.2: §13.2.1 (algorithms), §14.5 (certificates), §18.16 (c2pa.created). No time-stamping
service is asked: the manifest is valid as long as the certificate is.
"""

import contextlib
import hashlib
import io
import os
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hygiene
from hygiene.errors import ConfigurationError, KeyFileError, TagRefused
from hygiene.provenance.c2pa import INSTALL, OFFLINE, load_certificates, package
from hygiene.provenance.vocabulary import GENERATED

_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


@dataclass(frozen=True)
class Signer:
    """Signs manifests.

    certificates  PEM: the signing certificate first, then those that vouch for it
    key           PEM, PKCS 8; never printed
    algorithm     as C2PA names it: es256, es384, es512, ps256 or ed25519
    """

    certificates: bytes = field(repr=False)
    key: bytes = field(repr=False)
    algorithm: str

    @property
    def digest(self) -> str:
        """Names the certificates in a manifest: 16 hexadecimal digits."""
        return hashlib.sha256(self.certificates).hexdigest()[:16]


def load_signer(certificates: Path, key: Path) -> Signer:
    """The signer of two PEM files, tried out on an empty picture.

    Raises KeyFileError for a key file that is missing, malformed, encrypted, or readable by others, and
    ConfigurationError for certificates that C2PA does not accept or that belong to another key.
    """
    private = _private_key(key)
    chain, found = load_certificates(certificates)
    if found[0].public_key() != private.public_key():
        raise ConfigurationError(
            f"the first certificate of {certificates} does not belong to the key {key}: "
            "expected the signing certificate first, then those that vouch for it"
        )
    signer = Signer(chain, _pem(private), _algorithm(private, key))
    try:
        sign(_empty_png(), "png", signer)
    except TagRefused as error:
        raise ConfigurationError(f"{certificates} cannot sign C2PA manifests: {error}") from None
    return signer


def sign(data: bytes, format: str, signer: Signer) -> bytes:
    """The file with a manifest whose one action is c2pa.created, source trainedAlgorithmicMedia.

    Raises ConfigurationError without c2pa-python, TagRefused where it cannot sign.
    """
    c2pa = _package()
    action = {"action": "c2pa.created", "digitalSourceType": GENERATED}
    manifest = {
        "claim_generator_info": [{"name": "hygiene", "version": hygiene.__version__}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }
    out = io.BytesIO()
    with _refused(c2pa):
        info = c2pa.C2paSignerInfo(signer.algorithm, signer.certificates, signer.key, None)
        settings = OFFLINE | {"builder": {"thumbnail": {"enabled": False}}}
        with (
            c2pa.Context.from_dict(settings) as context,
            c2pa.Signer.from_info(info) as native,
            c2pa.Builder(manifest, context=context) as builder,
        ):
            builder.sign(native, f"image/{format}", io.BytesIO(data), out)
    return out.getvalue()


@contextlib.contextmanager
def _refused(c2pa: Any) -> Iterator[None]:
    try:
        yield
    except c2pa.C2paError as error:
        raise TagRefused(f"no C2PA manifest: {' '.join(str(error).split())[:200]}") from None


def _package() -> Any:
    try:
        return package()
    except ImportError:
        raise ConfigurationError(f"signing C2PA manifests takes c2pa-python: {INSTALL}") from None


def _private_key(path: Path) -> Any:
    _package()  # cryptography comes with it
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        private = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise KeyFileError(f"cannot read the signing key {path}: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyFileError(f"{path} is no signing key: expected an unencrypted private key in PEM") from None
    if os.name == "posix" and mode & 0o077:
        raise KeyFileError(f"{path} has mode {mode:o}, others can read it: run `chmod 600 {path}`")
    return private


def _pem(private: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization

    pem: bytes = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem


def _algorithm(private: Any, path: Path) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(private, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(private, rsa.RSAPrivateKey):
        return "ps256"
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name in _CURVES:
        return _CURVES[private.curve.name]
    raise KeyFileError(f"{path}: C2PA signs with RSA, Ed25519, or the curves P-256, P-384, P-521")


def _empty_png() -> bytes:
    """One grey pixel."""
    chunks = [(b"IHDR", b"\0\0\0\1\0\0\0\1\x08\0\0\0\0"), (b"IDAT", zlib.compress(b"\0\0")), (b"IEND", b"")]
    parts = [
        len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big") for name, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
