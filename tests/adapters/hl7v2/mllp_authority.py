"""A certificate authority in a folder, for tests of TLS: servers, clients, what has expired, what is renewed."""

from __future__ import annotations

import datetime
import ssl
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Pair = tuple[Path, Path]


class Authority:
    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(name, self.key, (x509.DNSName(name),), 9, ca=True)
        self.path = folder / f"{name}.ca.pem"
        self.path.write_bytes(_pem(self.certificate))

    def issue(self, name: str, *, days: int = 9, dns: bool = True, uri: str = "", ip: str = "", file: str = "") -> Pair:
        """Certificate and key of `name`, ending in `days` (negative: ended); written over the earlier ones of `file`."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives: list[x509.GeneralName] = [x509.DNSName(name)] if dns else []
        alternatives += [x509.UniformResourceIdentifier(uri)] if uri else []
        alternatives += [x509.IPAddress(ip_address(ip))] if ip else []
        stem = self.folder / f"{self.name}.{file or name}"
        paths = stem.with_name(f"{stem.name}.pem"), stem.with_name(f"{stem.name}.key")
        private = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))
        paths[0].write_bytes(_pem(self._sign(name, key, alternatives, days)))
        return paths

    def client(self, own: Pair | None = None) -> ssl.SSLContext:
        """The context of a client that trusts this authority and shows `own`."""
        context = ssl.create_default_context(cafile=self.path)
        if own:
            context.load_cert_chain(*own)
        return context

    def server(self, own: Pair) -> ssl.SSLContext:
        """The context of a server that demands a client certificate of this authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*own)
        context.load_verify_locations(self.path)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _sign(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        alternatives: list[x509.GeneralName] | tuple[x509.GeneralName, ...],
        days: int,
        *,
        ca: bool = False,
    ) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if ca else self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=99))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        return builder.sign(self.key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
