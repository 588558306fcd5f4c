"""RXA (with RXR and OBX) in VXU and query answers -> Immunization. Sources: HL7 v2.8.2 section 4.14.7 (RXA), the CDC
immunization guide 2.5.1 release 1.5, FHIR R4 Immunization."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.concepts import concept, plain
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.numbers import number, unit
from adapters.hl7v2.order_numbers import listed, numbers_of
from adapters.hl7v2.orders import common
from adapters.hl7v2.parties import practitioner
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import fhir_time_of, put_date, put_time
from hie.model import Resource

_ORIGIN = "http://terminology.hl7.org/CodeSystem/immunization-origin"
_NIP001 = "urn:oid:2.16.840.1.114222.4.5.274"
_ROLE = "http://terminology.hl7.org/CodeSystem/v2-0443"
_CVX = "http://hl7.org/fhir/sid/cvx"


def is_vaccine(d: Draft, s: Segment) -> bool:
    """RXA is a vaccine in immunization messages, and wherever its code is a CVX code."""
    if d.event[:3] in ("VXU", "VXR", "VXX"):
        return True
    return any(part.upper() == "CVX" for part in s.get(5).split(d.message.component)) or d.event.endswith(
        ("K11^K32", "^K32")
    )


def immunization(d: Draft, s: Segment) -> None:
    orc = d.now.pop("orc", None)
    placer, filler = numbers_of(d, orc, None, (0, 0))
    parts = [d.text(p) for p in d.parts(s.get(5).partition(d.message.repetition)[0])]
    key_number = filler or placer
    patient = d.patient["reference"] if d.patient else d.control_id
    if key_number and key_number["value"] not in ("9999",):
        made = d.unique("Immunization", key_number.get("system") or d.scope, key_number["value"], parts[0])
    else:
        made = d.unique("Immunization", d.scope, patient, parts[0], d.first(s.get(3)))
    for role in ("order", "report", "observation", "key", "specimen", "medication"):
        d.now.pop(role, None)
    d.now["about"] = d.owner = made
    d.source(s, made)
    if orc is not None and filler is not None and not isinstance(filler, list) and filler["value"] == "9999":
        d.lose(orc, 3)  # the guide's value for "no order": a number of nothing
    numbers = [i for i in listed(placer, filler) if i["value"] != "9999"]
    if numbers:
        made["identifier"] = numbers
    _status(d, s, made)
    made["vaccineCode"] = concept(d, s, 5, s.get(5).partition(d.message.repetition)[0]) or d.nobody()
    for rep, part in d.repeats(s.get(5)):
        if rep > 1 and (other := concept(d, s, 5, part, rep)):
            made["vaccineCode"].setdefault("coding", []).extend(other.get("coding", ()))
    made["patient"] = dict(d.patient) if d.patient else d.nobody()
    if (encounter := d.now.get("encounter")) is not None:
        made["encounter"] = d.ref(encounter)
    if not (s.get(3) and put_time(d, s, 3, s.get(3), made, "occurrenceDateTime")):
        absent = [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
        made["_occurrenceString"] = {"extension": absent}
    if s.get(4) and s.get(4) != s.get(3) and fhir_time_of(d, s.get(4)) != fhir_time_of(d, s.get(3)):
        d.lose(s, 4)
    _dose(d, s, made)
    _origin(d, s, made)
    _people(d, s, made)
    for rep, part in d.repeats(s.get(15)) if s.get(15) else ():
        if rep > 1:
            d.lose(s, 15, rep)
        elif text := d.text(part):
            made["lotNumber"] = text
    if s.get(16):
        put_date(d, s, 16, s.get(16).partition(d.message.repetition)[0], made, "expirationDate")
    if raw := s.get(17):
        maker = d.parts(raw.partition(d.message.repetition)[0])
        found = _maker(d, s, [d.text(p) for p in maker])
        if found is None:
            d.lose(s, 17)
        else:
            made["manufacturer"] = found
    if s.get(22):
        put_time(d, s, 22, s.get(22), made, "recorded")
    if orc is not None:
        common(d, orc, made)
        d.source(orc, made)
    fill(d, s, made)


def _status(d: Draft, s: Segment, made: Resource) -> None:
    completion = d.first(s.get(20)).upper()
    found = d.coded("0322", completion) if completion else None
    reasons = [c for rep, part in d.repeats(s.get(18)) if (c := concept(d, s, 18, part, rep))] if s.get(18) else []
    if d.first(s.get(21)).upper() == "D":
        made["status"] = "entered-in-error"
    elif found is not None:
        made["status"] = found[1]
    else:
        if completion:
            d.lose(s, 20)
        made["status"] = "not-done" if reasons else "completed"
    if completion == "PA":
        made["isSubpotent"] = True
    if reasons:
        made["statusReason"] = reasons[0]
        for rep in range(2, len(reasons) + 1):
            extra = reasons[rep - 1]
            made["statusReason"].setdefault("coding", []).extend(extra.get("coding", ()))
            if not extra.get("coding"):
                d.lose(s, 18, rep)
    elif completion in ("RE", "NA"):
        system = (
            "http://terminology.hl7.org/CodeSystem/v3-ActReason"
            if completion == "RE"
            else "http://terminology.hl7.org/CodeSystem/v2-0322"
        )
        made["statusReason"] = {"coding": [{"system": system, "code": "PATOBJ" if completion == "RE" else "NA"}]}


def _dose(d: Draft, s: Segment, made: Resource) -> None:
    amount = d.first(s.get(6))
    if amount in ("999", "9999"):
        return  # the guide's value for "amount not known"
    value = number(amount) if amount else None
    if value is not None:
        made["doseQuantity"] = {"value": value}
        if s.get(7):
            unit(d, s, 7, s.get(7).partition(d.message.repetition)[0], made["doseQuantity"])
    else:
        for n in (6, 7):
            if s.get(n):
                d.lose(s, n)


def _origin(d: Draft, s: Segment, made: Resource) -> None:
    """RXA-9: administered here (00) or told by others (01 ..); other repetitions are notes."""
    for rep, part in d.repeats(s.get(9)) if s.get(9) else ():
        found = concept(d, s, 9, part, rep)
        if not found:
            continue
        coding = next((c for c in found.get("coding", ()) if c.get("code", "").isdigit() and len(c["code"]) == 2), None)
        if coding is not None and "primarySource" not in made:
            made["primarySource"] = coding["code"] == "00"
            if coding["code"] != "00":
                if coding.get("system", "").startswith("urn:hie:system:NIP"):
                    coding["system"] = _NIP001
                made["reportOrigin"] = found
        else:
            if text := plain(d, part):
                made.setdefault("note", []).append({"text": text})
            for at, sent in enumerate(part.split(d.message.component), 1):
                if at in (1, 2, 4, 5) and d.text(sent) and d.text(sent) != text:
                    d.lose(s, 9, rep, at)  # a note says the words alone


def _people(d: Draft, s: Segment, made: Resource) -> None:
    for rep, part in d.repeats(s.get(10)) if s.get(10) else ():
        if who := practitioner(d, s, 10, part, rep):
            made.setdefault("performer", []).append(
                {"function": {"coding": [{"system": _ROLE, "code": "AP"}]}, "actor": who}
            )
    for n in (11, 27):
        if raw := s.get(n):
            _where(d, s, n, raw, made)


def _where(d: Draft, s: Segment, n: int, raw: str, made: Resource) -> None:
    """RXA-11 (LA2): point of care, room, bed, facility, ..., address; RXA-27 is a plain PL."""
    from adapters.hl7v2.parties import location

    parts = raw.partition(d.message.repetition)[0].split(d.message.component)
    place = location(d, s, n, d.message.component.join(parts[:8]))
    street = [d.text(p) for p in parts[8:16]] if n == 11 else []
    if place is None and any(street):
        resource = d.add("Location", d.scope, *street)
        d.source(s, resource)
        place = d.ref(resource)
    if place is None:
        return
    if any(street):
        street += [""] * (8 - len(street))
        address: dict[str, Any] = {}
        if lines := [t for t in street[:2] if t]:
            address["line"] = lines
        for key, text in zip(("city", "state", "postalCode", "country"), street[2:6], strict=True):
            if text:
                address[key] = text
        if address:
            d.resources[place["reference"]]["address"] = address
    if "location" in made:
        d.lose(s, n)
    else:
        made["location"] = place


def _maker(d: Draft, s: Segment, parts: list[str]) -> dict[str, Any] | None:
    parts += [""] * (3 - len(parts))
    code, name, system = parts[:3]
    if not (code or name):
        return None
    identifier = {"value": code, **({"system": d.system(system)} if system else {})}
    if name:
        resource = d.add("Organization", d.system(system) if system else d.scope, code or name)
        resource["name"] = name
        if code:
            resource["identifier"] = [identifier]
        d.source(s, resource)
        return d.ref(resource)
    return {"type": "Organization", "identifier": identifier}


_PROTOCOL = {"30973-2": "doseNumber", "59782-3": "seriesDoses", "59780-7": "series", "30956-7": None, "30979-9": None}


def about_vaccine(d: Draft, s: Segment, made: Resource) -> bool:
    """OBX facts that Immunization has elements for: dose number, funding, eligibility, information statements."""
    code = d.first(s.get(3))
    value = concept(d, s, 5, s.get(5)) if s.get(5) and d.first(s.get(2)) in ("CE", "CWE", "CNE") else None
    text = d.first(s.get(5))
    if not text:
        return False
    if code == "64994-7" and value:
        made.setdefault("programEligibility", []).append(value)
    elif code == "30963-3" and value and "fundingSource" not in made:
        made["fundingSource"] = value
    elif code in ("69764-9", "29768-9", "29769-7"):
        sub = d.text(s.get(4))
        education = d.now.setdefault(("education", made["id"]), {})
        entry = education.get(sub)
        if entry is None:
            entry = education[sub] = {}
            made.setdefault("education", []).append(entry)
        if code == "69764-9":
            d.rest(s, 5, 0, ["", "", *d.parts(s.get(5))[2:]], 2)
            entry["documentType"] = " ".join(
                t for t in (text, (value or {}).get("coding", [{}])[0].get("display", "")) if t
            )
        else:
            put_time(d, s, 5, s.get(5), entry, "publicationDate" if code == "29768-9" else "presentationDate")
        if not entry:
            made["education"].remove(entry)
            education.pop(sub)
            if not made["education"]:
                del made["education"]
            return False
    elif code in ("30973-2", "59782-3") and text.isdigit() and int(text) > 0 and "recommended" not in d.now:
        applied = made.setdefault("protocolApplied", [{}])[0]
        applied["doseNumberPositiveInt" if code == "30973-2" else "seriesDosesPositiveInt"] = int(text)
    else:
        return False
    d.owner = made
    d.source(s, made)
    entries = d.rules["OBX"][0]
    for n, raw in enumerate(s.fields):
        if (n in (6, 7, 8, 14, 15, 16, 17, 18, 19, 21, 23, 24, 25) and raw) or (
            n and raw and (n >= len(entries) or entries[n] is None)
        ):
            d.lose(s, n)
    return True


def close(d: Draft) -> None:
    """Immunization.protocolApplied needs a dose number; without one the series alone cannot be said."""
    for made in d.resources.values():
        if made["resourceType"] == "Immunization" and "protocolApplied" in made:
            applied = made["protocolApplied"][0]
            if "doseNumberPositiveInt" not in applied:
                absent = [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
                applied["_doseNumberString"] = {"extension": absent}
