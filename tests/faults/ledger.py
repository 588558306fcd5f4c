"""What must hold after any crash, told from outside: the senders' acknowledgements against what the sinks received.

The node's own tables are asked for one thing only: that every arrival and every delivery ended once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from hie.model import DeliveryState
from hie.outcomes import DELIVERY_REASONS, MESSAGE_REASONS
from tests.node import Site


def lost(acknowledged: Iterable[str], received: Iterable[str]) -> list[str]:
    """Acknowledged to a sender and never seen by the subscriber that is entitled to all of it."""
    seen = set(received)
    return [f"lost: {control_id}" for control_id in acknowledged if control_id not in seen]


def repeats(seen: Sequence[tuple[str, bytes]]) -> list[str]:
    """What came more than once under one key must be the same bytes."""
    first: dict[str, bytes] = {}
    return [f"other content under the key {key}" for key, body in seen if first.setdefault(key, body) != body]


def keys(control_ids: Sequence[str], deliveries: Sequence[tuple[str, str]]) -> list[str]:
    """One key a delivery, one delivery a message and subscriber: `deliveries` are (control id, key) as received."""
    by_message: dict[str, set[str]] = defaultdict(set)
    for control_id, key in deliveries:
        by_message[control_id].add(key)
    found = [f"{control_id}: {len(used)} keys" for control_id, used in by_message.items() if len(used) > 1]
    return found + lost(control_ids, by_message)


def outcomes(site: Site) -> list[str]:
    """Every arrival has one outcome with a code of the list, every delivery one final state with a code of the list."""
    found = []
    arrived = {row[0] for row in site.journal()}
    known = site.rows("SELECT id, outcome, reason FROM message")
    found += [f"no outcome: {id}" for id in arrived - {row[0] for row in known}]
    found += [f"outcome of nothing: {row[0]}" for row in known if row[0] not in arrived]
    for id, outcome, reason in known:
        if reason not in MESSAGE_REASONS or MESSAGE_REASONS[reason][0] != outcome:
            found.append(f"message {id}: {outcome} because of {reason!r}")
    rows = site.rows("SELECT id, message_id, idx, subscriber, state, reason FROM delivery")
    offered = set()
    for id, message_id, idx, subscriber, state, reason in rows:
        if (message_id, idx, subscriber) in offered:
            found.append(f"delivery {id}: a second one of {message_id} to {subscriber}")
        offered.add((message_id, idx, subscriber))
        if not DeliveryState(state).final or reason not in DELIVERY_REASONS or DELIVERY_REASONS[reason][0] != state:
            found.append(f"delivery {id}: {state} because of {reason!r}")
    return found


def violations(site: Site, acknowledged: Sequence[str]) -> list[str]:
    """Everything wrong after a run; the empty list is the proof."""
    found = lost(acknowledged, site.mllp.times)
    found += repeats(site.mllp.seen)
    found += repeats([(key, body) for key, body, _ in site.fhir.seen])
    if site.mllp.out_of_order:
        found.append(f"{site.mllp.out_of_order} out of order")
    delivered = {row["key"]: row["control_id"] for row in site.deliveries(subscriber="practice")}
    strangers = [key for key, _, _ in site.fhir.seen if key not in delivered]
    found += [f"key {key} belongs to no delivery" for key in strangers]
    found += keys(acknowledged, [(delivered[key], key) for key, _, _ in site.fhir.seen if key in delivered])
    found += outcomes(site)
    if found:
        told = site.rows("SELECT outcome, reason, text, count(*) FROM message GROUP BY 1, 2, 3")
        found += [f"{told}", *site.log.read_text().splitlines()[-20:]]
    return found
