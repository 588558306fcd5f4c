"""What a configuration allows but a careful operator would not want: shown by `hie check`, never refused."""

from __future__ import annotations

from difflib import get_close_matches

from hie.codes import purposes
from hie.errors import ConfigurationError
from hie.fhir.validate import types
from hie.settings import Settings

LOOPBACK = ("127.", "::1", "localhost")


def warnings(settings: Settings) -> list[tuple[str, str]]:
    """(code, sentence) for each."""
    found = []
    if not settings.http.host.startswith(LOOPBACK):
        found.append(("http-in-the-clear", f"http listens on {settings.http.host}: put TLS in front of it"))
    for feed in settings.feeds:
        if feed.expected_interval is None:
            found.append(
                ("no-expected-interval", f"feed {feed.name}: without expected_interval its silence goes unnoticed")
            )
        if feed.timezone is None:
            found.append(("no-timezone", f"feed {feed.name}: times without an offset will be kept as dates"))
        host = str(feed.source.get("host", "127.0.0.1"))
        if feed.kind == "mllp" and not host.startswith(LOOPBACK) and "tls" not in feed.source:
            found.append(("mllp-in-the-clear", f"feed {feed.name} listens on {host} without TLS"))
    for subscriber in settings.subscribers:
        who = f"subscriber {subscriber.name}"
        if subscriber.purpose not in purposes.KNOWN:
            text = f"{who}: {subscriber.purpose!r} is no v3-ActReason purpose: without a policy that names it, nothing goes"
            near = get_close_matches(subscriber.purpose, purposes.KNOWN, 1, 0.5)
            found.append(("unknown-purpose", text + (f" (did you mean {near[0]!r}?)" if near else "")))
        other = sorted({f.format for f in settings.feeds} - {"hl7v2"})
        if subscriber.encoder == "original" and other and any("*" in s.events for s in subscriber.subscriptions):
            text = f"{who}: takes stored HL7v2 bytes only, yet asks for everything: each {' and '.join(other)} becomes a dead letter"
            found.append(("not-forwardable", text + " (name its events, such as ADT^* and ORU^*)"))
        if not subscriber.subscriptions:
            found.append(("no-subscription", f"{who}: an empty list of subscriptions asks for nothing"))
        wanted = {c.partition(":")[0] for s in subscriber.subscriptions for c in s.categories}
        for category in sorted(wanted - types().keys()):
            found.append(("unknown-category", f"{who}: {category!r} is no FHIR R4 resource type"))
    used = {f.participant for f in settings.feeds} | {s.participant for s in settings.subscribers}
    parents = {p.part_of for p in settings.participants}
    for participant in settings.participants:
        if participant.name not in used | parents:
            found.append(("idle-participant", f"participant {participant.name} neither sends nor receives"))
    return found


def policy_errors(settings: Settings) -> list[ConfigurationError]:
    """The policy file and the rosters, read as the engine would read them."""
    from hie.consent import jurisdiction
    from hie.routing import Router

    found = []
    try:
        jurisdiction.load(settings.policy)
    except ConfigurationError as error:
        found.append(error)
    try:
        Router(settings.subscribers, settings.directory)
    except ConfigurationError as error:
        found.append(error)
    return found
