"""SPM, SAC and the specimen fields of OBR -> Specimen. Sources: HL7 v2.8.2 sections 7.4.3 (SPM), 13.4.3 (SAC)."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.concepts import concept
from adapters.hl7v2.conversions import readable
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import ei
from adapters.hl7v2.numbers import quantity
from adapters.hl7v2.parties import practitioner
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import put_time
from hie.model import Resource

_SITE = "http://hl7.org/fhir/StructureDefinition/bodySite"
_HANDLING = "http://hl7.org/fhir/StructureDefinition/specimen-specialHandling"
_ORDER_ROLES = ("report", "observation", "order", "key", "effective", "about", "medication")


def spm(d: Draft, s: Segment) -> None:
    if d.now.get("orc") is None and d.now.get("order") is None and "specimen" not in d.now:
        d.now["specimen-first"] = True  # OML^O33, OML^O35, OUL^R22: what is asked of a specimen follows it
    elif d.now.get("specimen-first"):
        for role in _ORDER_ROLES:
            d.now.pop(role, None)
    pairs = [d.text(p) for p in s.get(2).split(d.message.component)]
    ids = _pair(d, s, 2, s.get(2))
    key = next((i for i in ids if i), None)
    if key:
        specimen = d.unique("Specimen", key.get("system") or d.scope, key["value"])
    else:
        specimen = d.unique(
            "Specimen", *(d.now.get("key") or (d.scope, d.control_id)), s.get(1), d.first(s.get(4)), pairs[0]
        )
    d.now["specimen"] = specimen
    d.owner = specimen
    d.source(s, specimen)
    if ids:
        specimen["identifier"] = ids
    if d.patient:
        specimen["subject"] = dict(d.patient)
    if raw := s.get(3):
        parents = [i for rep, part in d.repeats(raw) for i in _pair(d, s, 3, part, rep)]
        if parents:
            specimen["parent"] = [{"type": "Specimen", "identifier": one} for one in parents]
    _kind(d, s, specimen)
    _collected(d, s, specimen)
    _state(d, s, specimen)
    fill(d, s, specimen)
    if (raw := s.get(25)) and (left := quantity(d, s, 25, raw)):
        specimen.setdefault("container", [{}])[0]["specimenQuantity"] = left
    for rep, part in d.repeats(s.get(15)) if s.get(15) else ():
        if handling := concept(d, s, 15, part, rep, "0376"):
            specimen.setdefault("extension", []).append({"url": _HANDLING, "valueCodeableConcept": handling})
    if (raw := s.get(30)) and (accession := ei(d, s, 30, raw)):
        specimen["accessionIdentifier"] = accession
    _attach(d, specimen)


def _pair(d: Draft, s: Segment, n: int, raw: str, rep: int = 0) -> list[dict[str, Any]]:
    """An EIP: placer's and filler's number."""
    found = []
    for at, kind in enumerate(("PLAC", "FILL")):
        parts = raw.split(d.message.component)
        if at < len(parts) and parts[at] and (made := ei(d, s, n, parts[at], rep, kind)):
            found.append(made)
    if len(found) == 2 and found[0]["value"] == found[1]["value"] and found[0].get("system") == found[1].get("system"):
        found[0].pop("type", None)
        del found[1]
    return found


def _kind(d: Draft, s: Segment, specimen: Resource) -> None:
    if (raw := s.get(4)) and (kind := concept(d, s, 4, raw, 0, "0487")):
        specimen["type"] = kind
    for rep, part in d.repeats(s.get(5)) if s.get(5) else ():  # a second coding of the type would say that it *is* this
        if modifier := concept(d, s, 5, part, rep, "0541"):
            specimen.setdefault("condition", []).append(modifier)


def _collected(d: Draft, s: Segment, specimen: Resource) -> None:
    if raw := s.get(17):
        held: dict[str, Any] = {}
        start, _, end = d.single(s, 17).partition(d.message.component)
        if start:
            put_time(d, s, 17, start, held, "start")
        if end.strip(d.message.component):
            put_time(d, s, 17, end.partition(d.message.component)[0], held, "end", 0, 2)
        collection = specimen.setdefault("collection", {})
        if held.get("end") in (None, held.get("start")) and "start" in held:
            collection["collectedDateTime"] = held["start"]
            if "_start" in held:
                collection["_collectedDateTime"] = held["_start"]
        elif held:
            collection["collectedPeriod"] = held
        if not collection:
            del specimen["collection"]
    sites = {n: concept(d, s, n, d.single(s, n), 0, table)
             for n, table in ((8, "0163"), (10, "0543")) if s.get(n)}  # fmt: skip
    site = sites.get(8) or sites.get(10)
    if site:
        specimen.setdefault("collection", {})["bodySite"] = site
    if len(sites) == 2 and not _same(sites[8], sites[10]):
        d.lose(s, 10)  # where the sample was taken for want of the site itself: R4 has room for one
    if raw := s.get(9):
        _qualified(d, s, raw, site, specimen)


def _same(one: dict[str, Any] | None, other: dict[str, Any] | None) -> bool:
    codes = [{c.get("code") for c in (x or {}).get("coding", ())} for x in (one, other)]
    return one == other or bool(codes[0] & codes[1])


def _qualified(d: Draft, s: Segment, raw: str, site: dict[str, Any] | None, specimen: Resource) -> None:
    """SPM-9, what qualifies the site (left, upper): a BodyStructure behind the site, since a coding of its own would say
    that the site *is* "upper"."""
    modifiers = [c for rep, part in d.repeats(raw) if (c := concept(d, s, 9, part, rep, "0542"))]
    if not modifiers or site is None or d.patient is None:
        d.lose(s, 9)
        return
    body: Resource = {"resourceType": "BodyStructure", "id": "site", "location": dict(site)}
    body["locationQualifier"] = modifiers
    body["patient"] = dict(d.patient)
    specimen.setdefault("contained", []).append(body)
    site.setdefault("extension", []).append({"url": _SITE, "valueReference": {"reference": "#site"}})


def _state(d: Draft, s: Segment, specimen: Resource) -> None:
    if s.get(20) and s.get(21):
        d.lose(s, 20)  # the reason for its rejection says more than that it is not available
    elif (flag := d.first(s.get(20)).upper()) in ("Y", "N"):
        specimen["status"] = "available" if flag == "Y" else "unavailable"
    elif flag:
        d.lose(s, 20)
    for n, table in ((11, "0369"), (16, "0489"), (21, "0490"), (22, "0491"), (23, "0492")):
        for rep, part in d.repeats(s.get(n)) if s.get(n) else ():
            if found := concept(d, s, n, part, rep, table):
                specimen.setdefault("condition", []).append(found)
                if n == 21:
                    specimen["status"] = "unsatisfactory"


def _attach(d: Draft, specimen: Resource) -> None:
    if d.now.get("specimen-first"):
        return
    reference = d.ref(specimen)
    report = d.now.get("report")
    order = d.now.get("order")
    if order is not None and order["resourceType"] == "ServiceRequest" and reference not in order.get("specimen", ()):
        order.setdefault("specimen", []).append(reference)
    if report is None:
        return
    known = report.setdefault("specimen", [])
    known.append(reference)
    if len(known) > 1:
        return
    for result in report.get("result", ()):
        observation = d.resources.get(result["reference"])
        if observation is not None and "specimen" not in observation:
            observation["specimen"] = reference
            d.now.setdefault("tied", []).append((observation, reference))


def untie(d: Draft) -> None:
    """Where a report has several specimens behind its results, none of them is known to be that of one result."""
    for observation, reference in d.now.get("tied", ()):
        reports = [
            r
            for r in d.resources.values()
            if r["resourceType"] == "DiagnosticReport" and reference in r.get("specimen", ())
        ]
        if any(len(r["specimen"]) > 1 for r in reports):
            observation.pop("specimen", None)


def sac(d: Draft, s: Segment) -> None:
    specimen = d.now.get("specimen")
    if specimen is None:
        number_sent = ei(d, s, 3, s.get(3)) or ei(d, s, 2, s.get(2)) if s.get(3) or s.get(2) else None
        if number_sent is None:
            fill(d, s)
            d.source(s, d.owner or d.now.get("header"))
            return
        specimen = d.unique("Specimen", number_sent.get("system") or d.scope, number_sent["value"])
        if d.patient:
            specimen["subject"] = dict(d.patient)
        d.now["specimen"] = specimen
        _attach(d, specimen)
    d.source(s, specimen)
    before: list[Any] = specimen.pop("container", [])
    if before and "identifier" not in before[-1]:  # SPM told of the container that this SAC identifies
        specimen["container"] = [before.pop()]
    fill(d, s, specimen)
    for n, slot in ((21, "capacity"), (22, "specimenQuantity")):
        if (raw := s.get(n)) and (volume := quantity(d, s, n, raw, 0, s.get(24), 24)):
            specimen.setdefault("container", [{}])[0][slot] = volume
    if (raw := s.get(23)) and (volume := quantity(d, s, 23, raw, 0, s.get(24), 24)):
        specimen.setdefault("collection", {}).setdefault("quantity", volume)
    if s.get(24) and not any(s.fields[21:24]):
        d.lose(s, 24)
    if before or "container" in specimen:
        specimen["container"] = before + specimen.get("container", [])


def of_order(d: Draft, s: Segment, report: Resource | None, request: Resource) -> None:
    """OBR-9, 10, 14, 15, 39: the specimen as versions before SPM told it; and the specimen that came first."""
    first = d.now.get("specimen")
    if first is not None:
        reference = d.ref(first)
        request.setdefault("specimen", []).append(reference)
        if report is not None:
            report.setdefault("specimen", []).append(reference)
    fields = [n for n in (9, 10, 14, 15, 39) if s.get(n)]
    if not fields:
        return
    if first is None and not s.get(15) and any(one.name == "SPM" for one in d.message.segments):
        d.later.append(lambda: _merge(d, s, request, fields))
        return
    specimen = first
    if specimen is None:
        specimen = d.unique("Specimen", *d.now["key"], "OBR-15")
        if d.patient:
            specimen["subject"] = dict(d.patient)
        reference = d.ref(specimen)
        request.setdefault("specimen", []).append(reference)
        if report is not None:
            report.setdefault("specimen", []).append(reference)
            d.now["specimen"] = specimen
    d.source(s, specimen)
    if raw := s.get(15):
        _source_field(d, s, raw, specimen)
    _old_fields(d, s, specimen)
    if s.get(7) and "collection" not in specimen and report is not None:
        pass  # OBR-7 is the clinically relevant time: it is the report's


def _merge(d: Draft, s: Segment, request: Resource, fields: list[int]) -> None:
    """The specimen came behind OBR: its number is in the order now."""
    references = request.get("specimen", ())
    specimen = d.resources.get(references[0]["reference"]) if references else None
    if specimen is None:
        specimen = d.unique("Specimen", d.scope, request["id"], "OBR-15")
        if d.patient:
            specimen["subject"] = dict(d.patient)
        request["specimen"] = [d.ref(specimen)]
    d.source(s, specimen)
    _old_fields(d, s, specimen)


def _old_fields(d: Draft, s: Segment, specimen: Resource) -> None:
    if (raw := s.get(9)) and (amount := quantity(d, s, 9, raw)):
        specimen.setdefault("collection", {}).setdefault("quantity", amount)
    if (raw := s.get(10)) and (who := practitioner(d, s, 10, d.single(s, 10))):
        specimen.setdefault("collection", {})["collector"] = who
    if raw := s.get(14):
        held: dict[str, Any] = {}
        if (
            put_time(d, s, 14, raw, held, "receivedTime")
            and specimen.get("receivedTime", held["receivedTime"]) == held["receivedTime"]
        ):
            specimen.update(held)
        elif held:
            d.lose(s, 14)
    for _, part in d.repeats(s.get(39)) if s.get(39) else ():
        if text := readable(d, part):
            specimen.setdefault("note", []).append({"text": text})


def _source_field(d: Draft, s: Segment, raw: str, specimen: Resource) -> None:
    """OBR-15 (SPS): type, additives, text, body site, site modifier, collection modifier, role."""
    message = d.message
    parts = d.single(s, 15).split(message.component)
    if len(parts) > 2 and message.sub not in parts[0] and _is_system(d, parts[2]):
        # a coded value where an SPS belongs: type, its text and its system
        parts = [message.sub.join(part.rstrip(message.sub) for part in parts[:3]), "", "", *parts[3:]]
    parts += [""] * (8 - len(parts))

    def inner(at: int, table: str = "") -> dict[str, Any] | None:
        return concept(d, s, 15, parts[at].replace(message.sub, message.component), 0, table) if parts[at] else None

    if (kind := inner(0, "0070")) and "type" not in specimen:
        specimen["type"] = kind
    if text := d.text(parts[2]):
        if "type" not in specimen:
            specimen["type"] = {"text": text}
        else:
            specimen["type"].setdefault("text", text)
    if additive := inner(1):
        specimen.setdefault("container", [{}])[0]["additiveCodeableConcept"] = additive
    if site := inner(3, "0163"):
        specimen.setdefault("collection", {})["bodySite"] = site
    if method := inner(5):
        specimen.setdefault("collection", {})["method"] = method
    if role := inner(6, "0369"):
        specimen.setdefault("condition", []).append(role)
    for at in (4, 7):
        if parts[at]:
            d.lose(s, 15, 0, at + 1)


def _is_system(d: Draft, raw: str) -> bool:
    name = d.text(raw.partition(d.message.sub)[0]).upper()
    return name in ("L", "SCT", "SNM") or name.startswith(("HL7", "99", "SNOMED"))
