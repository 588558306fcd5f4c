"""substanceAdministration and medication supply -> MedicationStatement, MedicationRequest, MedicationAdministration,
MedicationDispense. What was or is taken, what is ordered and what was given stay apart by mood and section.

Sources: C-CDA R2.1 Medication Activity, Planned Medication Activity, Medication Supply Order, Medication Dispense,
Precondition, Indication, Instruction, Medication Free Text Sig; C-CDA on FHIR medications map.
"""

from __future__ import annotations

from adapters.ccda.absence import absent
from adapters.ccda.coded import code_of, concept
from adapters.ccda.dispense import REQUEST, dispense_request, fulfilment, owed, same_drug, supplies, supply
from adapters.ccda.dosage import dosages
from adapters.ccda.draft import Draft, put, refer
from adapters.ccda.identifiers import identifiers, keyed
from adapters.ccda.indication import reasons_of
from adapters.ccda.people import assigned, author, performers, uncredited
from adapters.ccda.product import Product, product, put_medication
from adapters.ccda.quantities import number
from adapters.ccda.statement import (
    INTENT,
    PLANNED,
    Section,
    begin,
    finish,
    fixed_code,
    is_a,
    negated,
    nested,
    notes,
    rest,
    settled,
    status,
    take,
)
from adapters.ccda.times import put_time
from adapters.ccda.timing import Schedule, schedule
from adapters.ccda.tree import Node
from adapters.ccda.visit import visit
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
ADMINISTRATION = {
    "active": "in-progress",
    "held": "on-hold",
    "suspended": "on-hold",
    "completed": "completed",
    "aborted": "stopped",
    "cancelled": "not-done",
    "nullified": "entered-in-error",
}
_OBSERVED = {"55561003": "active", "421139008": "on-hold", "392521001": "completed", "73425007": "stopped"}
"""Medication status observation of CCD (2.16.840.1.113883.10.20.1.47)."""
_HOLDING = frozenset({"10183-2", "75311-1", "42346-7", "8654-6", "10160-0"})
"""Codes of an admission or discharge medication act: the sections whose medications it holds."""
_PRIORITY = {"S": "stat", "EM": "stat", "A": "asap", "UR": "urgent", "R": "routine", "EL": "routine"}


def medication(d: Draft, node: Node, section: Section) -> list[str]:
    """One administration: planned, ordered, given or taken."""
    mood = node.get("moodCode") or "EVN"
    given = product(d, node)
    times = schedule(d, node)
    if mood in PLANNED or (section.kind == "plan" and is_a(node, "42")):
        if mood not in PLANNED:
            d.warn("mood-contradiction", node, "a planned medication in the mood of what happened: kept as planned")
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
    state = STATEMENT.get(status(node, STATEMENT), "unknown")
    state, why = _observed(d, node, state)
    put(made, statusReason=why)
    made["status"] = "not-taken" if negated(node) else state
    reasons, indications = reasons_of(d, node, section)
    if negated(node):
        put(made, statusReason=reasons)
        reasons = []
    kinds = _category(d, node)
    put(made, category=kinds[0] if kinds else None)
    put_medication(d, made, given, node)
    made["subject"] = refer(d.patient)
    put(made, context=visit(d, node))
    _effective(made, times)
    writer, written = author(d, node)
    source = _informants(d, node)
    put_time(d, made, "dateAsserted", written)
    put(made, informationSource=source or _source(writer))
    orders, dispenses = supplies(d, node, section, given)
    put(made, basedOn=orders, partOf=dispenses)
    put(made, reasonCode=reasons, reasonReference=[refer(each) for each in indications])
    put(made, note=notes(d, node) + fulfilment(d, node))
    put(made, dosage=_directed(dosages(d, node, times), given) + _parts(d, made, node, given))
    _count(made, node)
    section.entries += rest(d, node, section)
    return finish(d, node, made, ids)


def _directed(doses: list[Resource], given: Product) -> list[Resource]:
    """Doses without a text that only names the drug again: that is no direction."""
    names = {str(each.get("display", "")).lower() for each in (given.code or {}).get("coding", ())}
    names.add(str((given.code or {}).get("text", "")).lower())
    made = []
    for each in doses:
        if str(each.get("text", "")).lower() in names:
            each = {key: value for key, value in each.items() if key != "text"}
        if each:
            made.append(each)
    return made


def _count(made: Resource, node: Node, key: str = "dosage") -> None:
    """How many times it is or was given, of the only dosage; how often it may be given, of an order (C-CDA R2.1
    Medication Activity: refills are what its supply order tells)."""
    repeats = node.kid("repeatNumber")
    if repeats is None:
        return
    low, high = repeats.kid("low"), repeats.kid("high")
    first = number((low if low is not None else repeats).get("value"))
    last = number(high.get("value")) if high is not None else None
    doses = made.setdefault(key, [{}])
    if not isinstance(first, int) or first < 1 or len(doses) != 1:
        if doses == [{}]:
            del made[key]
        return
    repeat = doses[0].setdefault("timing", {}).setdefault("repeat", {})
    repeat["count"] = first
    repeats.used = True
    if low is not None:
        low.used = True
    if high is not None and isinstance(last, int) and last >= first:
        repeat["countMax"] = last
        high.used = True


def wrapper(d: Draft, node: Node, section: Section) -> list[str]:
    """A discharge or admission medication act: it only holds the medication."""
    node.used = True
    settled(node)
    fixed_code(node, *_HOLDING)
    if (code := node.kid("code")) is not None:
        for each in code.all("translation"):
            each.used = code_of(each) in _HOLDING
    found = rest(d, node, section)
    if len(found) == 1 and (held := d.resources.get(found[0])) is not None:
        more = [one for one in keyed(identifiers(d, node)) if one not in held.get("identifier", ())]
        put(held, identifier=held.get("identifier", []) + more)
    return found


def _parts(d: Draft, made: Resource, node: Node, given: Product) -> list[Resource]:
    """Steps of one course (tapering, split doses): nested administrations of the same drug, each a dosage in its order."""
    found: list[Resource] = []
    for link, inner in list(nested(node)):
        if inner.tag != "substanceAdministration" or negated(inner) != negated(node):
            continue
        own = product(d, inner)
        if own.code is not None and own.code != given.code:
            continue
        link.used = inner.used = True
        settled(inner)
        ids = keyed(identifiers(d, inner))
        put(made, identifier=made.get("identifier", []) + [one for one in ids if one not in made.get("identifier", ())])
        steps = dosages(d, inner, schedule(d, inner), bounds=True)
        order = link.kid("sequenceNumber")
        place = number(order.get("value")) if order is not None else None
        if order is not None and isinstance(place, int):
            order.used = True
            steps = [{"sequence": place, **step} for step in steps]
        found += steps
    return found


def _category(d: Draft, node: Node) -> list[Resource]:
    """What kind of medication it is called: prescribed or over the counter (C32), or by the sender's own code."""
    for inner in take(node, "2.16.840.1.113883.3.88.11.83.8.1", codes=("73639000", "329505003")):
        settled(inner)
        if sort := concept(d, inner.kid("code")):
            return [sort]
    code = node.kid("code")
    if code is None or code.get("codeSystem") == "2.16.840.1.113883.6.96":
        return []
    if code.get("codeSystem") == "2.16.840.1.113883.5.4":
        # DRUG, IMMUNIZ: that a substance was given
        code.used = True
        return []
    kind = concept(d, code)
    return [kind] if kind else []


def _observed(d: Draft, node: Node, state: str) -> tuple[str, list[Resource]]:
    """The status of a medication by its status observation, and that observation's value where it is no known status."""
    other: list[Resource] = []
    for inner in take(node, "2.16.840.1.113883.10.20.1.47", codes=("33999-4",)):
        settled(inner)
        value = inner.kid("value")
        sent = concept(d, value)
        known = _OBSERVED.get(code_of(value))
        if known and known != state and (stated := node.kid("statusCode")) is not None:
            # the act was recorded, the drug is what the observation says
            stated.used = False
        state = known or state
        if sent and (not known or "text" in sent):
            other.append(sent)
    return state, other


def _effective(made: Resource, times: Schedule) -> None:
    if times.bounds:
        made["effectivePeriod"] = times.bounds
    elif times.points:
        value, extension = times.points.pop(0)
        made["effectiveDateTime"] = value
        put(made, _effectiveDateTime=extension)
    elif times.null:
        made["effectivePeriod"] = absent(times.null)


def _source(writer: Resource | None) -> Resource | None:
    """An author may be the source of information unless it is a device."""
    if writer and str(writer.get("reference", "")).startswith("Device/"):
        return None
    return writer


def _request(d: Draft, node: Node, section: Section, given: Product, times: Schedule, mood: str) -> str:
    made, ids = begin(d, node, "MedicationRequest")
    made["status"], why = _observed(d, node, REQUEST.get(status(node, REQUEST), "unknown"))
    put(made, statusReason=why[0] if why else None)
    made["intent"] = INTENT.get(mood, "plan")
    put(made, category=_category(d, node))
    if negated(node):
        made["doNotPerform"] = True
    put_medication(d, made, given, node)
    made["subject"] = refer(d.patient)
    put(made, encounter=visit(d, node))
    _priority(d, made, node)
    writer, written = author(d, node)
    put_time(d, made, "authoredOn", written)
    who = performers(d, node)
    put(made, requester=writer, performer=who[0] if who else None)
    uncredited(d, node, "performer", made.get("performer"))
    reasons, indications = reasons_of(d, node, section)
    put(made, reasonCode=reasons, reasonReference=[refer(each) for each in indications])
    put(made, note=notes(d, node) + fulfilment(d, node))
    doses = _directed(dosages(d, node, times, bounds=True), given)
    put(made, dosageInstruction=doses + _parts(d, made, node, given))
    further: list[str] = []
    ordered = take(node, "17", "2.16.840.1.113883.10.20.1.34")
    same = len(ordered) == 1 and same_drug(d, ordered[0], given)
    if same:
        settled(ordered[0])
        numbers = keyed(identifiers(d, ordered[0]))
        put(made, identifier=made.get("identifier", []) + [n for n in numbers if n not in made.get("identifier", [])])
        dispense_request(d, made, ordered[0], section)
    else:
        further += [each for inner in ordered for each in supply(d, inner, section, given)]
    orders, dispenses = supplies(d, node, section, given)
    further += [each["reference"] for each in orders + dispenses]
    _count(made, node, "dosageInstruction")
    section.entries += further + rest(d, node, section)
    reference = finish(d, node, made, ids)
    owed(d, further, reference)
    return reference


def _administered(d: Draft, node: Node, section: Section, given: Product, times: Schedule) -> str:
    made, ids = begin(d, node, "MedicationAdministration")
    made["status"] = ADMINISTRATION.get(status(node, ADMINISTRATION), "unknown")
    put_medication(d, made, given, node)
    made["subject"] = refer(d.patient)
    put(made, context=visit(d, node))
    _effective(made, times)
    put(made, performer=[{"actor": who} for who in performers(d, node) or _list(author(d, node)[0])])
    reasons, indications = reasons_of(d, node, section)
    put(made, reasonCode=reasons, reasonReference=[refer(each) for each in indications], note=notes(d, node))
    doses = _directed(dosages(d, node, times), given)
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
        who = assigned(d, kid.kid("assignedEntity") or kid.kid("relatedEntity"))
        found = found or who
        # any further informant is told of by a Provenance
        kid.used = who is not None and who == found
    return found
