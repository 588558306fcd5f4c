"""Which segment belongs to what: a tolerant walk in the order sent, never a structure that has to fit.

State is `draft.now`: the order, report, specimen, vaccine, document, visit that the next segment may belong to. One
segment that fails is listed and warned about; the rest of the message goes on.
"""

from __future__ import annotations

from collections.abc import Callable

from adapters.hl7v2 import (
    administration,
    allergy,
    appointment,
    appointment_request,
    bed,
    charge,
    condition,
    coverage,
    death,
    dispense,
    document,
    drug,
    header,
    imaging,
    merge,
    nobody,
    notes,
    observation,
    orders,
    patient,
    pharmacy,
    plan,
    referral,
    related,
    roles,
    route,
    specimen,
    study,
    timing,
    vaccine_facts,
    visit,
)
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from hie.model import Warning

Handler = Callable[[Draft, Segment], None]

HANDLERS: dict[str, Handler] = {
    "MSH": header.msh, "SFT": header.sft, "EVN": header.evn, "MSA": header.msa,
    "PID": patient.pid, "PD1": patient.pd1, "ARV": patient.arv,
    "PV1": visit.pv1, "PV2": visit.pv2, "NPU": bed.npu, "PDA": death.pda,
    "ORC": orders.orc, "OBR": orders.obr, "TQ1": timing.tq1,
    "OBX": observation.obx, "NTE": notes.nte, "IPC": imaging.ipc, "CTI": study.cti, "SPM": specimen.spm, "SAC": specimen.sac,
    "NK1": related.nk1, "GT1": related.gt1, "IN1": coverage.in1, "IN2": coverage.in2, "MRG": merge.mrg,
    "AL1": allergy.allergy, "IAM": allergy.allergy, "DG1": condition.dg1, "PRB": condition.prb, "PR1": condition.pr1,
    "RXA": administration.given, "RXO": pharmacy.rxo, "RXE": pharmacy.rxe, "RXD": dispense.rxd, "RXR": route.rxr,
    "RXC": drug.rxc, "RXG": pharmacy.rxg, "TXA": document.txa, "SCH": appointment.sch, "ARQ": appointment_request.arq, "AIS": appointment.resource_line,
    "AIG": appointment.resource_line, "AIL": appointment.resource_line, "AIP": appointment.resource_line,
    "FT1": charge.ft1, "ACC": charge.accident, "RF1": referral.rf1, "PRD": referral.prd, "CTD": referral.ctd,
    "GOL": plan.gol, "PTH": plan.pth, "VAR": plan.var, "AUT": referral.aut, "ROL": roles.rol, "PRT": roles.prt,
}  # fmt: skip
"""Segment name -> function. Others: site rows of the segment table, else listed in `unmapped`."""


def walk(d: Draft, segments: list[Segment]) -> None:
    handlers = HANDLERS
    for s in segments:
        handler = handlers.get(s.name)
        d.here = s
        try:
            if handler is not None:
                handler(d, s)
            else:
                unknown(d, s)
        except Exception:  # one bad segment costs that segment, never the message
            d.warnings.append(
                Warning("segment-failed", s.where, "this segment could not be read; the rest of the message was")
            )
            for n, raw in enumerate(s.fields):
                if n and raw and raw != '""':
                    d.lost.setdefault(d.where(s, n), 1)
    finish(d)


def unknown(d: Draft, s: Segment) -> None:
    """A segment without a mapping (Z segments among them): every populated field is listed, unless the site maps it."""
    target = d.owner or d.now.get("patient")
    fill(d, s, target, d.now.get("patient"), d.now.get("encounter"), d.now.get("header"))
    d.source(s, target if target is not None else d.now.get("header"))


def finish(d: Draft) -> None:
    d.here = None
    orders.close(d)
    route.waiting(d, None)
    while d.later:
        try:
            d.later.pop(0)()
        except Exception:  # as for a segment: what fails costs itself, never the message
            d.warnings.append(Warning("segment-failed", "", "the end of a segment's reading failed; the rest stands"))
    specimen.untie(d)
    vaccine_facts.close(d)
    if d.now.get("patient") is None:
        nobody.said(d)
