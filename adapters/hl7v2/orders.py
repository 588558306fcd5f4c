"""ORC, OBR, TQ1 -> ServiceRequest and DiagnosticReport. Sources: HL7 v2.8.2 sections 4.5.1 (ORC), 4.5.3 (OBR).

An ORC and the OBR behind it are one order. A message that brings results has a report as well; one that only asks has none.
"""

from __future__ import annotations

from typing import Any

from adapters.hl7v2 import notes, order_parties, timing
from adapters.hl7v2.concepts import concept
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import cx, ei
from adapters.hl7v2.labels import confidentiality
from adapters.hl7v2.order_numbers import key_of, listed, numbers_of
from adapters.hl7v2.parties import practitioners
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.report import report_of
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import put_time
from hie.model import Resource


def orc(d: Draft, s: Segment) -> None:
    """Held until the segment that says what was ordered; alone it is an order of its own."""
    opened = d.now.pop("without-orc", None)
    if opened is not None and _behind(d, s, opened[0]):
        _late(d, s, *opened)
        return
    close(d)
    for role in ("report", "observation", "order", "key", "effective", "about", "medication"):
        d.now.pop(role, None)
    if not d.now.get("specimen-first"):
        d.now.pop("specimen", None)
    d.now["orc"] = s
    d.owner = None


def _behind(d: Draft, s: Segment, detail: Segment) -> bool:
    """Whether this ORC belongs to the OBR just before it: OUL has it so, and others are told by the numbers they share."""
    if d.now.get("observation") is not None:
        return False
    pairs = [(d.first(s.get(n)), d.first(detail.get(n))) for n in (2, 3)]
    if any(a and b and a != b for a, b in pairs):
        return False
    return d.event.startswith("OUL") or any(a and a == b for a, b in pairs)


def _late(d: Draft, s: Segment, detail: Segment, request: Resource) -> None:
    """The ORC of an order whose OBR came first."""
    for number in listed(*numbers_of(d, s, detail, (2, 3))):
        if number not in (known := request.setdefault("identifier", [])):
            known.append(number)
    request["status"] = status_of(d, s, detail, "s")
    d.owner = request
    common(d, s, request)
    d.later.append(lambda: _effective(d, s, request))


def _effective(d: Draft, s: Segment, request: Resource) -> None:
    """ORC-15, if nothing else said when."""
    held: dict[str, Any] = {}
    if s.get(15) and put_time(d, s, 15, s.get(15), held, "occurrenceDateTime") and not _said(request, held):
        d.lose(s, 15)


def close(d: Draft) -> None:
    """An ORC that nothing followed: its number and status are an order all the same."""
    s = d.now.pop("orc", None)
    if s is None:
        return
    if not any(raw for n, raw in enumerate(s.fields) if n):
        return
    order = _request(d, s, None)
    common(d, s, order)
    timing.waiting(d, order)
    _effective(d, s, order)


def _request(d: Draft, orc_: Segment | None, s: Segment | None) -> Resource:
    placer, filler = numbers_of(d, orc_, s, (2, 3) if s is not None else (0, 0))
    code = d.first(s.get(4)) if s is not None else ""
    when = d.first(s.get(7)) if s is not None else ""
    key = key_of(d, placer, filler, code, when)
    request = d.unique("ServiceRequest", *key)
    d.now["key"] = key
    identifiers = listed(placer, filler)
    if identifiers:
        request["identifier"] = identifiers
    request["status"] = status_of(d, orc_, s, "s")
    request["intent"] = "order"
    if s is not None and (action := d.first(s.get(11))):  # table 0065: only G (a reflex order) says what kind it is
        if action == "G":
            request["intent"] = "reflex-order"
        else:
            d.lose(s, 11)
    request["subject"] = dict(d.patient) if d.patient else d.nobody()
    encounter = d.now.get("encounter")
    if encounter is not None:
        request["encounter"] = d.ref(encounter)
    d.now["order"] = request
    d.owner = request
    return request


def status_of(d: Draft, orc_: Segment | None, s: Segment | None, flavour: str) -> str:
    """From ORC-5, else what ORC-1 asks for, else (an order whose final result is here) OBR-25; unknown otherwise."""
    if orc_ is not None and (sent := d.first(orc_.get(5))):
        found = d.coded("0038" + flavour, sent)
        if found is not None:
            return found[1]
        d.warn("code-not-mapped", orc_, 5, "the status is not in table 0038 and no map of the site covers it")
        d.lose(orc_, 5)
    control = d.first(orc_.get(1)) if orc_ is not None else ""
    reported = d.first(s.get(25)) if s is not None and s.name == "OBR" else ""
    if reported in ("F", "C"):
        return "completed"
    if reported == "X":  # table 0123: no results available, order cancelled
        return "revoked"
    if control and not (control == "RE" and s is not None and s.name == "OBR"):
        found = d.coded("0119" + flavour, control)
        if found is not None:
            return found[1]
        d.warn("code-not-mapped", orc_, 1, "the order control is not in table 0119") if orc_ is not None else None
    return "unknown"


def obr(d: Draft, s: Segment) -> None:
    orc_ = d.now.pop("orc", None)
    d.now.pop("without-orc", None)
    for role in ("report", "observation", "effective", "medication"):
        d.now.pop(role, None)
    if not d.now.get("specimen-first"):
        d.now.pop("specimen", None)
    request = _request(d, orc_, s)
    d.now["about"] = request
    if raw := s.get(4):
        request["code"] = concept(d, s, 4, d.single(s, 4)) or {}
        if not request["code"]:
            del request["code"]
    if (raw := s.get(44)) and (found := concept(d, s, 44, raw)):
        code = request.setdefault("code", {})
        for one in found.get("coding", ()):
            if one not in code.setdefault("coding", []):
                code["coding"].append(one)
        if "text" in found:
            code.setdefault("text", found["text"])
    ordered = s.get(16)
    if orc_ is None:
        d.now["without-orc"] = s, request
    else:
        if ordered and not orc_.get(12):  # whom ORC-14, 21 and 24 speak of
            order_parties.requester(d, s, 16, request)
            ordered = ""
        common(d, orc_, request)
    timing.waiting(d, request)
    report = report_of(d, s, request)
    if (raw := s.get(27)) and (orc_ is None or raw != orc_.get(7)):
        timing.of_order(d, s, 27, raw, request)
    if s.get(36) or s.get(6) or (orc_ is not None and orc_.get(15)) or (report is None and (s.get(7) or s.get(8))):
        d.later.append(lambda: _occurs(d, orc_, s, request, report is not None))
    _reasons(d, s, request)
    if ordered:
        order_parties.requester(d, s, 16, request)
    order_parties.callback(d, s, 17, request)
    order_parties.copies(d, s, request, report)
    order_parties.parent(d, s, request)
    fill(d, s, request, report)
    for n in (18, 19):
        field = cx(d, s, n, s.get(n).partition(d.message.component)[0]) if s.get(n) else None
        if field and field["value"] not in {i["value"] for i in request.get("identifier", ())}:
            request.setdefault("identifier", []).append(field)
    if report is None:
        for n in (20, 21, 22, 25, 32, 33, 34, 35):
            if s.get(n):
                d.lose(s, n)
        if (raw := s.get(24)) and (section := concept(d, s, 24, raw, 0, "0074")):
            request["category"] = [section]
            d.lost.pop(d.where(s, 24), None)
    d.source(s, request)
    d.source(s, report)


def _occurs(d: Draft, orc_: Segment | None, s: Segment, request: Resource, reported: bool) -> None:
    """When the service is to be done: what TQ1, ORC-7 or OBR-27 said, else scheduled, requested or effective times; of an
    order without results also OBR-7 and OBR-8. Several that differ cannot all be held."""
    start, end = (s.get(7), s.get(8)) if not reported else ("", "")
    if start and end and start != end and not s.get(36) and not any(k.startswith("occurrence") for k in request):
        span: dict[str, Any] = {}
        put_time(d, s, 7, start, span, "start")
        put_time(d, s, 8, end, span, "end")
        if span:
            request["occurrencePeriod"] = span
    sent = [(s, n) for n in (36, 6) if s.get(n)]
    if not reported:
        sent += [(s, n) for n in (7, 8) if s.get(n)]
    for one, n in sent:
        held: dict[str, Any] = {}
        if put_time(d, one, n, one.get(n), held, "occurrenceDateTime") and not _said(request, held):
            d.lose(one, n)
    if orc_ is not None:
        _effective(d, orc_, request)


def _said(request: Resource, held: dict[str, Any]) -> bool:
    """Puts a time into the order, if there is room; True where it stands there."""
    value = held["occurrenceDateTime"]
    timing = request.get("occurrenceTiming")
    if timing is not None:
        span = timing.get("repeat", {}).get("boundsPeriod")
        if span is None and "event" not in timing:
            timing["event"] = [value]
            if "_occurrenceDateTime" in held:
                timing["_event"] = [held["_occurrenceDateTime"]]
        said = [*timing.get("event", ()), *(span or {}).values()]
    elif "occurrencePeriod" in request:
        said = list(request["occurrencePeriod"].values())
    else:
        if "occurrenceDateTime" not in request:
            request.update(held)
        said = [request["occurrenceDateTime"]]
    return any(isinstance(one, str) and one.startswith(value) for one in said)  # perhaps more exactly


def _reasons(d: Draft, s: Segment, request: Resource) -> None:
    for n in (13, 12):
        for rep, part in d.repeats(s.get(n)) if s.get(n) else ():
            if n == 12:
                if text := d.text(part.partition(d.message.component)[2].partition(d.message.component)[0]) or d.first(
                    part
                ):
                    request.setdefault("note", []).append({"text": text})
                    if d.first(part) not in ("", text):
                        d.lose(s, 12, rep, 1)
            elif found := concept(d, s, n, part, rep):
                request.setdefault("reasonCode", []).append(found)


def common(d: Draft, s: Segment, order: Resource) -> None:
    """The fields of ORC that every kind of order shares, and the comments behind it."""
    d.source(s, order)
    for note in d.now.pop("notes", ()):
        notes.put(d, note, order)
    kind = order["resourceType"]
    raw = s.get(4)
    if raw and d.message.sub in (pair := raw.split(d.message.component))[0]:
        # since v2.9 an EIP, the placer's number and the filler's: each in sub-components
        raw = pair[0].replace(d.message.sub, d.message.component)
        d.rest(s, 4, 0, pair, 1)
    if raw and (group := ei(d, s, 4, raw, 0, "PGN")):
        slot = {"ServiceRequest": "requisition", "MedicationRequest": "groupIdentifier"}.get(kind)
        if slot:
            order[slot] = group
        else:
            d.lose(s, 4)
    if raw := s.get(9):
        authored = {"ServiceRequest": "authoredOn", "MedicationRequest": "authoredOn", "Immunization": "recorded"}.get(
            kind
        )
        if authored is None or authored in order:
            d.lose(s, 9)
        else:
            put_time(d, s, 9, raw, order, authored)
    if s.get(15) and kind != "ServiceRequest":
        d.lose(s, 15)
    if (raw := s.get(16)) and (why := concept(d, s, 16, d.single(s, 16))):
        if kind == "MedicationRequest":
            order["statusReason"] = why
        elif kind == "ServiceRequest":
            order.setdefault("reasonCode", []).append(why)
        else:
            d.lose(s, 16)
    if raw := s.get(12):
        order_parties.requester(d, s, 12, order)
    order_parties.ordering(d, s, order)
    order_parties.others(d, s, order)
    if raw := s.get(7):
        timing.of_order(d, s, 7, raw, order)
    confidentiality(d, s, 28, "0177", order)
    if (raw := s.get(29)) and (category := concept(d, s, 29, d.single(s, 29), 0, "0482")):
        if kind == "ServiceRequest":
            order.setdefault("category", []).append(category)
        else:
            d.lose(s, 29)
    if raw := s.get(8):
        order_parties.parent_order(d, s, 8, raw, order)
    order_parties.parent_service(d, s, 31, order)
    fill(d, s, order)


def interpreters(d: Draft, s: Segment, n: int) -> list[dict[str, Any]]:
    return practitioners(d, s, n, s.get(n)) if s.get(n) else []
