"""Answers to HL7v2 messages (chapter 2, "message acknowledgment"): pure, bytes in and bytes out.

Original mode answers once, AA, AE or AR: AA says that the message is stored, no more. Enhanced mode, asked for by
MSH-15 or MSH-16, answers CA, CE or CR at the commit and AA, AE or AR for the application, each under the condition of
table 0155. MSA-2 is MSH-10 byte for byte; the delimiters, MSH-11, MSH-12 and MSH-18 are the sender's own, so that a
sender which can read what it wrote can read the answer.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Sequence
from enum import Enum
from functools import lru_cache

from adapters.hl7v2.peek import ANSWERS, Header
from hie.model import Acknowledgement

CONDITIONS = {
    0: "Message accepted",
    100: "Segment sequence error",
    101: "Required field missing",
    102: "Data type error",
    103: "Table value not found",
    200: "Unsupported message type",
    201: "Unsupported event code",
    202: "Unsupported processing id",
    203: "Unsupported version id",
    204: "Unknown key identifier",
    205: "Duplicate key identifier",
    206: "Application record locked",
    207: "Application internal error",
}
"""HL7 table 0357."""

ACCEPTED = Acknowledgement("AA")
COMMIT = {"AA": "CA", "AE": "CE", "AR": "CR"}
_OLD = frozenset({b"2.0", b"2.0D", b"2.1", b"2.2", b"2.3", b"2.3.1", b"2.4"})
_BEFORE_STRUCTURE = frozenset({b"2.0", b"2.0D", b"2.1", b"2.2", b"2.3"})

_prefix = f"{os.getpid():x}{time.time_ns() // 1000:x}".encode()
_numbers = itertools.count(1)
_second: tuple[int, bytes] = (0, b"")


class Wait(Enum):
    """What the answer to a stored message waits for."""

    NOTHING = "nothing"
    READING = "reading"
    BOTH = "both"
    """The commit is answered at once, the application's answer waits for the reading."""


def wait_for(header: Header, mode: str, *, after_decode: bool) -> Wait:
    """`after_decode`: AA says that the message could be read, not only that it is stored."""
    accept, application = header.first(15).upper(), header.first(16).upper()
    if mode == "original" or (mode == "sender" and not accept and not application):
        return Wait.READING if after_decode else Wait.NOTHING
    return Wait.BOTH if mode == "sender" and application not in (b"", b"NE") else Wait.NOTHING


def answers(
    header: Header, outcome: Acknowledgement, mode: str = "sender", *, commit_only: bool = False
) -> list[bytes]:
    """The payloads to send back, in order: none, one, or (enhanced mode with both levels asked for) two.
    `commit_only` leaves the application's out.

    `mode`: `sender` follows MSH-15 and MSH-16; `original` always answers once with AA, AE or AR; `commit` always
    once with CA, CE or CR; `none` never.
    """
    if mode == "none" or header.type in ANSWERS:
        return []
    if mode == "original":
        return [acknowledge(header, outcome)]
    accept, application = header.first(15).upper(), header.first(16).upper()
    commit = outcome._replace(code=COMMIT.get(outcome.code, outcome.code))
    if mode == "commit":
        return [acknowledge(header, commit)]
    if not accept and not application:
        return [acknowledge(header, outcome)]
    good = outcome.code in ("AA", "CA")
    replies = []
    if wanted(accept, good):
        replies.append(acknowledge(header, commit))
    # what is refused at the commit never reaches an application, unless nobody asked for the commit level
    if not commit_only and wanted(application, good) and (good or not replies):
        replies.append(acknowledge(header, outcome))
    return replies


def wanted(condition: bytes, good: bool) -> bool:
    """Whether a reply is due under a condition of table 0155; an unknown condition is taken as AL."""
    if condition in (b"", b"NE"):
        return False
    if condition == b"ER":
        return not good
    if condition == b"SU":
        return good
    return True


def acknowledge(header: Header, outcome: Acknowledgement) -> bytes:
    """One acknowledgement message, without frame bytes."""
    sep, fields = header.separator, header.fields
    start, end = _frame_of_msh(
        sep,
        header.component,
        fields[2],
        fields[3],
        fields[4],
        fields[5],
        fields[6],
        fields[9],
        fields[11],
        fields[12],
        fields[18],
    )
    msa = sep.join((b"\rMSA", outcome.code.encode(), fields[10]))
    error = b"\r" + _error(header, outcome, header.first(12)) if outcome.err else b""
    return b"".join((start, _now(), end[0], _control_id(), end[1], msa, error, b"\r"))


@lru_cache(maxsize=512)
def _frame_of_msh(
    sep: bytes,
    comp: bytes,
    marks: bytes,
    application: bytes,
    facility: bytes,
    to_application: bytes,
    to_facility: bytes,
    kind: bytes,
    processing: bytes,
    version: bytes,
    charset: bytes,
) -> tuple[bytes, tuple[bytes, bytes]]:
    """The MSH of the answer without its two changing fields: up to MSH-7, between MSH-7 and MSH-10, after MSH-10."""
    trigger = kind.split(comp)[1:2]
    answer = b"ACK"
    if trigger and trigger[0]:
        answer += comp + trigger[0]
        if version.split(comp, 1)[0].strip() not in _BEFORE_STRUCTURE:
            answer += comp + b"ACK"
    start = sep.join((b"MSH" + sep + (marks or b"^~\\&"), to_application, to_facility, application, facility, b""))
    middle = sep.join((b"", b"", answer, b""))
    rest = [b"", processing or b"P", version or b"2.5.1"]
    if charset:
        rest += [b"", b"", b"", b"", b"", charset]
    return start, (middle, sep.join(rest))


def acknowledge_batch(batch_header: bytes, replies: Sequence[bytes]) -> bytes:
    """The replies to the messages of a batch as one batch. `batch_header` is the sender's BHS or FHS."""
    sep = batch_header[3:4] or b"|"
    sent = batch_header.split(sep)
    sent += [b""] * (12 - len(sent))
    head = [
        b"BHS",
        sent[1] or b"^~\\&",
        sent[4],
        sent[5],
        sent[2],
        sent[3],
        _now(),
        b"",
        b"",
        b"",
        _control_id(),
        sent[10],
    ]
    return sep.join(head) + b"\r" + b"".join(replies) + b"BTS" + sep + str(len(replies)).encode() + b"\r"


def _error(header: Header, outcome: Acknowledgement, version: bytes) -> bytes:
    """ERR of version 2.5 and later (ERR-2 to 4 and 7), or ERR-1 before that. Texts are ours, never the message's."""
    sep, comp, sub = header.separator, header.component, header.subcomponent
    condition = CONDITIONS.get(outcome.err, CONDITIONS[207]).encode()
    code = str(outcome.err).encode()
    segment, _, field = outcome.where.partition("-")
    place = [segment.encode(), b"1", field.encode()] if segment else []
    if version in _OLD:
        place += [b""] * (3 - len(place))
        return b"ERR" + sep + comp.join([*place, sub.join([code, condition, b"HL70357"])])
    where = comp.join(part for part in place if part)
    text = outcome.text.encode("ascii", "replace")
    for mark in (sep, comp, header.repetition, sub, b"\r", b"\n"):
        text = text.replace(mark, b" ")
    return sep.join([b"ERR", b"", where, comp.join([code, condition, b"HL70357"]), b"E", b"", b"", text])


def _control_id() -> bytes:
    """At most 20 characters, as versions before 2.7 demand."""
    return (_prefix[-12:] + b"%x" % next(_numbers))[-20:]


def _now() -> bytes:
    global _second
    second = int(time.time())
    if second != _second[0]:
        _second = (second, time.strftime("%Y%m%d%H%M%S+0000", time.gmtime(second)).encode())
    return _second[1]
