"""ARQ, APR -> a proposed Appointment: what is asked of a schedule (SRM). Source: HL7 v2.8.2 section 10.6.1 (ARQ)."""

from __future__ import annotations

from adapters.hl7v2.appointment import closed, minutes
from adapters.hl7v2.concepts import concept
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import ei
from adapters.hl7v2.participation import contact
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import period


def arq(d: Draft, s: Segment) -> None:
    placer = ei(d, s, 1, s.get(1), 0, "PLAC") if s.get(1) else None
    filler = ei(d, s, 2, s.get(2), 0, "FILL") if s.get(2) else None
    number_of = filler or placer or {}
    made = d.unique("Appointment", number_of.get("system") or d.scope, number_of.get("value") or d.control_id)
    d.now["appointment"] = d.owner = d.now["about"] = made
    d.source(s, made)
    if numbers := [i for i in (placer, filler) if i]:
        made["identifier"] = numbers
    if d.event.endswith("S01"):
        made["status"] = "proposed"
    else:  # a wish to move, cancel or delete: the state that the appointment is in is not said
        made["_status"] = d.nobody()
    made["participant"] = [{"actor": dict(d.patient), "status": "needs-action"}] if d.patient else []
    for n, table in ((6, ""), (7, "0276")):
        for rep, part in d.repeats(s.get(n)) if s.get(n) else ():
            if why := concept(d, s, n, part, rep, table):
                made.setdefault("reasonCode", []).append(why)
    if (raw := s.get(8)) and (kind := concept(d, s, 8, raw, 0, "0277")):
        made["appointmentType"] = kind
    minutes(d, s, made, 9, 10)
    for rep, part in d.repeats(s.get(11)) if s.get(11) else ():
        if span := period(d, s, 11, part, rep):
            made.setdefault("requestedPeriod", []).append(span)
    contact(d, s, made, 15, "CALLBCK", 16, 17)
    contact(d, s, made, 19, "ENT", 20, 0)
    for n, role in ((22, "PLAC"), (23, "FILL")):
        if s.get(n) and (parent := ei(d, s, n, s.get(n), 0, role)):
            made.setdefault("supportingInformation", []).append({"type": "Appointment", "identifier": parent})
    for n in (24, 25):
        for rep, part in d.repeats(s.get(n)) if s.get(n) else ():
            if order := ei(d, s, n, part, rep):
                made.setdefault("basedOn", []).append({"type": "ServiceRequest", "identifier": order})
    fill(d, s, made)
    d.later.append(lambda: closed(made))
