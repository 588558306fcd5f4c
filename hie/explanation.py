"""The dry run of one message (`hie explain`, the console's explain page): the same code as the engine's, writing nothing."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import StaticPool

from hie.consent import jurisdiction
from hie.errors import NotFound, StoreUnavailable
from hie.gate import rendered
from hie.identify import Likeness, candidates_of, create_tables, identifiers_of_persons, likeness
from hie.judgement import Judge, Judged, outcome_of, unheld
from hie.participants import Directory
from hie.record import body
from hie.routing import Contents, Router
from hie.sections import Feed
from hie.settings import Settings
from hie.store import epochs, tables
from hie.store.database import open_reader
from hie.task import Task
from hie.understand import Part, understand


def explain(settings: Settings, raw: bytes, feed_name: str, only: str | None = None) -> dict[str, Any]:
    """`records`, each with resources, identity, labels, subscribers; `failure` where it would be quarantined."""
    feed = next((f for f in settings.feeds if f.name == feed_name), None)
    if feed is None:
        names = ", ".join(f.name for f in settings.feeds)
        raise NotFound(f"no feed is called {feed_name!r}", code="unknown-feed", hint=f"one of {names}")
    if only is not None and only not in {s.name for s in settings.subscribers}:
        raise NotFound(f"no subscriber is called {only!r}", code="unknown-subscriber")
    directory = Directory(settings.participants)
    understood = understand(
        Task(feed.format, raw, settings.dialects.context(feed.name), directory.types.get(feed.participant, frozenset()))
    )
    with _store(settings) as connection:
        parts = [_explain_part(connection, settings, feed, raw, part, only) for part in understood.parts]
    return {"feed": feed_name, "records": parts, "failure": f"{understood.failure} {understood.text}".strip()}


def _store(settings: Settings) -> Connection:
    """The node's database, read only; an empty one where the node has never run."""
    if settings.database_url.startswith("sqlite") and not (settings.var / "hie.db").exists():
        engine = create_engine("sqlite://", poolclass=StaticPool)
        connection = engine.connect()
        tables.metadata.create_all(connection)
        create_tables(connection)
        return connection
    try:
        return open_reader(settings.database_url).connect()
    except OperationalError:
        raise StoreUnavailable("the database cannot be opened", hint="see `hie doctor`") from None


def _explain_part(
    connection: Connection, settings: Settings, feed: Feed, raw: bytes, part: Part, only: str | None
) -> dict[str, Any]:
    unpacked = body.unpack(part.body)
    found = likeness(connection, part.person, part.identifiers) if part.person else None
    return {
        "event": part.event,
        "resources": dict(Counter(r["resourceType"] for r in unpacked["resources"])),
        "facts": unpacked["resources"],
        "warnings": unpacked["warnings"],
        "unmapped": unpacked["unmapped"],
        "identity": _identity(found),
        "labels": [
            {"resource": reference, "code": code, "cause": cause}
            for reference, given in unpacked["labels"].items()
            for code, cause, *_ in given
            if code not in ("N", "M", "L", "U")
        ],
        "subscribers": []
        if found is None
        else _subscribers(connection, settings, feed, raw, part, unpacked, found, only),
    }


def _identity(found: Likeness | None) -> dict[str, Any]:
    if found is None:
        return {"sentence": "no patient: it would be quarantined", "eid": None, "candidates": []}
    return {
        "sentence": found.sentence,
        "eid": found.eid,
        "decision": found.decision,
        "candidates": [
            {
                "eid": c.eid,
                "grade": c.grade,
                "bits": c.bits,
                "probability": c.probability,
                "words": c.words,
                "evidence": c.evidence,
            }
            for c in found.candidates
        ],
    }


def _subscribers(
    connection: Connection,
    settings: Settings,
    feed: Feed,
    raw: bytes,
    part: Part,
    unpacked: dict[str, Any],
    found: Likeness,
    only: str | None,
) -> list[dict[str, Any]]:
    judge = Judge(settings, jurisdiction.load(settings.policy))
    router = Router(settings.subscribers, settings.directory)
    contents = Contents(part.event, feed.format, feed.participant, part.kinds, part.codes)
    eid = found.eid or ""
    identifiers = {*part.identifiers, *(identifiers_of_persons(connection, [eid])[eid] if eid else ())}
    asked = {subscriber.name for subscriber, _ in router.route(contents, identifiers)}
    possible = set(found.possible) | candidates_of(connection, [eid]).get(eid, set()) if eid else set(found.possible)
    epoch = epochs.read(connection, {eid, *possible})
    consents = judge.consents(connection, epoch)
    candidates = [consents[c] for c in sorted(possible)]
    told = []
    for subscriber in settings.subscribers:
        if only is not None and subscriber.name != only:
            continue
        if subscriber.name not in asked:
            told.append(
                {"subscriber": subscriber.name, "goes": False, "sentence": "does not ask for it.", "because": []}
            )
            continue
        judged = judge.judge(
            subscriber, unpacked, raw, "explain", feed.participant, eid, consents[eid], candidates, time.time()
        )
        if unheld(connection, subscriber, unpacked):
            judged = judged._replace(
                view=None,
                outcome=outcome_of("merge-unheld"),
            )
        outcome, payload = rendered(subscriber, judged, "explain")
        told.append({"subscriber": subscriber.name, **_verdict(judged._replace(outcome=outcome), bool(payload))})
    return told


def _verdict(judged: Judged, goes: bool) -> dict[str, Any]:
    because = [
        f"{r['items']} of {sum(x['items'] for x in judged.summary['reasons'])} items: {r['text']}"
        for r in judged.summary["reasons"]
    ]
    held = judged.summary["withheld"]
    if not goes:
        return {
            "goes": False,
            "sentence": f"would not go: {judged.outcome.text}",
            "because": because,
            "decision": judged.summary,
        }
    if held:
        parts = ", ".join(f"{n} {kind}" for kind, n in held.items())
        return {
            "goes": True,
            "sentence": f"would go without {parts}: {judged.outcome.text}",
            "because": because,
            "decision": judged.summary,
        }
    return {"goes": True, "sentence": "would go whole.", "because": because, "decision": judged.summary}
