"""substanceAdministration and medication supply -> MedicationStatement, MedicationRequest, MedicationAdministration,
MedicationDispense. What was or is taken, what is ordered and what was given stay apart by mood and section.

Sources: C-CDA R2.1 Medication Activity, Planned Medication Activity, Medication Supply Order, Medication Dispense,
Precondition, Indication, Instruction, Medication Free Text Sig; C-CDA on FHIR medications map.
"""

from __future__ import annotations

from adapters.ccda.coded import code_of, concept
from adapters.ccda.dosage import dosages
from adapters.ccda.draft import Draft, put, refer
from adapters.ccda.identifiers import identifiers, keyed
from adapters.ccda.narrative import text_of
from adapters.ccda.people import assigned, author, performers
from adapters.ccda.problem import reason
from adapters.ccda.product import Product, product, put_medication
from adapters.ccda.quantities import number, quantity
from adapters.ccda.statement import (
    INTENT,
    PLANNED,
    Section,
    begin,
    finish,
    is_a,
    negated,
    nested,
    notes,
    rest,
    status,
    take,
    unread_code,
)
from adapters.ccda.times import period, put_time, put_when
from adapters.ccda.timing import Schedule, schedule
from adapters.ccda.tree import Node
from hie.model import Resource

STATEMENT = {
    "active": "active",
    "new": "intended",
    "held": "on-hold",
    "suspended": "on-hold",
    "completed": "completed",
    "aborted": "stopped",
    "cancelled": "not-taken",
    "nullified": "entered-in-error",
    "obsolete": "entered-in-error",
}
REQUEST = {
    "active": "active",
    "new": "draft",
    "held": "on-hold",
    "suspended": "on-hold",
    "completed": "completed",
    "aborted": "stopped",
    "cancelled": "cancelled",
    "nullified": "entered-in-error",
}
ADMINISTRATION = {
    "active": "in-progress",
    "held": "on-hold",
    "suspended": "on-hold",
    "completed": "completed",
    "aborted": "stopped",
    "cancelled": "not-done",
    "nullified": "entered-in-error",
}
DISPENSE = {
    "active": "in-progress",
    "new": "preparation",
    "held": "on-hold",
    "suspended": "on-hold",
    "completed": "completed",
    "aborted": "stopped",
    "cancelled": "cancelled",
    "nullified": "entered-in-error",
}
_OBSERVED = {"55561003": "active", "421139008": "on-hold", "392521001": "completed", "73425007": "stopped"}
"""Medication status observation of CCD (2.16.840.1.113883.10.20.1.47)."""
_PRIORITY = {"S": "stat", "EM": "stat", "A": "asap", "UR": "urgent", "R": "routine", "EL": "routine"}


def medication(d: Draft, node: Node, section: Section) -> list[str]:
    """One administration: planned, ordered, given or taken."""
    mood = node.get("moodCode") or "EVN"
    given = product(d, node)
    times = schedule(d, node)
    if mood in PLANNED:
        return [_request(d, node, section, given, times, mood)]
    if section.kind == "administered" and not times.timings and (times.bounds or times.points):
        # MedicationAdministration.dosage needs an amount (mad-1) and has no limit per period
        amount = node.kid("doseQuantity")
        counted = amount is not None and number(amount.get("value")) is not None
        if counted and node.kid("maxDoseQuantity") is None and not negated(node):
            return [_administered(d, node, section, given, times)]
    return [_statement(d, node, section, given, times)]


def _statement(d: Draft, node: Node, section: Section, given: Product, times: Schedule) -> str:
    made, ids = begin(d, node, "MedicationStatement")
    state = STATEMENT.get(status(node), "unknown")
    state, why = _observed(d, node, state)
    put(made, statusReason=why)
    made["status"] = "not-taken" if negated(node) else state
    reasons, indications = reasons_of(d, node, section)
    if negated(node):
        put(made, statusReason=reasons)
        reasons = []
    put_medication(d, made, given, node)
    made["subject"] = refer(d.patient)
    _effective(made, times)
    writer, written = author(d, node)
    source = _informants(d, node)
    put_time(d, made, "dateAsserted", written)
    put(made, informationSource=source or _source(writer))
    orders, dispenses = _supplies(d, node, section, given)
    put(made, basedOn=orders, partOf=dispenses)
    put(made, reasonCode=reasons, reasonReference=[refer(each) for each in indications], note=notes(d, node))
    put(made, dosage=dosages(d, node, times))
    section.entries += rest(d, node, section)
    return finish(d, node, made, ids)


def _observed(d: Draft, node: Node, state: str) -> tuple[str, list[Resource]]:
    """The status of a medication by its status observation, and that observation's value where it is no known status."""
    other: list[Resource] = []
    for inner in take(node, "2.16.840.1.113883.10.20.1.47", codes=("33999-4",)):
        status(inner)
        value = inner.kid("value")
        sent = concept(d, value)
        if code_of(value) in _OBSERVED:
            state = _OBSERVED[code_of(value)]
        elif sent:
            other.append(sent)
    return state, other


def _same_drug(d: Draft, node: Node, given: Product) -> bool:
    own = product(d, node, "product")
    return own.code is None or given.code is None or own.code == given.code


def _effective(made: Resource, times: Schedule) -> None:
    if times.bounds:
        made["effectivePeriod"] = times.bounds
    elif times.points:
        value, extension = times.points.pop(0)
        made["effectiveDateTime"] = value
        put(made, _effectiveDateTime=extension)


def _source(writer: Resource | None) -> Resource | None:
    """An author may be the source of information unless it is a device."""
    if writer and str(writer.get("reference", "")).startswith("Device/"):
        return None
    return writer


def _request(d: Draft, node: Node, section: Section, given: Product, times: Schedule, mood: str) -> str:
    made, ids = begin(d, node, "MedicationRequest")
    made["status"], why = _observed(d, node, REQUEST.get(status(node), "unknown"))
    put(made, statusReason=why[0] if why else None)
    made["intent"] = INTENT[mood]
    if negated(node):
        made["doNotPerform"] = True
    put_medication(d, made, given, node)
    made["subject"] = refer(d.patient)
    _priority(d, made, node)
    writer, written = author(d, node)
    put_time(d, made, "authoredOn", written)
    who = performers(d, node)
    put(made, requester=writer, performer=who[0] if who else None)
    reasons, indications = reasons_of(d, node, section)
    put(made, reasonCode=reasons, reasonReference=[refer(each) for each in indications], note=notes(d, node))
    doses = dosages(d, node, times, bounds=True)
    put(made, dosageInstruction=doses)
    supplies = take(node, "17", "2.16.840.1.113883.10.20.1.34")
    same = len(supplies) == 1 and _same_drug(d, supplies[0], given)
    if same:
        status(supplies[0])
        numbers = keyed(identifiers(d, supplies[0]))
        put(made, identifier=made.get("identifier", []) + [n for n in numbers if n not in made.get("identifier", [])])
        _dispense_request(d, made, supplies[0], section)
    else:
        section.entries += [each for inner in supplies for each in supply(d, inner, section, given)]
    repeats = node.kid("repeatNumber")
    if repeats is not None and "dispenseRequest" not in made and (value := number(repeats.get("value"))) is not None:
        repeats.used = True
        made["dispenseRequest"] = {"numberOfRepeatsAllowed": int(value)}
    section.entries += rest(d, node, section)
    return finish(d, node, made, ids)


def _administered(d: Draft, node: Node, section: Section, given: Product, times: Schedule) -> str:
    made, ids = begin(d, node, "MedicationAdministration")
    made["status"] = ADMINISTRATION.get(status(node), "unknown")
    put_medication(d, made, given, node)
    made["subject"] = refer(d.patient)
    _effective(made, times)
    put(made, performer=[{"actor": who} for who in performers(d, node) or _list(author(d, node)[0])])
    reasons, indications = reasons_of(d, node, section)
    put(made, reasonCode=reasons, reasonReference=[refer(each) for each in indications], note=notes(d, node))
    doses = dosages(d, node, times)
    if doses:
        one = doses[0]
        dose: Resource = {key: one[key] for key in ("text", "site", "route", "method") if key in one}
        if "text" not in dose and "patientInstruction" in one:
            dose["text"] = one["patientInstruction"]
        for amount in one.get("doseAndRate", [])[:1]:
            if "doseQuantity" in amount:
                dose["dose"] = amount["doseQuantity"]
            for key in ("rateRatio", "rateQuantity"):
                if key in amount:
                    dose[key] = amount[key]
        put(made, dosage=dose)
    section.entries += rest(d, node, section)
    return finish(d, node, made, ids)


def _list(one: Resource | None) -> list[Resource]:
    return [one] if one else []


def _priority(d: Draft, made: Resource, node: Node) -> None:
    code = node.kid("priorityCode")
    if code is not None and code.get("code") in _PRIORITY:
        code.used = True
        made["priority"] = _PRIORITY[code.get("code")]


def _informants(d: Draft, node: Node) -> Resource | None:
    found = None
    for kid in node.all("informant"):
        kid.used = True
        who = assigned(d, kid.kid("assignedEntity") or kid.kid("relatedEntity"))
        found = found or who
    return found


def reasons_of(d: Draft, node: Node, section: Section) -> tuple[list[Resource], list[str]]:
    """Indications: as codes where they are only codes, as Conditions where they have a time of their own."""
    codes: list[Resource] = []
    conditions: list[str] = []
    for link, inner in list(nested(node)):
        if inner.tag != "observation" or not (
            is_a(inner, "19", "2.16.840.1.113883.10.20.1.28") or link.get("typeCode") == "RSON"
        ):
            continue
        link.used = inner.used = True
        when = inner.kid("effectiveTime")
        dated = when is not None and any(each.get("value") for each in when.walk())
        if dated and inner.kid("value") is not None:
            if made := reason(d, inner, section):
                conditions.append(made)
            continue
        status(inner)
        if (code := inner.kid("code")) is not None:
            code.used = True
        for kid in inner.all("id"):
            kid.used = True
        if (shown := concept(d, inner.kid("value"))) or (
            (code := inner.kid("code")) is not None and inner.kid("value") is None and (shown := concept(d, code))
        ):
            codes.append(shown)
    return codes, conditions


def _supplies(d: Draft, node: Node, section: Section, given: Product) -> tuple[list[Resource], list[Resource]]:
    orders: list[Resource] = []
    dispenses: list[Resource] = []
    for link, inner in list(nested(node)):
        if inner.tag == "supply":
            link.used = True
            for each in supply(d, inner, section, given):
                target = dispenses if each.startswith("MedicationDispense/") else orders
                target.append(refer(each))
    return [o for o in orders if o["reference"].startswith(("MedicationRequest/", "ServiceRequest/"))], dispenses


def supply(d: Draft, node: Node, section: Section, parent: Product | None = None) -> list[str]:
    """A supply: dispensed (EVN) or ordered (INT, RQO ...). Without a product of its own it is of its parent's drug."""
    own = product(d, node, "product")
    given = own if own.code or parent is None else parent
    if (node.get("moodCode") or "EVN") in PLANNED:
        made, ids = begin(d, node, "MedicationRequest")
        made["status"] = REQUEST.get(status(node), "unknown")
        made["intent"] = "order" if node.get("moodCode") in ("INT", "RQO") else INTENT[node.get("moodCode")]
        put_medication(d, made, given, node)
        made["subject"] = refer(d.patient)
        writer, written = author(d, node)
        put_time(d, made, "authoredOn", written)
        put(made, requester=writer, note=notes(d, node))
        _dispense_request(d, made, node, section)
        section.entries += rest(d, node, section)
        return [finish(d, node, made, ids)]
    made, ids = begin(d, node, "MedicationDispense")
    made["status"] = DISPENSE.get(status(node), "unknown")
    put_medication(d, made, given, node)
    made["subject"] = refer(d.patient)
    who = performers(d, node) or _list(author(d, node)[0])
    put(made, performer=[{"actor": each} for each in who])
    put(made, quantity=quantity(d, node.kid("quantity")))
    when = node.kid("effectiveTime")
    if when is not None and not put_time(d, made, "whenHandedOver", when):
        span = period(d, when)
        if span:
            if "start" in span:
                made["whenPrepared"] = span["start"]
            if "end" in span:
                made["whenHandedOver"] = span["end"]
    put(made, note=notes(d, node))
    section.entries += rest(d, node, section)
    return [finish(d, node, made, ids)]


def _dispense_request(d: Draft, made: Resource, node: Node, section: Section) -> None:
    """Refills, amount and validity of a supply order."""
    node.used = True
    request: Resource = {}
    when = node.kid("effectiveTime")
    probe: Resource = {}
    if put_when(d, probe, "x", when):
        request["validityPeriod"] = probe.get("xPeriod") or {"start": probe["xDateTime"]}
    repeats = node.kid("repeatNumber")
    if repeats is not None and (value := number(repeats.get("value"))) is not None and value >= 0:
        repeats.used = True
        request["numberOfRepeatsAllowed"] = int(value)
    put(request, quantity=quantity(d, node.kid("quantity")))
    who = performers(d, node)
    if who and str(who[0].get("reference", "")).startswith("Organization/"):
        request["performer"] = who[0]
    elif who:
        made.setdefault("performer", who[0])
    put(made, dispenseRequest=request)
    if "identifier" not in made:
        status(node)
    for inner in take(node, "20"):
        status(inner)
        unread_code(inner)
        if text := text_of(d, inner.kid("text")):
            made.setdefault("note", []).append({"text": text})
