"""The fields of a segment against its table in the standard: required, repeated, unknown, of the wrong form or table.

Source: HL7 v2.8.2 sections 2.5.3 (fields, components), 2A (data types), 7.4.2.5 (OBX-5 is what OBX-2 says).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from adapters.hl7v2.conformance.forms import wanted
from adapters.hl7v2.conformance.standard import Part, Standard
from adapters.hl7v2.reader import Message, Segment
from hie.codes.systems import from_v2_name
from hie.conformance import Finding, Place, Severity

_NULL = '""'
_DELIMITERS = {("MSH", 1), ("MSH", 2)}
_UNREGISTERED = "urn:hie:system:"
_LOCAL = re.compile(r"L|99[A-Z0-9]{3,4}\Z", re.IGNORECASE)
_HL7_DEFINED = ("ID",)
"""Values of an ID come from the standard; those of an IS, or of a code in a CWE, from the site. A value type (table 0125)
is one that the version has."""


def check(message: Message, segment: Segment, standard: Standard) -> Iterator[Finding]:
    parts = standard.fields(segment.name)
    if parts is None:
        return
    reader = _Reader(message, segment, standard)
    for number, part in enumerate(parts, 1):
        raw = segment.fields[number] if number < len(segment.fields) else ""
        if not raw:
            if part.required:
                yield reader.say(Severity.ERROR, "field-missing", f"{_titled(part)} is required", number)
            continue
        if raw == _NULL or (segment.name, number) in _DELIMITERS:
            continue
        if part.type == "varies":
            part = part._replace(type=segment.get(2)) if (segment.name, number) == ("OBX", 5) else part
        yield from reader.field(number, raw, part)
    for number in range(len(parts) + 1, len(segment.fields)):
        if segment.fields[number]:
            text = f"version {standard.version} has no {segment.name}-{number}"
            yield reader.say(Severity.WARNING, "field-unknown", text, number)
    if segment.name == "OBX" and segment.get(5):
        yield from reader.value_type()


def _titled(part: Part) -> str:
    return part.title or "the value"


class _Reader:
    """One segment being checked."""

    def __init__(self, message: Message, segment: Segment, standard: Standard) -> None:
        self.message = message
        self.segment = segment
        self.standard = standard
        self.rule = f"HL7 {standard.version}"

    def say(self, severity: Severity, code: str, text: str, *place: int, repetition: int = 0) -> Finding:
        where = str(Place(self.segment.where, *place))
        if repetition:
            head, dash, rest = where.partition("-")
            number, dot, below = rest.partition(".")
            where = f"{head}{dash}{number}[{repetition}]{dot}{below}"
        return Finding(severity, code, where, text, self.rule)

    def value_type(self) -> Iterator[Finding]:
        kind = self.segment.get(2)
        if not kind:
            yield self.say(Severity.ERROR, "field-missing", "OBX-5 has a value, so its type is required", 2)
        elif not self.standard.knows(kind):
            text = f"version {self.standard.version} has no such data type"
            yield self.say(Severity.ERROR, "value-type-unknown", text, 2)

    def field(self, number: int, raw: str, part: Part) -> Iterator[Finding]:
        repetitions = raw.split(self.message.repetition)
        if part.most is not None and len(repetitions) > part.most:
            often = "once" if part.most == 1 else f"at most {part.most} times"
            yield self.say(Severity.ERROR, "field-repeats", f"{_titled(part)} comes {often}", number)
        if not part.type:
            return
        for at, one in enumerate(repetitions, 1):
            repetition = at if len(repetitions) > 1 else 0
            if one and one != _NULL:
                yield from self.value(one, part, self.message.component, (number,), repetition)

    def value(self, raw: str, part: Part, mark: str, place: tuple[int, ...], repetition: int) -> Iterator[Finding]:
        """A repetition, or a component of one: composite types part by part, primitive ones as a whole."""
        components = self.standard.components(part.type)
        pieces = raw.split(mark)
        if not components:
            if any(pieces[1:]) and part.type in ("ST", "ID", "IS", "NM", "SI", "DT", "DTM", "TM"):
                text = (
                    f"{_titled(part)} is of type {part.type}, which has no components: a delimiter may need its escape"
                )
                yield self.say(Severity.WARNING, "component-unknown", text, *place, 2, repetition=repetition)
            yield from self.primitive(pieces[0], part, place, repetition)
            return
        for number, piece in enumerate(pieces, 1):
            if number > len(components):
                if piece:
                    text = f"type {part.type} has {len(components)} component{'s'[: len(components) > 1]} in version {self.standard.version}"
                    yield self.say(Severity.WARNING, "component-unknown", text, *place, number, repetition=repetition)
                continue
            component = components[number - 1]
            below = (*place, number)
            if piece and piece != _NULL and component.type:
                if len(below) < 3:
                    yield from self.value(piece, component, self.message.sub, below, repetition)
                else:
                    yield from self.primitive(piece, component, below, repetition)
            elif not piece and component.required and any(pieces):
                text = f"{_titled(component)} is required in a {part.type}"
                yield self.say(Severity.ERROR, "component-missing", text, *below, repetition=repetition)

    def primitive(self, raw: str, part: Part, place: tuple[int, ...], repetition: int) -> Iterator[Finding]:
        value = raw.strip()
        if not value:
            return
        if asked := wanted(part.type, value):
            yield self.say(
                Severity.ERROR, "value-form", f"{_titled(part)} should be {asked}", *place, repetition=repetition
            )
        elif part.table == "0396":
            registered = value in self.standard.values("0396") or not from_v2_name(value).startswith(_UNREGISTERED)
            if not registered and not _LOCAL.match(value):
                text = "not a registered coding system (table 0396); a local one is called L or 99 and three characters"
                yield self.say(Severity.NOTE, "coding-system-unknown", text, *place, repetition=repetition)
        elif part.table and part.table != "0125" and (known := self.standard.values(part.table)) and value not in known:
            severity, owner = (
                (Severity.WARNING, "HL7 defines it")
                if part.type in _HL7_DEFINED
                else (Severity.NOTE, "a site may add to it")
            )
            text = f"not a value of table {part.table}; {owner}"
            yield self.say(severity, "value-not-in-table", text, *place, repetition=repetition)
