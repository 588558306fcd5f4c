"""PID, PD1, ARV, MRG -> Patient. Sources: HL7 v2.8.2 section 3.4.2 (PID), US Core 3.1 extensions, FHIR R4 Patient."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2 import persons
from adapters.hl7v2.concepts import concept
from adapters.hl7v2.contacts import xtn
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import as_key, cx, typed
from adapters.hl7v2.labels import restrict
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.related import account
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import put_date, put_time, time_of
from hie.fhir.dates import ORIGINAL_TEXT_URL
from hie.fhir.ids import resource_id
from hie.model import Resource

LATEST = "2100"
"""No year of birth lies behind it."""
_RANK = {"MR": 0, "PI": 1, "PT": 2, "": 3, "PN": 4, "PE": 5, "U": 6, "MRN": 0}
"""Which identifier names the patient: the medical record number first, numbers of others (SS, DL, NH) last."""


def subject(d: Draft, s: Segment) -> dict[str, str]:
    """Reference of the patient of a PID, known before the segment is read in turn."""
    identity = identifier_id(d, [i for _, i in _identifiers(d, s, (3, 2, 4))])
    if identity is None:
        name = d.first(s.get(5)) + "^" + s.get(5) + "^" + s.get(7)
        identity = resource_id(d.scope, "Patient", d.control_id, name, str(s.ordinal))
    return {"reference": f"Patient/{identity}"}


def identifier_id(d: Draft, found: list[dict[str, Any]]) -> str | None:
    if not found:
        return None
    best = min(found, key=lambda i: _RANK.get(as_key(i).type, 9))
    key = as_key(best)
    return resource_id(key.authority or d.scope, "Patient", key.value)


def leading(d: Draft, s: Segment) -> dict[str, Any] | None:
    """The identifier that names the patient of a PID."""
    found = [i for _, i in _identifiers(d, s, (3, 2, 4))]
    return min(found, key=lambda i: _RANK.get(as_key(i).type, 9)) if found else None


def _identifiers(d: Draft, s: Segment, fields: tuple[int, ...]) -> list[tuple[int, dict[str, Any]]]:
    before = len(d.warnings), dict(d.lost)
    found = [(n, i) for n in fields if s.get(n) for rep, part in d.repeats(s.get(n)) if (i := cx(d, s, n, part, rep))]
    del d.warnings[before[0] :]  # read again, and then reported, when the segment comes
    d.lost = before[1]
    return found


def pid(d: Draft, s: Segment) -> None:
    reference = (d.patient or subject(d, s))["reference"]
    patient = d.resources.get(reference)
    if patient is None:
        patient = {"resourceType": "Patient", "id": reference.partition("/")[2]}
        d.resources[reference] = patient
    d.patient = {"reference": reference}
    d.now["patient"] = patient
    d.owner = patient
    d.source(s, patient)
    if (link := d.now.pop("link", None)) is not None:
        patient["link"] = link
    known: list[dict[str, Any]] = patient.setdefault("identifier", [])
    for n in (3, 2, 4):
        if raw := s.get(n):
            for rep, part in d.repeats(raw):
                found = cx(d, s, n, part, rep)
                if found and not _known(found, known, n):
                    known.append(found)
    _numbers(d, s, known)
    if not known:
        del patient["identifier"]
    _birth(d, s, patient)
    _death(d, s, patient)
    if d.event == "ADT^A29":  # the sender deletes what he told of the person
        patient["active"] = False
    fill(d, s, patient)
    persons.describe(d, s, patient)
    if (payer := account(d, s, 18)) is not None:
        d.now["account"] = payer
    _county(d, s, patient)
    if raw := s.get(15):
        spoken = [c for rep, part in d.repeats(raw) if (c := concept(d, s, 15, part, rep, "0296"))]
        patient["communication"] = [{"language": one} for one in spoken]
    if not patient.get("communication"):
        patient.pop("communication", None)
    if raw := s.get(34):
        uri, name = d.authority(raw.replace(d.message.component, d.message.sub))
        if uri:
            patient.setdefault("meta", {})["source"] = uri
        if name and not uri.endswith(name):
            d.lose(s, 34, 0, 1)


def _known(found: dict[str, Any], known: list[dict[str, Any]], field: int) -> bool:
    """PID-2 and PID-4 often repeat a number of PID-3 with less around it: one fact once."""
    if found in known:
        return True
    if field == 3:
        return False
    return any(
        one["value"] == found["value"]
        and (not found.get("system") or found["system"] == one.get("system"))
        and (not found.get("type") or found["type"] == one.get("type"))
        for one in known
    )


def _numbers(d: Draft, s: Segment, known: list[dict[str, Any]]) -> None:
    """PID-19 social security number, PID-20 driver's licence."""
    if raw := s.get(19):
        for rep, part in d.repeats(raw):
            found = cx(d, s, 19, part, rep, "SS")
            if found and not any(
                i["value"].replace("-", "") == found["value"].replace("-", "")
                and i.get("system") == found.get("system")
                for i in known
            ):
                known.append(found)
    if raw := s.get(20):
        parts = [d.text(p) for p in d.parts(raw)]
        if parts[0]:
            found = {"type": typed("DL"), "value": parts[0]}
            if len(parts) > 1 and parts[1]:
                found["assigner"] = {"display": parts[1]}
            if len(parts) > 2 and parts[2]:
                span: dict[str, Any] = {}
                put_time(d, s, 20, parts[2], span, "end", 0, 3)
                if span:
                    found["period"] = span
            known.append(found)


def _birth(d: Draft, s: Segment, patient: Resource) -> None:
    if raw := s.get(7):
        put_date(d, s, 7, raw, patient, "birthDate")
        born, told = patient.get("birthDate", ""), d.authored or d.occurred or LATEST
        if born[:4] > LATEST:  # YYMMDD of an old sender read as YYYYMM, or a slip
            del patient["birthDate"]
            d.warn("time-invalid", s, 7, "a date of birth that cannot be")
            d.lose(s, 7)
        elif born[:4] > told[:4]:
            d.warn("contradiction", s, 7, "a date of birth after the date of the message")
        text = d.first(raw)
        if "birthDate" not in patient and text.strip("0"):  # no date can be made of it: what was sent stays beside it
            patient["_birthDate"] = {"extension": [{"url": ORIGINAL_TEXT_URL, "valueString": text}]}
        if "birthDate" in patient and text[8:12].isdigit() and text[8:14].strip("0"):
            exact = time_of(d, raw)
            if exact.instant:
                held: dict[str, Any] = {}
                put_time(d, s, 7, raw, held, "value")
                extensions: list[dict[str, Any]] = [{"url": persons.BIRTH_TIME, "valueDateTime": held["value"]}]
                extensions += held.get("_value", {}).get("extension", ())  # the mark of a derived offset
                patient["_birthDate"] = {"extension": extensions}
                d.lost.pop(d.where(s, 7), None)
    _twin(d, s, patient)


def _twin(d: Draft, s: Segment, patient: Resource) -> None:
    """PID-24 and PID-25: the order of birth says more than that there were several."""
    order, several = d.first(s.get(25)), d.first(s.get(24)).upper()
    if order.isdigit() and len(order) < 4 and order.strip("0") and (several != "N" or int(order) > 1):
        patient["multipleBirthInteger"] = int(order)
        if several == "N":
            d.warn("contradiction", s, 24, "an order of birth, and an indicator that says born alone")
            d.lose(s, 24)
        elif several not in ("Y", ""):
            d.lose(s, 24)
        return
    if several in ("Y", "N"):
        patient["multipleBirthBoolean"] = several == "Y"
    elif several:
        d.lose(s, 24)
    if order and (order, several) != ("1", "N"):  # the first of one says no more than "not a twin"
        d.lose(s, 25)


def _death(d: Draft, s: Segment, patient: Resource) -> None:
    if s.get(29) and put_time(d, s, 29, s.get(29), patient, "deceasedDateTime"):
        if (flag := d.first(s.get(30)).upper()) == "N":
            d.warn("contradiction", s, 30, "a time of death, and an indicator that says alive")
        if flag not in ("Y", ""):
            d.lose(s, 30)
    elif flag := d.first(s.get(30)).upper():
        if flag in ("Y", "N"):
            patient["deceasedBoolean"] = flag == "Y"
        else:
            d.lose(s, 30)


def _county(d: Draft, s: Segment, patient: Resource) -> None:
    """PID-12 is the county of the one address, where that names none; else an address of which only the county is known."""
    if county := d.text(s.get(12).partition(d.message.repetition)[0]):
        addresses = patient.setdefault("address", [])
        if any(one.get("district") == county for one in addresses):
            return
        if len(addresses) == 1 and "district" not in addresses[0]:
            addresses[0]["district"] = county
        else:
            addresses.append({"district": county})


def pd1(d: Draft, s: Segment) -> None:
    patient = d.now.get("patient")
    fill(d, s, patient)
    d.source(s, patient)
    if patient is None:
        return
    if flag := d.first(s.get(12)).upper():
        if flag in ("Y", "N"):
            restrict(d, patient, "R" if flag == "Y" else "N")
        else:
            d.lose(s, 12)
    if (raw := s.get(6)) and (disability := concept(d, s, 6, raw.partition(d.message.repetition)[0], 0, "0295")):
        patient.setdefault("extension", []).append({"url": persons.DISABILITY, "valueCodeableConcept": disability})
    for rep, part in d.repeats(s.get(14)) if s.get(14) else ():
        parts = part.split(d.message.component)
        if worship := d.text(parts[0]):
            patient.setdefault("extension", []).append({"url": persons.CONGREGATION, "valueString": worship})
        d.rest(s, 14, rep, parts, 2 if parts[1:2] in (["L"], ["D"]) else 1)


def arv(d: Draft, s: Segment) -> None:
    """Access restrictions of the patient, or of the visit where they come behind PV1."""
    target = d.now.get("encounter") or d.now.get("patient")
    fill(d, s, target)
    d.source(s, target)
    for n in (3, 4):
        if (raw := s.get(n)) and target is not None:
            for rep, part in d.repeats(raw):
                made = concept(d, s, n, part, rep)
                for coding in (made or {}).get("coding", ()) or ([{"display": made["text"]}] if made else []):
                    security = target.setdefault("meta", {}).setdefault("security", [])
                    if coding not in security:
                        security.append(coding)


def phones(d: Draft, s: Segment, n: int) -> list[dict[str, Any]]:
    return [point for rep, part in d.repeats(s.get(n)) for point in xtn(d, s, n, part, rep)] if s.get(n) else []
