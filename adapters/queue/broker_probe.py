"""Whether the broker lets us in and the queue or exchange is there and of the right type: nothing is read, sent or made."""

from __future__ import annotations

from adapters.queue import topology
from adapters.queue.connection import Line, Lost, peer
from adapters.queue.settings import QueueSink, QueueSource
from hie.errors import ConfigurationError, TemporaryFailure


def probe(settings: QueueSource | QueueSink) -> str:
    """The entry named in manifest.toml. Says what was found. Raises TemporaryFailure or ConfigurationError."""
    where = peer(settings)
    try:
        line = Line(settings)
    except Lost as error:
        hint = "is it running? address, user, password, virtual host, certificate"
        raise TemporaryFailure(f"{where}: {error.reason}", code="broker", hint=hint) from None
    exchange = settings.exchange if isinstance(settings, QueueSink) else None
    try:
        if exchange:
            line.do(line.channel.exchange_declare, exchange, "direct", passive=True)
            return f"{where} lets us in, and the exchange is there"
        if settings.declare or not line.amqp:
            return f"{where} lets us in"
        topology.ensure(line, settings, settings.queue or "")
    except Lost as error:
        hint = "it must be there, and our user may use it"
        raise TemporaryFailure(f"{where}: {error.reason}", code="broker", hint=hint) from None
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error.text}", code=error.code, hint=error.hint) from None
    finally:
        line.close()
    return f"{where} lets us in, and the queue is as it must be"
