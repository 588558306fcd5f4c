"""The words by which something withheld would be recognised: names, texts and codes, without what is common to all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hie.codes.hierarchy import ICD9CM, ICD10, ICD10CM, tokens
from hie.consent.leak import plain_text
from hie.model import Resource

_DOTTED = frozenset((ICD10CM, ICD10, ICD9CM))
SHORTEST = 5
"""Shorter texts occur by chance."""

_SILENT = frozenset(
    ("id", "resourceType", "meta", "status", "category", "subject", "patient", "encounter", "interpretation", "identifier",
     "bodySite", "method", "referenceRange", "unit", "system", "clinicalStatus", "verificationStatus", "intent", "url",
     "contentType", "reference", "performer", "requester", "recorder", "author", "language", "use", "onsetDateTime",
     "effectiveDateTime", "issued", "recordedDate", "authoredOn", "period", "linkId", "version", "size", "hash", "creation",
     "docStatus", "type", "mode", "priority", "class", "address", "telecom", "gender", "birthDate", "timing", "doseQuantity")
)  # fmt: skip
"""Elements whose words say nothing about what the thing is."""
_OWN = ("code", "medicationCodeableConcept", "vaccineCode", "valueCodeableConcept", "name", "address", "identifier", "component",
        "valueString", "type", "serviceType", "conclusionCode", "telecom", "specialty", "substance", "title")  # fmt: skip
_SPOKEN = frozenset(
    ("text", "display", "valueString", "div", "conclusion", "title", "name", "family", "data", "value", "patientInstruction",
     "description")
)  # fmt: skip
_COMMON = frozenset(
    ["positive", "negative", "detected", "not detected", "normal", "abnormal", "reactive", "nonreactive", "non-reactive", "present",
     "absent", "none", "unknown", "pending", "see note", "see below", "see comment", "final", "comment", "comments", "note", "notes",
     "trace", "small", "moderate", "large", "clear", "yellow", "blood", "urine", "serum", "plasma", "tablet", "capsule", "oral", "daily",
     "twice daily", "problem", "diagnosis", "finding", "laboratory", "admission", "discharge", "routine", "other", "result", "results", "report",
     "history", "condition", "medication", "medications", "not applicable", "completed", "active", "resolved", "patient", "hospital", "clinic",
     "high", "low", "never", "former", "current", "every day", "inpatient", "outpatient", "emergency", "follow-up", "test", "panel", "screen",
     "text/plain", "text/html", "application/pdf"]
)  # fmt: skip


@dataclass(slots=True)
class Words:
    """Texts (in the form of hie.consent.leak.plain_text) and code tokens."""

    texts: set[str]
    codes: set[str]
    known: dict[str, bool] = field(default_factory=dict)
    """Answers of `within`: the same displays come again and again."""

    def add(self, other: Words) -> None:
        self.texts |= other.texts
        self.codes |= other.codes

    def minus(self, other: Words) -> Words:
        return Words(self.texts - other.texts, self.codes - other.codes)

    @property
    def strings(self) -> frozenset[str]:
        """Texts, and those codes that cannot be mistaken for a number or a word."""
        codes = set()
        for token in self.codes:
            system, _, code = token.rpartition("|")
            codes.add(code)
            if system in _DOTTED and len(code) > 3:
                codes.add(f"{code[:3]}.{code[3:]}")
        return frozenset(self.texts | {c for c in codes if _telling(c)})

    def within(self, text: str) -> bool:
        """Does a text hold one of ours as whole words?"""
        if len(text) < SHORTEST or not self.texts:
            return False
        found = self.known.get(text)
        if found is None:
            plain = f" {plain_text(text)} "
            found = self.known[text] = any(one in plain and _whole(plain, one) for one in self.texts)
        return found

    def names(self, node: dict[str, Any]) -> bool:
        """Is this a coding of something withheld, or a concept with such a coding?"""
        code, system = node.get("code"), node.get("system")
        if isinstance(code, str) and isinstance(system, str) and tokens(system, code)[-1] in self.codes:
            return True
        codings = node.get("coding")
        return isinstance(codings, list) and any(isinstance(c, dict) and self.names(c) for c in codings)

    def in_any(self, node: Any) -> bool:
        stack = [node]
        while stack:
            at = stack.pop()
            kind = type(at)
            if kind is str:
                if self.within(at):
                    return True
            elif kind is dict:
                if "code" in at and self.names(at):
                    return True
                stack.extend(v for k, v in at.items() if k not in _NAMELESS)
            elif kind is list:
                stack.extend(at)
        return False


_NAMELESS = frozenset(("id", "resourceType", "meta", "reference", "system", "status", "unit"))


def words_of(resource: Resource) -> Words:
    """What a withheld resource would be recognised by."""
    found = Words(set(), set())
    _collect({k: v for k, v in resource.items() if k not in _SILENT}, found)
    if resource.get("resourceType") in ("Practitioner", "PractitionerRole", "Organization", "Location"):
        found.codes.clear()
    return found


def concepts_of(resource: Resource) -> Words:
    """What a resource that stays is itself about: no secret, even where something withheld is about the same."""
    found = Words(set(), set())
    for key in _OWN:
        if key in resource:
            _collect(resource[key], found, everything=True)
    return found


def _collect(node: Any, found: Words, everything: bool = False) -> None:
    if isinstance(node, dict):
        code, system = node.get("code"), node.get("system")
        if isinstance(code, str) and isinstance(system, str) and system and "unit" not in node:
            found.codes.add(tokens(system, code)[-1])
        for key, value in node.items():
            if isinstance(value, str) and key in _SPOKEN:
                _text(value, found, everything)
            elif isinstance(value, dict | list) and (everything or key not in _SILENT):
                _collect(value, found, everything)
    elif isinstance(node, list):
        for one in node:
            _collect(one, found, everything)
    elif isinstance(node, str):
        _text(node, found, everything)


def _text(text: str, found: Words, everything: bool) -> None:
    plain = plain_text(text)
    if everything or (
        len(plain) >= SHORTEST and plain not in _COMMON and any(c.isalpha() for c in plain) and not _date(plain)
    ):
        found.texts.add(plain)


def _date(text: str) -> bool:
    return len(text) >= 10 and text[:4].isdigit() and text[4] == "-" and text[5:7].isdigit()


def _telling(code: str) -> bool:
    return len(code) >= 4 and any(c.isdigit() for c in code) and (any(c.isalpha() for c in code) or "-" in code)


def _whole(text: str, one: str) -> bool:
    start = text.find(one)
    while start >= 0:
        before, after = text[start - 1], text[start + len(one)]
        if not (before.isalnum() and one[0].isalnum()) and not (after.isalnum() and one[-1].isalnum()):
            return True
        start = text.find(one, start + 1)
    return False
