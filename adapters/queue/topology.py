"""The queue at the broker: made where we may, otherwise looked at before anything is read from it or sent to it.

A quorum queue keeps what it has confirmed when a host is lost, gives back what was not acknowledged and counts how often
it did. Asking for the type is a declaration that must agree with what is there: the broker names one difference
at a time, and differences in other arguments are taken over until only the type could differ.
"""

from __future__ import annotations

import re
from typing import Any, Final

from adapters.queue.connection import Line, Lost
from adapters.queue.settings import Broker
from hie.errors import ConfigurationError

QUORUM: Final = {"x-queue-type": "quorum"}
ACCESS_REFUSED, NOT_FOUND, PRECONDITION_FAILED = 403, 404, 406
_DIFFERS = re.compile(r"inequivalent arg '([^']+)'.*current is (?:none|(?:the value )?'([^']*)'(?: of type '(\w+)')?)")
_MOST_ARGUMENTS = 16


def ensure(line: Line, settings: Broker, queue: str) -> None:
    """Makes or checks `queue`. Raises ConfigurationError (`queue-missing`, `queue-not-quorum`, `queue-differs`,
    `queue-type-unknown`) or Lost."""
    if not line.amqp:
        return
    if settings.declare:
        _declare(line, settings, queue)
        return
    if _asked(line, queue, passive=True).code == NOT_FOUND:
        raise ConfigurationError(
            "the queue does not exist at the broker", code="queue-missing", hint="create it there, or set declare: true"
        )
    if not settings.allow_classic:
        _expect_quorum(line, queue)


def arguments(settings: Broker, queue: str) -> dict[str, Any]:
    """What a queue is declared with. Dead letters move only once the other queue has confirmed them. A queue that is read
    has one reader at a time: else a new connection would get later messages while the broker still believes in the old one.
    """
    reader = {"x-single-active-consumer": True} if settings.way == "in" else {}
    return {
        **reader,
        **QUORUM,
        "x-delivery-limit": settings.delivery_limit,
        "x-dead-letter-exchange": dead_letters(settings, queue),
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


def dead_letters(settings: Broker, queue: str) -> str:
    return settings.dead_letters or f"{queue}.dead-letters"


def _declare(line: Line, settings: Broker, queue: str) -> None:
    dead = dead_letters(settings, queue)
    channel = line.channel
    line.do(channel.exchange_declare, dead, "fanout", durable=True, auto_delete=False)
    line.do(channel.queue_declare, dead, durable=True, auto_delete=False, arguments=QUORUM)
    line.do(channel.queue_bind, dead, dead)
    answer = _asked(line, queue, arguments=arguments(settings, queue))
    if answer.code == PRECONDITION_FAILED:
        found = _DIFFERS.search(answer.text)
        raise ConfigurationError(
            f"the queue exists with another {found[1] if found else 'declaration'}",
            code="queue-differs",
            hint="set declare: false to take it as it is, or delete it there while it is empty",
        )


def _expect_quorum(line: Line, queue: str) -> None:
    wanted: dict[str, Any] = dict(QUORUM)
    for _ in range(_MOST_ARGUMENTS):
        answer = _asked(line, queue, arguments=wanted)
        if not answer.code:
            return
        if answer.code == ACCESS_REFUSED:
            raise ConfigurationError(
                "our account may not ask for the type of the queue",
                code="queue-type-unknown",
                hint="give it the configure permission for this queue, or set allow_classic: true once you know the type",
            )
        found = _DIFFERS.search(answer.text)
        if found is None or found[1] in wanted or not found[1].startswith("x-"):
            break
        wanted[found[1]] = _typed(found[2], found[3])
    raise ConfigurationError(
        "the queue is not a quorum queue: its messages are lost with the host it lies on",
        code="queue-not-quorum",
        hint="create it with x-queue-type quorum, or set allow_classic: true on purpose",
    )


def _asked(line: Line, queue: str, *, passive: bool = False, arguments: dict[str, Any] | None = None) -> Lost:
    """Declares on a channel of its own, since a refusal ends the channel; `code` 0 where the broker agreed."""
    channel = line.do(line.new_channel)
    try:
        line.do(
            channel.queue_declare, queue, passive=passive, durable=True, auto_delete=False, arguments=arguments or {}
        )
    except Lost as error:
        if error.code not in (ACCESS_REFUSED, NOT_FOUND, PRECONDITION_FAILED):
            raise
        return error
    finally:
        line.do(channel.close)
    return Lost("agreed")


def _typed(value: str, kind: str | None) -> Any:
    if kind == "bool":
        return value == "true"
    return int(value) if kind != "longstr" and value.lstrip("-").isdigit() else value
