"""AL1, IAM -> AllergyIntolerance. Sources: HL7 v2.8.2 sections 3.4.6 (AL1), 3.4.7 (IAM); FHIR R4 AllergyIntolerance."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.codes import THO
from adapters.hl7v2.concepts import concept, concepts
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.names import names
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.rules import fill
from adapters.hl7v2.times import SENT_URL

CLINICAL = THO + "allergyintolerance-clinical"
VERIFICATION = THO + "allergyintolerance-verification"


def allergy(d: Draft, s: Segment) -> None:
    code = d.first(s.get(3)) or d.text(s.get(3).replace(d.message.component, " "))
    if not code and not s.get(5):
        fill(d, s)
        for n in (2, 4):
            if s.get(n):
                d.lose(s, n)
        d.source(s, d.now.get("patient"))
        return
    made = d.unique("AllergyIntolerance", d.scope, d.patient["reference"] if d.patient else d.control_id, code)
    made["patient"] = dict(d.patient) if d.patient else d.nobody()
    if (encounter := d.now.get("encounter")) is not None:
        made["encounter"] = d.ref(encounter)
    d.owner = made
    d.source(s, made)
    _category(d, s, made)
    _reactions(d, s, made)
    if s.name == "IAM":
        _iam(d, s, made)
    fill(d, s, made)
    _none_known(d, made)


def _none_known(d: Draft, made: dict[str, Any]) -> None:
    """NKDA and the like, written as an allergen: the statement of absence gets its code beside the words sent."""
    code = made.get("code", {})
    words = [code.get("text", "")]
    for coding in code.get("coding", ()):
        words += (coding.get("display", ""), coding.get("code", ""))
    known = next((k for w in words if w and (k := d.coded("nka", "".join(filter(str.isalpha, w.upper()))))), None)
    if known and not any(coding.get("system") == known[0] for coding in code.get("coding", ())):
        code.setdefault("coding", []).append({"system": known[0], "code": known[1]})


def _category(d: Draft, s: Segment, made: dict[str, Any]) -> None:
    sent = d.first(s.get(2))
    if not sent:
        return
    found = d.coded("0127", sent)
    key, value = ("category", found[1]) if found is not None else ("type", "allergy" if sent in ("MC", "AL") else "")
    if not value:
        d.lose(s, 2)
        return
    made[key] = [value] if key == "category" else value
    parts = s.get(2).partition(d.message.repetition)[0].split(d.message.component)
    if len(parts) > 1 and (words := d.text(parts[1])):
        said = {"extension": [{"url": SENT_URL, "valueString": words}]}
        made["_" + key] = [said] if key == "category" else said
    d.rest(s, 2, 0, parts, 3)


def _reaction(found: dict[str, Any]) -> dict[str, Any]:
    """AL1-5 and IAM-5 are ST in every version: a bare value is words, not a code. Senders that put a CE there say its system."""
    codings = found.get("coding", ())
    if "text" not in found and len(codings) == 1 and codings[0].keys() == {"code"}:
        return {"text": codings[0]["code"]}
    return found


_CRITICAL = {"U": "unable-to-assess", "HIGH": "high", "LOW": "low"}
"""Words of AL1-4 and IAM-4 that are not of table 0128 but, word for word, of R4's criticality."""


def _reactions(d: Draft, s: Segment, made: dict[str, Any]) -> None:
    reactions = [_reaction(found) for found in concepts(d, s, 5, s.get(5))] if s.get(5) else []
    severity = None
    if sent := d.first(s.get(4)):
        known = d.coded("0128", sent)
        if known is not None:
            severity = known[1]
        elif (stakes := _CRITICAL.get(sent.upper())) is not None:
            made["criticality"] = stakes
        else:
            d.warn("code-not-mapped", s, 4, "the severity is not in table 0128")
            d.lose(s, 4)
    if reactions:
        one: dict[str, Any] = {"manifestation": reactions}
        if severity:
            one["severity"] = severity
        made["reaction"] = [one]
    elif severity:
        # how bad, but not what: R4 needs a manifestation, and none was sent
        absent = [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
        made["reaction"] = [{"manifestation": [{"extension": absent}], "severity": severity}]


def _iam(d: Draft, s: Segment, made: dict[str, Any]) -> None:
    status = d.first(s.get(17))
    found = d.coded("0438", status) if status else None
    if found is not None:
        made["verificationStatus"] = {"coding": [{"system": VERIFICATION, "code": found[1]}]}
    elif status:
        d.lose(s, 17)
    if status == "I":
        made["clinicalStatus"] = {"coding": [{"system": CLINICAL, "code": "inactive"}]}
    action = d.first(s.get(6)).upper()
    if action == "D":
        made["verificationStatus"] = {"coding": [{"system": VERIFICATION, "code": "entered-in-error"}]}
    elif action not in ("A", "U", "X", "S", ""):
        d.lose(s, 6)
    if s.get(10) and (group := concept(d, s, 10, s.get(10))):
        code = made.setdefault("code", {})
        code.setdefault("coding", []).extend(group.get("coding", ()))
    if s.get(21):
        made["clinicalStatus"] = {"coding": [{"system": CLINICAL, "code": "inactive"}]}
    if text := d.first(s.get(12)):
        if s.get(11):
            d.lose(s, 12)
        else:
            made["onsetString"] = text
    if s.get(14) and (people := names(d, s, 14, s.get(14))):
        person = d.add(
            "RelatedPerson", made["patient"].get("reference", d.scope), "reporter", str(people[0].get("family", ""))
        )
        person["patient"] = dict(made["patient"])
        person["name"] = people
        if s.get(15) and (relation := concept(d, s, 15, s.get(15), 0, "0063")):
            person["relationship"] = [relation]
        d.source(s, person)
        made["asserter"] = d.ref(person)
    elif s.get(15):
        d.lose(s, 15)
