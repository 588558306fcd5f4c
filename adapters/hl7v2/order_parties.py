"""People and places around an order: requester, ordering facility, call back numbers, copies, parents."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2 import entry
from adapters.hl7v2.concepts import plain
from adapters.hl7v2.contacts import telecoms, xad, xtn
from adapters.hl7v2.conversions import readable
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import ei
from adapters.hl7v2.parties import organization, practitioner, practitioners
from adapters.hl7v2.reader import Segment
from hie.model import Resource

_SLOT = {"ServiceRequest": "requester", "MedicationRequest": "requester"}


def requester(d: Draft, s: Segment, n: int, order: Resource) -> None:
    """The ordering provider. R4 has room for one: others are performers of nothing, so they are listed."""
    found = practitioners(d, s, n, s.get(n))
    kind = order["resourceType"]
    slot = _SLOT.get(kind)
    if not found:
        return
    if slot is None:
        if kind == "Immunization":
            for who in found:
                _function(order, "OP", who)
        elif kind in ("Appointment", "DocumentReference"):
            order.setdefault("author", []).extend(w for w in found if w not in order.get("author", ()))
        else:
            d.lose(s, n)
        return
    role = d.resources.get(order.get(slot, {}).get("reference", ""))
    if role is not None and role["resourceType"] == "PractitionerRole" and "practitioner" not in role:
        role["practitioner"] = found[0]
    elif _is_organization(order.get(slot)):
        _in_role(d, s, order, found[0], order[slot])
    elif slot not in order:
        order[slot] = found[0]
    elif role is not None and role["resourceType"] == "PractitionerRole":
        _another(d, s, n, role, "practitioner", found[0])
    elif order[slot] != found[0]:
        _another(d, s, n, order, slot, found[0])
    for rep in range(2, len(found) + 1):
        d.lose(s, n, rep)


def _another(d: Draft, s: Segment, n: int, order: Resource, slot: str, who: dict[str, Any]) -> None:
    """ORC-12 and OBR-16 name one person with more or less around the name; two different people are a contradiction."""
    one, other = d.resources.get(order[slot].get("reference", "")), d.resources.get(who.get("reference", ""))
    if one is not None and other is None and _numbers(one) & {who.get("identifier", {}).get("value", "")}:
        return
    if one is None and other is not None and _numbers(other) & {order[slot].get("identifier", {}).get("value", "")}:
        order[slot] = who
        return
    if (
        one is not None
        and other is not None
        and one["resourceType"] == other["resourceType"] == "Practitioner"
        and (_numbers(one) & _numbers(other) or _same_name(one, other))
    ):
        for key in ("identifier", "name"):
            for item in other.get(key, ()):
                if item not in one.setdefault(key, []):
                    one[key].append(item)
        return
    d.warn("contradiction", s, n, "another ordering provider than in ORC-12; both are kept")
    if order["resourceType"] == "ServiceRequest":
        order.setdefault("supportingInfo", []).append(who)
    else:
        d.lose(s, n)


def _numbers(resource: Resource) -> set[str]:
    return {i["value"] for i in resource.get("identifier", ())}


def _same_name(one: Resource, other: Resource) -> bool:
    def key(resource: Resource) -> set[tuple[str, str]]:
        return {
            (n.get("family", "").upper(), " ".join(n.get("given", [""]))[:1].upper()) for n in resource.get("name", ())
        }

    return bool(key(one) & key(other))


def _function(resource: Resource, code: str, who: dict[str, Any]) -> None:
    system = "http://terminology.hl7.org/CodeSystem/v2-0443"
    made = {"function": {"coding": [{"system": system, "code": code}]}, "actor": who}
    if made not in (known := resource.setdefault("performer", [])):
        known.append(made)


def _requester_resource(d: Draft, order: Resource) -> Resource | None:
    reference = order.get("requester", {}).get("reference", "")
    found = d.resources.get(reference)
    if found is not None and found["resourceType"] == "PractitionerRole":
        found = d.resources.get(found.get("practitioner", {}).get("reference", ""))
    return found if found is not None and found["resourceType"] == "Practitioner" else None


def callback(d: Draft, s: Segment, n: int, order: Resource) -> None:
    """OBR-17, ORC-14: numbers to call the requester back on."""
    if not (raw := s.get(n)):
        return
    person = _requester_resource(d, order)
    if person is None:
        _nameless(d, s, n, raw, order)
        return
    for point in telecoms(d, s, n, raw):
        if point not in (known := person.setdefault("telecom", [])):
            known.append(point)
    d.source(s, person)


def _nameless(d: Draft, s: Segment, n: int, raw: str, order: Resource) -> None:
    """A number to call without a named person behind it: a role of the requester, or of nobody named."""
    points = telecoms(d, s, n, raw)
    if not points or order["resourceType"] not in _SLOT:
        d.lose(s, n)
        return
    who = order.get("requester")
    role = d.resources.get((who or {}).get("reference", ""))
    if role is None or role["resourceType"] != "PractitionerRole":
        role = d.add("PractitionerRole", d.scope, order["id"], "requester")
        if who is not None:
            role["organization" if _is_organization(who) else "practitioner"] = who
        order["requester"] = d.ref(role)
    for point in points:
        if point not in (known := role.setdefault("telecom", [])):
            known.append(point)
    d.source(s, role)


def ordering(d: Draft, s: Segment, order: Resource) -> None:
    """ORC-21..24: the facility that orders is the requester's organisation (PractitionerRole), or the requester."""
    callback(d, s, 14, order)
    facility = organization(d, s, 21, d.single(s, 21)) if s.get(21) else None
    held = d.resources.get(facility["reference"]) if facility and "reference" in facility else None
    for n, key in ((22, "address"), (23, "telecom")):
        if not (raw := s.get(n)):
            continue
        if held is None:
            d.lose(s, n)
            continue
        values = (
            [a for rep, part in d.repeats(raw) if (a := xad(d, s, n, part, rep))]
            if n == 22
            else [p for rep, part in d.repeats(raw) for p in xtn(d, s, n, part, rep)]
        )
        for one in values:
            if one not in (known := held.setdefault(key, [])):
                known.append(one)
    person = _requester_resource(d, order)
    if raw := s.get(24):
        if person is not None and (address := xad(d, s, 24, d.single(s, 24))):
            if address not in (known := person.setdefault("address", [])):
                known.append(address)
        else:
            d.lose(s, 24)
    if facility is None:
        return
    if order["resourceType"] not in _SLOT:
        if order["resourceType"] == "Immunization":
            _function(order, "OP", facility)
        else:
            d.lose(s, 21)
        return
    who = order.get("requester")
    if who is None:
        order["requester"] = facility
        return
    known_role = d.resources.get(who.get("reference", ""))
    if known_role is not None and known_role["resourceType"] == "PractitionerRole":
        known_role.setdefault("organization", facility)
        d.source(s, known_role)
        return
    _in_role(d, s, order, who, facility)


def _is_organization(who: dict[str, Any] | None) -> bool:
    return who is not None and (
        who.get("type") == "Organization" or who.get("reference", "").startswith("Organization/")
    )


def _in_role(d: Draft, s: Segment, order: Resource, who: dict[str, Any], facility: dict[str, Any]) -> None:
    """The person who orders, in the facility that orders."""
    seed = (who.get("reference", ""), who.get("identifier", {}).get("value", ""), facility.get("reference", ""))
    role = d.add("PractitionerRole", d.scope, *seed)
    role["practitioner"] = who
    role["organization"] = facility
    d.source(s, role)
    order["requester"] = d.ref(role)


def others(d: Draft, s: Segment, order: Resource) -> None:
    """ORC-10, 11, 13, 17, 18, 19: who entered, verified and acted, where and for whom."""
    kind = order["resourceType"]
    entered = verified = True
    if kind == "Immunization":
        entered = verified = False
        for n, code in ((10, "EP"), (11, "VP")):
            for who in practitioners(d, s, n, s.get(n)) if s.get(n) else ():
                _function(order, code, who)
    elif kind == "MedicationRequest" and (raw := s.get(10)):
        found = practitioners(d, s, 10, raw)
        if found:
            entered = False
            order["recorder"] = found[0]
        for rep in range(2, len(found) + 1):
            d.lose(s, 10, rep)
    if any(s.fields[10:12]) or any(s.fields[17:20]) or s.get(13):
        entry.of_order(d, s, order, entered=entered, verified=verified)


def copies(d: Draft, s: Segment, request: Resource, report: Resource | None) -> None:
    """OBR-28: a request to tell the result to others."""
    if not (raw := s.get(28)):
        return
    people = [who for rep, part in d.repeats(raw) if (who := practitioner(d, s, 28, part, rep))]
    if not people:
        return
    made = d.unique("CommunicationRequest", request["id"], "copies")
    made["status"] = "unknown"
    made["basedOn"] = [d.ref(request)]
    if report is not None:
        made["about"] = [d.ref(report)]
    if d.patient:
        made["subject"] = dict(d.patient)
    made["recipient"] = [who for at, who in enumerate(people) if who not in people[:at]]
    d.source(s, made)


def parent(d: Draft, s: Segment, request: Resource) -> None:
    """OBR-29 parent order, OBR-26 parent result (reflex tests, sensitivities)."""
    if raw := s.get(29):
        parent_order(d, s, 29, raw, request)
    parent_service(d, s, 50, request)
    if not (raw := s.get(26)):
        return
    parts = raw.split(d.message.component)
    code = d.text(parts[0].partition(d.message.sub)[0])
    sub = d.text(parts[1]) if len(parts) > 1 else ""
    shown = plain(d, parts[0].replace(d.message.sub, d.message.component))
    value = d.text(parts[2].replace(d.message.sub, " ")) if len(parts) > 2 else ""
    text = " ".join(t for t in (shown, f"({code})" if code and code != shown else "", sub, value) if t)
    alike = [
        r
        for r in d.resources.values()
        if r["resourceType"] == "Observation"
        and any(c.get("code") == code for c in r.get("code", {}).get("coding", ()))
    ]
    target = next((r for r in alike if not sub or _sub(r) == sub), alike[0] if len(alike) == 1 else None)
    link = d.ref(target) if target is not None and code else {"type": "Observation", "display": text}
    if not text:
        d.lose(s, 26)
        return

    def tie() -> None:
        report = next(
            (
                r
                for r in d.resources.values()
                if r["resourceType"] == "DiagnosticReport" and d.ref(request) in r.get("basedOn", ())
            ),
            None,
        )
        results = (report or {}).get("result", ())
        for result in results:
            d.resources[result["reference"]].setdefault("derivedFrom", []).append(dict(link))
        if not results:
            request.setdefault("supportingInfo", []).append(dict(link))

    d.later.append(tie)


def parent_service(d: Draft, s: Segment, n: int, order: Resource) -> None:
    """ORC-31, OBR-50: what the parent order asked for, shown on the reference to it."""
    if not s.get(n):
        return
    text = readable(d, d.single(s, n))
    based = order.get("basedOn")
    if order["resourceType"] not in ("ServiceRequest", "MedicationRequest") or not text:
        d.lose(s, n)
    elif based is None:
        order["basedOn"] = [{"type": "ServiceRequest", "display": text}]
    elif based[0].setdefault("display", text) != text:
        d.lose(s, n)


def _sub(observation: Resource) -> str:
    for extension in observation.get("extension", ()):
        for inner in extension.get("extension", ()):
            if inner["url"] == "original-sub-identifier":
                return str(inner["valueString"])
    return ""


def _ordered(d: Draft, number: dict[str, Any], but: Resource) -> str:
    """The order of this message that has the number, if it is one of them."""
    wanted = number.get("system"), number["value"]
    for reference, resource in d.resources.items():
        if (
            resource["resourceType"] == "ServiceRequest"
            and resource is not but
            and wanted in {(i.get("system"), i.get("value")) for i in resource.get("identifier", ())}
        ):
            return reference
    return ""


def parent_order(d: Draft, s: Segment, n: int, raw: str, order: Resource) -> None:
    """An EIP: the order that this one belongs to."""
    if "basedOn" in order and n == 8:
        return
    found = []
    for part, kind in zip(
        raw.partition(d.message.repetition)[0].split(d.message.component), ("PLAC", "FILL"), strict=False
    ):
        if part and (made := ei(d, s, n, part, 0, kind)):
            parent = _ordered(d, made, order)
            found.append({**({"reference": parent} if parent else {}), "type": "ServiceRequest", "identifier": made})
    if not found:
        return
    if order["resourceType"] in ("ServiceRequest", "MedicationRequest"):
        for one in found:
            if one not in (known := order.setdefault("basedOn", [])):
                known.append(one)
    else:
        d.lose(s, n)
