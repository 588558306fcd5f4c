"""The facts of an HL7 v2 message, field by field of the checklist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tests.fidelity.compare import readable_time
from tests.fidelity.fact import Fact
from tests.fidelity.meanings import TABLES
from tests.fidelity.message import Message, Segment

# segments that come several times and whose values mean nothing outside their own statement
STATEMENTS = {
    "OBX",
    "AL1",
    "IAM",
    "DG1",
    "RXA",
    "OBR",
    "SPM",
    "PR1",
    "NK1",
    "IN1",
    "RXE",
    "RXO",
    "RXD",
    "FT1",
    "PRB",
    "GOL",
}
# of these, what belongs to another resource: the use of a diagnosis to the visit, the parent result to the report before
ELSEWHERE = {("DG1", 6), ("OBR", 26)}
# events about a person alone, which open no encounter whatever PV1 says
VISIT = {"PV1", "PV2", "DG1"}
PERSON_ONLY = {"A28", "A29", "A30", "A31", "A40", "A47"}
# an indicator that another field says more exactly: the order of birth, the time of death
IMPLIED = {24: 25, 30: 29}


@dataclass(frozen=True)
class Row:
    name: str
    number: int
    component: int
    kind: str
    shape: str
    places: tuple[str, ...]


def _rows() -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = {}
    for line in (Path(__file__).parent / "hl7v2_checklist.tsv").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            field, kind, shape, places = line.split("\t")
            name, number = field.split("-")
            number, _, component = number.partition(".")
            rows.setdefault(name, []).append(
                Row(name, int(number), int(component or 0), kind, shape, tuple(places.split()))
            )
    return rows


ROWS = _rows()


def facts(message: Message) -> Iterator[Fact]:
    """Every value of the checklist that the message holds."""
    owner = message.segments[0]
    event = message.kind.split("^")[-1]
    for segment in message.segments:
        if segment.name != "NTE":
            owner = segment
        if segment.name in VISIT and event in PERSON_ONLY:
            continue
        for row in ROWS.get(segment.name, []):
            raw = segment.field(row.number)
            if row.name == "OBX" and row.number in (3, 4, 11) and message.kind[:3] in ("VXU", "RSP"):
                continue  # the question of a vaccination or of a forecast becomes the element that answers it
            if row.name == "PID" and row.number == 25 and raw == "1" and segment.field(24) == "N":
                continue  # the first of one is no twin
            if row.name == "OBX" and row.number in (4, 11) and message.kind[:3] in ("MDM", "VXU"):
                continue  # there OBX is a part of a document or of a vaccination, without a number or a status of its own
            if row.name == "PID" and row.number in IMPLIED and segment.field(IMPLIED[row.number]).strip():
                continue
            if row.name == "RXA" and row.number == 20 and segment.field(21).strip() == "D":
                continue  # what is deleted has the status of an error, whatever it was
            if row.name == "MSH" and row.number == 11 and raw[:1] not in ("T", "D"):
                continue
            if owner.name == "MSH" and segment.name == "NTE":
                continue
            yield from _field(message, segment, row, raw)


def _field(message: Message, segment: Segment, row: Row, raw: str) -> Iterator[Fact]:
    repetitions = [raw] if row.number == 2 and row.name == "MSH" else raw.split(message.repetition)
    if row.shape in ("FT", "OBX") and segment.field(2) in ("ED", "RP"):
        repetitions = [raw]
    for number, repetition in enumerate(repetitions, 1):
        if repetition.strip() in ("", '""'):
            continue
        place = f"{row.name}[{segment.index}]-{row.number}" + (f"[{number}]" if len(repetitions) > 1 else "")
        parts = repetition.split(message.component)
        if row.component:
            if len(parts) < row.component:
                continue
            place += f".{row.component}"
            parts = (
                parts[row.component - 1].split(message.subcomponent)
                if row.shape.endswith(".AMP")
                else [parts[row.component - 1]]
            )
        base = Fact(
            where=place,
            part=row.name,
            kind=row.kind,
            accept=(),
            places=row.places,
            scope=f"{row.name}[{segment.index}]",
            strict=row.name in STATEMENTS and (row.name, row.number) not in ELSEWHERE,
        )
        for fact in _shape(message, segment, row.shape.removesuffix(".AMP"), base, parts):
            accept = tuple(message.unescape(each) for each in fact.accept)
            if any(each.strip() for each in accept) and accept[0].strip() not in ('""', ""):
                yield replace(fact, accept=accept)


def _at(base: Fact, parts: list[str], number: int, ends: str, form: str = "text", sub: str = "") -> Iterator[Fact]:
    """The fact of one component (its first subcomponent if `sub` is given)."""
    raw = parts[number - 1].strip() if len(parts) >= number else ""
    value = (raw.split(sub)[0] if sub else raw).strip()
    if value:
        yield replace(base, where=_dot(base.where, number), accept=(value, raw), ends=tuple(ends.split()), form=form)


def _dot(where: str, number: int) -> str:
    return f"{where}.{number}"


def _shape(message: Message, segment: Segment, shape: str, base: Fact, parts: list[str]) -> Iterator[Fact]:
    sub = message.subcomponent
    if shape in TABLES:
        code = parts[0].strip()
        if code:
            accept = (code, *TABLES[shape].get(code.upper(), ()))
            yield replace(base, accept=accept, form="code")
    elif shape == "TESTING":
        yield replace(base, accept=(parts[0],), ends=("code",), form="code")
    elif shape in ("ST", "ID"):
        yield replace(base, accept=(parts[0].split(sub)[0], message.component.join(parts)), form="text")
    elif shape == "FT":
        for line in re.split(r"\\\.br\\|\n", message.component.join(parts)):
            if line.strip():
                yield replace(base, accept=(line,), form="has")
    elif shape == "DIGITS":
        yield replace(base, accept=(parts[0],), form="digits")
    elif shape in ("NM", "AMOUNT"):
        # 999 and 998 in RXA-6 say that the amount is not known
        if not (shape == "AMOUNT" and parts[0].strip() in ("999", "998", "0")):
            yield replace(base, accept=(parts[0],), form="number")
    elif shape == "MO":
        yield from _at(base, [parts[0].split(sub)[0]], 1, "value", "number")
    elif shape == "TS":
        if readable_time(parts[0]):
            yield replace(base, accept=(parts[0],), form="time")
    elif shape == "RPT":
        code = parts[0].split(sub)
        yield replace(base, accept=tuple(each for each in code if each) or ("",), form="has")
    elif shape in COMPOUND:
        yield from COMPOUND[shape](base, parts, sub)
    elif shape == "RANGE":
        yield from _range(base, message.component.join(parts))
    elif shape == "OBX":
        yield from _value(message, segment, base, parts)
    else:
        raise ValueError(f"the checklist names a shape nobody knows: {shape}")


def _coded(base: Fact, parts: list[str], sub: str) -> Iterator[Fact]:
    """CE, CWE, CNE, CF: both triplets and the original text."""
    words = "has" if base.kind in ("text", "parent") else "text"
    yield from _at(base, parts, 1, "code text unit value display name", "has" if words == "has" else "code", sub)
    yield from _at(base, parts, 2, "display text unit name alias", words, sub)
    yield from _at(base, parts, 4, "code text value", "code", sub)
    yield from _at(base, parts, 5, "display text name alias", "text", sub)
    yield from _at(base, parts, 9, "text display unit", "text", sub)


def _identifier(base: Fact, parts: list[str], sub: str) -> Iterator[Fact]:
    yield from _at(base, parts, 1, "value subscriberId", "text", sub)
    yield from _assigner(base, parts, 4, sub)
    yield from _at(base, parts, 5, "type.coding.code type.text system", "code", sub)


def _assigner(base: Fact, parts: list[str], number: int, sub: str) -> Iterator[Fact]:
    """An authority counts by its name or by its universal id."""
    if len(parts) < number or not parts[number - 1].strip(sub + " "):
        return
    names = [each.strip() for each in parts[number - 1].split(sub)[:2] if each.strip()]
    if any(
        name.upper() in ("SSA", "USA", "US", "SSN") or name in ("2.16.840.1.113883.4.1", "2.16.840.1.113883.4.6")
        for name in names
    ):
        return  # the Social Security authority and the NPI register have URIs of their own
    accept = tuple(names) + tuple(re.sub(r"\s+", "-", each) for each in names)
    if len(parts) > 4 and parts[4] == "SS":
        accept += ("http://hl7.org/fhir/sid/us-ssn",)
    yield replace(
        base,
        where=_dot(base.where, number),
        kind="assigner",
        accept=accept,
        ends=("system", "display", "value"),
        form="has",
    )


def _entity(base: Fact, parts: list[str], sub: str) -> Iterator[Fact]:
    yield from _at(base, parts, 1, "value", "text", sub)
    yield from _assigner(base, ["", *parts[1:3]] if len(parts) > 1 else [], 2, sub)


def _entity_pair(base: Fact, parts: list[str], sub: str) -> Iterator[Fact]:
    for number, part in enumerate(parts[:2], 1):
        value = part.split(sub)[0]
        if value.strip():
            yield replace(base, where=_dot(base.where, number), accept=(value.strip(),), ends=("value",))


def _name(base: Fact, parts: list[str], sub: str, first: int = 1) -> Iterator[Fact]:
    yield from _at(base, parts, first, "family text valueString name display", "has", sub)
    for given in parts[first].split(sub)[0].split(" ") if len(parts) > first else []:
        if given.strip():
            yield replace(
                base,
                where=_dot(base.where, first + 1),
                accept=(given.strip(),),
                ends=("given", "text", "valueString", "display"),
                form="has",
            )
    yield from _at(base, parts, first + 2, "given text valueString display", "has", sub)
    yield from _at(base, parts, first + 3, "suffix text display valueString", "has", sub)
    yield from _at(base, parts, first + 4, "prefix text display valueString", "has", sub)
    yield from _at(base, parts, first + 5, "suffix code text display valueString", "has", sub)


def _person(base: Fact, parts: list[str], sub: str) -> Iterator[Fact]:
    yield from _at(base, parts, 1, "value" if len(parts) > 1 else "value display text family", "text", sub)
    yield from _name(base, parts, sub, 2)
    yield from _assigner(base, parts, 9, sub)


def _person_of_result(base: Fact, parts: list[str], sub: str) -> Iterator[Fact]:
    """NDL: the person is the first component, its parts are subcomponents."""
    who = parts[0].split(sub)
    for fact in (
        *_at(base, who, 1, "value" if len(who) > 1 else "value display text family"),
        *_name(base, who, "\0", 2),
    ):
        yield replace(fact, where=_dot(base.where, 1))


def _address(base: Fact, parts: list[str], sub: str) -> Iterator[Fact]:
    street = parts[0].split(sub)
    yield from _at(base, [street[0]], 1, "line text", "has")
    yield from _at(base, parts, 2, "line text", "has", sub)
    yield from _at(base, parts, 3, "city")
    yield from _at(base, parts, 4, "state")
    yield from _at(base, parts, 5, "postalCode")
    yield from _at(base, parts, 6, "country")
    yield from _used(base, parts, 7, {"H": "home", "B": "work", "O": "work", "M": "postal"})
    yield from _at(base, parts, 9, "district", "text", sub)


def _used(base: Fact, parts: list[str], number: int, uses: dict[str, str]) -> Iterator[Fact]:
    """What an address or a number is for, where FHIR has a word for it."""
    use = uses.get(parts[number - 1].strip() if len(parts) >= number else "")
    if use and any(each.strip() for i, each in enumerate(parts) if i not in (1, 2, number - 1)):
        yield replace(base, where=_dot(base.where, number), accept=(use, "mobile"), ends=("use", "type"), form="code")


def _quantity(base: Fact, parts: list[str], sub: str) -> Iterator[Fact]:
    """CQ: a number, and its unit by code or text."""
    yield from _at(base, parts, 1, "value", "number", sub)
    yield from _at(base, parts, 2, "unit code", "code", sub)


def _telecom(base: Fact, parts: list[str], sub: str) -> Iterator[Fact]:
    yield from _used(base, parts, 2, {"PRN": "home", "WPN": "work"})
    number = parts[0].split("X")[0] if parts[0][:1] in "(+0123456789" else parts[0]
    yield from _at(base, [number], 1, "value", "digits-in")
    yield from _at(base, parts, 4, "value")
    for number in (6, 7):
        yield from _at(base, parts, number, "value", "digits-in")
    yield from _at(base, parts, 12, "value", "digits-in")


def _organization(base: Fact, parts: list[str], sub: str) -> Iterator[Fact]:
    yield from _at(base, parts, 1, "name alias display text value", "text", sub)
    yield from _at(base, parts, 10, "value", "text", sub)
    yield from _at(base, parts, 3, "value", "text", sub)


def _location(base: Fact, parts: list[str], sub: str) -> Iterator[Fact]:
    for number in (1, 2, 3, 4, 7, 8):
        yield from _at(base, parts, number, "name display value alias", "has", sub)


def _authority(base: Fact, parts: list[str], sub: str) -> Iterator[Fact]:
    yield from _at(base, parts, 1, "", "has", sub)
    yield from _at(base, parts, 2, "", "has", sub)


COMPOUND = {
    "CWE": _coded, "CX": _identifier, "EI": _entity, "EIP": _entity_pair, "XPN": _name, "XCN": _person, "NDL": _person_of_result, "XAD": _address,
    "XTN": _telecom, "CQ": _quantity, "XON": _organization, "PL": _location, "HD": _authority,
}  # fmt: skip


def _range(base: Fact, text: str) -> Iterator[Fact]:
    bounds = re.fullmatch(r"\s*\(?([+-]?[\d.]+)\s*-\s*([+-]?[\d.]+)\)?\s*", text)
    if not bounds:
        yield replace(base, accept=(text, text.replace("^", " ").strip()), form="has")
        return
    yield replace(base, accept=(bounds.group(1), text), form="number", ends=("low.value", "text"))
    yield replace(base, accept=(bounds.group(2), text), form="number", ends=("high.value", "text"))


def _value(message: Message, segment: Segment, base: Fact, parts: list[str]) -> Iterator[Fact]:
    kind, sub = segment.field(2).strip(), message.subcomponent
    text = message.component.join(parts)
    if kind in ("CE", "CWE", "CNE", "CF"):
        yield from _coded(base, parts, sub)
    elif kind == "NM":
        yield replace(base, accept=(parts[0].strip(),), form="number")
    elif kind == "SN":
        for number in (2, 4):
            yield from _at(base, parts, number, "", "number" if len(parts) < 4 else "has")
    elif kind in ("TS", "DT", "DTM") and readable_time(parts[0]):
        yield replace(base, accept=(parts[0],), form="time")
    elif kind == "TM":
        yield replace(base, accept=(parts[0], re.sub(r"^(\d\d)(\d\d).*$", r"\1:\2", parts[0])), form="has")
    elif kind in ("NA", "MA"):
        yield replace(base, accept=(" ".join(parts),), form="has")
    elif kind == "" and len(parts) > 2:
        for number in (1, 2):
            yield from _at(base, parts, number, "", "has", sub)
    elif kind == "ED":
        yield from _at(base, parts, 5, "", "base64")
    elif kind in ("ST", "TX", "FT", "", "IS", "ID"):
        yield from _shape(message, segment, "FT", base, parts)
    elif kind in ("XCN", "XPN", "XAD", "XTN", "XON", "CX", "EI", "PL", "HD", "RP", "CQ", "CP", "MO", "DR"):
        for number, part in enumerate(parts, 1):
            if part.strip() and not part.isdigit():
                yield replace(base, where=_dot(base.where, number), accept=(part.split(sub)[0],), form="has")
    else:
        yield from _shape(message, segment, "FT", base, [text])
