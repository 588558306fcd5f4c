"""The books of both sides beside each other: what clinics hold an answer for, what the node concluded, what subscribers got."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg

from adapters.hl7v2.rendered import control_id as rendered_id
from hie.model import DeliveryState
from hie.outcomes import DELIVERY_REASONS, MESSAGE_REASONS
from tests.region.senders import Senders, control_id_of
from tests.region.world import World

TAKEN = ("delivered", "delivered-redacted")


class Books:
    """The node's tables, read once at the end."""

    def __init__(self, url: str) -> None:
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            self.messages = connection.execute("SELECT id, feed, control_id, outcome, reason FROM message").fetchall()
            self.deliveries = connection.execute(
                "SELECT d.id, d.message_id, d.idx, d.subscriber, d.key, d.state, d.reason, m.control_id, m.feed "
                "FROM delivery d JOIN message m ON m.id = d.message_id"
            ).fetchall()
            self.arrivals = connection.execute("SELECT count(*) FROM arrival").fetchone()[0]  # type: ignore[index]


def unfinished(url: str) -> int:
    """Arrivals without an outcome and deliveries without an end."""
    states = [s.value for s in DeliveryState if not s.final]
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        waiting = connection.execute("SELECT count(*) FROM pending").fetchone()
        open_ = connection.execute("SELECT count(*) FROM delivery WHERE state = ANY(%s)", (states,)).fetchone()
    assert waiting is not None
    assert open_ is not None
    return int(waiting[0] + open_[0])


def received(world: World) -> dict[str, Counter[str]]:
    """Subscriber -> what it got how often: control ids of HL7v2, delivery keys of the others."""
    found = {f"ward-{n}": Counter(ward.times) for n, ward in enumerate(world.wards)}
    found |= {f"practice-{n}": Counter(practice.times) for n, practice in enumerate(world.practices)}
    files = [p for p in world.places.warehouse.rglob("*") if p.is_file() and not p.name.startswith(".")]
    found["warehouse"] = Counter(_stem(p) for p in files)
    for name, consumer in world.consumers.items():
        found[name] = Counter(key for key, _ in consumer.taken)
    return found


def _stem(path: Path) -> str:
    return path.name.split(".", 1)[0]


def drawn(world: World, senders: Senders) -> dict[str, Any]:
    """The ledger as one JSON object; `violations` empty is the proof."""
    books = Books(world.places.database)
    got = received(world)
    violations = _arrived(books, senders) + _concluded(books) + _delivered(books, got)
    out_of_order = sum(ward.out_of_order for ward in world.wards) + _bus_order(world)
    if out_of_order:
        violations.append(f"{out_of_order} out of order")
    return {
        "accepted": {feed: len(ids) for feed, ids in senders.accepted.items()},
        "refused": senders.refused[:20],
        "resends_by_clinics": senders.resends,
        "arrivals": books.arrivals,
        "outcomes": dict(Counter(f"{outcome}/{reason}" for _, _, _, outcome, reason in books.messages)),
        "deliveries": dict(Counter(f"{row[5]}/{row[6]}" for row in books.deliveries)),
        "received": {name: sum(counts.values()) for name, counts in got.items()},
        "received_twice": {name: n for name, c in got.items() if (n := sum(c.values()) - len(c))},
        "hurt": dict(world.hurt),
        "lost": sum(v.startswith("lost") for v in violations),
        "out_of_order": out_of_order,
        "violations": violations[:40],
    }


def _arrived(books: Books, senders: Senders) -> list[str]:
    by_control = {control_id for _, _, control_id, outcome, _ in books.messages if outcome == "routed"}
    by_id = {row[0] for row in books.messages}
    found = []
    for feed, ids in senders.accepted.items():
        known = by_id if feed == "harbor" else by_control
        found += [f"lost: {feed} {name} was accepted and has no routed message" for name in ids if name not in known]
    return found


def _concluded(books: Books) -> list[str]:
    found = []
    if books.arrivals != len(books.messages):
        found.append(f"{books.arrivals} arrivals, {len(books.messages)} outcomes")
    for id, _, _, outcome, reason in books.messages:
        if reason not in MESSAGE_REASONS or MESSAGE_REASONS[reason][0] != outcome:
            found.append(f"message {id}: {outcome} because of {reason!r}")
    offered = Counter((row[1], row[2], row[3]) for row in books.deliveries)
    found += [f"two deliveries of {key}" for key, n in offered.items() if n > 1]
    for row in books.deliveries:
        if not DeliveryState(row[5]).final or DELIVERY_REASONS.get(row[6], ("",))[0] != row[5]:
            found.append(f"delivery {row[0]}: {row[5]} because of {row[6]!r}")
    subscribers = {row[3] for row in books.deliveries}
    documents = sum(name.startswith(("practice", "registry")) for name in subscribers)
    times = Counter(message_id for message_id, _, _ in offered)
    for id, feed, _, outcome, _ in books.messages:
        expected = documents if feed == "harbor" else len(subscribers)
        if outcome == "routed" and times[id] != expected:
            found.append(f"lost: message {id} was offered to {times[id]} of {expected}")
    return found


def _delivered(books: Books, got: dict[str, Counter[str]]) -> list[str]:
    """Whatever the node calls delivered was received, and nothing was received that it does not know of."""
    found = []
    known: dict[str, set[str]] = {}
    for _, _, _, subscriber, key, state, _, control_id, _ in books.deliveries:
        name = key
        if subscriber.startswith("ward"):
            # what is forwarded as it came keeps the clinic's control id; what is written anew carries the delivery's
            name = rendered_id(key) if subscriber == "ward-2" else control_id
        known.setdefault(subscriber, set()).add(name)
        if state in TAKEN and not got[subscriber][name]:
            found.append(f"lost: {subscriber} never got {name}")
    for subscriber, counts in got.items():
        found += [
            f"{subscriber} got {name} from nowhere" for name in counts if name not in known.get(subscriber, set())
        ]
    return found


def _bus_order(world: World) -> int:
    """Control ids `CLINIC-CONNECTION-NUMBER` on the bus, first time each, against the order they were sent in."""
    high: dict[str, int] = {}
    seen: set[str] = set()
    wrong = 0
    for _, body in world.consumers["bus"].taken:
        control_id = control_id_of(body)
        if control_id in seen:
            continue
        seen.add(control_id)
        source, _, number = control_id.rpartition("-")
        key = f"{source}|{body.split(b'PID|', 1)[-1].split(b'|', 4)[2]!r}"
        wrong += int(number) < high.get(key, -1)
        high[key] = max(high.get(key, -1), int(number))
    return wrong


def table(ledger: dict[str, Any]) -> str:
    return json.dumps(ledger, indent=2, default=str)
