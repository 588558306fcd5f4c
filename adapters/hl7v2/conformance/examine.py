"""Holds each message of some bytes against the base standard and a site's profile. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from adapters.hl7v2.conformance import fields, site, structure
from adapters.hl7v2.conformance.standard import Standard, standard
from adapters.hl7v2.reader import Message, Segment, read
from hie.conformance import Finding, Profile, Report, Severity

_FIFTH = "2.7"
"""The version since which MSH-2 may have a fifth character (truncation)."""


def examine(raw: bytes, charset: str | None = None, profile: Profile | None = None) -> Iterator[Report]:
    """One report a message. Raises hie.errors.DecodeError where there is no readable MSH."""
    for index, message in enumerate(read(raw, charset)):
        yield _report(index, message, profile)


def _report(index: int, message: Message, profile: Profile | None) -> Report:
    msh = next(segment for segment in message.segments if segment.name == "MSH")
    code, trigger, sent = _kind(message, msh)
    event = f"{code}^{trigger}" if trigger else code
    said = message.text(msh.get(12).partition(message.component)[0])
    asked = profile is None or profile.standard
    tables = standard((profile.version if profile else "") or said) if asked else None
    found = [Finding(Severity.WARNING, w.code, w.where or "MSH", w.text, "reading") for w in message.warnings]
    if tables is not None:
        found += _by_the_book(message, msh, tables, said, (code, trigger, sent))
    if profile is not None:
        if not profile.messages or event in profile.messages or code in profile.messages:
            found += site.check(message, profile)
        else:
            text = f"the profile {profile.name} is for {', '.join(sorted(profile.messages))}"
            found.append(Finding(Severity.ERROR, "event-not-in-profile", "MSH-9", text, profile.name))
    version = tables.version if tables else said
    return Report(index, event, version, tuple(dict.fromkeys(sorted(found, key=_order(message)))))


def _by_the_book(
    message: Message, msh: Segment, tables: Standard, said: str, kind: tuple[str, str, str]
) -> Iterator[Finding]:
    rule = f"HL7 {tables.version}"
    if tables.version != said:
        text = f"there are no tables for this version; those of {tables.version} were used"
        yield Finding(Severity.WARNING, "version-unknown", "MSH-12", text, rule)
    marks = msh.get(2)
    if len(marks) == 5 and tables.version < _FIFTH:
        text = f"a fifth encoding character (truncation) came with version {_FIFTH}"
        yield Finding(Severity.WARNING, "delimiters-odd", "MSH-2", text, rule)
    found = tables.structure(*kind)
    if found is None:
        text = f"version {tables.version} has no such event, so the order of segments was not checked"
        yield Finding(Severity.WARNING, "event-unknown", "MSH-9", text, rule)
    else:
        if kind[2] and kind[2] != found.name:
            text = f"the structure of this event is {found.name}"
            yield Finding(Severity.WARNING, "structure-name", "MSH-9.3", text, rule)
        yield from structure.check(message.segments, found, rule)
    for segment in message.segments:
        yield from fields.check(message, segment, tables)


def _kind(message: Message, msh: Segment) -> tuple[str, str, str]:
    parts = [message.text(part) for part in msh.get(9).partition(message.repetition)[0].split(message.component)]
    parts += [""] * (3 - len(parts))
    return parts[0].upper(), parts[1].upper(), parts[2].upper()


def _order(message: Message) -> Callable[[Finding], int]:
    """Findings by their segment's place in the message; what is about the message as a whole first."""
    places = {segment.where: at for at, segment in enumerate(message.segments)}

    def order(finding: Finding) -> int:
        head = finding.where.partition("-")[0]
        return places.get(head, places.get(f"{head}[1]", len(places) if finding.code == "segment-missing" else -1))

    return order
