"""Verification: is the log what was written, and does it end where it was sealed?

Finds a changed, inserted or removed record, a tail that was cut, a rewrite with recomputed hashes, and a seal file that
was tampered with. Reads, never writes. What it cannot know: records newer than the last seal carry no signature yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, select

from hie.audit.chain import GENESIS, chains, digest
from hie.audit.events import Kind
from hie.audit.key import signed_by
from hie.audit.seal import Seal, parse
from hie.fhir.dates import instant
from hie.store.tables import audit

PAGE = 5000


@dataclass(frozen=True, slots=True)
class Finding:
    """The first bad place. `code` is stable, `text` one sentence."""

    code: str
    text: str
    chain: str = ""
    seq: int = 0


@dataclass(slots=True)
class Report:
    """`finding` None: intact. `unsealed` counts records newer than the last seal, `notes` say what deserves a look."""

    finding: Finding | None = None
    records: dict[str, int] = field(default_factory=dict)
    seals: int = 0
    sealed_at: float | None = None
    unsealed: int = 0
    oldest_unsealed: float | None = None
    notes: list[str] = field(default_factory=list)


class _Broken(Exception):
    def __init__(self, code: str, text: str, chain: str = "", seq: int = 0) -> None:
        self.finding = Finding(code, text, chain, seq)


class _Mark(NamedTuple):
    """What one seal says of one chain."""

    at: float
    hash: bytes
    rows: int


_Marks = dict[str, dict[int, _Mark]]


def verify(connection: Connection, seals: Path, public_key: str, last: tuple[int, str] | None = None) -> Report:
    """Checks seals first, then every chain from its first record.

    `public_key` is the sealing key's (64 hex digits); `last` what the key's directory remembered of the last seal before
    this call, None where that is not at hand (a copy of the files on another machine). Safe while the node runs: what
    is sealed was committed before, so seals are read before records.
    """
    report = Report()
    try:
        marks = _read_seals(seals, public_key, last, report)
        for chain in sorted({*chains(connection), *marks}):
            _check_chain(connection, chain, marks.get(chain, {}), report)
    except _Broken as broken:
        report.finding = broken.finding
    return report


def _read_seals(file: Path, public_key: str, last: tuple[int, str] | None, report: Report) -> _Marks:
    marks: _Marks = {}
    previous, number = "", 0
    remembered = last or (0, "")
    with file.open("rb") if file.exists() else BytesIO() as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                report.notes.append("The last line of the seal file is incomplete: a crash while it was written.")
                break
            number += 1
            seal = _read_seal(line[:-1], number, previous, public_key)
            previous = seal.hash
            if number == remembered[0] and previous != remembered[1]:
                raise _Broken("seal-replaced", f"Seal {number} is not the one that the node made.")
            for head in seal.heads:
                mark = _Mark(seal.at, bytes.fromhex(head.hash), head.rows)
                marks.setdefault(head.chain, {}).setdefault(head.seq, mark)
            report.sealed_at = seal.at
    if number < remembered[0]:
        raise _Broken(
            "seal-cut", f"The seal file ends with seal {number}, but {remembered[0]} were made: its end was cut."
        )
    report.seals = number
    return marks


def _read_seal(line: bytes, number: int, previous: str, public_key: str) -> Seal:
    try:
        seal = parse(line)
    except ValueError:
        raise _Broken("seal-damaged", f"Line {number} of the seal file is not a seal: the file was changed.") from None
    if seal.n != number:
        raise _Broken("seal-missing", f"The seal file has seal {seal.n} where seal {number} belongs.")
    if seal.previous != previous:
        raise _Broken("seal-order", f"Seal {number} does not follow the seal before it: the seal file was changed.")
    if seal.key != public_key:
        raise _Broken("seal-key", f"Seal {number} was signed with another key than this node's.")
    if not signed_by(public_key, seal.signature, seal.signed_part()):
        raise _Broken("seal-signature", f"The signature of seal {number} is wrong: the seal was forged or changed.")
    return seal


def _check_chain(connection: Connection, chain: str, marks: dict[int, _Mark], report: Report) -> None:
    end = max(marks, default=0)
    expected, previous, foreign = 1, GENESIS, 0
    for row in _rows(connection, chain):
        _check_row(chain, row, expected, previous)
        previous = bytes(row.hash)
        if (mark := marks.get(row.seq)) is not None:
            _check_mark(chain, row.seq, previous, mark)
        foreign += row.kind == Kind.FOREIGN_WRITE.value
        if row.seq > end:
            report.unsealed += 1
            report.oldest_unsealed = min(row.at, report.oldest_unsealed or row.at)
        expected += 1
    if expected <= end:
        seq = min(seq for seq in marks if seq >= expected)
        raise _Broken(
            "cut",
            f"Chain {chain} ends at record {expected - 1}, but the seal of {instant(marks[seq].at)} covers records up "
            f"to {seq}: its end was cut.",
            chain,
            expected,
        )
    report.records[chain] = expected - 1
    if foreign:
        report.notes.append(f"Chain {chain} says {foreign} times that somebody else wrote into it while the node ran.")


def _check_row(chain: str, row: _Row, expected: int, previous: bytes) -> None:
    if row.seq > expected:
        text = f"Record {expected} of chain {chain} is missing: the next one found is {row.seq}."
        raise _Broken("removed", text, chain, expected)
    if row.seq < expected:
        raise _Broken("inserted", f"Chain {chain} has a record {row.seq}, which no writer makes.", chain, row.seq)
    if bytes(row.previous) != previous:
        text = (
            f"Record {row.seq} of chain {chain} does not follow record {row.seq - 1}: "
            "one of the two was changed, inserted or put in another's place."
        )
        raise _Broken("broken-link", text, chain, row.seq)
    if digest(previous, chain, row.seq, row.at, row.kind, row.actor, row.body) != bytes(row.hash):
        text = f"Record {row.seq} of chain {chain} was changed: its content does not match its hash."
        raise _Broken("changed", text, chain, row.seq)


def _check_mark(chain: str, seq: int, now: bytes, mark: _Mark) -> None:
    if now != mark.hash:
        text = (
            f"Record {seq} of chain {chain} is not the one sealed at {instant(mark.at)}: "
            "it or records before it were rewritten with new hashes."
        )
        raise _Broken("rewritten", text, chain, seq)
    if mark.rows != seq:
        text = f"The seal of {instant(mark.at)} counted {mark.rows} records in chain {chain}, not {seq}."
        raise _Broken("count", text, chain, seq)


class _Row:
    """For the type checker: a row of `audit`."""

    seq: int
    at: float
    kind: str
    actor: str
    body: str
    previous: bytes
    hash: bytes


def _rows(connection: Connection, chain: str) -> Iterator[_Row]:
    """Records in order, a page at a time: a log of years does not fit into memory."""
    columns = (audit.c.seq, audit.c.at, audit.c.kind, audit.c.actor, audit.c.body, audit.c.previous, audit.c.hash)
    after = -(2**62)
    while True:
        page = connection.execute(
            select(*columns).where(audit.c.chain == chain, audit.c.seq > after).order_by(audit.c.seq).limit(PAGE)
        ).all()
        if not page:
            return
        yield from page  # type: ignore[misc]
        after = page[-1].seq
