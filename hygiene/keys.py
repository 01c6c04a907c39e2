"""Secret keys: make, load, derive. What is printed or stored is a digest, never the key."""

import hashlib
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hygiene.errors import ConfigurationError, KeyFileError

KEY_BYTES = 32


@dataclass(frozen=True)
class Key:
    """A 32-byte secret. Equal secrets are equal keys; `repr`, `str` and `digest` never show the secret.

    `subkey` derives an independent key per generator from one master key, so that a leak of one generator's
    key does not give away the others. Derivation is keyed BLAKE2b (RFC 7693).
    """

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise KeyFileError(f"a key has {KEY_BYTES} bytes, this one has {len(self.secret)}")

    def __repr__(self) -> str:
        return f"Key({self.digest})"

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that name the key and do not reveal it."""
        return self._derive("digest", 8).hex()

    def subkey(self, generator: str) -> "Key":
        """The key of one named generator."""
        if not generator:
            raise ConfigurationError("the generator's name is empty: expected a name, or no generator at all")
        return Key(self._derive(f"generator:{generator}", KEY_BYTES))

    @property
    def twin(self) -> "Key":
        """An independent second key, for the two-key rule."""
        return Key(self._derive("twin", KEY_BYTES))

    def random(self, purpose: str) -> np.random.Generator:
        """A reproducible stream of random numbers for `purpose`, independent between purposes and keys."""
        seed = np.frombuffer(self._derive(f"stream:{purpose}", 32), dtype=np.uint64)
        return np.random.Generator(np.random.Philox(key=seed[:2], counter=[0, 0, seed[2], seed[3]]))

    def _derive(self, purpose: str, size: int) -> bytes:
        return hashlib.blake2b(purpose.encode(), key=self.secret, digest_size=size).digest()


def new_key() -> Key:
    """A fresh key from the operating system's random source."""
    return Key(secrets.token_bytes(KEY_BYTES))


def write_key(key: Key, path: Path) -> None:
    """Write `key` as 64 hexadecimal digits, mode 600. Refuses to overwrite."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyFileError(f"{path} exists: a key is never overwritten; choose another name") from None
    except OSError as error:
        raise KeyFileError(f"cannot write the key file {path}: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(key.secret.hex() + "\n")
    except OSError as error:
        path.unlink()  # or an empty file would stand in the way of the next try
        raise KeyFileError(f"cannot write the key file {path}: {error.strerror}") from None


def load_key(path: Path) -> Key:
    """Read a key file written by `write_key`. Refuses one that group or others can read."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text("ascii").strip() if path.is_file() else ""
    except FileNotFoundError:
        raise KeyFileError(f"no key file {path}: make one with `hygiene keygen {path}`") from None
    except (OSError, UnicodeDecodeError):
        raise KeyFileError(f"cannot read {path} as a key file: expected 64 hexadecimal digits") from None
    if os.name == "posix" and mode & 0o077:
        raise KeyFileError(f"{path} has mode {mode:o}, others can read it: run `chmod 600 {path}`")
    try:
        return Key(bytes.fromhex(text))
    except (ValueError, KeyFileError):
        raise KeyFileError(f"{path} is not a key file: expected 64 hexadecimal digits") from None
