"""An arrival on its way into the journal: what is computed before the transaction, and the columns it becomes."""

from __future__ import annotations

from hashlib import sha256

from hie.intake.dedupe import Fingerprint, Window, fingerprint
from hie.intake.lanes import lane_of_all
from hie.intake.payload import Seal, pack
from hie.model import Arrival, Keys

KEY_SEPARATOR = "\x1f"


class Row:
    """One row to be written. `fingerprint` is None where it is not looked for among earlier ones (refused)."""

    __slots__ = (
        "arrival",
        "control_id",
        "duplicate_of",
        "fingerprint",
        "flags",
        "keys",
        "message_id",
        "received_at",
        "sha256",
        "since",
    )

    def __init__(self, arrival: Arrival, received_at: float, window: Window) -> None:
        self.arrival = arrival
        self.received_at = received_at
        self.keys = arrival.keys or Keys(arrival.format, b"", "", ())
        self.control_id = self.keys.control_id
        self.flags = arrival.flags
        self.sha256 = sha256(arrival.raw).digest()
        self.since = received_at - window.seconds
        self.duplicate_of: Row | str = ""
        self.message_id = ""
        self.fingerprint: Fingerprint | None = None
        if arrival.refusal is None and window.seconds > 0:
            self.fingerprint = fingerprint(
                arrival.feed, arrival.format, self.control_id, arrival.raw, self.sha256, window
            )

    def repeat(self, first: Row | str) -> None:
        """This row repeats an earlier one; it will never be the first of its kind."""
        self.duplicate_of = first
        self.fingerprint = None

    def flag(self, name: str) -> None:
        self.flags = (*self.flags, name)

    def values(self, seq: int, seal: Seal | None) -> tuple[object, ...]:
        """Column values in the order of dayfile.COLUMNS."""
        arrival, keys, refusal = self.arrival, self.keys, self.arrival.refusal
        packed = pack(arrival.raw, seal)
        mark = self.fingerprint
        return (
            seq,
            self.received_at,
            arrival.feed,
            arrival.format,
            arrival.source,
            keys.control_id,
            keys.event,
            keys.sender,
            keys.processing,
            KEY_SEPARATOR.join(keys.ordering),
            lane_of_all(arrival.feed, keys.ordering),
            " ".join(self.flags),
            None if refusal is None else refusal.code,
            None if refusal is None else refusal.err,
            None if refusal is None else refusal.where,
            None if refusal is None else refusal.text,
            self.duplicate_of,
            self.sha256,
            None if mark is None else mark.identity,
            None if mark is None else mark.content,
            packed.codec,
            packed.key_id,
            packed.data,
        )


def prepare(arrival: Arrival, received_at: float, window: Window | None) -> Row:
    return Row(arrival, received_at, window or Window())
