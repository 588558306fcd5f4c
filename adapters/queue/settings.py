"""Settings of the queue source and sink. The description of each field is its reference page."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import ClassVar, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from adapters.queue import transports
from adapters.queue.transports import Transport


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BrokerTls(_Settings):
    """TLS towards the broker."""

    ca: Path | None = Field(None, description="PEM file of the authorities to trust; the system's where absent.")
    certificate: Path | None = Field(None, description="PEM file with our client certificate chain.")
    key: Path | None = Field(None, description="PEM file with its private key.")
    server_name: str | None = Field(
        None, description="Name the broker's certificate must carry; the host of `url` where absent."
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate and key go together")
        return self


class Broker(_Settings):
    """What a source and a sink have in common: where the queue is, and who we are there."""

    way: ClassVar[str]
    """`in` or `out`."""

    url: str = Field(
        description="`amqps://user@host:5671/vhost`. Without a password: it stands in `password_file` or `password_env`. "
        "`amqp://` in clear text for a broker on this host. `sqs://`, `azureservicebus://` and `kafka://` where "
        "the queues page allows them; every other transport of kombu is refused.",
    )
    password_file: Path | None = Field(
        None, description="File with the password; read anew for every connection, so that it can be changed live."
    )
    password_env: str | None = Field(None, description="Environment variable with the password.")
    plain_text: bool = Field(
        False,
        description="Allows amqp:// to another host than this one. Patient data then crosses the network in clear text.",
    )
    tls: BrokerTls | None = Field(
        None, description="Details of TLS; amqps:// checks the broker's certificate without it too."
    )
    declare: bool = Field(
        False,
        description="Whether to create the queue: durable, of type quorum, with a delivery limit and a queue for dead letters. "
        "False: it must be there, and its type is looked at.",
    )
    delivery_limit: int = Field(
        20,
        ge=1,
        description="With `declare`: how often the broker hands a message out before it goes to the dead letters.",
    )
    dead_letters: str = Field(
        "",
        description="With `declare`: name of the dead-letter exchange and of its queue; `QUEUE.dead-letters` where absent.",
    )
    allow_classic: bool = Field(
        False,
        description="Take a queue that is not a quorum queue, or one whose type our account may not ask. A classic queue "
        "loses its messages with the host it lies on.",
    )
    heartbeat_seconds: int = Field(
        30, ge=2, le=600, description="A broker that is silent for twice as long counts as gone."
    )
    connect_seconds: float = Field(
        10, gt=0, description="Longest wait for a connection and for the broker's answer to a command."
    )
    transport_options: dict[str, str] = Field(
        {}, description="Options of kombu's transport for other URLs than amqp (`region` of SQS)."
    )

    @field_validator("url")
    @classmethod
    def _is_safe(cls, value: str) -> str:
        if not value.isascii() or not value.isprintable() or " " in value or "://" not in value:
            raise ValueError("must look like amqps://user@host:5671/vhost, percent-encoded where needed")
        parts = _split(value)
        transport = transports.of(parts.scheme, cls.way)
        if parts.password is not None:
            raise ValueError("must not carry a password: use password_file or password_env")
        if parts.query or parts.fragment:
            raise ValueError("must not carry a query or a fragment: there is a setting for each of these")
        if transport.amqp and not parts.hostname:
            raise ValueError("names no host")
        return value

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        parts = self.parts
        if self.password_file and self.password_env:
            raise ValueError("password_file and password_env exclude each other")
        if not self.transport.amqp:
            if self.declare:
                raise ValueError("declare is for amqp and amqps")
            return self
        if self.transport_options:
            raise ValueError("transport_options are for other URLs than amqp and amqps")
        if parts.scheme == "amqp" and self.tls is not None:
            raise ValueError("tls needs an url that begins with amqps://")
        if parts.scheme == "amqp" and not self.plain_text and not _is_loopback(parts.hostname or ""):
            raise ValueError("url is amqp:// to another host: use amqps://, or set plain_text: true on purpose")
        if not parts.username and not (self.tls and self.tls.certificate):
            raise ValueError("url names no user, and tls has no client certificate to take its place")
        if parts.username and not (self.password_file or self.password_env):
            raise ValueError("the user of url has no password: set password_file or password_env")
        return self

    @property
    def parts(self) -> SplitResult:
        return _split(self.url)

    @property
    def transport(self) -> Transport:
        return transports.SAFE[self.parts.scheme]


class QueueSource(Broker):
    """A queue of a broker that is read: one queue, one feed."""

    way = "in"

    queue: str = Field(min_length=1, max_length=255, description="Name of the queue.")
    prefetch: int = Field(
        128,
        ge=1,
        le=10_000,
        description="Messages that may be on their way to the disk at once. Each is acknowledged to the broker after its commit.",
    )
    unreadable: Literal["quarantine", "dead-letter"] = Field(
        "quarantine",
        description="What becomes of a message whose header cannot be read. `quarantine`: kept here and acknowledged. "
        "`dead-letter`: kept here too, and rejected, so that the broker moves it to the queue's dead-letter exchange.",
    )
    max_message_bytes: int = Field(
        16 * 1024 * 1024, ge=1024, description="A larger message is kept in quarantine and goes no further."
    )
    memory_bytes: int = Field(
        128 * 1024 * 1024, ge=1024, description="Bytes on their way to the disk, beyond which reading pauses."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.transport.one_at_a_time and self.prefetch != 1:
            raise ValueError("this transport acknowledges whatever was handed out: it needs prefetch: 1")
        return self


class QueueSink(Broker):
    """A subscriber that reads from a queue or behind an exchange."""

    way = "out"

    queue: str | None = Field(
        None, min_length=1, max_length=255, description="Queue to publish to. Either this or `exchange`."
    )
    exchange: str | None = Field(
        None, min_length=1, max_length=255, description="Exchange to publish to; it must be there."
    )
    routing_key: str = Field(
        "",
        max_length=255,
        description="Routing key for the exchange: one for all, so that it can hold no patient data.",
    )
    unroutable: Literal["retry", "refuse"] = Field(
        "retry",
        description="When no queue is bound to take a message: try again later, or end the delivery as a dead letter.",
    )
    content_type: str = Field(
        "",
        description="Media type to say; where absent `application/hl7-v2` or `application/fhir+json` by the first byte.",
    )
    headers: dict[str, str] = Field(
        {}, description="Headers that every message carries, beside `hie-delivery` with the delivery's key."
    )
    confirm_seconds: float = Field(
        30,
        gt=0,
        description="Longest wait for the broker's confirm. Beyond it the outcome is unknown and the same key is sent again.",
    )

    @model_validator(mode="after")
    def _goes_somewhere(self) -> Self:
        if (self.queue is None) == (self.exchange is None):
            raise ValueError("name either a queue or an exchange")
        if self.queue and self.routing_key:
            raise ValueError("routing_key is for an exchange")
        if self.exchange and (self.declare or not self.transport.amqp):
            raise ValueError("an exchange is not declared from here, and only amqp has one")
        return self


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port, parts.hostname
    except ValueError:
        raise ValueError("has no valid host and port") from None
    return parts


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
