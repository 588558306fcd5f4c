"""What the bytes of a frame tell before anything is stored. Pure, so that a large frame can be looked at in a thread."""

from __future__ import annotations

from typing import NamedTuple

from adapters.hl7v2.batch import split
from adapters.hl7v2.peek import ANSWERS, Header, Policy, check, header_of, keys, quirks, read_header
from hie.errors import Rejected
from hie.model import Acknowledgement, Batch, Keys

SEVERAL = Acknowledgement("AR", 200, "MSH", "one message a frame is taken here")


class Peeked(NamedTuple):
    """One message: `refusal` where its header does not allow to take it. An acknowledgement is neither stored nor answered."""

    raw: bytes
    header: Header
    keys: Keys | None
    refusal: Acknowledgement | None
    acknowledgement: bool = False


class Examined(NamedTuple):
    """One frame. `batch.header` is the envelope that is answered as a whole, b"" where there is none."""

    odd: tuple[str, ...]
    batch: Batch
    messages: tuple[Peeked, ...]


def examine(payload: bytes, policy: Policy, *, refuse_batches: bool) -> Examined:
    odd, batch = quirks(payload), split(payload)
    alone = len(batch.messages) == 1 and not batch.header
    if alone:
        return Examined(odd, Batch((payload,)), (_peek(payload, policy),))
    if refuse_batches or not batch.messages:
        return Examined(odd, Batch((payload,)), (Peeked(payload, header_of(payload), None, SEVERAL),))
    return Examined(odd, batch, tuple(_peek(message, policy) for message in batch.messages))


def _peek(raw: bytes, policy: Policy) -> Peeked:
    found: Keys | None = None
    header: Header | None = None
    try:
        header = read_header(raw)
        if header.type in ANSWERS:
            return Peeked(raw, header, None, None, acknowledgement=True)
        found = keys(header, raw)
        check(header, policy)
    except Rejected as refused:
        refusal = Acknowledgement(refused.ack, refused.err, refused.where, refused.text)
        return Peeked(raw, header or header_of(b""), found, refusal)
    return Peeked(raw, header, found, None)
