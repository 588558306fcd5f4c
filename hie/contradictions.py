"""What a configuration says against itself, though each value is well formed: two listeners on one port, a subscriber
whose encoder writes what its sink does not carry, participants that belong to each other in a circle.

Found before anything starts, because each of them would otherwise show as silence: a feed that never binds, a delivery
that every subscriber refuses.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hie import dialect_errors, registry
from hie.spelling import meant

if TYPE_CHECKING:
    from hie.sections import Subscriber
    from hie.settings import Settings

DEFAULT_MLLP_PORT = 2575
ANYWHERE = ("", "0.0.0.0", "::", "*")
Found = tuple[tuple[str | int, ...], str, str, str]
"""Path in the document, sentence, code, hint."""


def contradictions(settings: Settings) -> Iterator[Found]:
    yield from _listeners(settings)
    yield from _folders(settings)
    yield from _circles(settings)
    yield from _names_of_two(settings)
    yield from _taps(settings)
    yield from _open_doors(settings)
    if settings.workers.engines > 1 and not settings.database.startswith("postgresql"):
        hint = "SQLite has one writer: one engine"
        yield ("workers", "engines"), "more than one engine needs PostgreSQL", "engines-need-postgresql", hint
    if settings.var.exists() and not settings.var.is_dir():
        yield ("var",), "exists and is no directory", "var-not-a-directory", ""
    for i, feed in enumerate(settings.feeds):
        if feed.charset is not None and not _is_charset(feed.charset):
            yield ("feeds", i, "charset"), "is no character set such as utf-8 or iso-8859-1", "unknown-charset", ""
        if feed.conformance == "strict" and feed.profile is None:
            hint = (
                "name the site's profile, or say `report`: the base standard alone refuses most of what is really sent"
            )
            yield ("feeds", i, "conformance"), "strict needs a profile", "strict-needs-profile", hint
        if feed.conformance != "off" and feed.format in registry.formats() and registry.examiner(feed.format) is None:
            text = f"no adapter checks messages of {feed.format!r}"
            yield ("feeds", i, "conformance"), text, "no-conformance", "leave it off"
    yield from dialect_errors.contradictions(settings)
    for i, subscriber in enumerate(settings.subscribers):
        yield from _retries(i, subscriber)
        if not subscriber.purpose.strip():
            hint = "a code of v3-ActReason: TREAT, HPAYMT, HOPERAT, PUBHLTH ..."
            yield ("subscribers", i, "purpose"), "a subscriber receives for a purpose", "no-purpose", hint
        kind = str(subscriber.sink.get("kind", ""))
        carried = registry.carried(kind)
        if carried and subscriber.encoder not in carried and subscriber.encoder in registry.names("encoders"):
            text = f"a sink of kind {kind!r} does not carry what the encoder {subscriber.encoder!r} writes"
            yield ("subscribers", i, "encoder"), text, "encoder-and-sink", f"one of {', '.join(carried)}"
        for j, subscription in enumerate(subscriber.subscriptions):
            path = ("subscribers", i, "subscriptions", j)
            for code in subscription.codes:
                if "|" not in code:
                    yield (*path, "codes"), f"{code!r} has no system", "bad-code", "write system|code"
            for event in subscription.events:
                if "^" not in event and "*" not in event and event not in registry.formats():
                    hint = f"events look like ADT^A01 or ORU^*, documents are {', '.join(registry.formats())}"
                    yield (*path, "events"), f"{event!r} matches no event", "bad-event", hint


def _listeners(settings: Settings) -> Iterator[Found]:
    taken: list[tuple[str, int, str]] = []
    if settings.http.port:
        taken.append((settings.http.host, settings.http.port, "http"))
    for i, feed in enumerate(settings.feeds):
        if feed.kind != "mllp":
            continue
        port = feed.source.get("port", DEFAULT_MLLP_PORT)
        if not str(port).isdigit() or int(port) == 0:
            continue
        host = str(feed.source.get("host", "127.0.0.1"))
        for other, number, who in taken:
            if number == int(port) and (host == other or host in ANYWHERE or other in ANYWHERE):
                where = ("feeds", i, "source", "port")
                yield where, f"port {number} is already the port of {who}", "port-twice", "one listener a port"
                break
        taken.append((host, int(port), f"feed {feed.name}"))


def _folders(settings: Settings) -> Iterator[Found]:
    """One of two feeds on a folder would never see a file, and what a subscriber gets must not come in again."""
    watched: dict[Path, str] = {}
    for i, feed in enumerate(settings.feeds):
        if feed.kind == "files" and feed.source.get("folder"):
            folder = (settings.directory / str(feed.source["folder"])).resolve()
            who = watched.setdefault(folder, feed.name)
            if who != feed.name:
                where = ("feeds", i, "source", "folder")
                yield where, f"is already the folder of feed {who}", "folder-twice", "one feed a folder"
    for i, subscriber in enumerate(settings.subscribers):
        if subscriber.sink.get("kind") == "files" and subscriber.sink.get("folder"):
            folder = (settings.directory / str(subscriber.sink["folder"])).resolve()
            if folder in watched:
                where = ("subscribers", i, "sink", "folder")
                hint = "what leaves would come in again"
                yield where, f"is the folder of feed {watched[folder]}", "folder-in-and-out", hint


def beyond_loopback(host: str) -> bool:
    """Whether others than this machine reach what listens there."""
    if host == "localhost":
        return False
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return True


def _open_doors(settings: Settings) -> Iterator[Found]:
    """Without TLS the networks of an MLLP feed are its only credential: everybody is none."""
    for i, feed in enumerate(settings.feeds):
        sources = feed.source.get("sources") or ()
        everybody = [n for n in (sources if isinstance(sources, list) else [sources]) if str(n).endswith("/0")]
        reached = beyond_loopback(str(feed.source.get("host", "127.0.0.1")))
        if feed.kind == "mllp" and reached and everybody and not feed.source.get("tls"):
            text = f"anybody who reaches {feed.source['host']} may send, in clear text"
            yield ("feeds", i, "source", "sources"), text, "open-to-everybody", "name the clinic's network, or set tls"


def _retries(i: int, subscriber: Subscriber) -> Iterator[Found]:
    retry, path = subscriber.retry, ("subscribers", i, "retry")
    if retry.first <= 0:
        yield (
            (*path, "first"),
            "attempts without a pause would flood the subscriber",
            "retry-without-pause",
            "1s or more",
        )
    if retry.longest < retry.first:
        yield (*path, "longest"), "the longest wait is shorter than the first", "retry-order", "longest >= first"
    if retry.give_up < retry.first:
        yield (*path, "give_up"), "gives up before the second attempt", "retry-order", "give_up >= first"


def _taps(settings: Settings) -> Iterator[Found]:
    names = [s.name for s in settings.subscribers]
    for i, feed in enumerate(settings.feeds):
        if feed.tap is not None and feed.tap not in names:
            text = f"no subscriber is called {feed.tap!r}"
            yield ("feeds", i, "tap"), text, "unknown-subscriber", meant(feed.tap, names)


def _circles(settings: Settings) -> Iterator[Found]:
    parents = {p.name: p.part_of for p in settings.participants}
    for i, participant in enumerate(settings.participants):
        seen = {participant.name}
        step = participant.part_of
        while step is not None and step not in seen:
            seen.add(step)
            step = parents.get(step)
        if step == participant.name:
            text = f"{participant.name!r} is in the end a part of itself"
            yield ("participants", i, "part_of"), text, "part-of-itself", ""


def _names_of_two(settings: Settings) -> Iterator[Found]:
    """A consent that names a reference must not mean two participants: a permit for one would reach the other."""
    owner: dict[str, str] = {f"Organization/{p.name}": p.name for p in settings.participants}
    for i, participant in enumerate(settings.participants):
        for reference in participant.references:
            if owner.setdefault(reference, participant.name) != participant.name:
                text = f"{reference!r} already names {owner[reference]!r}"
                yield ("participants", i, "references"), text, "reference-of-two", "a consent would mean both"


def _is_charset(name: str) -> bool:
    try:
        return _decodes(codecs.lookup(name))
    except LookupError:
        return False


def _decodes(found: Any) -> bool:
    """Not rot13, base64 and other codecs that are no character sets."""
    try:
        return isinstance(found.decode(b"")[0], str)
    except Exception:  # codecs raise what they like
        return False
