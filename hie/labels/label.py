"""Labels for the resources of one record: what each earns by its sender, source, author, codes and words.

Strongest first (reference: DS4P, 42 CFR part 2): the sender's own label; the type of the source; author, department and
note type; coded content by hierarchy; words of names; hints in free text. Labels only go up here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hie.codes import security
from hie.labels import attachment
from hie.labels.rules import RuleSet, shipped
from hie.model import Resource, SecurityLabel

HINT = 0.4
"""Confidence of a word in free text."""
RESTRICTING = 0.5
"""From this confidence on, a sensitivity makes the item R."""

_CARRIERS = frozenset(("Patient", "Practitioner", "PractitionerRole", "Organization", "Location", "RelatedPerson", "Person",
                       "MessageHeader", "Provenance", "Device", "Group", "Endpoint", "Consent", "HealthcareService"))  # fmt: skip
"""What only says who and where: never sensitive by clinical content."""
_LABORATORY = frozenset(("Observation", "DiagnosticReport", "ServiceRequest", "Specimen"))
_DRUGS = frozenset(("Medication", "MedicationRequest", "MedicationStatement", "MedicationAdministration",
                    "MedicationDispense", "AllergyIntolerance", "Immunization"))  # fmt: skip
_CONCEPTS = frozenset(
    ("code", "medicationCodeableConcept", "vaccineCode", "valueCodeableConcept", "reasonCode", "reason", "category", "type",
     "class", "serviceType", "substance", "specialty", "modifierExtension", "bodySite", "indication", "orderDetail",
     "conclusionCode", "usageContext", "event", "practiceSetting", "facilityType", "detail", "description", "interpretation",
     "targetDisease", "manifestation", "procedure", "diagnosis", "hospitalization", "component", "reaction", "ingredient",
     "content", "context", "section", "answer", "item", "activity", "finding", "stage", "evidence", "outcome", "complication",
     "reasonReference", "programEligibility", "purpose", "productOrService", "productCodeableConcept", "participant",
     "valueString", "topic", "securityLabel", "masterIdentifier", "title", "input", "output", "extension", "protocolApplied",
     "focus", "goal", "addresses", "group")
)  # fmt: skip
_WORDS = frozenset(("note", "conclusion", "comment", "text", "summary", "patientInstruction", "dosageInstruction"))
_MAIN = ("code", "medicationCodeableConcept", "vaccineCode")
_ATTACHING = frozenset(("DocumentReference", "DiagnosticReport", "Observation", "Media", "Communication", "Binary"))
_A_SENTENCE = re.compile(r"[A-Za-z]{3}.*[\s-]|[A-Za-z]{5}")


@dataclass(frozen=True, slots=True)
class LabelContext:
    """What is known besides the resources."""

    source_types: frozenset[str] = frozenset()
    """Types of the sending organisation, e.g. `part2-programme`."""
    rules: RuleSet = field(default_factory=shipped)


Earned = dict[tuple[str, str], SecurityLabel]
"""(system, code) -> the strongest label with that code."""


def label(resources: Sequence[Resource], context: LabelContext | None = None) -> dict[str, tuple[SecurityLabel, ...]]:
    """Reference ("Type/id") -> its labels, the sender's among them; always a confidentiality.

    An empty tuple says that labelling failed: no permit on labels covers the item then. Never raises on data.
    """
    context = context or LabelContext()
    earned: dict[str, Earned | None] = {}
    specialists = _specialists(resources, context.rules)
    for resource in resources:
        reference = f"{resource.get('resourceType')}/{resource.get('id')}"
        try:
            earned[reference] = _own(resource, context, specialists)
        except (TypeError, ValueError, AttributeError, KeyError):
            earned[reference] = None
    _inherit(resources, earned)
    return {reference: _finished(found) for reference, found in earned.items()}


def _own(resource: Resource, context: LabelContext, specialists: Mapping[str, list[tuple[str, str]]]) -> Earned:
    found: Earned = {}
    meta = resource.get("meta")
    if meta is not None and "security" in meta:
        for coding in meta["security"]:
            _put(
                found, SecurityLabel(coding["code"], "set by the sender", security.canonical(coding.get("system", "")))
            )
    kind = resource["resourceType"]
    if kind in _CARRIERS:
        if kind == "RelatedPerson" and "relationship" in resource:
            # "HIV case manager": what somebody is to the patient may tell what the patient has
            _Seen(context.rules, False, False, found).hints(resource["relationship"], "relationship")
        return found
    for source in context.source_types:
        for code in context.rules.sources.get(source, ()):
            _put(found, SecurityLabel(code, f"sent by a {source}"))
    if specialists:
        _by_author(resource, specialists, found)
    seen = _Seen(context.rules, kind in _LABORATORY, kind in _DRUGS, found)
    for key, value in resource.items():
        if key in _CONCEPTS:
            seen.walk(value, key, 0)
        elif key in _WORDS:
            seen.hints(value, key)
    if kind in _ATTACHING:
        for text in attachment.texts(resource):
            seen.long_text(text, "an attachment")
    if _unknown(resource, context.rules):
        _put(found, SecurityLabel("unclassified", "its code is in no code system we know", security.LOCAL))
    return found


class _Seen:
    """Walks the coded parts of one resource."""

    __slots__ = ("drug", "found", "laboratory", "rules")

    def __init__(self, rules: RuleSet, laboratory: bool, drug: bool, found: Earned) -> None:
        self.rules = rules
        self.laboratory = laboratory
        self.drug = drug
        self.found = found

    def walk(self, value: Any, path: str, depth: int) -> None:
        if type(value) is list:
            for number, one in enumerate(value):
                self.walk(one, f"{path}[{number}]" if len(value) > 1 or depth == 0 else path, depth + 1)
            return
        if type(value) is str:
            if path.endswith(("title", "valueString", "display", "description")) and not value.startswith("http"):
                self._text(value, path, 0.9 if path.endswith(("title", "display")) else HINT)
            return
        if type(value) is not dict or depth > 12:
            return
        if "coding" not in value and type(value.get("code")) is str:
            self._coding(value, path)
            return
        for key, inner in value.items():
            if key == "coding":
                for number, one in enumerate(inner):
                    self._coding(one, f"{path}.coding[{number}]")
            elif key == "text" and type(inner) is str:
                self._text(inner, f"{path}.text", 0.85)
            elif key in _WORDS:
                self.hints(inner, f"{path}.{key}")
            elif (
                type(inner) is dict or type(inner) is list or key in ("display", "title", "valueString", "description")
            ):
                self.walk(inner, f"{path}.{key}", depth + 1)

    def _coding(self, coding: Any, path: str) -> None:
        display = coding.get("display", "")
        for hit in self.rules.coding(
            coding.get("system", ""), coding.get("code", ""), display, self.laboratory, self.drug
        ):
            known = self.found.get((security.ACT_CODE, hit.label))
            if known is None or known.confidence < hit.confidence:
                _put(self.found, SecurityLabel(hit.label, hit.cause.format(path), confidence=hit.confidence))
        code = coding.get("code", "")
        if code and not coding.get("system") and _A_SENTENCE.search(code):
            # senders write words where the code belongs
            self._text(code, f"{path}.code", HINT)

    def long_text(self, text: str, path: str) -> None:
        for code, name in self.rules.named_in(text):
            _put(self.found, SecurityLabel(code, f'{path} has a term of the list "{name}"', confidence=HINT))

    def _text(self, text: str, path: str, most: float) -> None:
        for code, _, name, confidence in self.rules.text(text, self.laboratory, self.drug):
            cause = f'{path} has a term of the list "{name}"'
            _put(self.found, SecurityLabel(code, cause, confidence=min(confidence, most)))

    def hints(self, value: Any, path: str) -> None:
        """Free text: it names things without saying that they are so."""
        stack = [value]
        while stack:
            at = stack.pop()
            if type(at) is list:
                stack.extend(at)
            elif type(at) is dict:
                stack.extend(
                    v for k, v in at.items() if k in ("text", "div", "coding", "display", "patientInstruction")
                )
            elif type(at) is str:
                for code, _, name, _ in self.rules.text(at, False, True):
                    cause = f'{path} has a term of the list "{name}"'
                    _put(self.found, SecurityLabel(code, cause, confidence=HINT))


def _put(found: Earned, new: SecurityLabel) -> None:
    key = (new.system, new.code)
    known = found.get(key)
    if known is None or known.confidence < new.confidence:
        found[key] = new


def _unknown(resource: Resource, rules: RuleSet) -> bool:
    """Has its main concept a code, and none of its codes a system we know?"""
    for key in _MAIN:
        concept = resource.get(key)
        if type(concept) is dict and (codings := concept.get("coding")):
            return not any(rules.known(c.get("system", ""), c.get("code", "")) for c in codings)
    return False


# -- who wrote it ------------------------------------------------------------------------------------------------------


_SPEAKING = ("specialty", "code", "qualification", "type", "name", "alias")


def _specialists(resources: Sequence[Resource], rules: RuleSet) -> dict[str, list[tuple[str, str]]]:
    """Reference of an author or department -> labels by its specialty."""
    found: dict[str, list[tuple[str, str]]] = {}
    for resource in resources:
        kind = resource.get("resourceType")
        if kind not in ("PractitionerRole", "Practitioner", "Organization", "Location", "HealthcareService"):
            continue
        labels = []
        parts = [resource, *(c for c in resource.get("contained", ()) if isinstance(c, dict))]
        for concept in (c for part in parts for c in _concepts(part, _SPEAKING)):
            for coding in concept.get("coding", ()) if isinstance(concept.get("coding"), list) else ():
                code = str(coding.get("code", "")) if isinstance(coding, dict) else ""
                labels += [
                    (one, f"specialty {code} of its author or department")
                    for stem, one in rules.specialties
                    if code.startswith(stem)
                ]
                labels += _named(str(coding.get("display", "")) if isinstance(coding, dict) else "", rules)
            labels += _named(str(concept.get("text", "")), rules)
        if labels:
            found[f"{kind}/{resource.get('id')}"] = labels
            if kind == "PractitionerRole" and isinstance(resource.get("practitioner"), dict):
                found.setdefault(str(resource["practitioner"].get("reference")), []).extend(labels)
    return found


def _named(text: str, rules: RuleSet) -> list[tuple[str, str]]:
    return (
        [
            (code, f'its author or department is of the list "{name}"')
            for code, _, name, _ in rules.text(text, False, False)
        ]
        if text
        else []
    )


def _concepts(resource: Resource, keys: tuple[str, ...]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for key in keys:
        value = resource.get(key)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str):
                found.append({"text": one})
            elif isinstance(one, dict):
                inner = one.get("code")
                found.append(inner if isinstance(inner, dict) else one)
    return found


_BY = ("performer", "author", "recorder", "asserter", "requester", "participant", "serviceProvider", "location", "custodian",
       "managingOrganization", "payor", "resultsInterpreter")  # fmt: skip


def _by_author(resource: Resource, specialists: Mapping[str, list[tuple[str, str]]], found: Earned) -> None:
    for key in _BY:
        if key not in resource:
            continue
        stack = [resource[key]]
        while stack:
            at = stack.pop()
            if type(at) is list:
                stack.extend(at)
            elif type(at) is dict:
                for code, cause in specialists.get(at.get("reference", ""), ()):
                    _put(found, SecurityLabel(code, cause, confidence=0.7))
                stack.extend(v for v in at.values() if type(v) is dict or type(v) is list)


# -- what holds what ---------------------------------------------------------------------------------------------------

_HOLDERS = {
    "DiagnosticReport": ("result", "conclusionCode", "media", "specimen"),
    "Composition": ("section", "event"),
    "Encounter": ("diagnosis", "reasonReference"),
    "List": ("entry",),
    "DocumentReference": ("context",),
    "DocumentManifest": ("content",),
    "EpisodeOfCare": ("diagnosis",),
    "CarePlan": ("addresses", "activity", "goal"),
    "Observation": ("hasMember", "derivedFrom"),
    "MedicationRequest": ("medicationReference", "reasonReference"),
    "MedicationStatement": ("medicationReference", "reasonReference"),
    "MedicationAdministration": ("medicationReference", "reasonReference"),
    "MedicationDispense": ("medicationReference",),
    "Procedure": ("reasonReference", "report"),
    "ServiceRequest": ("reasonReference",),
    "Immunization": ("reasonReference",),
    "CareTeam": ("reasonReference",),
}
"""Type -> elements whose targets lend it their labels: a document is as sensitive as what is in it."""
_DOCUMENTS = frozenset(("Composition", "DocumentReference"))


def _inherit(resources: Sequence[Resource], earned: dict[str, Earned | None]) -> None:
    if len(resources) < 2 or not any(_sensitive(found) for found in earned.values()):
        return
    for resource in resources:
        if resource.get("resourceType") == "DiagnosticReport":
            _hand_down(resource, earned)
    holders = []
    for resource in resources:
        parts = [resource[key] for key in _HOLDERS.get(resource.get("resourceType", ""), ()) if key in resource]
        if parts:
            holder = earned.get(f"{resource.get('resourceType')}/{resource.get('id')}")
            holders.append((holder, [t for t in _targets(parts) if t in earned]))
    # twice: a report's label reaches the document that holds the report
    for _ in range(2):
        for holder, held in holders:
            if holder is not None:
                for target in held:
                    _lend(earned[target], holder, "it holds")
    everything = [found for reference, found in earned.items() if found and reference.split("/")[0] not in _CARRIERS]
    for resource in resources:
        # the narrative of a document may hold any of what came with it
        kind = resource.get("resourceType")
        document = earned.get(f"{kind}/{resource.get('id')}")
        if document is not None and (kind == "Composition" or (kind == "DocumentReference" and "content" in resource)):
            for found in everything:
                if found is not document:
                    _lend(found, document, "it came with")


def _hand_down(report: Resource, earned: dict[str, Earned | None]) -> None:
    """An order's name tells what its results are about."""
    holder = earned.get(f"DiagnosticReport/{report.get('id')}")
    for target in _targets([report.get("result")]):
        held = earned.get(target)
        if holder is not None and held is not None:
            for (system, code), one in list(holder.items()):
                if system == security.ACT_CODE and one.confidence > HINT:
                    _put(
                        held,
                        SecurityLabel(
                            code, f"it belongs to a report labelled {code}", system, min(one.confidence, 0.7)
                        ),
                    )


def _lend(held: Earned | None, holder: Earned, how: str) -> None:
    if held is None:
        # what could not be labelled may be anything
        _put(holder, SecurityLabel("R", f"{how} something that could not be labelled", security.CONFIDENTIALITY))
        return
    for (system, code), one in list(held.items()):
        if (system == security.ACT_CODE and security.bit(code)) or (
            system == security.CONFIDENTIALITY and security.level(code) > security.LEVELS["N"]
        ):
            cause = one.cause if one.cause.startswith("it ") else f"{how} something labelled {code}"
            _put(holder, SecurityLabel(code, cause, system, one.confidence))


def _sensitive(found: Earned | None) -> bool:
    return found is None or any(system != security.LOCAL and code not in ("N", "M", "L", "U") for system, code in found)


def _targets(values: list[Any]) -> set[str]:
    found: set[str] = set()
    stack = list(values)
    while stack:
        at = stack.pop()
        if type(at) is dict:
            if type(at.get("reference")) is str:
                found.add(at["reference"])
            stack.extend(v for v in at.values() if type(v) is dict or type(v) is list)
        elif type(at) is list:
            stack.extend(at)
    return found


_NORMAL = (SecurityLabel("N", "nothing sensitive found", security.CONFIDENTIALITY),)


def _finished(found: Earned | None) -> tuple[SecurityLabel, ...]:
    """The labels of one resource with the confidentiality that follows from them."""
    if found is None:
        return ()
    if not found:
        return _NORMAL
    restricted = None
    for (system, code), one in found.items():
        if system == security.ACT_CODE and security.bit(code) and one.confidence >= RESTRICTING:
            restricted = one
    given = [code for system, code in found if system == security.CONFIDENTIALITY]
    if restricted is not None:
        if not any(security.level(code) >= security.LEVELS["R"] for code in given):
            _put(found, SecurityLabel("R", f"is labelled {restricted.code}", security.CONFIDENTIALITY))
    elif not given:
        found[(security.CONFIDENTIALITY, "N")] = _NORMAL[0]
    return tuple(found.values())
