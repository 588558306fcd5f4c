"""Standard extensions of Patient (HL7 core and US Core): race, ethnicity, birth place, mother's name, religion ..."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.concepts import concept
from adapters.hl7v2.contacts import xad
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import cx
from adapters.hl7v2.names import written, xpn
from adapters.hl7v2.reader import Segment
from hie.model import Resource

_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"
_HL7 = "http://hl7.org/fhir/StructureDefinition/patient-"
BIRTH_TIME = _HL7 + "birthTime"
CONGREGATION = _HL7 + "congregation"
DISABILITY = _HL7 + "disability"
CDCREC = "urn:oid:2.16.840.1.113883.6.238"
NULLS = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"
OMB = {
    "1002-5": "American Indian or Alaska Native",
    "2028-9": "Asian",
    "2054-5": "Black or African American",
    "2076-8": "Native Hawaiian or Other Pacific Islander",
    "2106-3": "White",
    "2135-2": "Hispanic or Latino",
    "2186-5": "Not Hispanic or Latino",
}
"""The OMB categories; `text` is required by US Core, so a code without text is written out from here."""
_TABLE_0005 = "http://terminology.hl7.org/CodeSystem/v2-0005"
_TABLE_0189 = "http://terminology.hl7.org/CodeSystem/v2-0189"


def describe(d: Draft, s: Segment, patient: Resource) -> None:
    """PID fields whose place is a standard extension."""
    made: list[dict[str, Any]] = []
    made += _group(d, s, 10, "0005", _CORE + "us-core-race", 5)
    made += _group(d, s, 22, "0189", _CORE + "us-core-ethnicity", 1)
    for rep, part in d.repeats(s.get(6)) if s.get(6) else ():
        if (name := xpn(d, s, 6, part, rep)) and (text := written(name)):
            made.append({"url": _HL7 + "mothersMaidenName", "valueString": text})
    if raw := s.get(23):
        address = xad(d, s, 23, raw) if d.message.component in raw else {"text": d.text(raw)}
        if address:
            made.append({"url": _HL7 + "birthPlace", "valueAddress": address})
    for n, url in ((17, "religion"),):
        if (raw := s.get(n)) and (found := concept(d, s, n, raw, 0, "0006")):
            made.append({"url": _HL7 + url, "valueCodeableConcept": found})
    for n, url in ((26, "citizenship"), (28, "nationality")):
        for rep, part in d.repeats(s.get(n)) if s.get(n) else ():
            if found := concept(d, s, n, part, rep):
                made.append({"url": _HL7 + url, "extension": [{"url": "code", "valueCodeableConcept": found}]})
    for rep, part in d.repeats(s.get(39)) if s.get(39) else ():
        if found := concept(d, s, 39, part, rep):
            inner = [{"url": "tribalAffiliation", "valueCodeableConcept": found}]
            made.append({"url": _CORE + "us-core-tribal-affiliation", "extension": inner})
    animal = [
        {"url": url, "valueCodeableConcept": found}
        for n, url in ((35, "species"), (36, "breed"))
        if s.get(n) and (found := concept(d, s, n, s.get(n)))
    ]
    if animal:
        made.append({"url": _HL7 + "animal", "extension": animal})
    if made:
        patient.setdefault("extension", []).extend(made)
    _mother(d, s)


def _group(d: Draft, s: Segment, n: int, table: str, url: str, most: int) -> list[dict[str, Any]]:
    """Race or ethnicity: OMB categories, detailed codes, text."""
    raw = s.get(n)
    if not raw:
        return []
    inner: list[dict[str, Any]] = []
    texts: list[str] = []
    categories = 0
    for rep, part in d.repeats(raw):
        found = concept(d, s, n, part, rep, table)
        if not found:
            continue
        best = found.get("text", "")
        for coding in found.get("coding", ()):
            code = coding.get("code", "")
            if coding.get("system") in (_TABLE_0005, _TABLE_0189) and (mapped := d.coded(table, code)):
                coding["system"], coding["code"] = mapped
                code = mapped[1]
            if coding.get("system", CDCREC) == CDCREC and code in OMB:
                coding["system"] = CDCREC
            is_category = coding.get("system") == CDCREC and code in OMB and categories < most
            is_category = is_category or coding.get("system") == NULLS
            categories += is_category
            slot = {"url": "ombCategory" if is_category else "detailed", "valueCoding": coding}
            if (code or coding.get("display")) and slot not in inner:
                inner.append(slot)
            best = best or coding.get("display", "") or OMB.get(code, "") or code
        if best and best not in texts:
            texts.append(best)
    if not inner and not texts:
        return []
    return [{"url": url, "extension": [*inner, {"url": "text", "valueString": ", ".join(texts)}]}]


def _mother(d: Draft, s: Segment) -> None:
    """PID-21: the mother is a person of her own, known by her number."""
    raw = s.get(21)
    if not raw or d.patient is None:
        return
    numbers = [found for rep, part in d.repeats(raw) if (found := cx(d, s, 21, part, rep))]
    if not numbers:
        return
    mother = d.add("RelatedPerson", d.patient["reference"], "mother", numbers[0]["value"])
    mother["patient"] = dict(d.patient)
    mother["identifier"] = numbers
    mother["relationship"] = [
        {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "MTH"}]}
    ]
    d.source(s, mother)
