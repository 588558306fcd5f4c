"""One connection to a broker, used by one thread. What kombu and its transports raise stays behind here.

kombu is synchronous and has no types; `Line` is the little of it that is needed. Texts of its exceptions are never
shown: they may hold an address with its credentials, or what a message held.
"""

from __future__ import annotations

import os
import random
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

from adapters.queue.settings import Broker
from hie.errors import ConfigurationError

BEATS = 4
"""Looks at the heartbeat in one interval."""


class Lost(Exception):
    """The connection or the channel has ended. `reason` is a word for the log; `code` the broker's reply code or 0."""

    def __init__(self, reason: str, code: int = 0, text: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.text = text
        """What the broker said: names of queues and arguments. Not for logs."""


class Line:
    """An open connection with one channel."""

    def __init__(self, settings: Broker) -> None:
        self.amqp = settings.transport.amqp
        self.blocked = False
        """Whether the broker has stopped taking messages (its memory or disk alarm)."""
        self._settings = settings
        self._connection = _connection(settings, self._blocked, self._unblocked)
        self._beat_at = 0.0
        try:
            # kombu's own retries wait, and it is for the caller to say how long
            self._connection.ensure_connection(
                max_retries=1, interval_start=0, interval_step=0, interval_max=0, reraise_as_library_errors=False
            )
            if self.amqp:
                # every wait without a limit of its own, for the answer to a command say, ends too
                self._connection.connection.transport.sock.settimeout(settings.connect_seconds)
            self.channel: Any = self.new_channel()
        except Exception as error:
            self.drop()
            raise lost(error) from None

    def new_channel(self) -> Any:
        channel = self._connection.channel()
        channel.auto_decode = False  # bodies are bytes, whatever content-encoding says
        return channel

    def do(self, work: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        """Runs one command. Raises Lost."""
        try:
            return work(*arguments, **more)
        except Exception as error:
            raise lost(error) from None

    def drain(self, seconds: float) -> bool:
        """Waits for one event and lets it happen; False where none came. Raises Lost."""
        try:
            self._connection.drain_events(timeout=seconds)
        except TimeoutError:
            return False
        except Exception as error:
            raise lost(error) from None
        return True

    def beat(self) -> None:
        """To be called now and then: sends a heartbeat where one is due. Raises Lost where the broker is silent."""
        now = time.monotonic()
        if self.amqp and now >= self._beat_at:
            self._beat_at = now + self._settings.heartbeat_seconds / BEATS
            self.do(self._connection.heartbeat_check, BEATS)

    def close(self) -> None:
        """Ends in order: the broker has seen everything that was sent before."""
        with suppress(Exception):
            self.channel.close()
        self.drop()

    def drop(self) -> None:
        """Ends at once, without a word to the broker."""
        with suppress(Exception):
            self._connection.collect()

    def _blocked(self, reason: str) -> None:
        self.blocked = True

    def _unblocked(self) -> None:
        self.blocked = False


class Backoff:
    """Waits between attempts: doubling up to `longest`, half of each at random."""

    def __init__(self, first: float, longest: float, chance: random.Random | None = None) -> None:
        self._first = first
        self._longest = longest
        self._chance = chance or random.Random()
        self.failures = 0

    def next(self) -> float:
        wait = min(self._longest, self._first * 2.0 ** min(self.failures, 30))
        self.failures += 1
        return wait * self._chance.uniform(0.5, 1.0)

    def reset(self) -> None:
        self.failures = 0


def lost(error: Exception) -> Lost:
    """What kombu or a transport raised, without its text."""
    if isinstance(error, Lost):
        return error
    if isinstance(error, ConfigurationError):
        return Lost(error.code)
    code = int(getattr(error, "reply_code", 0) or 0)
    words = {
        403: "access-refused",
        404: "not-found",
        406: "precondition-failed",
        530: "not-allowed",
        320: "closed-by-broker",
    }
    if isinstance(error, ssl.SSLError):
        reason = "tls-" + (error.reason or "handshake").lower().replace("_", "-")
    elif isinstance(error, ConnectionRefusedError):
        reason = "refused"
    elif isinstance(error, TimeoutError):
        reason = "timeout"
    elif isinstance(error, OSError):
        reason = "connection-lost"
    else:
        reason = words.get(code) or type(error).__name__
    return Lost(reason, code, str(getattr(error, "reply_text", "") or ""))


def peer(settings: Broker) -> str:
    """Host and virtual host, for logs and the journal: never the user."""
    parts = settings.parts
    return f"{parts.scheme}:{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path.rstrip('/')}"


def _connection(settings: Broker, blocked: Callable[[str], None], unblocked: Callable[[], None]) -> Any:
    # late: it costs more than all of intake, and only a feed that reads a queue needs it
    from kombu.connection import Connection

    parts, transport = settings.parts, settings.transport
    options: dict[str, Any] = {k: int(v) if v.isdigit() else v for k, v in settings.transport_options.items()}
    if transport.amqp:
        options = {
            "on_blocked": blocked,
            "on_unblocked": unblocked,
            "client_properties": {"product": "hie", "connection_name": "hie"},
        }
    user = unquote(parts.username) if parts.username else None
    connect: Any = Connection
    return connect(
        hostname=parts.hostname,
        port=parts.port,
        userid=user,
        password=_password(settings),
        # as in every amqp URL: `/` alone, or nothing, is the default virtual host
        virtual_host=unquote(parts.path[1:]) or "/",
        transport=transport.kombu,
        connect_timeout=settings.connect_seconds,
        heartbeat=settings.heartbeat_seconds if transport.amqp else 0,
        ssl=_tls(settings) if parts.scheme == "amqps" else False,
        login_method=("PLAIN" if user else "EXTERNAL") if transport.amqp else None,
        transport_options=options,
    )


def _tls(settings: Broker) -> dict[str, Any]:
    tls = settings.tls
    # py-amqp checks the name only where one is given
    found: dict[str, Any] = {
        "server_hostname": (tls and tls.server_name) or settings.parts.hostname,
        "cert_reqs": ssl.CERT_REQUIRED,
        "tls_minimum_version": ssl.TLSVersion.TLSv1_2,
    }
    if tls and tls.ca:
        found["ca_certs"] = str(tls.ca)
    if tls and tls.certificate:
        found |= {"certfile": str(tls.certificate), "keyfile": str(tls.key)}
    return found


def _password(settings: Broker) -> str | None:
    """Raises ConfigurationError where it is not where the settings say."""
    if settings.password_env:
        found = os.environ.get(settings.password_env)
        if not found:
            raise ConfigurationError("the environment variable of password_env is not set", code="no-password")
        return found
    if settings.password_file:
        try:
            return settings.password_file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise ConfigurationError("password_file cannot be read", code="no-password") from None
    return None
