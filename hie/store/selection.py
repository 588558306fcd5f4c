"""Which deliveries or messages an operator means. All that is set must hold; nothing set is no selection."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from hie.errors import HieError
from hie.model import DeliveryState, MessageOutcome
from hie.store.tables import delivery, message, record

REDELIVERABLE = (
    DeliveryState.DELIVERED,
    DeliveryState.DELIVERED_REDACTED,
    DeliveryState.DENIED,
    DeliveryState.WITHHELD,
    DeliveryState.DEAD_LETTERED,
)
"""Outcomes after which the same delivery may be asked for again."""
_TAKEN_BACK = (DeliveryState.SUPERSEDED, DeliveryState.PURGED, DeliveryState.EXPIRED)
KEPT_BACK = (MessageOutcome.QUARANTINED, MessageOutcome.REJECTED)
_BYTES_ALONE = ("empty", "tapped")


@dataclass(frozen=True, slots=True)
class Selection:
    messages: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    """Ids of deliveries."""
    feed: str = ""
    subscriber: str = ""
    patient: str = ""
    """Enterprise id."""
    since: float | None = None
    """Received at or after, epoch seconds."""
    until: float | None = None
    """Received before."""
    outcomes: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    everything: bool = False

    @classmethod
    def of(cls, given: dict[str, Any]) -> Selection:
        """From JSON. Raises HieError where nothing is chosen, or something that there is not."""
        unknown = set(given) - {field.name for field in fields(cls)}
        if unknown:
            raise HieError(f"nothing can be chosen by {', '.join(sorted(unknown))}", code="nothing-chosen")
        plain: dict[str, Any] = {n: tuple(value) if isinstance(value, list) else value for n, value in given.items()}
        made = cls(**plain)
        if made == cls():
            raise HieError(
                "nothing is chosen",
                code="nothing-chosen",
                hint="name messages, a feed, a subscriber, a patient, a time, an outcome or a reason, or --all",
            )
        return made

    def plain(self) -> dict[str, Any]:
        """As JSON: what is set."""
        return {name: value for name, value in asdict(self).items() if value not in ((), "", None, False)}

    # -- deliveries

    def deliveries(self, records: Collection[int] | None = None) -> Select[Any]:
        """The last delivery of each record to each subscriber, where it is chosen. `records`: those of the patient."""
        newest = delivery.alias("newest")
        last = (
            select(func.max(newest.c.id))
            .where(
                newest.c.message_id == delivery.c.message_id,
                newest.c.idx == delivery.c.idx,
                newest.c.subscriber == delivery.c.subscriber,
                newest.c.state.not_in(_TAKEN_BACK),
            )
            .scalar_subquery()
        )
        states = self.outcomes or REDELIVERABLE
        return select(delivery).where(delivery.c.state.in_(states), delivery.c.id == last, *self._of(records))

    def dead_letters(self, records: Collection[int] | None = None) -> Select[Any]:
        return select(delivery).where(delivery.c.state == DeliveryState.DEAD_LETTERED, *self._of(records))

    def _of(self, records: Collection[int] | None) -> list[ColumnElement[bool]]:
        d = delivery.c
        found = self._when(d.received_at) + self._why(d.reason)
        if self.messages:
            found.append(d.message_id.in_(self.messages))
        if self.numbers:
            found.append(d.id.in_(self.numbers))
        if self.subscriber:
            found.append(d.subscriber == self.subscriber)
        if records is not None:
            found.append(d.mpi_record.in_(records))
        if self.feed:
            found.append(d.message_id.in_(select(message.c.id).where(message.c.feed == self.feed)))
        return found

    # -- messages

    def readable(self, records: Collection[int] | None = None) -> Select[Any]:
        """Messages that can be read again: routed ones and those in quarantine."""
        outcomes = self.outcomes or (MessageOutcome.ROUTED, MessageOutcome.QUARANTINED)
        return self._messages(outcomes, records).where(message.c.reason.not_in(_BYTES_ALONE))

    def quarantine(self, records: Collection[int] | None = None) -> Select[Any]:
        """Messages that were kept but not understood or refused, and are not put right."""
        return self._messages(self.outcomes or KEPT_BACK, records).where(message.c.resolved_at.is_(None))

    def _messages(self, outcomes: Collection[str], records: Collection[int] | None) -> Select[Any]:
        m = message.c
        query = select(message).where(m.outcome.in_(outcomes), *self._when(m.received_at), *self._why(m.reason))
        if self.messages:
            query = query.where(m.id.in_(self.messages))
        if self.feed:
            query = query.where(m.feed == self.feed)
        if records is not None:
            query = query.where(m.id.in_(select(record.c.message_id).where(record.c.mpi_record.in_(records))))
        if self.subscriber:
            query = query.where(m.id.in_(select(delivery.c.message_id).where(delivery.c.subscriber == self.subscriber)))
        return query

    def _when(self, column: ColumnElement[float]) -> list[ColumnElement[bool]]:
        found = [column >= self.since] if self.since is not None else []
        return [*found, column < self.until] if self.until is not None else found

    def _why(self, column: ColumnElement[str]) -> list[ColumnElement[bool]]:
        return [column.in_(self.reasons)] if self.reasons else []
