"""The sealing key: Ed25519, in a file of its own outside the database, mode 600, made at the first start.

Beside it lies `seal.last`, the number and hash of the last seal: whoever can write the database and the seal file but
not the key's directory cannot take seals away unseen either.
"""

from __future__ import annotations

import os
from pathlib import Path

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from hie.errors import ConfigurationError


def key_path(var: Path) -> Path:
    return var / "keys" / "seal.key"


class SealKey:
    """The private key and the memory of the last seal."""

    def __init__(self, file: Path, private: Ed25519PrivateKey) -> None:
        self._file = file
        self._private = private
        self.public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
        """64 hex digits; give it to whoever verifies on another machine."""

    @classmethod
    def open(cls, file: Path, create: bool = False) -> SealKey:
        """Reads the key; makes one where there is none and `create`. Raises ConfigurationError."""
        if not file.exists():
            if not create:
                raise ConfigurationError(
                    "the sealing key is missing", file=str(file), code="no-seal-key", hint="pass --public-key to verify"
                )
            return cls._make(file)
        if file.stat().st_mode & 0o077:
            raise ConfigurationError(
                "the sealing key may be read by others than its owner",
                file=str(file),
                code="seal-key-open",
                hint="chmod 600 it; replace it if somebody may have copied it",
            )
        try:
            private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(file.read_text().strip()))
        except ValueError:
            raise ConfigurationError(
                "the sealing key is damaged", file=str(file), code="bad-seal-key", hint="restore it from your backup"
            ) from None
        return cls(file, private)

    @classmethod
    def _make(cls, file: Path) -> SealKey:
        private = Ed25519PrivateKey.generate()
        raw = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()).hex()
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(file, raw.encode() + b"\n")
        return cls(file, private)

    def sign(self, data: bytes) -> str:
        return self._private.sign(data).hex()

    @property
    def last(self) -> tuple[int, str]:
        """Number and hash of the last seal this key made; (0, "") before the first."""
        return last_seal(self._file)

    def remember(self, number: int, digest: str) -> None:
        write_private(self._file.with_name("seal.last"), orjson.dumps({"n": number, "hash": digest}) + b"\n")


def last_seal(key_file: Path) -> tuple[int, str]:
    """What `seal.last` beside the key says; (0, "") where it is missing or unreadable."""
    try:
        found = orjson.loads(key_file.with_name("seal.last").read_bytes())
        return int(found["n"]), str(found["hash"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0, ""


def signed_by(public: str, signature: str, data: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(signature), data)
    except (InvalidSignature, ValueError):
        return False
    return True


def write_private(file: Path, data: bytes) -> None:
    """Writes a file that only its owner may read, whole or not at all, and on disk when this returns."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)
    beside.replace(file)
    directory = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
