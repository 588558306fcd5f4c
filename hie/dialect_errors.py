"""What is wrong with how a feed is said to be read: names of systems and authorities that are none, deviations that its decoder
does not know, senders that nobody can tell apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hie import registry
from hie.codes.rows import is_uri
from hie.codes.systems import is_oid
from hie.spelling import meant

if TYPE_CHECKING:
    from hie.sections import Feed
    from hie.settings import Settings

Path_ = tuple[str | int, ...]
Found = tuple[Path_, str, str, str]


def contradictions(settings: Settings) -> Iterator[Found]:
    """As hie.contradictions.contradictions."""
    yield from _names((), settings.code_systems, settings.authorities, None)
    for i, feed in enumerate(settings.feeds):
        path: Path_ = ("feeds", i)
        yield from _names(path, feed.code_systems, feed.authorities, feed.default_authority)
        yield from _overrides((*path, "overrides"), feed.format, feed.overrides)
        yield from _senders((*path, "senders"), feed)


def _names(
    path: Path_, systems: Mapping[str, str], authorities: Mapping[str, str], default: str | None
) -> Iterator[Found]:
    for section, names in (("code_systems", systems), ("authorities", authorities)):
        for name, uri in names.items():
            where = (*path, section, name)
            if name.replace(".", "").isdigit() and "." in name and not is_oid(name):
                hint = "digits and single dots, beginning with 0, 1 or 2, no part with a leading zero"
                yield where, f"{name!r} is no OID", "bad-oid", hint
            if wrong := _no_uri(uri):
                yield where, *wrong
    if default is not None and (wrong := _no_uri(default)):
        yield (*path, "default_authority"), *wrong


def _no_uri(text: str) -> tuple[str, str, str] | None:
    if is_uri(text):
        return None
    hint = (
        f"urn:oid:{text}" if "." in text and is_oid(text) else "such as https://clinic.example/codes or urn:oid:1.2.3"
    )
    return f"{text!r} is no URI", "bad-uri", hint


def _overrides(path: Path_, format: str, overrides: Mapping[str, Any]) -> Iterator[Found]:
    known = registry.overrides(format)
    for key in sorted(overrides.keys() - known):
        text = f"the decoder of {format!r} has no override {key!r}"
        yield (*path, key), text, "unknown-override", meant(key, known)
    if (check := registry.override_check(format)) is not None and overrides:
        for below, text, code, hint in check({key: overrides[key] for key in known if key in overrides}):
            yield (*path, *below), text, code, hint


def _senders(path: Path_, feed: Feed) -> Iterator[Found]:
    if feed.senders and feed.format != "hl7v2":
        text = f"senders are told apart by MSH-3 and MSH-4, which {feed.format!r} has not"
        yield path, text, "senders-of-documents", "a feed for each sender"
    seen: list[tuple[str, str]] = []
    for j, sender in enumerate(feed.senders):
        here = (*path, j)
        who = (sender.application, sender.facility)
        if who == ("*", "*"):
            yield here, "fits every sender", "sender-unnamed", "name an application, a facility, or both"
        elif who in seen:
            yield here, f"the sender {who[0]} {who[1]} stands twice", "sender-twice", "only the first would count"
        seen.append(who)
        yield from _names(here, sender.code_systems, sender.authorities, sender.default_authority)
        yield from _overrides((*here, "overrides"), feed.format, sender.overrides)
