"""OBR with results -> DiagnosticReport. Sources: HL7 v2.8.2 section 7.4.1 (OBR), FHIR R4 DiagnosticReport."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2 import entry
from adapters.hl7v2.concepts import concept
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import cx
from adapters.hl7v2.order_numbers import listed, numbers_of
from adapters.hl7v2.parties import practitioner
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.specimen import of_order
from adapters.hl7v2.times import put_instant, put_time
from hie.model import Resource

REPORTS = frozenset(("ORU", "OUL", "ORF", "RSP", "MDM", "UDM", "OPU"))
"""Message codes whose OBR brings results. In others (orders, and answers to orders) an OBR is a report only when it says so
(OBR-22 or OBR-25)."""


def report_of(d: Draft, s: Segment, request: Resource) -> Resource | None:
    if d.event[:3] not in REPORTS and not (s.get(25) or s.get(22)):
        of_order(d, s, None, request)
        return None
    report = d.unique("DiagnosticReport", *d.now["key"])
    d.now["report"] = report
    placer, filler = numbers_of(d, None, s, (2, 3))
    identifiers = listed(placer, filler) or [dict(i) for i in request.get("identifier", ())]
    for n in (20, 21):
        number = cx(d, s, n, s.get(n).partition(d.message.component)[0]) if s.get(n) else None
        if number and number["value"] not in {i["value"] for i in identifiers}:
            identifiers.append(number)
    if identifiers:
        report["identifier"] = identifiers
    report["basedOn"] = [d.ref(request)]
    report["status"] = _status(d, s)
    report["code"] = concept(d, s, 4, s.get(4).partition(d.message.repetition)[0]) if s.get(4) else None
    if not report["code"]:
        report["code"] = d.nobody()
    if d.patient:
        report["subject"] = dict(d.patient)
    encounter = d.now.get("encounter")
    if encounter is not None:
        report["encounter"] = d.ref(encounter)
    _times(d, s, report)
    interpreters = []
    for n in (32, 33):
        for rep, part in d.repeats(s.get(n)) if s.get(n) else ():
            if who := _ndl(d, s, n, part, rep):
                interpreters.append(who)
    if interpreters:
        report["resultsInterpreter"] = interpreters
    for rep, part in d.repeats(s.get(34)) if s.get(34) else ():
        if who := _ndl(d, s, 34, part, rep):
            report.setdefault("performer", []).append(who)
    if people := [w for rep, part in d.repeats(s.get(35)) if (w := _ndl(d, s, 35, part, rep))] if s.get(35) else []:
        entry.transcribed(d, s, report, people)
    of_order(d, s, report, request)
    return report


def _status(d: Draft, s: Segment) -> str:
    sent = d.first(s.get(25))
    if not sent:
        return "unknown"
    found = d.coded("0123", sent)
    if found is None:
        d.warn("code-not-mapped", s, 25, "the status is not in table 0123 and no map of the site covers it")
        d.lose(s, 25)
        return "unknown"
    return found[1]


def _times(d: Draft, s: Segment, report: Resource) -> None:
    start, end = s.get(7), s.get(8)
    effective: dict[str, Any] = {}
    if start and end and end != start:
        span: dict[str, Any] = {}
        put_time(d, s, 7, start, span, "start")
        put_time(d, s, 8, end, span, "end")
        if span:
            effective["effectivePeriod"] = span
    elif start or end:
        put_time(d, s, 7 if start else 8, start or end, effective, "effectiveDateTime")
    report.update(effective)
    d.now["effective"] = effective
    if raw := s.get(22):
        held: dict[str, Any] = {}
        if put_instant(d, s, 22, raw, held, "issued"):
            report.update(held)


def _ndl(d: Draft, s: Segment, n: int, raw: str, rep: int) -> dict[str, Any] | None:
    """An NDL (the person in sub-components, then times and places), or the XCN that many send instead."""
    first, _, rest = raw.partition(d.message.component)
    if d.message.sub in first:
        pieces = first.split(d.message.sub)
        if rest.strip(d.message.component):
            d.rest(s, n, rep, raw.split(d.message.component), 1)
        # CNN: id, family, given, second, suffix, prefix, degree, source table, authority (3 parts)
        name = pieces[:7] + [""] * (8 - len(pieces[:7]))
        name.append(d.message.sub.join(pieces[8:11]))
        return practitioner(d, s, n, d.message.component.join(name), rep)
    return practitioner(d, s, n, raw, rep)
