"""An HL7 v2.5.1 message made from FHIR resources, whatever format they came in.

The message follows from the content: immunisations alone VXU^V04, documents alone MDM^T02, results ORU^R01, else the
ADT event (A08, or A31 without a visit, where the source was no ADT). What the chosen message has no segment for, or
what is not firm (an unconfirmed allergy), is carried as coded OBX, so nothing in the view is lost.
MSH-10 is the delivery's key where it has at most 20 plain characters, else 20 characters of its SHA-256 (base 32):
stable over retries, so the receiver can drop a repeat. Everything is UTF-8 and says so in MSH-18.
Source: HL7 v2.5.1 chapters 2, 3, 4, 4A, 7, 9.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b32encode
from itertools import chain

from adapters.hl7v2.render_patient import al1, dg1, is_firm, nk1, pd1, pid, pr1, pv1
from adapters.hl7v2.render_record import RecordIndex
from adapters.hl7v2.render_results import nte, obx, orders
from adapters.hl7v2.render_statements import STATEMENTS, rxa, sections, txa, without_vaccine
from adapters.hl7v2.render_types import segment, text, ts
from hie.errors import PermanentRefusal
from hie.model import Resource, SubscriberContext, View

_ADT_STRUCTURES = {
    "A01": "ADT_A01", "A02": "ADT_A02", "A03": "ADT_A03", "A04": "ADT_A01", "A05": "ADT_A05", "A06": "ADT_A06",
    "A07": "ADT_A06", "A08": "ADT_A01", "A09": "ADT_A09", "A10": "ADT_A09", "A11": "ADT_A09", "A12": "ADT_A12",
    "A13": "ADT_A01", "A14": "ADT_A05", "A15": "ADT_A15", "A16": "ADT_A16", "A21": "ADT_A21", "A22": "ADT_A21",
    "A23": "ADT_A21", "A25": "ADT_A21", "A26": "ADT_A21", "A27": "ADT_A21", "A28": "ADT_A05", "A29": "ADT_A21",
    "A31": "ADT_A05", "A38": "ADT_A38",
}  # fmt: skip
_IDENTITY_EVENTS = frozenset(
    f"A{n}" for n in (17, 18, 24, 30, 34, 35, 36, 37, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51)
)
_PLAIN_KEY = re.compile(r"[A-Za-z0-9._-]{1,20}\Z")


def encode(view: View, context: SubscriberContext) -> bytes:
    """The message as UTF-8, segments ended by CR. `context.options`: `sending_application` (default HIE),
    `sending_facility`, `processing` (MSH-11).

    Raises PermanentRefusal: `rendered-no-patient`; `rendered-identity` for merge and link events, whose meaning lies
    in identifiers that are not part of a view.
    """
    index = RecordIndex(view)
    patient = index.patient
    if patient is None:
        raise PermanentRefusal("the view has no patient, so no PID can be written", code="rendered-no-patient")
    kind, trigger, structure = _message(view, index)
    body = _patient_group(index, patient, view)
    if kind == "ORU":
        body += _oru(index)
    elif kind == "VXU":
        body += pv1(index, index.encounter) if index.encounter else []
        body += chain.from_iterable(rxa(index, i) for i in index.all("Immunization"))
        body += without_vaccine(index, [o for o in index.all("Observation") if not _of_immunisation(o)])
    elif kind == "MDM":
        body += pv1(index, index.encounter) + txa(index, index.all("DocumentReference")[0])
    else:
        body += nk1(index, patient) + _adt(index)
    head = [_msh(view, context, index, f"{kind}^{trigger}^{structure}")]
    if kind in ("ADT", "MDM"):
        head.append(segment("EVN", {1: trigger, 2: ts(view.authored)}))
    return ("\r".join(head + body) + "\r").encode()


def _message(view: View, index: RecordIndex) -> tuple[str, str, str]:
    """Message type, trigger and structure (table 0354)."""
    source, _, trigger = view.event.partition("^")
    trigger = trigger[:3]
    if source == "ADT" and trigger in _IDENTITY_EVENTS:
        raise PermanentRefusal(
            "an identity event cannot be rendered from clinical resources",
            code="rendered-identity",
            hint="give this subscriber the format original",
        )
    if source == "ADT" and trigger in _ADT_STRUCTURES:
        return "ADT", trigger, _ADT_STRUCTURES[trigger]
    loose = [o for o in index.all("Observation") if not _of_immunisation(o)]
    results = bool(index.all("DiagnosticReport") or loose)
    statements = index.all(*STATEMENTS)
    immunisations = index.all("Immunization")
    documents = index.all("DocumentReference")
    if immunisations and not index.all("DiagnosticReport") and not documents and len(statements) == len(immunisations):
        return "VXU", "V04", "VXU_V04"
    if len(documents) == 1 and not results and not statements:
        return "MDM", "T02", "MDM_T02"
    if (
        results
        or documents
        or any(s["resourceType"] not in ("AllergyIntolerance", "Condition", "Procedure") for s in statements)
    ):
        return "ORU", "R01", "ORU_R01"
    return ("ADT", "A08", "ADT_A01") if index.encounter else ("ADT", "A31", "ADT_A05")


def _of_immunisation(observation: Resource) -> bool:
    return any(str(p.get("reference", "")).startswith("Immunization/") for p in observation.get("partOf", ()))


def _msh(view: View, context: SubscriberContext, index: RecordIndex, kind: str) -> str:
    options = context.options
    processing = str(options.get("processing", index.processing))
    return "MSH|^~\\&|" + "|".join(
        (
            text(options.get("sending_application", "HIE")),
            text(options.get("sending_facility", "")),
            text(context.application).replace("\\S\\", "^"),
            text(context.facility).replace("\\S\\", "^"),
            ts(view.authored),
            "",
            kind,
            control_id(context.key),
            processing,
            "2.5.1",
            "",
            "",
            "",
            "",
            "",
            "UNICODE UTF-8",
        )
    )


def control_id(key: str) -> str:
    """MSH-10 (ST, 20 characters) for a delivery key."""
    if _PLAIN_KEY.match(key):
        return key
    return b32encode(hashlib.sha256(key.encode()).digest())[:20].decode("ascii")


def _patient_group(index: RecordIndex, patient: Resource, view: View) -> list[str]:
    texts = list(view.obligations)
    if texts:
        texts.append(f"Purpose of use: {view.purpose}")
        if view.consent:
            texts.append(f"Consent: {view.consent}")
    return [pid(index, patient), *pd1(index, patient), *nte(texts, "O")]


def _adt(index: RecordIndex) -> list[str]:
    """PV1, results as OBX, AL1, DG1, PR1: in the order of ADT_A01."""
    loose, allergies, conditions, procedures = _split(index)
    lines: list[str] = []
    for observation in index.all("Observation"):
        lines += obx(index, _count(lines) + 1, observation)
    lines += sections(index, loose, _count(lines) + 1)
    # ADT structures have no NTE behind OBX: an observation's note stays out rather than break the message
    lines = [line for line in lines if line.startswith("OBX")]
    return pv1(index, index.encounter) + lines + al1(allergies) + dg1(conditions) + pr1(index, procedures)


def _split(index: RecordIndex) -> tuple[list[Resource], list[Resource], list[Resource], list[Resource]]:
    """Statements without a segment of their own, then firm allergies, conditions and procedures."""
    allergies = [a for a in index.all("AllergyIntolerance") if is_firm(a)]
    conditions = [c for c in index.all("Condition") if is_firm(c)]
    procedures = [p for p in index.all("Procedure") if p.get("status") == "completed"]
    own = {id(r) for r in chain(allergies, conditions, procedures)}
    return [r for r in index.all(*STATEMENTS) if id(r) not in own], allergies, conditions, procedures


def _oru(index: RecordIndex) -> list[str]:
    made = (pv1(index, index.encounter) if index.encounter else []) + orders(index)
    statements = index.all(*STATEMENTS)
    count = sum(line.startswith("OBR") for line in made)
    if statements:
        made.append(segment("OBR", {1: str(count + 1), 4: "34133-9^Summary of episode note^LN", 25: "F"}))
        made += sections(index, statements, 1)
    for number, document in enumerate(index.all("DocumentReference"), count + 1 + bool(statements)):
        lines = txa(index, document)
        fields = lines[0].split("|")
        made.append(segment("OBR", {1: str(number), 3: fields[12] if len(fields) > 12 else "", 4: fields[2], 25: "F"}))
        made += lines[1:]
    return made


def _count(lines: list[str]) -> int:
    return sum(line.startswith("OBX") for line in lines)
