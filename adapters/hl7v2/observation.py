"""OBX -> Observation (or DocumentReference for attachments), under whatever order, vaccine, document or visit it follows.

Sources: HL7 v2.8.2 section 7.4.2; FHIR R4 Observation. An observation keeps its id when it is corrected: same filler
order, same OBX-3 and OBX-4.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from adapters.hl7v2.attachment import attach
from adapters.hl7v2.codes import THO
from adapters.hl7v2.concepts import concept
from adapters.hl7v2.contacts import xad
from adapters.hl7v2.document import add_text
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import ei
from adapters.hl7v2.parties import named, organization, practitioner
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import put_time
from adapters.hl7v2.vaccine import about_vaccine
from adapters.hl7v2.values import ATTACHED, range_of, type_of, value
from hie.model import Resource

ANALYSED = "http://hl7.org/fhir/StructureDefinition/observation-analysis-date-time"
SUBID = "http://hl7.org/fhir/StructureDefinition/observation-v2-subid"
_SUBID_PARTS = ("original-sub-identifier", "group", "sequence", "identifier")
_ABSENT_BY_STATUS = {"X": "not-performed", "N": "not-asked", "I": "temp-unknown"}
_ABSENT = THO + "data-absent-reason"


def obx(d: Draft, s: Segment) -> None:
    kind = type_of(d, s)
    raw = s.get(5)
    if kind in ATTACHED and raw:
        if attach(d, s, kind):
            return
        raw = ""
    document = d.now.get("document")
    if document is not None and _is_text(d, s, kind):
        add_text(d, s, document)
        return
    about = d.now.get("about")
    if about is not None and about["resourceType"] == "Immunization" and about_vaccine(d, s, about):
        return
    observation = identify(d, s)
    d.now["observation"] = observation
    d.owner = observation
    d.source(s, observation)
    fields = s.fields
    size = len(fields)
    _status(d, s, observation)
    code = concept(d, s, 3, s.get(3).partition(d.message.repetition)[0]) if s.get(3) else None
    observation["code"] = code or {
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
    }
    if d.message.repetition in s.get(3):
        d.lose(s, 3, 2)
    if d.patient:
        observation["subject"] = dict(d.patient)
    encounter = d.now.get("encounter")
    if encounter is not None:
        observation["encounter"] = d.ref(encounter)
    if s.get(4):
        _subid(d, s, observation)
    if raw:
        _value(d, s, kind, raw, observation)
    elif (sent := d.first(s.get(11))) in _ABSENT_BY_STATUS:
        observation["dataAbsentReason"] = {"coding": [{"system": _ABSENT, "code": _ABSENT_BY_STATUS[sent]}]}
    if size > 7 and s.get(7) and (ranges := range_of(d, s)):
        observation["referenceRange"] = ranges
    if s.get(6) and "valueQuantity" not in observation and not _united(observation):
        d.lose(s, 6)
    if size > 8 and s.get(8):
        _flags(d, s, observation)
    if size > 14:
        _rest(d, s, observation, size)
    _time(d, s, observation, size)
    _belong(d, observation)
    fill(d, s, observation)


def _is_text(d: Draft, s: Segment, kind: str) -> bool:
    return kind in ("TX", "FT", "ST") and bool(s.get(5))


def identify(d: Draft, s: Segment) -> Resource:
    """The Observation by its business identity."""
    name = s.get(3).partition(d.message.component)
    code = d.text(name[0]) or d.text(s.get(3))
    sub = d.text(s.get(4))
    scope = d.now.get("key")
    if scope is not None:
        return d.unique("Observation", scope[0], *scope[1:], code, sub)
    patient = d.patient["reference"] if d.patient else ""
    when = d.first(s.get(14))
    about = d.now.get("about")
    anchor = d.ref(about)["reference"] if about is not None else ""
    return d.unique("Observation", d.scope, patient, anchor, code, sub, when or d.control_id)


def _status(d: Draft, s: Segment, observation: Resource) -> None:
    sent = d.first(s.get(11))
    if not sent:
        observation["status"] = "unknown"
        return
    found = d.coded("0085", sent)
    if found is None:
        observation["status"] = "unknown"
        d.warn("code-not-mapped", s, 11, "the status is not in table 0085 and no map of the site covers it")
        d.lose(s, 11)
        return
    observation["status"] = found[1]


def _value(d: Draft, s: Segment, kind: str, raw: str, observation: Resource) -> None:
    made = value(d, s, kind, raw)
    several = made.pop("several", None)
    if several is not None:
        observation["component"] = [{"code": observation["code"], **one} for one in several]
    else:
        observation.update(made)


def _united(observation: Resource) -> bool:
    """Whether OBX-6 went somewhere."""
    if "valueRange" in observation or any("low" in r or "high" in r for r in observation.get("referenceRange", ())):
        return True
    if "valueRatio" in observation:
        return True  # its loss is listed already
    return any("valueQuantity" in one for one in observation.get("component", ()))


def _subid(d: Draft, s: Segment, observation: Resource) -> None:
    raw = s.fields[4]
    if d.message.component not in raw:
        inner = [{"url": "original-sub-identifier", "valueString": d.text(raw)}]
        observation["extension"] = [{"url": SUBID, "extension": inner}]
        return
    parts = [d.text(p) for p in d.parts(raw)]
    inner = [{"url": url, "valueString": part} for url, part in zip(_SUBID_PARTS, parts, strict=False) if part]
    if inner:
        observation["extension"] = [{"url": SUBID, "extension": inner}]
    d.rest(s, 4, 0, parts, 4)


def _flags(d: Draft, s: Segment, observation: Resource) -> None:
    raw = s.fields[8]
    found = [c for rep, part in d.repeats(raw) if (c := concept(d, s, 8, part, rep, "0078"))]
    if found:
        observation["interpretation"] = found


def _time(d: Draft, s: Segment, observation: Resource, size: int) -> None:
    if size > 14 and s.get(14):
        put_time(d, s, 14, s.fields[14], observation, "effectiveDateTime")
    if "effectiveDateTime" not in observation:
        inherited = d.now.get("effective")
        if inherited:
            observation.update(deepcopy(inherited) if "effectivePeriod" in inherited else inherited)


def _rest(d: Draft, s: Segment, observation: Resource, size: int) -> None:
    """OBX-15 and later."""
    if not any(s.fields[15:]):
        return
    performers: list[dict[str, Any]] = []
    if raw := s.get(16):
        for rep, part in d.repeats(raw):
            if (who := practitioner(d, s, 16, part, rep)) and who not in performers:
                performers.append(who)
    if size > 15 and s.get(15) and (producer := _producer(d, s)):
        performers.append(producer)
    if raw := s.get(17):
        found = [c for rep, part in d.repeats(raw) if (c := concept(d, s, 17, part, rep))]
        if found:
            observation["method"] = found[0]
            for rep in range(2, len(found) + 1):
                d.lose(s, 17, rep)
    if size > 18:
        if raw := s.get(18):
            _device(d, s, raw, observation)
        if raw := s.get(19):
            _analysed(d, s, raw, observation)
        if (raw := s.get(20)) and (site := concept(d, s, 20, raw.partition(d.message.repetition)[0], 0, "0163")):
            observation["bodySite"] = site
            if d.message.repetition in raw:
                d.lose(s, 20, 2)
        if raw := s.get(21):
            instance = ei(d, s, 21, raw)
            if instance:
                observation["identifier"] = [instance]
        if size > 23:
            _performing(d, s, performers)
        if release := d.first(s.get(30)):
            tag = {"system": THO + "v2-0909", "code": release}
            observation["meta"] = {"tag": [tag]}
        if (raw := s.get(29)) and (kind := concept(d, s, 29, raw, 0, "0936")):
            observation["category"] = [kind]
    if performers:
        observation["performer"] = performers


def _analysed(d: Draft, s: Segment, raw: str, observation: Resource) -> None:
    """OBX-19, when the laboratory ran it: not the same as when it was issued."""
    held: dict[str, Any] = {}
    if put_time(d, s, 19, raw, held, "valueDateTime"):
        observation.setdefault("extension", []).append({"url": ANALYSED, "valueDateTime": held["valueDateTime"]})


def _producer(d: Draft, s: Segment) -> dict[str, Any] | None:
    """OBX-15 (CE): the laboratory by code and name."""
    parts = [d.text(p) for p in s.fields[15].partition(d.message.repetition)[0].split(d.message.component)]
    parts += [""] * (6 - len(parts))
    code, name, system = parts[:3]
    if not (code or name):
        return None
    identifier: dict[str, Any] | None = None
    if code:
        identifier = {"value": code}
        if system:
            identifier = {
                "system": "urn:oid:2.16.840.1.113883.4.7" if system.upper() == "CLIA" else d.system(system),
                "value": code,
            }
    second = {"value": parts[3], **({"system": d.system(parts[5])} if parts[5] else {})} if parts[3] else None
    if second is not None and not name:
        d.lose(s, 15, 0, 4)
    if name:
        resource = d.add("Organization", (identifier or {}).get("system", d.scope), code or name)
        named(resource, name)
        if parts[4] and parts[4] != name:
            named(resource, parts[4])
        if identifier:
            resource.setdefault("identifier", [identifier])
        if second is not None and second not in resource.setdefault("identifier", []):
            resource["identifier"].append(second)
        d.source(s, resource)
        return d.ref(resource)
    return {"type": "Organization", "identifier": identifier}


def _device(d: Draft, s: Segment, raw: str, observation: Resource) -> None:
    found = [(rep, made) for rep, part in d.repeats(raw) if (made := ei(d, s, 18, part, rep))]
    for at, (rep, made) in enumerate(found):
        if at == 0:
            observation["device"] = {"type": "Device", "identifier": made}
        else:
            d.lose(s, 18, rep)


def _performing(d: Draft, s: Segment, performers: list[dict[str, Any]]) -> None:
    """OBX-23 organisation, OBX-24 its address, OBX-25 its medical director. A laboratory repeats them in every OBX."""
    fields = s.fields
    key = ("OBX-23", "\r".join(fields[23:26]))
    found = d.cache.get(key)
    if found is None:
        found = []
        _performing_once(d, s, found)
        d.cache[key] = found
    for who in found:
        if who not in performers:
            performers.append(dict(who))
        if "reference" in who:
            d.source(s, d.resources[who["reference"]])


def _performing_once(d: Draft, s: Segment, performers: list[dict[str, Any]]) -> None:
    organisation = organization(d, s, 23, s.fields[23].partition(d.message.repetition)[0]) if s.get(23) else None
    held = d.resources.get(organisation["reference"]) if organisation and "reference" in organisation else None
    if raw := s.get(24):
        address = xad(d, s, 24, raw.partition(d.message.repetition)[0])
        if address and organisation is None:
            d.lose(s, 24)
        elif address:
            if held is None and organisation is not None:
                held = d.add(
                    "Organization",
                    organisation["identifier"].get("system", d.scope),
                    organisation["identifier"]["value"],
                )
                held["identifier"] = [organisation["identifier"]]
                organisation = d.ref(held)
                d.source(s, held)
            if held is not None and address not in (known := held.setdefault("address", [])):
                known.append(address)
    if organisation is not None and organisation not in performers:
        performers.append(organisation)
    if raw := s.get(25):
        director = practitioner(d, s, 25, raw.partition(d.message.repetition)[0])
        if director is not None and director not in performers:
            performers.append(director)


def _belong(d: Draft, observation: Resource) -> None:
    """Ties the observation to what it follows."""
    report = d.now.get("report")
    reference = d.ref(observation)
    if report is not None:
        report.setdefault("result", []).append(reference)
        order = d.now.get("order")
        if order is not None and order["resourceType"] == "ServiceRequest":
            observation["basedOn"] = [d.ref(order)]
    elif (about := d.now.get("about")) is not None:
        kind = about["resourceType"]
        if kind in ("ServiceRequest", "MedicationRequest", "CarePlan"):
            observation["basedOn"] = [d.ref(about)]
        elif kind in (
            "Immunization",
            "Procedure",
            "MedicationAdministration",
            "MedicationDispense",
            "MedicationStatement",
        ):
            observation["partOf"] = [d.ref(about)]
        elif kind not in ("Patient", "Encounter"):
            observation["focus"] = [d.ref(about)]
    specimen = d.now.get("specimen")
    if specimen is not None:
        observation["specimen"] = d.ref(specimen)
