"""What is planned, ordered or proposed -> ServiceRequest and DeviceRequest; goals -> Goal. Never as done.

Sources: C-CDA R2.1 Planned Procedure/Observation/Act/Encounter/Supply, Instruction, Goal Observation, Priority Preference.
"""

from __future__ import annotations

from adapters.ccda.absence import absent
from adapters.ccda.coded import concept, fixed, required
from adapters.ccda.device import devices, supplied
from adapters.ccda.draft import Draft, put, refer
from adapters.ccda.indication import reasons_of
from adapters.ccda.location import places
from adapters.ccda.narrative import text_of
from adapters.ccda.people import assigned, author, performers, uncredited
from adapters.ccda.quantities import quantity
from adapters.ccda.specimen import specimens
from adapters.ccda.statement import (
    INTENT,
    Section,
    begin,
    finish,
    negated,
    notes,
    responsible,
    rest,
    settled,
    status,
    take,
)
from adapters.ccda.times import put_date, put_time, put_when, start_of
from adapters.ccda.timing import schedule
from adapters.ccda.tree import Node
from adapters.ccda.values import put_value
from adapters.ccda.visit import visit
from hie.model import Resource

STATUS = {
    "active": "active",
    "new": "draft",
    "held": "on-hold",
    "suspended": "on-hold",
    "completed": "completed",
    "aborted": "revoked",
    "cancelled": "revoked",
    "nullified": "entered-in-error",
}
_LIFE = {
    "active": "active",
    "new": "proposed",
    "held": "on-hold",
    "suspended": "on-hold",
    "completed": "completed",
    "aborted": "cancelled",
    "cancelled": "cancelled",
    "nullified": "entered-in-error",
}
_PRIORITY = {"S": "stat", "EM": "stat", "A": "asap", "UR": "urgent", "R": "routine", "EL": "routine"}
_QUANTITY = fixed("http://snomed.info/sct", "246205007", "Quantity")


def request(d: Draft, node: Node, section: Section) -> list[str]:
    """A planned procedure, observation, act or encounter."""
    made, ids = begin(d, node, "ServiceRequest")
    made["status"] = STATUS.get(status(node, STATUS), "unknown")
    made["intent"] = INTENT.get(node.get("moodCode"), "plan")
    _priority(d, made, node)
    if negated(node):
        made["doNotPerform"] = True
    said = text_of(d, node.kid("text"))
    made["code"] = required(d, node.kid("code"), said)
    details = _details(d, made, node)
    details += [c for kid in node.all("methodCode") if (c := concept(d, kid))]
    put(made, orderDetail=details)
    made["subject"] = refer(d.patient)
    _occurrence(d, made, node)
    writer, written = author(d, node)
    put_time(d, made, "authoredOn", written)
    who = performers(d, node)
    who += _referred(d, node)
    who += [each for each in responsible(d, node, section) if each not in who]
    support = devices(d, node)
    put(made, requester=writer, performer=who, locationReference=places(d, node), encounter=visit(d, node))
    reasons, indications = reasons_of(d, node, section)
    put(made, reasonCode=reasons, reasonReference=[refer(each) for each in indications])
    put(made, specimen=specimens(d, node))
    sites = [c for tag in ("targetSiteCode", "approachSiteCode") for kid in node.all(tag) if (c := concept(d, kid))]
    put(made, bodySite=sites, note=notes(d, node))
    instructions = []
    for inner in take(node, "20", "2.16.840.1.113883.10.20.1.49"):
        settled(inner)
        if (code := inner.kid("code")) is not None:
            concept(d, code)
        if text := text_of(d, inner.kid("text")):
            instructions.append(text)
    if any(kid.get("root") == "2.16.840.1.113883.10.20.22.4.20" for kid in node.all("templateId")) and said:
        instructions.append(said)
    if instructions:
        made["patientInstruction"] = "\n".join(dict.fromkeys(instructions))
    about = rest(d, node, section)
    covers = [each for each in about if each.startswith("Coverage/")]
    put(made, insurance=[refer(each) for each in covers])
    put(made, supportingInfo=support + [refer(each) for each in about if each not in covers])
    return [finish(d, node, made, ids)]


def _referred(d: Draft, node: Node) -> list[Resource]:
    """To whom a patient is referred."""
    found = []
    for kid in node.all("participant"):
        if kid.get("typeCode") == "REFT" and (who := assigned(d, kid.kid("participantRole"))):
            kid.used = True
            found.append(who)
    return found


def _details(d: Draft, made: Resource, node: Node) -> list[Resource]:
    """What a planned observation says as its value: more about what is wanted, or all that is said of it."""
    found = []
    for value in node.all("value"):
        shown = concept(d, value) if value.get("code") else None
        if (
            shown is None
            and value.get("xsi:type").rpartition(":")[2] in ("ST", "ED", "CD")
            and (t := text_of(d, value))
        ):
            shown = {"text": t}
        if shown and made["code"].keys() <= {"extension"}:
            made["code"] = shown
        elif shown:
            found.append(shown)
    return found


def mistaken(d: Draft, node: Node, section: Section) -> list[str]:
    """A plan by its template and its section in the mood of what happened: never as done."""
    d.warn("mood-contradiction", node, "a planned act in the mood of what happened: kept as planned")
    return request(d, node, section)


def _priority(d: Draft, made: Resource, node: Node) -> None:
    code = node.kid("priorityCode")
    if code is not None and code.get("code") in _PRIORITY:
        code.used = True
        made["priority"] = _PRIORITY[code.get("code")]


def _occurrence(d: Draft, made: Resource, node: Node) -> None:
    times = node.all("effectiveTime")
    if any(each.kid("period") is not None or each.kid("event") is not None for each in times):
        plan = schedule(d, node)
        if plan.timings:
            timing = plan.timings[0]
            if plan.bounds:
                timing["repeat"] = {"boundsPeriod": plan.bounds, **timing.get("repeat", {})}
            made["occurrenceTiming"] = timing
            return
    for each in times:
        if put_when(d, made, "occurrence", each):
            return


def device_request(d: Draft, node: Node, section: Section) -> list[str]:
    """A planned or ordered supply of something that is no drug."""
    made, ids = begin(d, node, "DeviceRequest")
    made["status"] = STATUS.get(status(node, STATUS), "unknown")
    made["intent"] = INTENT.get(node.get("moodCode"), "plan")
    _priority(d, made, node)
    thing = devices(d, node)
    kind = supplied(d, node)
    if thing and not kind:
        made["codeReference"] = thing[0]
    else:
        made["codeCodeableConcept"] = kind or required(d, node.kid("code"), text_of(d, node.kid("text")))
    if amount := quantity(d, node.kid("quantity")):
        made["parameter"] = [{"code": _QUANTITY, "valueQuantity": amount}]
    made["subject"] = refer(d.patient)
    _occurrence(d, made, node)
    writer, written = author(d, node)
    put_time(d, made, "authoredOn", written)
    who = performers(d, node)
    put(made, requester=writer, performer=who[0] if who else None)
    uncredited(d, node, "performer", made.get("performer"))
    reasons, indications = reasons_of(d, node, section)
    put(made, reasonCode=reasons, reasonReference=[refer(each) for each in indications], note=notes(d, node))
    put(made, supportingInfo=[refer(each) for each in rest(d, node, section)])
    return [finish(d, node, made, ids)]


def goal(d: Draft, node: Node, section: Section) -> list[str]:
    """A goal: what is to be reached, by when, for which concern."""
    made, ids = begin(d, node, "Goal")
    life = _LIFE.get(status(node, _LIFE))
    if life:
        made["lifecycleStatus"] = life
    else:
        made["_lifecycleStatus"] = absent("UNK")
    for inner in take(node, "143"):
        settled(inner)
        if shown := concept(d, inner.kid("value")):
            made["priority"] = shown
    for inner in take(node, "110"):
        _progress(d, made, inner)
    measure = concept(d, node.kid("code"))
    said = text_of(d, node.kid("text"))
    target: Resource = {}
    words = ""
    for value in node.all("value"):
        probe: Resource = {}
        if target or not put_value(d, probe, value):
            continue
        for key, found in probe.items():
            if key == "valueString":
                words = str(found)
            elif key.startswith("value") and key[5:] in (
                "Quantity",
                "Range",
                "CodeableConcept",
                "Boolean",
                "Integer",
                "Ratio",
            ):
                target = {"detail" + key[5:]: found}
    description = dict(measure or {})
    if words or said:
        description["text"] = words or said
    made["description"] = description or required(d, node.kid("code"))
    made["subject"] = refer(d.patient)
    when = node.kid("effectiveTime")
    put_date(d, made, "startDate", start_of(d, when))
    due = when.kid("high") if when is not None else None
    deadline: Resource = {}
    put_date(d, deadline, "dueDate", due)
    if target and measure:
        target = {"measure": measure, **target}
    if target or deadline:
        made["target"] = [{**target, **deadline}]
    writer = author(d, node)[0] or next(iter(performers(d, node)), None)
    if writer and not str(writer.get("reference", "")).startswith(("Device/", "Organization/")):
        made["expressedBy"] = writer
    concerns: list[str] = []
    others: list[str] = []
    for each in rest(d, node, section):
        (concerns if each.startswith(("Condition/", "Observation/", "ServiceRequest/")) else others).append(each)
    put(made, addresses=[refer(each) for each in concerns], note=notes(d, node))
    section.entries += others
    return [finish(d, node, made, ids)]


def _progress(d: Draft, made: Resource, node: Node) -> None:
    """How far a goal is reached, and when that was said."""
    settled(node)
    if shown := concept(d, node.kid("value")):
        made["achievementStatus"] = shown
        put_date(d, made, "statusDate", start_of(d, node.kid("effectiveTime")))
