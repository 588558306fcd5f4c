"""The PEM files of feeds and subscribers: readable, belonging together, in force, and such that the other side takes them."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID
from pydantic import BaseModel

from hie.doctor.finding import Finding, fail, ok, warn
from hie.settings import Settings, adapter_settings

SOON_SECONDS = 30 * 86400
TRUSTED = ("ca", "client_ca")


class Pair(NamedTuple):
    """What one part of the configuration says about TLS."""

    who: str
    serves: bool
    """A listener, else a client."""
    certificate: Path | None
    key: Path | None
    trusted: Path | None


def certificates(settings: Settings) -> Iterator[Finding]:
    for pair in pairs(settings):
        if pair.trusted is not None:
            yield from _trusted(pair.who, pair.trusted)
        if pair.certificate is not None:
            yield from _own(pair)


def pairs(settings: Settings) -> Iterator[Pair]:
    for feed in settings.feeds:
        if feed.kind != "http":
            yield from _named(f"feed {feed.name}", True, adapter_settings("sources", feed.source, settings.directory))
    for subscriber in settings.subscribers:
        found = adapter_settings("sinks", subscriber.sink, settings.directory)
        yield from _named(f"subscriber {subscriber.name}", False, found)


def _named(who: str, serves: bool, settings: Any) -> Iterator[Pair]:
    given = {name: getattr(settings, name) for name in type(settings).model_fields}
    paths = {name: Path(given[name]) if given.get(name) else None for name in ("certificate", "key", *TRUSTED)}
    if any(paths.values()):
        listens = serves and "client_ca" in given
        yield Pair(who, listens, paths["certificate"], paths["key"], paths["ca"] or paths["client_ca"])
    for value in given.values():
        if isinstance(value, BaseModel):
            yield from _named(who, serves, value)


def _read(who: str, file: Path) -> list[x509.Certificate] | Finding:
    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        return fail("certificate-unreadable", f"{who}: {file}: {why}", "put it there, readable by the node's user")
    except ValueError:
        return fail("certificate-unreadable", f"{who}: {file} holds no PEM certificate", "-----BEGIN CERTIFICATE-----")
    return found


def _trusted(who: str, file: Path) -> Iterator[Finding]:
    found = _read(who, file)
    if isinstance(found, Finding):
        yield found
        return
    last = max(found, key=lambda certificate: certificate.not_valid_after_utc)
    yield _term(f"{who}: authority in {file.name}", last)


def _own(pair: Pair) -> Iterator[Finding]:
    who, file = pair.who, pair.certificate
    assert file is not None
    chain = _read(who, file)
    if isinstance(chain, Finding):
        yield chain
        return
    first = min(chain, key=lambda certificate: certificate.not_valid_after_utc)
    yield _term(f"{who}: {file.name}", first)
    yield from _key(pair, file)
    if not _linked(chain):
        text = f"{who}: the certificates in {file.name} do not sign one another in their order"
        yield warn("certificate-chain", text, "own certificate first, then each issuer, without the root")
    if pair.serves and not _has(chain[0], x509.SubjectAlternativeName):
        text = f"{who}: the certificate carries no subject alternative name"
        yield fail("certificate-names", text, "senders refuse it: have it issued with the DNS name they use")
    if not _may(chain[0], ExtendedKeyUsageOID.SERVER_AUTH if pair.serves else ExtendedKeyUsageOID.CLIENT_AUTH):
        role = "a server" if pair.serves else "a client"
        text = f"{who}: the certificate is not meant for {role}"
        yield fail("certificate-purpose", text, "have it issued with that extended key usage")


def _term(what: str, certificate: x509.Certificate) -> Finding:
    now = time.time()
    begins, ends = (at.timestamp() for at in (certificate.not_valid_before_utc, certificate.not_valid_after_utc))
    until = datetime.fromtimestamp(ends, UTC).strftime("%Y-%m-%d")
    if now > ends:
        return fail("certificate-ended", f"{what} ended on {until}", "renew it: the file is read again by itself")
    if now < begins:
        return fail("certificate-not-yet", f"{what} is not in force yet", "look at the clock, or wait")
    if ends - now < SOON_SECONDS:
        return warn("certificate-ends", f"{what} ends on {until}", "renew it: the file is read again by itself")
    return ok("certificate", f"{what} is in force until {until}")


def _key(pair: Pair, file: Path) -> Iterator[Finding]:
    key = pair.key or file
    try:
        if key.stat().st_mode & 0o077:
            yield warn("key-open", f"{pair.who}: others than its owner may read {key}", f"chmod 600 {key}")
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(file, key, password=_no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            text = f"{pair.who}: {key.name} is not the key of {file.name}"
        else:
            text = f"{pair.who}: {key.name} is no private key in PEM without a password"
        yield fail("key-does-not-fit", text, "name the key that the certificate was requested with")
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        yield fail("key-unreadable", f"{pair.who}: {key}: {why}", "readable by the node's user alone")


def _no_password() -> str:
    """A key with a password would ask on the terminal."""
    return ""


def _linked(chain: list[x509.Certificate]) -> bool:
    try:
        for issued, issuer in pairwise(chain):
            issued.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _has(certificate: x509.Certificate, extension: type[x509.ExtensionType]) -> bool:
    try:
        certificate.extensions.get_extension_for_class(extension)
    except x509.ExtensionNotFound:
        return False
    return True


def _may(certificate: x509.Certificate, usage: x509.ObjectIdentifier) -> bool:
    try:
        listed = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return usage in listed or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in listed
