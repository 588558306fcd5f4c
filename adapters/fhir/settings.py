"""Settings of the FHIR sink. The description of each field is its reference page."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator


class HttpSink(BaseModel):
    """A subscriber that takes FHIR bundles by HTTP POST."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(
        description="Where bundles are posted: the base of a FHIR server. No user name, query or fragment."
    )
    token_file: Path | None = Field(
        None, description="File with the bearer token; read again whenever it changes, so a token can be rotated live."
    )
    token_env: str | None = Field(None, description="Environment variable with the bearer token.")
    ca: Path | None = Field(None, description="PEM file of the authorities to trust; the usual ones where absent.")
    certificate: Path | None = Field(
        None,
        description="PEM file with our client certificate chain (mutual TLS); read again whenever it changes, like `ca` and `key`.",
    )
    key: Path | None = Field(None, description="PEM file with its private key.")
    plain_text: bool = Field(
        False,
        description="Allows http:// to another host than this one. Patient data then crosses the network in clear text.",
    )
    connect_seconds: float = Field(10, gt=0, description="Longest wait for a connection, TLS included.")
    answer_seconds: float = Field(
        30,
        gt=0,
        description="Longest wait for the whole answer. Beyond it the outcome is unknown and the same key is sent again.",
    )
    idle_seconds: float = Field(60, gt=0, description="An unused connection is closed after this long.")
    max_answer_bytes: int = Field(
        1024 * 1024,
        ge=1024,
        description="Answers are not kept; a longer one costs the connection, not the delivery.",
    )
    idempotent: bool = Field(
        True,
        description="Whether a repeated bundle has no second effect there: true for a server that updates by id or honours "
        "Idempotency-Key.",
    )

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("url must begin with https:// (or http:// for this host) and name a host")
        if not self.url.isascii() or not self.url.isprintable() or " " in self.url:
            raise ValueError("url must be plain ASCII, percent-encoded where needed")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("url must not carry a user name, a query or a fragment: use token_file or token_env")
        if parts.scheme == "http" and not self.plain_text and not _is_loopback(parts.hostname):
            raise ValueError("url is http:// to another host: use https://, or set plain_text: true on purpose")
        if self.token_file and self.token_env:
            raise ValueError("token_file and token_env exclude each other")
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate and key go together")
        return self


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
