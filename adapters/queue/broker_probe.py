"""Whether the broker lets us in and the queue or exchange is there: asked passively, nothing is read, sent or made."""

from __future__ import annotations

from adapters.queue.connection import Line, Lost, peer
from adapters.queue.settings import QueueSink, QueueSource
from hie.errors import TemporaryFailure


def probe(settings: QueueSource | QueueSink) -> str:
    """The entry named in manifest.toml (hie.ports.Probe)."""
    where = peer(settings)
    try:
        line = Line(settings)
    except Lost as error:
        hint = "is it running? address, user, password, virtual host, certificate"
        raise TemporaryFailure(f"{where}: {error.reason}", code="broker", hint=hint) from None
    exchange = settings.exchange if isinstance(settings, QueueSink) else None
    try:
        if not line.amqp:
            return f"{where} lets us in"
        if exchange:
            line.do(line.channel.exchange_declare, exchange=exchange, type="direct", passive=True)
        elif not settings.declare_queue:
            line.do(line.channel.queue_declare, queue=settings.queue, passive=True)
    except Lost as error:
        what = "exchange" if exchange else "queue"
        hint = f"the {what} must be there, and our user may use it"
        raise TemporaryFailure(f"{where}: {what}: {error.reason}", code="broker", hint=hint) from None
    finally:
        line.close()
    return f"{where} lets us in, and {'the exchange' if exchange else 'the queue'} is there"
