"""What happened, asked of the node when the demo is over: every line is a query, none is prepared."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from jellyfish import jaro_winkler_similarity
from rich.console import Console
from sqlalchemy import Connection, Engine, func, select

from hie.identify import Known, compared, everybody
from hie.intake import journals
from hie.life import life
from hie.settings import Settings
from hie.store.tables import delivery, message


@dataclass(frozen=True, slots=True)
class Story:
    settings: Settings
    reader: Engine
    sinks: dict[str, Any]
    acknowledged: list[str]
    """Control ids the senders hold an acknowledgement for."""
    receipts: list[str]
    """Message ids the document senders hold a receipt for."""
    resends: int
    crash: dict[str, float]
    consented: str
    revoked: str
    explain: str
    """A command that explains the record that was held back."""


async def settled(reader: Engine, settings: Settings, message_id: str | None = None, seconds: float = 60) -> None:
    """Until every message has its outcome and every delivery is final (or `message_id`'s are)."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if await asyncio.to_thread(_is_settled, reader, settings, message_id):
            return
        await asyncio.sleep(0.1)


def _is_settled(reader: Engine, settings: Settings, message_id: str | None) -> bool:
    from hie.intake.position import Position
    from hie.store import lanes

    with reader.connect() as connection:
        if (
            message_id is not None
            and not connection.execute(select(message.c.id).where(message.c.id == message_id)).first()
        ):
            return False
        with journals.open_reader(settings.database_url, settings.var / "journal") as journal:
            if Position(*lanes.cursor(connection)) < journal.latest():
                return False
        waiting = select(func.count()).where(delivery.c.state.in_(("queued", "begun", "unknown", "held")))
        return connection.execute(waiting).scalar_one() == 0


def tell(console: Console, story: Story, seed: int) -> int:
    """Prints the story; 0 if nothing that was acknowledged is missing."""
    with story.reader.connect() as connection:
        lost = _lost(connection, story)
        console.print()
        _traffic(console, connection, story)
        people = everybody(connection)
        _recognised(console, connection, people)
        _kept_apart(console, connection, people)
        _former_name(console, connection, people)
        _withheld(console, connection, story)
        _revoked(console, connection, story)
        crash = story.crash
        console.print(
            f"Intake was killed (kill -9) after {crash['after']:.0f} acknowledgements and answered again after "
            f"{crash['seconds']:.1f} s: {len(lost)} of {len(story.acknowledged) + len(story.receipts)} acknowledged messages lost."
        )
    console.print(f"Seed {seed}; another one, other people. Why it was withheld: {story.explain}")
    return 1 if lost else 0


def _lost(connection: Connection, story: Story) -> list[str]:
    """Acknowledged to a sender, and yet without an outcome."""
    control_ids = set(connection.execute(select(message.c.control_id)).scalars())
    ids = set(connection.execute(select(message.c.id)).scalars())
    return [c for c in story.acknowledged if c not in control_ids] + [i for i in story.receipts if i not in ids]


def _traffic(console: Console, connection: Connection, story: Story) -> None:
    outcomes = Counter(connection.execute(select(message.c.outcome)).scalars())
    console.print(
        f"{len(story.acknowledged) + len(story.receipts)} messages acknowledged: "
        + ", ".join(f"{n} {outcome}" for outcome, n in outcomes.most_common())
        + (f" ({story.resends} sent again after the crash)." if story.resends else ".")
    )
    states: dict[str, Counter[str]] = defaultdict(Counter)
    for subscriber, state in connection.execute(select(delivery.c.subscriber, delivery.c.state)):
        states[subscriber][state] += 1
    for subscriber, counted in sorted(states.items()):
        console.print(f"  {subscriber}: " + ", ".join(f"{n} {state}" for state, n in counted.most_common()))


def _by_person(people: list[Known]) -> dict[str, list[Known]]:
    found: dict[str, list[Known]] = defaultdict(list)
    for known in people:
        found[known.eid].append(known)
    return found


def _name(known: Known) -> str:
    name = known.person.names[0]
    return f"{' '.join(name.given[:1])} {name.family}"


def _why(connection: Connection, one: Known, other: Known) -> str:
    return compared(connection, one.mpi_record, other.mpi_record).words


def _recognised(console: Console, connection: Connection, people: list[Known]) -> None:
    across = [group for group in _by_person(people).values() if len({k.source for k in group}) > 1]
    pairs = [(a, b) for group in across for a, b in combinations(group, 2) if a.source != b.source]
    console.print(f"Recognised across clinics: {len(across)} people.")
    if pairs:
        # the one that differs most is the one worth showing
        one, other = min(map(_ordered, pairs), key=lambda pair: (_bits(connection, *pair), _order(pair[0])))
        console.print(
            f"  {_name(one)} ({one.source}) is {_name(other)} ({other.source}): {_why(connection, one, other)}"
        )


def _ordered(pair: tuple[Known, Known]) -> tuple[Known, Known]:
    one, other = pair
    return (one, other) if _order(one) <= _order(other) else (other, one)


def _bits(connection: Connection, one: Known, other: Known) -> float:
    return compared(connection, one.mpi_record, other.mpi_record).bits


def _order(known: Known) -> tuple[str, str]:
    """By name and clinic, since who was registered first depends on the traffic."""
    return _name(known), known.source


def _kept_apart(console: Console, connection: Connection, people: list[Known]) -> None:
    """Same family name, birth date and home, and yet two persons."""
    homes: dict[tuple[str, ...], list[Known]] = defaultdict(list)
    for known in people:
        if known.person.names and known.person.addresses:
            homes[known.person.names[0].family, known.person.birth_date, known.person.addresses[0].street].append(known)
    for group in homes.values():
        for one, other in combinations(sorted(group, key=_order), 2):
            if one.eid != other.eid:
                console.print(f"Twins kept apart: {_name(one)} and {_name(other)}: {_why(connection, one, other)}")
                return
    console.print("Twins kept apart: none found")


def _former_name(console: Console, connection: Connection, people: list[Known]) -> None:
    """Two registrations of one person whose family names have nothing in common."""
    for group in _by_person(people).values():
        # the one that says more names is who she is today
        for one, other in combinations(sorted(group, key=lambda k: (len(k.person.names), _order(k))), 2):
            before, today = one.person.names[0].family, other.person.names[0].family
            if jaro_winkler_similarity(today.lower(), before.lower()) < 0.7:
                console.print(
                    f"Maiden name found: {_name(one)} is {_name(other)} today: {_why(connection, one, other)}"
                )
                return
    console.print("Maiden name found: none")


def _outcomes(connection: Connection, story: Story, message_id: str) -> dict[str, dict[str, Any]]:
    with journals.open_reader(story.settings.database_url, story.settings.var / "journal") as journal:
        found = life(connection, journal, message_id)
    return {d["subscriber"]: d for d in found["deliveries"]}


def _withheld(console: Console, connection: Connection, story: Story) -> None:
    deliveries = _outcomes(connection, story, story.consented)
    got = [name for name, d in deliveries.items() if d["state"] in ("delivered", "delivered-redacted")]
    held = {name: d for name, d in deliveries.items() if d["state"] in ("denied", "withheld")}
    console.print(f"Substance-use record {story.consented}: sent to {', '.join(got) or 'nobody'}.")
    for name, d in held.items():
        console.print(f"  withheld from {name}: {d['text']}")


def _revoked(console: Console, connection: Connection, story: Story) -> None:
    deliveries = _outcomes(connection, story, story.revoked)
    for name, before in _outcomes(connection, story, story.consented).items():
        after = deliveries.get(name)
        if after and before["state"].startswith("delivered") and not after["state"].startswith("delivered"):
            console.print(f"Consent revoked: the next record {story.revoked} did not go to {name}: {after['text']}")
