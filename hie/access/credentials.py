"""Secrets as they are kept: passwords of people under scrypt, tokens of programs as sha256.

A token has 256 random bits, so a fast hash is enough and checking one costs microseconds; a password has few, so
guessing each must cost much time and memory (scrypt, RFC 7914, with 16 MB and about 0.2 s).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import unicodedata
from typing import Final

from hie.errors import Conflict

TOKEN_PREFIX: Final = "hie_"
SHORTEST_PASSWORD: Final = 12
LONGEST_PASSWORD: Final = 256

_LOG_N, _R, _P = 14, 8, 5
_MAXMEM: Final = 64 * 1024 * 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,58}\Z")


def new_token() -> str:
    """A token for a program: `hie_` and 256 random bits."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def new_password() -> str:
    """A password to be printed once: 120 random bits in groups that can be read aloud."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    text = "".join(secrets.choice(alphabet) for _ in range(24))
    return "-".join(text[i : i + 6] for i in range(0, 24, 6))


def token_digest(token: str) -> str:
    """As `credential.secret` keeps it."""
    return "sha256:" + hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def password_hash(password: str) -> str:
    """As `credential.secret` keeps it. Takes about 0.2 s and 16 MB; releases the interpreter lock."""
    salt = secrets.token_bytes(16)
    derived = _scrypt(password, salt, _LOG_N, _R, _P)
    return f"scrypt:{_LOG_N}:{_R}:{_P}:{_text(salt)}:{_text(derived)}"


def password_matches(password: str, kept: str) -> bool:
    """Whether `password` is the one behind `kept`; False for a kept value that is no password hash."""
    try:
        algorithm, log_n, r, p, salt, derived = kept.split(":")
        if algorithm != "scrypt" or len(password) > LONGEST_PASSWORD:
            return False
        found = _scrypt(password, base64.b64decode(salt), int(log_n), int(r), int(p))
        return hmac.compare_digest(found, base64.b64decode(derived))
    except (ValueError, TypeError):
        return False


def check_password(password: str) -> None:
    """Raises Conflict for a password that is too short or too long. Length is what helps; no rules about signs."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise Conflict(
            f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters",
            code="weak-password",
            hint="three or four words that do not belong together",
        )


def check_name(name: str) -> None:
    """Raises Conflict for a name that could not stand in a log, a header or a command line."""
    if not _NAME.match(name):
        raise Conflict(
            "a name has lower-case letters, digits and . _ @ -, at most 59", code="bad-name", hint="such as j.alvarez"
        )


_KEPT = re.compile(r"scrypt:\d+:\d+:\d+:[A-Za-z0-9+/=]{24}:[A-Za-z0-9+/=]{88}\Z|sha256:[0-9a-f]{64}\Z")


def check_kept(kept: str, kind: str) -> None:
    """Raises Conflict unless `kept` is a hash of this module that begins with `kind`: a plain secret is never stored."""
    if not kept.startswith(kind) or not _KEPT.match(kept):
        raise Conflict("this is no hashed secret", code="bad-secret")


NOBODY: Final = (
    f"scrypt:{_LOG_N}:{_R}:{_P}:{base64.b64encode(bytes(16)).decode()}:{base64.b64encode(bytes(64)).decode()}"
)
"""A kept value that no password matches: checked for unknown names, so that time does not tell who exists."""


def _scrypt(password: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    # the same password typed on two keyboards may come in two Unicode forms
    normal = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    return hashlib.scrypt(normal, salt=salt, n=1 << log_n, r=r, p=p, maxmem=_MAXMEM, dklen=64)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
