"""DG1, PRB -> Condition; PR1 -> Procedure. Sources: HL7 v2.8.2 sections 6.5.2 (DG1), 12.4.2 (PRB), 6.5.4 (PR1)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from adapters.hl7v2.codes import THO
from adapters.hl7v2.concepts import coding, concept
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.labels import confidentiality, restrict
from adapters.hl7v2.parties import practitioner
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import put_time
from hie.model import Resource

VERIFICATION = THO + "condition-ver-status"
CLINICAL = THO + "condition-clinical"
CATEGORY = THO + "condition-category"
ASSERTED = "http://hl7.org/fhir/StructureDefinition/condition-assertedDate"
_LIFE = {
    "ACTIVE": "active",
    "INACTIVE": "inactive",
    "RESOLVED": "resolved",
    "RECURRENCE": "recurrence",
    "REMISSION": "remission",
    "RELAPSE": "relapse",
}
_CONFIRMED = {"CONFIRMED": "confirmed", "C": "confirmed", "PROVISIONAL": "provisional", "P": "provisional", "DIFFERENTIAL": "differential",
              "REFUTED": "refuted", "UNCONFIRMED": "unconfirmed", "SUSPECTED": "unconfirmed"}  # fmt: skip


_ACTIONS = ("", "A", "U", "X", "S")
"""Table 0206: added, updated, unchanged, a whole list: how a list is kept, not what it says."""
_FUNCTIONS = (
    (11, {"system": THO + "v3-ParticipationFunction", "code": "PRISURG"}),
    (8, {"system": THO + "v3-ParticipationFunction", "code": "ANEST"}),
    (12, {"system": THO + "v3-ParticipationType", "code": "PRF"}),
)
"""Field of PR1 -> what the person did: surgeon, anesthesiologist, practitioner."""


def coded_with(d: Draft, s: Segment, code_field: int, text_field: int, method_field: int) -> dict[str, Any]:
    """Code, description and the coding method of versions that had three fields for them."""
    made = (concept(d, s, code_field, s.get(code_field)) if s.get(code_field) else None) or {}
    method, text = d.first(s.get(method_field)), d.first(s.get(text_field))
    codings = made.get("coding", [])
    if method:
        if codings and "system" not in codings[0]:
            codings[0].update(coding(d, codings[0].get("code", ""), "", method, "", ""))
        elif not codings or d.system(method) not in {c.get("system") for c in codings}:
            d.lose(s, method_field)
    if text and text not in {c.get("display") for c in codings} and made.setdefault("text", text) != text:
        d.lose(s, text_field)
    return made


def dg1(d: Draft, s: Segment) -> None:
    code = coded_with(d, s, 3, 4, 2)
    if not code and not any(s.get(n) for n in (5, 16, 20)):
        fill(d, s)
        d.source(s, d.now.get("encounter") or d.now.get("patient"))
        return
    encounter = d.now.get("encounter")
    visit = d.ref(encounter)["reference"] if encounter is not None else ""
    kind = d.first(s.get(6))
    name = code.get("coding", [{}])[0].get("code", "") or code.get("text", "")
    made = d.unique("Condition", d.scope, d.patient["reference"] if d.patient else d.control_id, visit, name, kind)
    made["subject"] = dict(d.patient) if d.patient else d.nobody()
    if code:
        made["code"] = code
    made["category"] = [{"coding": [{"system": CATEGORY, "code": "encounter-diagnosis"}]}]
    d.owner = made
    d.source(s, made)
    if encounter is not None:
        made["encounter"] = d.ref(encounter)
        diagnosis: dict[str, Any] = {"condition": d.ref(made)}
        if kind:
            known = d.coded("0052", kind)
            use = [{"system": known[0], "code": known[1]}] if known else []
            diagnosis["use"] = {
                "coding": [*use, *([] if known and known[1] == kind else [{"system": THO + "v2-0052", "code": kind}])]
            }
        rank = d.first(s.get(15))
        if rank.isdigit() and int(rank) > 0:
            diagnosis["rank"] = int(rank)
        elif rank and rank != "0":
            d.lose(s, 15)
        encounter.setdefault("diagnosis", []).append(diagnosis)
    else:
        if s.get(15):
            d.lose(s, 15)
        if kind:
            made["category"].append({"coding": [{"system": THO + "v2-0052", "code": kind}]})
    if kind == "W":
        made["verificationStatus"] = {"coding": [{"system": VERIFICATION, "code": "provisional"}]}
    elif kind == "F":
        made["verificationStatus"] = {"coding": [{"system": VERIFICATION, "code": "confirmed"}]}
    if (flag := d.first(s.get(18)).upper()) in ("Y", "N"):
        restrict(d, made, "R" if flag == "Y" else "N")
    elif flag:
        d.lose(s, 18)
    if (action := d.first(s.get(21)).upper()) == "D":
        made["verificationStatus"] = {"coding": [{"system": VERIFICATION, "code": "entered-in-error"}]}
    elif action not in _ACTIONS:
        d.lose(s, 21)
    fill(d, s, made)


def prb(d: Draft, s: Segment) -> None:
    name = d.first(s.get(3)) or d.text(s.get(3).replace(d.message.component, " "))
    made = d.unique(
        "Condition", d.scope, d.patient["reference"] if d.patient else d.control_id, d.first(s.get(4)) or name
    )
    made["subject"] = dict(d.patient) if d.patient else d.nobody()
    made["category"] = [{"coding": [{"system": CATEGORY, "code": "problem-list-item"}]}]
    d.owner = d.now["about"] = made
    for role in ("order", "report", "key", "specimen"):
        d.now.pop(role, None)
    d.source(s, made)
    if (encounter := d.now.get("encounter")) is not None:
        made["encounter"] = d.ref(encounter)
        if (raw := s.get(5)) and (number := d.first(raw)):
            encounter.setdefault("episodeOfCare", []).append({"type": "EpisodeOfCare", "identifier": {"value": number}})
    elif s.get(5):
        d.lose(s, 5)
    onset = s.get(16) or s.get(7)
    if onset:
        put_time(d, s, 16 if s.get(16) else 7, onset, made, "onsetDateTime")
        if s.get(16) and s.get(7) and s.get(16) != s.get(7):
            held: dict[str, Any] = {}
            if put_time(d, s, 7, s.get(7), held, "at"):  # when the problem was established is not when it began
                made.setdefault("extension", []).append({"url": ASSERTED, "valueDateTime": held["at"]})
    if text := d.first(s.get(17)):
        if "onsetDateTime" in made:
            made["_onsetDateTime"] = {"extension": [{"url": "urn:hie:original-text", "valueString": text}]}
            d.lose(s, 17)
        else:
            made["onsetString"] = text
    _status(d, s, made)
    if "severity" not in made and s.get(18) and (rank := concept(d, s, 18, s.get(18))):
        if s.get(26):
            d.lose(s, 18)
        else:
            made["severity"] = rank
    confidentiality(d, s, 25, "0177", made)
    fill(d, s, made)


def _status(d: Draft, s: Segment, made: Resource) -> None:
    for n, key, table, system in (
        (14, "clinicalStatus", _LIFE, CLINICAL),
        (13, "verificationStatus", _CONFIRMED, VERIFICATION),
        (19, "verificationStatus", _CONFIRMED, VERIFICATION),
    ):
        raw = s.get(n)
        if not raw:
            continue
        found = concept(d, s, n, raw)
        words = [d.text(p).upper() for p in d.parts(raw)[:2]]
        known = next((table[w] for w in words if w in table), None)
        if known is not None and key not in made:
            made[key] = {"coding": [{"system": system, "code": known}]}
        elif found is not None and (known is None or made[key]["coding"][0]["code"] != known):
            d.lose(s, n)  # FHIR takes no other codes here
    if "clinicalStatus" not in made and s.get(9):
        made["clinicalStatus"] = {"coding": [{"system": CLINICAL, "code": "resolved"}]}
    if d.first(s.get(1)).upper() in ("DE", "D"):
        made["verificationStatus"] = {"coding": [{"system": VERIFICATION, "code": "entered-in-error"}]}
        made.pop("clinicalStatus", None)


def pr1(d: Draft, s: Segment) -> None:
    code = coded_with(d, s, 3, 4, 2)
    if not code:
        fill(d, s)
        d.source(s, d.now.get("encounter") or d.now.get("patient"))
        return
    encounter = d.now.get("encounter")
    name = code.get("coding", [{}])[0].get("code", "") or code.get("text", "")
    made = d.unique(
        "Procedure", d.scope, d.patient["reference"] if d.patient else d.control_id, name, d.first(s.get(5))
    )
    action = d.first(s.get(20)).upper()
    made["status"] = "entered-in-error" if action == "D" else "unknown"
    if action not in ("D", *_ACTIONS):
        d.lose(s, 20)
    made["code"] = code
    made["subject"] = dict(d.patient) if d.patient else d.nobody()
    if encounter is not None:
        made["encounter"] = d.ref(encounter)
    d.owner = d.now["procedure"] = made
    d.source(s, made)
    for rep, part in d.repeats(s.get(16)) if s.get(16) else ():
        if modifier := concept(d, s, 16, part, rep):
            code.setdefault("coding", []).extend(modifier.get("coding", ()))
    if s.get(5):
        put_time(d, s, 5, s.get(5), made, "performedDateTime")
    if minutes := d.first(s.get(7)):
        _span(d, s, made, minutes)
    for n, role in _FUNCTIONS:
        for rep, part in d.repeats(s.get(n)) if s.get(n) else ():
            if who := practitioner(d, s, n, part, rep):
                made.setdefault("performer", []).append({"function": {"coding": [dict(role)]}, "actor": who})
    fill(d, s, made)


def _span(d: Draft, s: Segment, made: Resource, minutes: str) -> None:
    """PR1-7: how long it took, so when it ended."""
    start = made.get("performedDateTime", "")
    if minutes.isdigit() and len(start) > 10 and int(minutes) < 10000 and start < "9999":
        end = datetime.fromisoformat(start) + timedelta(minutes=int(minutes))
        del made["performedDateTime"]
        span: dict[str, Any] = {"start": start, "end": end.isoformat()}
        if (mark := made.pop("_performedDateTime", None)) is not None:
            span["_start"] = mark
        made["performedPeriod"] = span
    else:
        d.lose(s, 7)
