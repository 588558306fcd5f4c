"""A message without a patient says so: staff and master files, questions, acknowledgements, or a PID that is missing.

Their fields are listed like all others; the warning tells an analyst that this is how it has to be, or that it is not.
Source: HL7 v2.8.2 table 0076 (message types).
"""

from __future__ import annotations

from adapters.hl7v2.draft import Draft
from hie.model import Warning

_KINDS = {
    "staff-or-master-file": (
        frozenset(("MFN", "MFK", "MFQ", "MFR", "MFD", "PMU")),
        "about staff or master files: no resource is made of it",
    ),
    "question": (
        frozenset(("QBP", "QRY", "QSX", "QCN", "QVR", "VXQ", "SPQ", "VQQ", "EQQ", "RQQ", "RQC", "RQP", "OSQ", "SQM")),
        "a question about a patient: the answer holds the facts",
    ),
    "acknowledgement": (frozenset(("ACK", "MCF")), "an acknowledgement: it says nothing of a patient"),
    "answer-without-patient": (
        frozenset(("RSP", "DSR", "EDR", "TBR", "ERP", "RTB", "RCL", "RDR", "VXX", "VXR", "ORF", "ADR", "NMD", "NMR", "NMQ")),
        "an answer that names no patient in PID",
    ),
}  # fmt: skip
"""Warning code -> message types, text."""


def said(d: Draft) -> None:
    kind = d.event.partition("^")[0]
    if d.event == "ADT^A20":  # the state of a bed
        return
    for code, (kinds, text) in _KINDS.items():
        if kind in kinds:
            d.warnings.append(Warning(code, "MSH-9", text))
            return
    d.warnings.append(Warning("patient-missing", "MSH-9", "no PID: what the message says is tied to nobody"))
