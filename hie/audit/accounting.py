"""Accounting of disclosures: who received one patient's records, when, what and why, in sentences a patient can read.

Views of the law: 45 CFR 164.528 (six years, without treatment, payment, operations and what went to the patient),
42 CFR 2.24 (three years, records of substance-use programmes), and everything. Repeats are told once, with the first
and last day and their number, as 164.528(b)(3) allows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from enum import StrEnum
from typing import Any

import orjson
from sqlalchemy import Connection, and_, or_, select

from hie.audit.phrases import LANGUAGES, Language, kind_of
from hie.codes.purposes import covered
from hie.compression import decompress
from hie.store.tables import disclosure, message


class View(StrEnum):
    EVERYTHING = "everything"
    SIX_YEARS = "six-years"
    """45 CFR 164.528."""
    PART_2 = "part-2"
    """42 CFR 2.24."""


YEARS = {View.SIX_YEARS: 6, View.PART_2: 3}
_LEFT_OUT = frozenset().union(*(covered(code) for code in ("TREAT", "HPAYMT", "HOPERAT", "PATRQT")))
_RECEIVED = ("delivered", "delivered-redacted")


@dataclass(frozen=True, slots=True)
class Party:
    """How a participant is told of. `part2`: it is a substance-use programme, or belongs to one."""

    title: str
    part2: bool = False


@dataclass(slots=True)
class Entry:
    """One line: disclosures that differ only in their time. Times are seconds since the epoch."""

    recipient: str
    source: str
    purpose: str
    thing: str
    pulled: bool
    received: bool
    """False: it may have been received."""
    held_back: int
    why: tuple[str, ...]
    part2: bool
    first: float
    last: float
    disclosures: list[int] = field(default_factory=list)
    text: str = ""


@dataclass(slots=True)
class Accounting:
    view: View
    since: float | None
    entries: list[Entry]
    disclosures: int
    """How many disclosures the entries stand for."""
    not_received: int
    """Attempts of which it is certain that nothing arrived; they are no disclosures."""
    sentences: list[str]


def account(
    connection: Connection,
    eids: Collection[str],
    records: Collection[int],
    parties: Mapping[str, Party],
    *,
    view: View = View.EVERYTHING,
    language: str = "en",
    zone: tzinfo = UTC,
    now: float,
) -> Accounting:
    """The accounting of one person: `records` are all their registrations, `eids` the ids of that person, past ones too.

    A disclosure about a registration belongs to whoever that registration belongs to today: after a wrong link was
    undone, nobody is told of another's disclosures.
    """
    since = _years_before(now, YEARS[view], zone) if view in YEARS else None
    rows = _rows(connection, eids, records, since)
    told, not_received = _one_each(rows)
    entries: dict[tuple[Any, ...], Entry] = {}
    count = 0
    for row, received in told:
        entry = _entry(row, received, parties)
        if (view is View.SIX_YEARS and row.purpose in _LEFT_OUT) or (view is View.PART_2 and not entry.part2):
            continue
        count += 1
        key = (
            entry.recipient, entry.source, entry.purpose, entry.thing, entry.pulled, received, entry.held_back > 0, entry.why
        )  # fmt: skip
        known = entries.setdefault(key, entry)
        known.disclosures.append(row.id)
        known.first, known.last = min(known.first, row.at), max(known.last, row.at)
        if known is not entry:
            known.held_back += entry.held_back
    ordered = sorted(entries.values(), key=lambda e: (e.first, e.disclosures[0]))
    words = LANGUAGES[language]
    for entry in ordered:
        entry.text = _sentence(entry, words, parties, zone)
    return Accounting(view, since, ordered, count, not_received, [e.text for e in ordered] or [words.nobody])


def other_eids(connection: Connection, records: Collection[int]) -> set[str]:
    """Enterprise ids under which these registrations were disclosed: past ids of the person, or of wrong links."""
    found = connection.execute(select(disclosure.c.eid).where(disclosure.c.mpi_record.in_(list(records))).distinct())
    return set(found.scalars())


def _rows(connection: Connection, eids: Collection[str], records: Collection[int], since: float | None) -> list[Any]:
    about = or_(
        disclosure.c.mpi_record.in_(list(records)),
        and_(disclosure.c.eid.in_(list(eids)), disclosure.c.mpi_record.is_(None)),
    )
    query = (
        select(
            disclosure.c.id,
            disclosure.c.delivery_id,
            disclosure.c.kind,
            disclosure.c.at,
            disclosure.c.state,
            disclosure.c.source,
            disclosure.c.recipient,
            disclosure.c.purpose,
            disclosure.c.decision,
            message.c.event,
            message.c.format,
        )
        .select_from(disclosure.outerjoin(message, message.c.id == disclosure.c.message_id))
        .where(about)
        .order_by(disclosure.c.at, disclosure.c.id)
    )
    if since is not None:
        query = query.where(disclosure.c.at >= since)
    return list(connection.execute(query))


def _one_each(rows: list[Any]) -> tuple[list[tuple[Any, bool]], int]:
    """One row a delivery however often it was tried: the one that arrived, else the first that may have."""
    best: dict[object, tuple[Any, bool]] = {}
    failed = set()
    for row in rows:
        key = row.delivery_id if row.delivery_id is not None else ("pull", row.id)
        if row.state == "failed":
            failed.add(key)
        elif row.state in _RECEIVED:
            if key not in best or not best[key][1]:
                best[key] = (row, True)
        else:
            # begun without an end, unknown, or a state of a later version: the cautious reading
            best.setdefault(key, (row, False))
    return list(best.values()), len(failed - best.keys())


def _entry(row: Any, received: bool, parties: Mapping[str, Party]) -> Entry:
    decision = orjson.loads(decompress(row.decision))
    held = sum(decision.get("withheld", {}).values())
    reasons = [r for r in decision.get("reasons", ()) if r.get("verdict") != "permit"] if held else []
    source = parties.get(row.source)
    regimes = [*decision.get("rules", ()), *decision.get("labels", ())]
    return Entry(
        recipient=row.recipient,
        source=row.source,
        purpose=row.purpose,
        thing=kind_of(row.event or "", row.format or ""),
        pulled=row.kind != "push",
        received=received,
        held_back=held,
        why=tuple(sorted({r["text"] for r in reasons if r.get("text")})),
        part2=bool(source and source.part2) or any("part2" in r.lower().replace("-", "") for r in regimes),
        first=row.at,
        last=row.at,
    )


def _sentence(entry: Entry, words: Language, parties: Mapping[str, Party], zone: tzinfo) -> str:
    def title(name: str) -> str:
        party = parties.get(name)
        return party.title if party and party.title else name

    template = {
        (False, True): words.push,
        (False, False): words.push_maybe,
        (True, True): words.pull,
        (True, False): words.pull_maybe,
    }[entry.pulled, entry.received]
    first, last = _day(entry.first, zone), _day(entry.last, zone)
    times = len(entry.disclosures)
    text = template.format(
        when=words.on(first) if first == last else words.between(first, last),
        thing=words.things[entry.thing],
        source=words.source.format(title(entry.source)) if entry.source else "",
        who=title(entry.recipient),
        times=words.times.format(times) if times > 1 else "",
        purpose=words.purpose(entry.purpose),
    )
    if entry.held_back:
        text += f" {words.held(entry.held_back)}{_because(entry.why) if words.reasons else ''}."
    return text


def _because(why: tuple[str, ...]) -> str:
    """The sentences of the decisions as the end of ours."""
    ends = [text.rstrip(". ").removeprefix("Held back ") for text in why]
    return ": " + "; ".join(ends) if ends else ""


def _day(at: float, zone: tzinfo) -> date:
    return datetime.fromtimestamp(at, zone).date()


def _years_before(now: float, years: int, zone: tzinfo) -> float:
    """The start of the same day so many years ago; of 1 March for a 29 February that year did not have."""
    today = datetime.fromtimestamp(now, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        return today.replace(year=today.year - years).timestamp()
    except ValueError:
        return today.replace(year=today.year - years, month=3, day=1).timestamp()
