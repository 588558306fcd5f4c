"""Reports and observations as OBR, OBX and NTE (HL7 v2.5.1 chapters 4 and 7; tables 0085, 0123, 0125)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from adapters.hl7v2.render_record import RecordIndex, notes
from adapters.hl7v2.render_types import composed, cwe, ei, identifier_type, repeated, segment, text, ts
from hie.model import Resource

OBX_STATUS = {
    "registered": "I",
    "preliminary": "P",
    "final": "F",
    "amended": "C",
    "corrected": "C",
    "cancelled": "X",
    "entered-in-error": "W",
}
"""Observation.status -> table 0085; R (entered, not verified) for what is not known."""
OBR_STATUS = {
    "registered": "I",
    "partial": "A",
    "preliminary": "P",
    "final": "F",
    "amended": "C",
    "corrected": "C",
    "appended": "C",
    "cancelled": "X",
    "entered-in-error": "X",
}
_LONGEST_ST = 199


def value_of(element: Mapping[str, Any]) -> tuple[str, str, str]:
    """OBX-2, OBX-5 and OBX-6 of an Observation or one of its components; ("", "", "") where it has no value."""
    if (quantity := element.get("valueQuantity")) is not None:
        return _quantity(quantity)
    if (concept := element.get("valueCodeableConcept")) is not None:
        return "CWE", cwe(concept), ""
    if (words := element.get("valueString")) is not None:
        return ("FT" if "\n" in words else "ST" if len(words) <= _LONGEST_ST else "TX"), text(words), ""
    if (number := element.get("valueInteger")) is not None:
        return "NM", str(number), ""
    if (yes := element.get("valueBoolean")) is not None:
        return "CWE", "Y^Yes^HL70136" if yes else "N^No^HL70136", ""
    if (moment := element.get("valueDateTime")) is not None:
        return ("DT" if len(moment) <= 10 else "TS"), ts(moment), ""
    if (clock := element.get("valueTime")) is not None:
        return "TM", clock.replace(":", ""), ""
    if (span := element.get("valuePeriod")) is not None:
        return "DR", composed(ts(span.get("start")), ts(span.get("end"))), ""
    if (limits := element.get("valueRange")) is not None:
        low, high = limits.get("low", {}), limits.get("high", {})
        return "SN", composed("", _number(low), "-", _number(high)), _unit(low or high)
    if (ratio := element.get("valueRatio")) is not None:
        top, bottom = ratio.get("numerator", {}), ratio.get("denominator", {})
        return "SN", composed(text(top.get("comparator", "")), _number(top), ":", _number(bottom)), _unit(top)
    if (attachment := element.get("valueAttachment")) is not None:
        return encapsulated(attachment)
    return "", "", ""


def _quantity(quantity: Mapping[str, Any]) -> tuple[str, str, str]:
    if quantity.get("comparator"):
        return "SN", composed(text(quantity["comparator"]), _number(quantity)), _unit(quantity)
    return "NM", _number(quantity), _unit(quantity)


def _number(quantity: Mapping[str, Any]) -> str:
    value = quantity.get("value")
    return "" if value is None else text(value)


def _unit(quantity: Mapping[str, Any]) -> str:
    code, words, system = quantity.get("code", ""), quantity.get("unit", ""), quantity.get("system", "")
    if not code:
        return text(words)
    return cwe({"coding": [{"code": code, "display": words, "system": system}]})


def encapsulated(attachment: Mapping[str, Any]) -> tuple[str, str, str]:
    """An Attachment: plain text as FT, anything else as ED, a bare address as RP."""
    kind = attachment.get("contentType", "")
    data = attachment.get("data")
    if data and kind.startswith("text/plain"):
        try:
            return "FT", text(base64.b64decode(data).decode()), ""
        except ValueError:
            pass
    main, _, sub = kind.partition(";")[0].partition("/")
    if data:
        return "ED", composed("", text(main or "application"), text(sub), "Base64", data), ""
    if url := attachment.get("url"):
        return "RP", composed(text(url), "", text(main), text(sub)), ""
    return "", "", ""


def obx(index: RecordIndex, number: int, observation: Resource, sub: str = "") -> list[str]:
    """OBX of one observation, then one for each component with its own sub-id; the notes follow as NTE."""
    made = []
    kind, value, unit = value_of(observation)
    components = observation.get("component", ())
    if kind or not components:
        made.append(_obx(index, number, observation, observation, (kind, value, unit), sub))
        made += nte(notes(observation))
    for order, component in enumerate(components, 1):
        own = f"{sub}.{order}" if sub else str(order)
        made.append(_obx(index, number + len(made), observation, component, value_of(component), own))
    return made


def _obx(
    index: RecordIndex, number: int, whole: Resource, part: Mapping[str, Any], value: tuple[str, str, str], sub: str
) -> str:
    kind, shown, unit = value
    performer = next(iter(whole.get("performer", ())), None)
    when = whole.get("effectiveDateTime") or whole.get("effectivePeriod", {}).get("start")
    return segment(
        "OBX",
        {
            1: str(number),
            2: kind,
            3: cwe(part.get("code")),
            4: sub,
            5: shown,
            6: unit,
            7: _range(part),
            8: repeated([_flag(c) for c in part.get("interpretation", ())]),
            11: OBX_STATUS.get(whole.get("status", ""), "R"),
            14: ts(when),
            16: index.xcn(performer) if performer and _is_person(performer) else "",
            17: cwe(whole.get("method")),
            19: ts(whole.get("issued")),
            23: index.organization(performer) if performer and not _is_person(performer) else "",
        },
    )


def _is_person(reference: Mapping[str, Any]) -> bool:
    return str(reference.get("reference", "")).startswith(("Practitioner/", "PractitionerRole/"))


def _flag(concept: Mapping[str, Any]) -> str:
    return text(next((c.get("code", "") for c in concept.get("coding", ())), concept.get("text", "")))


def _range(part: Mapping[str, Any]) -> str:
    limits: Mapping[str, Any] = next(iter(part.get("referenceRange", ())), {})
    if words := limits.get("text"):
        return text(words)
    low, high = _number(limits.get("low", {})), _number(limits.get("high", {}))
    if low and high:
        return f"{low}-{high}"
    return f">{low}" if low else f"<{high}" if high else ""


def nte(texts: list[str], source: str = "L") -> list[str]:
    return [segment("NTE", {1: str(n), 2: source, 3: text(words)}) for n, words in enumerate(texts, 1)]


def orders(index: RecordIndex) -> list[str]:
    """Every report with its results, then the results that no report names, each under an OBR of its own code."""
    reports = index.all("DiagnosticReport")
    observations = {f"Observation/{o.get('id')}": o for o in index.all("Observation")}
    made: list[str] = []
    number = 0
    for report in reports:
        number += 1
        made.append(_obr(index, number, report))
        made += nte([t for t in (report.get("conclusion"), *notes(report)) if t])
        made += _results(index, observations, report)
    for reference in list(observations):
        observation = observations.pop(reference, None)
        if observation is None:
            continue
        number += 1
        made.append(_obr(index, number, observation))
        own = [] if observation.get("hasMember") and not value_of(observation)[0] else obx(index, 1, observation)
        made += own
        members = _members(observations, observation.get("hasMember", ()))
        made += _numbered(index, members, sum(line.startswith("OBX") for line in own))
    return made


def _results(index: RecordIndex, observations: dict[str, Resource], report: Resource) -> list[str]:
    made = _numbered(index, _members(observations, report.get("result", ())), 0)
    for form in report.get("presentedForm", ()):
        kind, value, _ = encapsulated(form)
        if kind:
            count = sum(line.startswith("OBX") for line in made) + 1
            status = OBR_STATUS.get(report.get("status", ""), "R")
            made.append(segment("OBX", {1: str(count), 2: kind, 3: cwe(report.get("code")), 5: value, 11: status}))
    return made


def _members(observations: dict[str, Resource], references: Any) -> list[Resource]:
    """Observations named by `references`, panels opened, each taken once."""
    found = []
    for reference in references:
        observation = observations.pop(reference.get("reference", ""), None)
        if observation is not None:
            if value_of(observation)[0] or observation.get("component") or not observation.get("hasMember"):
                found.append(observation)
            found += _members(observations, observation.get("hasMember", ()))
    return found


def _numbered(index: RecordIndex, observations: list[Resource], first: int) -> list[str]:
    made: list[str] = []
    codes = [cwe(o.get("code")) for o in observations]
    for at, observation in enumerate(observations):
        count = first + sum(line.startswith("OBX") for line in made)
        # the same code twice in one group needs a sub-id, or a receiver reads the second as a correction
        sub = str(codes[:at].count(codes[at]) + 1) if codes.count(codes[at]) > 1 else ""
        made += obx(index, count + 1, observation, sub)
    return made


def _obr(index: RecordIndex, number: int, of: Resource) -> str:
    identifiers = of.get("identifier", ())
    placer = next((i for i in identifiers if identifier_type(i) == "PLAC"), None)
    filler = next((i for i in identifiers if i is not placer), None)
    order = index.at(next(iter(of.get("basedOn", ())), None)) or {}
    period = of.get("effectivePeriod", {})
    performer = next(iter(of.get("resultsInterpreter", ()) or of.get("performer", ())), None)
    category = next((c.get("code", "") for k in of.get("category", ()) for c in k.get("coding", ())), "")
    return segment(
        "OBR",
        {
            1: str(number),
            2: ei(placer or next(iter(order.get("identifier", ())), None)),
            3: ei(filler),
            4: cwe(of.get("code")) or cwe(order.get("code")),
            7: ts(of.get("effectiveDateTime") or period.get("start")),
            8: ts(period.get("end")),
            16: index.xcn(order.get("requester")),
            22: ts(of.get("issued")),
            24: text(category) if of["resourceType"] == "DiagnosticReport" and len(category) <= 10 else "",
            25: (OBR_STATUS if of["resourceType"] == "DiagnosticReport" else OBX_STATUS).get(of.get("status", ""), "R"),
            31: cwe(next(iter(order.get("reasonCode", ())), None)),
            32: index.xcn(performer) if performer and _is_person(performer) else "",
        },
    )
