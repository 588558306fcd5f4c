"""Immunization activity -> Immunization; a refused one is not-done with its reason, a planned one is a request.

Sources: C-CDA R2.1 Immunization Activity, Immunization Refusal Reason, Medication Series Number; C-CDA on FHIR immunizations map.
"""

from __future__ import annotations

from adapters.ccda.absence import absent
from adapters.ccda.coded import code_of, codes_of, concept, fixed
from adapters.ccda.draft import Draft, put, refer
from adapters.ccda.indication import reasons_of
from adapters.ccda.location import places
from adapters.ccda.medication import medication
from adapters.ccda.narrative import text_of
from adapters.ccda.people import author, performers
from adapters.ccda.product import product
from adapters.ccda.quantities import number, simple
from adapters.ccda.statement import (
    PLANNED,
    Section,
    begin,
    finish,
    is_a,
    negated,
    nested,
    notes,
    rest,
    settled,
    status,
    take,
    unread_code,
)
from adapters.ccda.times import put_time, start_of
from adapters.ccda.tree import Node
from adapters.ccda.visit import visit
from hie.model import Resource

_FUNCTION = "http://terminology.hl7.org/CodeSystem/v2-0443"
_SOURCES = frozenset({"2.16.840.1.114222.4.5.274", "2.16.840.1.114222.4.5.293"})
"""NIP001, where the record of a vaccination comes from: 00 is who gave it, all others somebody else."""
_STOPPED = frozenset({"aborted", "cancelled"})


def immunization(d: Draft, node: Node, section: Section) -> list[str]:
    """One vaccination."""
    if (node.get("moodCode") or "EVN") in PLANNED:
        return medication(d, node, section)
    made, ids = begin(d, node, "Immunization")
    state = status(node, {"completed", "nullified", *_STOPPED})
    if (code := node.kid("code")) is not None and code.get("codeSystem") == "2.16.840.1.113883.5.4":
        # IMMUNIZ, INITIMMUNIZ, BOOSTER: that it is a vaccination
        code.used = True
    given = product(d, node)
    refusals = _refusals(d, node)
    if state == "nullified":
        made["status"] = "entered-in-error"
    elif negated(node) or state in _STOPPED:
        made["status"] = "not-done"
    else:
        # the mood EVN says that it happened
        made["status"] = "completed"
    reasons, indications = reasons_of(d, node, section)
    if made["status"] == "not-done" and (refusals or reasons):
        made["statusReason"] = (refusals or reasons)[0]
        reasons = [] if not refusals else reasons
    elif refusals:
        made["statusReason"] = refusals[0]
        d.warn("contradiction", node, "a reason for refusal beside a vaccination that is not negated")
    made["vaccineCode"] = given.code or absent(given.null or "UNK")
    made["patient"] = refer(d.patient)
    _when(d, made, node)
    writer, written = author(d, node)
    put_time(d, made, "recorded", written)
    _source(d, made, node)
    where = places(d, node)
    put(made, location=where[0] if where else None, manufacturer=given.maker, lotNumber=given.lot)
    if given.expiry:
        made["expirationDate"] = given.expiry["expirationDate"][:10]
    put(made, site=concept(d, node.kid("approachSiteCode")), route=concept(d, node.kid("routeCode")))
    put(made, doseQuantity=_dose(d, node))
    _performers(d, made, node, writer)
    remarks = notes(d, node)
    for inner in take(node, "20", "2.16.840.1.113883.10.20.1.49"):
        settled(inner)
        unread_code(inner)
        remarks += _instruction(d, inner)
    put(made, encounter=visit(d, node))
    _programme(d, made, node)
    put(made, note=remarks, reasonCode=reasons, reasonReference=[refer(each) for each in indications])
    _series(d, made, node)
    _reactions(d, made, node, section)
    section.entries += rest(d, node, section)
    return [finish(d, node, made, ids)]


def _when(d: Draft, made: Resource, node: Node) -> None:
    times = node.all("effectiveTime")
    for each in times:
        if put_time(d, made, "occurrenceDateTime", start_of(d, each)):
            each.used = True
            low, high = each.kid("low"), each.kid("high")
            if low is not None and high is not None and low.get("value") == high.get("value"):
                high.used = True
            return
    for each in times:
        if (high := each.kid("high")) is not None and put_time(d, made, "occurrenceDateTime", high):
            return
    null = next((each.null for each in times if each.null), "NI")
    for each in times:
        each.used = True
    # R4 wants a date or a text, and validators a value: the text is the word for the reason that the extension gives
    made["_occurrenceString"] = absent(null)
    made["occurrenceString"] = made["_occurrenceString"]["extension"][0]["valueCode"]


def _dose(d: Draft, node: Node) -> Resource | None:
    amount = simple(d, node.kid("doseQuantity"))
    unit = concept(d, node.kid("administrationUnitCode")) if amount and "unit" not in amount else None
    if amount and unit:
        first = unit.get("coding", [{}])[0]
        amount["unit"] = unit.get("text") or first.get("display") or first.get("code")
        if "system" in first:
            amount["system"], amount["code"] = first["system"], first["code"]
    return amount


def _source(d: Draft, made: Resource, node: Node) -> None:
    for kid in node.all("informant"):
        if kid.kid("relatedEntity") is not None:
            # told by the patient or the family: a historical record
            made["primarySource"] = False
    for link, inner in nested(node):
        code = inner.kid("code")
        if code is None or not (code.get("codeSystem") in _SOURCES or "NIP001" in code.get("codeSystemName").upper()):
            continue
        link.used = inner.used = True
        settled(inner)
        made["primarySource"] = code_of(code) == "00"
        put(made, reportOrigin=concept(d, code) if code_of(code) != "00" else None)
        code.used = True


def _performers(d: Draft, made: Resource, node: Node, writer: Resource | None) -> None:
    giver = fixed(_FUNCTION, "AP", "Administering Provider")
    found = [{"function": giver, "actor": who} for who in performers(d, node)]
    if writer and "identifier" not in writer and not str(writer.get("reference", "")).startswith("Device/"):
        found.append({"function": fixed(_FUNCTION, "EP", "Entering Provider"), "actor": writer})
    put(made, performer=found)


def _refusals(d: Draft, node: Node) -> list[Resource]:
    found = []
    for inner in take(node, "53"):
        settled(inner)
        shown = concept(d, inner.kid("code")) or concept(d, inner.kid("value"))
        if shown:
            found.append(shown)
    for link, inner in list(nested(node)):
        # C32 writes the reason as a problem act
        if inner.tag == "act" and link.get("typeCode") == "RSON" and (shown := concept(d, inner.kid("code"))):
            link.used = inner.used = True
            settled(inner)
            found.append(shown)
            for _, same in nested(inner):
                repeated = same.kid("code")
                if repeated is not None and repeated.get("code") in {c["code"] for c in shown.get("coding", ())}:
                    repeated.used = True
    return found


def _programme(d: Draft, made: Resource, node: Node) -> None:
    """Eligibility for a programme and who pays, as immunization registries send them."""
    for code, element in (("64994-7", "programEligibility"), ("30963-3", "fundingSource")):
        for inner in take(node, codes=(code,)):
            settled(inner)
            if shown := concept(d, inner.kid("value")):
                made[element] = [shown] if element == "programEligibility" else shown


def _instruction(d: Draft, node: Node) -> list[Resource]:
    text = text_of(d, node.kid("text"))
    return [{"text": text}] if text else []


def _series(d: Draft, made: Resource, node: Node) -> None:
    """The number of the dose: repeatNumber, or the series number observation."""
    repeat = node.kid("repeatNumber")
    value = number(repeat.get("value")) if repeat is not None else None
    if repeat is not None and value is None and (low := repeat.kid("low")) is not None:
        value = number(low.get("value"))
        low.used = value is not None
    for inner in take(node, "2.16.840.1.113883.10.20.1.46", codes=("30973-2",)):
        settled(inner)
        sent = inner.kid("value")
        if sent is not None and (found := number(sent.get("value"))) is not None:
            sent.used = True
            value = found
    for link, inner in list(nested(node)):
        if not (is_a(inner, "118") and inner.tag == "act"):
            continue
        # Substance Administered Act: which dose of the series this one is
        order = link.kid("sequenceNumber")
        link.used = inner.used = True
        settled(inner)
        if (code := inner.kid("code")) is not None and code_of(code) == "416118004":
            code.used = True
        if order is not None and (found := number(order.get("value"))) is not None:
            order.used = True
            value = found
    if value is not None and value >= 1 and int(value) == value:
        if repeat is not None:
            repeat.used = True
        made["protocolApplied"] = [{"doseNumberPositiveInt": int(value)}]


def _reactions(d: Draft, made: Resource, node: Node, section: Section) -> None:
    found = []
    for link, inner in list(nested(node)):
        if inner.tag != "observation":
            continue
        if not (is_a(inner, "9", "2.16.840.1.113883.10.20.1.54") or link.get("typeCode") in ("MFST", "CAUS")):
            continue
        if codes_of(inner.kid("code")) & {"48767-8"} or code_of(inner.kid("code")) == "SEV":
            continue
        link.used = True
        one: Resource = {}
        put_time(d, one, "date", start_of(d, inner.kid("effectiveTime")))
        references = d.dispatch(d, inner, section)
        if references:
            one["detail"] = refer(references[0])
            section.entries += references[1:]
        if one:
            found.append(one)
    put(made, reaction=found)
