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
from adapters.hl7v2.document import add_text
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import ei
from adapters.hl7v2.instrument import equipment
from adapters.hl7v2.parties import practitioner
from adapters.hl7v2.performer import performing, producer_of
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import put_time
from adapters.hl7v2.vaccine_facts import about_vaccine
from adapters.hl7v2.values import ATTACHED, range_of, type_of, value
from hie.model import Resource

ANALYSED = "http://hl7.org/fhir/StructureDefinition/observation-analysis-date-time"
NATURE = "http://hl7.org/fhir/StructureDefinition/observation-nature-of-abnormal-test"
SUBID = "http://hl7.org/fhir/StructureDefinition/observation-v2-subid"
_SUBID_PARTS = ("original-sub-identifier", "group", "sequence", "identifier")
_ABSENT_BY_STATUS = {"X": "not-performed", "N": "not-asked", "I": "temp-unknown"}
_ABSENT = THO + "data-absent-reason"


def obx(d: Draft, s: Segment) -> None:
    if len(s.fields) < 4 and not any(s.fields[2:]):
        return  # a segment that is only its name
    kind = type_of(d, s)
    raw = s.get(5)
    if kind in ATTACHED and raw:
        if attach(d, s, kind):
            return
        kind = "ST"  # nothing that could be attached: its words are the value
    document = d.now.get("document")
    if document is not None and kind in ("TX", "FT", "ST"):  # without a value it is a blank line
        add_text(d, s, document)
        return
    about = d.now.get("about")
    if about is not None and about["resourceType"] == "Immunization" and about_vaccine(d, s, about):
        return
    if not raw and kind in ("TX", "FT", "ST") and _blank(d, s):
        return
    observation = identify(d, s)
    d.now["observation"] = observation
    d.now["line"] = s.get(3)
    d.owner = observation
    d.source(s, observation)
    fields = s.fields
    size = len(fields)
    _status(d, s, observation)
    code = coded(d, s)
    observation["code"] = code or {
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
    }
    if d.patient:
        observation["subject"] = dict(d.patient)
    encounter = d.now.get("encounter")
    if encounter is not None:
        observation["encounter"] = d.ref(encounter)
    if fields[4:5] and s.get(4):
        _subid(d, s, observation)
    if raw:
        _value(d, s, kind, raw, observation)
    elif (sent := d.first(s.get(11))) in _ABSENT_BY_STATUS:
        observation["dataAbsentReason"] = {"coding": [{"system": _ABSENT, "code": _ABSENT_BY_STATUS[sent]}]}
    elif size > 5 and s.fields[5] == '""':
        observation["dataAbsentReason"] = {"coding": [{"system": _ABSENT, "code": "unknown"}]}
    if size > 7 and s.get(7) and (ranges := range_of(d, s)):
        observation["referenceRange"] = ranges
    if size > 10 and s.get(10):
        _nature(d, s, observation)
    if s.get(6) and "valueQuantity" not in observation and not _united(observation):
        d.lose(s, 6)
    if size > 8 and s.get(8):
        _flags(d, s, observation)
    if size > 14:
        _rest(d, s, observation, size)
    _time(d, s, observation, size)
    _belong(d, observation)
    fill(d, s, observation)


def coded(d: Draft, s: Segment) -> dict[str, Any] | None:
    """OBX-3. A suffix behind the code (`71020&IMP`, HL7 v2.8.2 section 7.2.4: impression, body, addendum ...) is a code of
    its own, no part of the other."""
    raw = s.get(3)
    message = d.message
    if message.repetition in raw:
        d.lose(s, 3, 2)
        raw = raw.partition(message.repetition)[0]
    if not raw:
        return None
    if message.sub not in raw:
        return concept(d, s, 3, raw)
    first, mark, rest = raw.partition(message.component)
    if message.sub not in first:
        return concept(d, s, 3, raw)
    code, _, suffix = first.partition(d.message.sub)
    if not code:
        return concept(d, s, 3, suffix + mark + rest)
    made = concept(d, s, 3, code + mark + rest)
    if suffix := d.text(suffix.replace(d.message.sub, " ")):
        made = made or {}
        made.setdefault("coding", []).append({"code": suffix})
    return made


def _blank(d: Draft, s: Segment) -> bool:
    """Whether this OBX is an empty line of the text that the one before is a line of: layout, and nothing else."""
    before = d.now.get("observation")
    if before is None or d.now.get("line") != s.get(3):
        return False
    if any(raw for n, raw in enumerate(s.fields) if n not in (0, 1, 2, 3, 4, 11, 14)):
        return False
    d.source(s, before)
    return True


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
    if not made and '""' in raw:
        made = {"dataAbsentReason": {"coding": [{"system": _ABSENT, "code": "unknown"}]}}
    several = made.pop("several", None)
    if several is not None:
        observation["component"] = [{"code": observation["code"], **one} for one in several]
    else:
        observation.update(made)


def _united(observation: Resource) -> bool:
    """Whether OBX-6 went somewhere."""
    if any(key in observation for key in ("valueRange", "valueRatio")):
        return True
    if any("low" in r or "high" in r for r in observation.get("referenceRange", ())):
        return True
    return any("valueQuantity" in one for one in observation.get("component", ()))


def _subid(d: Draft, s: Segment, observation: Resource) -> None:
    raw = s.fields[4]
    if d.message.component not in raw:
        inner = [{"url": "original-sub-identifier", "valueString": d.text(raw)}]
        observation.setdefault("extension", []).append({"url": SUBID, "extension": inner})
        return
    parts = [d.text(p) for p in d.parts(raw)]
    inner = [{"url": url, "valueString": part} for url, part in zip(_SUBID_PARTS, parts, strict=False) if part]
    if inner:
        observation.setdefault("extension", []).append({"url": SUBID, "extension": inner})
    d.rest(s, 4, 0, parts, 4)


def _flags(d: Draft, s: Segment, observation: Resource) -> None:
    raw = s.fields[8]
    found = [c for rep, part in d.repeats(raw) if (c := concept(d, s, 8, part, rep, "0078"))]
    if not found:
        return
    observation["interpretation"] = found
    if len(found) == 1 and "referenceRange" in observation and "valueQuantity" in observation:
        _compare(d, s, raw, observation)


_BEYOND = {"N": (False, False), "L": (True, False), "LL": (True, False), "H": (False, True), "HH": (False, True)}
"""Flag -> whether it says that the value is below, above the range."""


def _compare(d: Draft, s: Segment, flag: str, observation: Resource) -> None:
    """A flag against the number and the range beside it: where they contradict each other all are kept, with a warning."""
    said = _BEYOND.get(flag)
    if said is None:
        return
    (bounds, *others), quantity = observation["referenceRange"], observation["valueQuantity"]
    if others or "comparator" in quantity:
        return
    value = quantity["value"]
    below = above = False
    if "low" in bounds:
        below = value < bounds["low"]["value"]
    elif said[0]:
        return
    if "high" in bounds:
        above = value > bounds["high"]["value"]
    elif said[1]:
        return
    if said != (below, above) and ("low" in bounds or "high" in bounds):
        d.warn("contradiction", s, 8, "the flag is not what the value and the range in OBX-7 say; all are kept")


def _nature(d: Draft, s: Segment, observation: Resource) -> None:
    """OBX-10, what the flag was judged by: age, sex, race, species, strain, breed (table 0080)."""
    for rep, part in d.repeats(s.fields[10]):
        if made := concept(d, s, 10, part, rep, "0080"):
            observation.setdefault("extension", []).append({"url": NATURE, "valueCodeableConcept": made})


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
    if size > 15 and s.get(15) and (producer := producer_of(d, s)):
        performers.append(producer)
    if raw := s.get(17):
        found = [c for rep, part in d.repeats(raw) if (c := concept(d, s, 17, part, rep))]
        if found:
            observation["method"] = found[0] if len(found) == 1 else _joined(found)
    if size > 18:
        if raw := s.get(18):
            equipment(d, s, raw, observation)
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
            performing(d, s, performers)
            if size > 26:
                _later(d, s, observation)
    if performers:
        observation["performer"] = performers


def _joined(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The kit beside the instrument: R4 has one method, its codings take both."""
    codings = []
    for one in found:
        codings += one.get("coding", [{"display": one["text"]}] if "text" in one else [])
    texts = [one["text"] for one in found if "text" in one and "coding" in one]
    return {"coding": codings, **({"text": "\n".join(texts)} if texts else {})}


def _later(d: Draft, s: Segment, observation: Resource) -> None:
    """OBX-26 and what came with versions 2.8 and 2.9."""
    if release := d.first(s.get(26)):
        observation["meta"] = {"tag": [{"system": THO + "v2-0909", "code": release}]}
    for n, table in ((29, "0936"), (30, "0937")):
        if (raw := s.get(n)) and (kind := concept(d, s, n, raw, 0, table)):
            observation.setdefault("category", []).append(kind)
    if (raw := s.get(32)) and (why := concept(d, s, 32, raw)):
        if s.get(5):
            d.lose(s, 32)
        else:
            observation["dataAbsentReason"] = why
    if raw := s.get(33):
        pieces = d.single(s, 33).split(d.message.component)
        specimens = [
            i
            for at, kind in ((0, "PLAC"), (1, "FILL"))
            if at < len(pieces) and pieces[at]
            if (i := ei(d, s, 33, pieces[at], 0, kind))
        ]
        if specimens:
            observation["specimen"] = {"type": "Specimen", "identifier": specimens[-1]}


def _analysed(d: Draft, s: Segment, raw: str, observation: Resource) -> None:
    """OBX-19, when the laboratory ran it: not the same as when it was issued."""
    held: dict[str, Any] = {}
    if put_time(d, s, 19, raw, held, "valueDateTime"):
        observation.setdefault("extension", []).append({"url": ANALYSED, "valueDateTime": held["valueDateTime"]})


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
    if specimen is not None and "specimen" not in observation:
        observation["specimen"] = d.ref(specimen)
