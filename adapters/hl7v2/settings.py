"""Settings of the MLLP source and sink. The description of each field is its reference page."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, model_validator

LOOPBACK: tuple[IPv4Network | IPv6Network, ...] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MllpSource(_Settings):
    """An MLLP listener: one address, one feed."""

    host: str = Field("127.0.0.1", description="Address to listen on. 0.0.0.0 opens the feed to the network.")
    port: int = Field(2575, ge=0, le=65535, description="TCP port. 0 takes any free one (tests).")
    sources: tuple[IPvAnyNetwork, ...] = Field(
        LOOPBACK,
        description="Networks that may connect. Without TLS this is the feed's only credential, so it begins with this host alone.",
    )
    max_frame_bytes: int = Field(
        16 * 1024 * 1024, ge=1024, description="A larger message is answered AR 207 and the connection closed."
    )
    memory_bytes: int = Field(
        128 * 1024 * 1024,
        ge=1024,
        description="Bytes of unfinished and uncommitted messages over all connections of this listener, within the "
        "`workers.memory` of the node. Beyond either, reading pauses.",
    )
    junk_bytes: int = Field(
        65_536,
        ge=0,
        description="Bytes outside frames, since the last good message, after which the connection is closed.",
    )
    first_byte_seconds: float = Field(
        30, gt=0, description="A new connection must begin its first message within this time."
    )
    inter_byte_seconds: float = Field(30, gt=0, description="Longest silence inside a message.")
    frame_seconds: float = Field(
        300, gt=0, description="Longest time from the first to the last byte of a message, against senders that drip."
    )
    idle_seconds: float = Field(1800, gt=0, description="A connection without a message for this long is closed.")
    write_seconds: float = Field(
        30, gt=0, description="A sender that does not read its acknowledgements for this long is closed."
    )
    max_connections: int = Field(
        1000, ge=1, description="Open connections in total. At the cap the longest idle one gives way to the new one."
    )
    max_connections_per_address: int = Field(100, ge=1, description="The same cap for one source address.")
    reconnect: Literal["keep", "replace"] = Field(
        "keep",
        description="What a new connection does to the earlier ones of the same source (the name of its certificate, else its "
        "address): `replace` ends them, for a sender with one socket, whose dead one would otherwise stay until it is idle too long.",
    )
    max_pipelined: int = Field(
        256, ge=1, description="Messages of one connection that may wait for their commit before reading pauses."
    )
    max_refused_in_row: int = Field(
        20, ge=1, description="Refused messages in a row after which the connection is closed."
    )
    acknowledge: Literal["sender", "original", "commit", "none"] = Field(
        "sender",
        description="`sender` follows MSH-15 and MSH-16 and answers in original mode where both are empty; `original` always "
        "answers AA, AE or AR once (for senders that ask for more than they understand); `commit` always CA, CE or CR once; "
        "`none` never answers.",
    )
    ack: Literal["after-commit", "after-decode"] = Field(
        "after-commit",
        description="What AA says: `after-commit` that the message is stored; `after-decode` that it is stored and could be read. "
        "What cannot be read is then answered AE or AR (its bytes are stored and quarantined all the same), and what is not read "
        "in time AE 207: stored, and a resend is recognised as the same message. An answer that MSH-16 asks for beside the one of "
        "MSH-15 always waits for the reading.",
    )
    decode_seconds: float = Field(
        10, gt=0, description="Longest wait for the reading, where an answer waits for it; then AE 207."
    )
    unknown_version: Literal["refuse", "accept"] = Field(
        "refuse", description="A version not in table 0104: AR 203, or take it."
    )
    unknown_type: Literal["refuse", "accept"] = Field(
        "refuse",
        description="A message type not in table 0076: AR 200 or 201, or take it and let it park where it cannot be read.",
    )
    no_control_id: Literal["refuse", "accept"] = Field(
        "refuse",
        description="A message without MSH-10: AE 101, or take it. The answer to a taken one has an empty MSA-2, which only a "
        "sender that sends one message at a time can use.",
    )
    batches: Literal["split", "refuse"] = Field(
        "split", description="Several messages in one frame: store and answer each, or refuse the frame with AR 200."
    )
    no_start: Literal["skip", "accept"] = Field(
        "skip",
        description="A message without the VT byte before it: skip it as junk, or take it (for known old devices).",
    )
    tls: MllpServerTls | None = Field(None, description="TLS for this listener; without it the feed is in clear text.")


class MllpServerTls(_Settings):
    """TLS of a listener. The files are read again when they change; connections that are open go on as they are."""

    certificate: Path = Field(description="PEM file with the certificate chain of this host.")
    key: Path = Field(description="PEM file with the private key.")
    client_ca: Path | None = Field(
        None,
        description="PEM file of the authorities whose client certificates are taken. Set, a client must show one.",
    )
    names: tuple[str, ...] = Field(
        (),
        description="Names of which the client certificate must carry one: they bind the feed to its sender. None listed: any "
        "client of `client_ca`.",
    )
    names_from: tuple[Literal["dns", "uri", "ip", "cn"], ...] = Field(
        ("dns", "uri", "ip", "cn"),
        min_length=1,
        description="Where those names may stand: DNS, URI and IP are subject alternative names; `cn`, the common name, counts "
        "where the certificate carries no alternative name, or where it alone is listed.",
    )
    handshake_seconds: float = Field(10, gt=0, description="Longest handshake.")

    @model_validator(mode="after")
    def _names_need_certificates(self) -> Self:
        if self.names and self.client_ca is None:
            raise ValueError("names needs client_ca: without it no client shows a certificate")
        return self


class MllpClientTls(_Settings):
    """TLS towards a subscriber. The files are read again when they change, for the next connection."""

    ca: Path | None = Field(None, description="PEM file of the authorities to trust; the system's where absent.")
    certificate: Path | None = Field(None, description="PEM file with our client certificate chain.")
    key: Path | None = Field(None, description="PEM file with its private key.")
    server_name: str | None = Field(None, description="Name the server's certificate must carry; `host` where absent.")

    @model_validator(mode="after")
    def _key_and_certificate(self) -> Self:
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate and key go together")
        return self


class MllpSink(_Settings):
    """A subscriber that listens for MLLP."""

    host: str = Field(description="Address of the subscriber.")
    port: int = Field(ge=1, le=65535, description="Its TCP port.")
    connect_seconds: float = Field(10, gt=0, description="Longest wait for a connection.")
    ack_seconds: float = Field(
        30,
        gt=0,
        description="Longest wait for the acknowledgement; then the connection is closed, so that a late one is never matched to the next message.",
    )
    idle_seconds: float = Field(300, gt=0, description="An unused connection is opened anew after this long.")
    max_answer_bytes: int = Field(1024 * 1024, ge=1024, description="Largest acknowledgement that is read.")
    tls: MllpClientTls | None = Field(None, description="TLS towards this subscriber.")


MllpSource.model_rebuild()
