"""What a feed, or one sender of it, does otherwise: checked when the configuration is read, applied before the tables are.

fields  a row of the segment tables, added or in place of the shipped one: `ZPI-3: Patient.identifier[] cx MR`;
        `structure` says that a field, a component or a whole segment is passed over on purpose
moves   a field that stands in another one's place: `PID-2: PID-3`; beside a value that is there already it is a repetition
obx2    the data type of OBX-5 where OBX-2 names none that HL7 knows: `XX: NM`; `empty: NM` where it names none at all
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from adapters.hl7v2.codes import table_of
from adapters.hl7v2.conversions import CONVERSIONS
from adapters.hl7v2.reader import Message
from adapters.hl7v2.rules import STRUCTURE, rows
from adapters.hl7v2.values import KNOWN
from hie.fhir.validate import types
from hie.model import FeedContext
from hie.spelling import meant

Found = tuple[tuple[str, ...], str, str, str]
"""Path below `overrides`, sentence, code, hint."""

_PLACE = re.compile(r"([A-Z][A-Z0-9]{2})(?:-([1-9]\d{0,2})(?:\.([1-9]\d?))?)?\Z")
_STEP = re.compile(r"([A-Za-z]+)(\[0?\])?\Z")
_ORDINAL = re.compile(r"\[\d+\]")
MAKES = {
    "concept": "CodeableConcept", "concept-text": "CodeableConcept", "coding": "Coding", "code": "code", "time": "dateTime",
    "date": "date", "instant": "instant", "period": "Period", "cx": "Identifier", "ei": "Identifier", "numbered": "Reference",
    "xpn": "HumanName", "xad": "Address", "xtn": "ContactPoint", "who": "Reference", "org": "Reference", "place": "Reference",
    "text": "string markdown", "string": "string markdown uri id", "note": "Annotation", "boolean": "boolean",
    "count": "integer unsignedInt positiveInt", "decimal": "decimal", "quantity": "Quantity", "money": "Money",
}  # fmt: skip
"""Conversion -> the FHIR types that its value fits. One that is not here fits what its author says."""
SEGMENTS = frozenset(
    [
        "ABS",
        "ACC",
        "ADD",
        "ADJ",
        "AFF",
        "AIG",
        "AIL",
        "AIP",
        "AIS",
        "AL1",
        "APR",
        "ARQ",
        "ARV",
        "AUT",
        "BHS",
        "BLC",
        "BLG",
        "BPO",
        "BPX",
        "BTS",
        "BTX",
        "BUI",
        "CDM",
        "CDO",
        "CER",
        "CM0",
        "CM1",
        "CM2",
        "CNS",
        "CON",
        "CSP",
        "CSR",
        "CSS",
        "CTD",
        "CTI",
        "DB1",
        "DEV",
        "DG1",
        "DMI",
        "DON",
        "DPS",
        "DRG",
        "DSC",
        "DSP",
        "DST",
        "ECD",
        "ECR",
        "EDU",
        "EQP",
        "EQU",
        "ERR",
        "EVN",
        "FAC",
        "FHS",
        "FT1",
        "FTS",
        "GOL",
        "GP1",
        "GP2",
        "GT1",
        "IAM",
        "IAR",
        "IIM",
        "ILT",
        "IN1",
        "IN2",
        "IN3",
        "INV",
        "IPC",
        "IPR",
        "ISD",
        "ITM",
        "IVC",
        "IVT",
        "LAN",
        "LCC",
        "LCH",
        "LDP",
        "LOC",
        "LRL",
        "MFA",
        "MFE",
        "MFI",
        "MRG",
        "MSA",
        "MSH",
        "NCK",
        "NDS",
        "NK1",
        "NPU",
        "NSC",
        "NST",
        "NTE",
        "OBR",
        "OBX",
        "ODS",
        "ODT",
        "OH1",
        "OH2",
        "OH3",
        "OH4",
        "OM1",
        "OM2",
        "OM3",
        "OM4",
        "OM5",
        "OM6",
        "OM7",
        "OMC",
        "ORC",
        "ORG",
        "OVR",
        "PAC",
        "PCE",
        "PCR",
        "PD1",
        "PDA",
        "PDC",
        "PEO",
        "PES",
        "PID",
        "PKG",
        "PMT",
        "PR1",
        "PRA",
        "PRB",
        "PRC",
        "PRD",
        "PRT",
        "PSG",
        "PSH",
        "PSL",
        "PSS",
        "PTH",
        "PV1",
        "PV2",
        "PYE",
        "QAK",
        "QID",
        "QPD",
        "QRD",
        "QRF",
        "QRI",
        "RCP",
        "RDF",
        "RDT",
        "REL",
        "RF1",
        "RFI",
        "RGS",
        "RMI",
        "ROL",
        "RQ1",
        "RQD",
        "RXA",
        "RXC",
        "RXD",
        "RXE",
        "RXG",
        "RXO",
        "RXR",
        "RXV",
        "SAC",
        "SCD",
        "SCH",
        "SCP",
        "SDD",
        "SFT",
        "SGH",
        "SGT",
        "SHP",
        "SID",
        "SLT",
        "SPM",
        "STF",
        "STZ",
        "TCC",
        "TCD",
        "TQ1",
        "TQ2",
        "TXA",
        "UAC",
        "UB1",
        "UB2",
        "URD",
        "URS",
        "VAR",
        "VND",
    ]
)
"""Of HL7 v2.1 to v2.8; those that begin with Z are a site's own."""


def check(overrides: Mapping[str, Any]) -> Iterator[Found]:
    """Everything wrong with the overrides of a feed, each with the nearest valid name."""
    for key, said in overrides.items():
        if not isinstance(said, dict):
            yield (key,), "must be a mapping", "bad-value", ""
            continue
        for name, value in said.items():
            wrong = _CHECKS[key](str(name), str(value))
            if wrong is not None:
                yield (key, str(name)), *wrong


def _place(text: str, *, parts: int) -> tuple[str, str, str] | None:
    """What is wrong with a place that may go down to `parts` levels: segment, field, component."""
    found = _PLACE.match(text)
    if found is None:
        return f"{text!r} is no place", "unknown-place", "such as PV1-10 or ZPI-3"
    if found[1] not in SEGMENTS and not found[1].startswith("Z"):
        return f"{found[1]} is no segment", "unknown-segment", meant(found[1], sorted(SEGMENTS))
    if (found[3] and parts < 3) or (not found[2] and parts != 3):
        return f"{text!r} is no field", "unknown-place", "such as PV1-10 or ZPI-3"
    if found[1] == "MSH" and found[2] in ("1", "2"):
        return f"{text} are the delimiters", "unknown-place", ""
    return None


def _field(place: str, target: str) -> tuple[str, str, str] | None:
    element, _, how = target.strip().partition(" ")
    if element == STRUCTURE and not how:
        return _place(place, parts=3)
    if wrong := _place(place, parts=2):
        return wrong
    conversion, _, table = how.strip().partition(" ")
    if conversion == "code" and not table_of(table.strip()):
        return f"{table.strip()!r} is no table of codes", "unknown-table", "code and the HL7 table, such as code 0001"
    if conversion not in CONVERSIONS:
        if not conversion and "." not in element:
            return f"{target!r} is no rule", "bad-rule", f"an element and a conversion, or {STRUCTURE}"
        return f"no conversion {conversion!r}", "unknown-conversion", meant(conversion, sorted(CONVERSIONS))
    return _element(element, conversion)


def _element(element: str, conversion: str) -> tuple[str, str, str] | None:
    known = types()
    kind, *steps = element.split(".")
    if kind not in known or "resourceType" not in known[kind].elements:
        resources = sorted(name for name, each in known.items() if "resourceType" in each.elements)
        return f"{kind!r} is no FHIR R4 resource", "unknown-element", meant(kind, resources)
    if not steps:
        return f"{element!r} names no element", "unknown-element", f"such as {kind}.identifier[]"
    at = kind
    for step in steps:
        found = _STEP.match(step)
        name = found[1] if found else step
        here = {n for n in known[at].elements if not n.startswith("_")} if at in known else set()
        if found is None or name not in here:
            return f"{at} has no element {name!r}", "unknown-element", meant(name, sorted(here))
        made = known[at].elements[name]
        if made.many != bool(found[2]):
            hint = f"{name}[]" if made.many else name
            return f"{at}.{name} {'repeats' if made.many else 'does not repeat'}", "unknown-element", f"write {hint}"
        at = made.kind
    fits = MAKES.get(conversion, at)
    if at not in fits.split():
        right = sorted(name for name, makes in MAKES.items() if at in makes.split())
        return f"{conversion} makes {fits.split()[0]}, {element} is {at}", "bad-rule", f"one of {', '.join(right)}"
    return None


def _move(place: str, target: str) -> tuple[str, str, str] | None:
    if wrong := _place(place, parts=2) or _place(target, parts=2):
        return wrong
    if place.partition("-")[0] != target.partition("-")[0]:
        return (
            f"{place} moves into another segment",
            "bad-move",
            "a field moves inside its segment; `fields` goes anywhere",
        )
    if place == target or place.startswith("MSH"):
        return f"{place} cannot move there", "bad-move", ""
    return None


def _obx2(sent: str, kind: str) -> tuple[str, str, str] | None:
    if kind not in KNOWN:
        return f"{kind!r} is no data type of OBX-5", "unknown-data-type", meant(kind, sorted(KNOWN))
    if sent in KNOWN:
        return (
            f"{sent} is a data type that is read as what it is",
            "unknown-data-type",
            "`empty`, or what HL7 does not know",
        )
    return None


_CHECKS = {"fields": _field, "moves": _move, "obx2": _obx2}


def prepared(message: Message, context: FeedContext) -> FeedContext:
    """What holds for the sender of this message; its fields are put where that says they belong."""
    if context.senders:
        msh = next(s for s in message.segments if s.name == "MSH")
        names = [message.text(msh.get(n).partition(message.component)[0]) for n in (3, 4)]
        context = context.of(*names)
    if moves := context.overrides.get("moves"):
        for s in message.segments:
            for place, target in _moves(tuple(moves.items())).get(s.name, ()):
                fields = s.fields
                if place < len(fields) and fields[place]:
                    fields.extend([""] * (target + 1 - len(fields)))
                    before = fields[target]
                    fields[target] = before + message.repetition + fields[place] if before else fields[place]
                    fields[place] = ""
    return context


@lru_cache(maxsize=64)
def _moves(said: tuple[tuple[str, str], ...]) -> dict[str, list[tuple[int, int]]]:
    made: dict[str, list[tuple[int, int]]] = {}
    for place, target in said:
        segment, _, number = place.partition("-")
        made.setdefault(segment, []).append((int(number), int(target.partition("-")[2])))
    return made


def noticed(lost: dict[str, int], overrides: Mapping[str, Any]) -> dict[str, int]:
    """`lost` without the places that the site passes over on purpose."""
    passed = _passed(tuple(overrides.get("fields", {}).items()))
    if not passed:
        return lost
    return {where: times for where, times in lost.items() if passed.isdisjoint(_above(_ORDINAL.sub("", where)))}


@lru_cache(maxsize=64)
def _passed(said: tuple[tuple[str, str], ...]) -> frozenset[str]:
    return frozenset(place for place, target in said if target.strip() == STRUCTURE)


def _above(place: str) -> tuple[str, str, str]:
    """PV1-3.4 -> itself, PV1-3, PV1."""
    field = place.partition(".")[0]
    return place, field, field.partition("-")[0]


assert {row.how.split(" ")[0] for row in rows()} <= CONVERSIONS.keys() | {"python", STRUCTURE}
