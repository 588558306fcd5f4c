"""OperationOutcomes with several issues: what was done, and what of the body was not as R4 asks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from hie.model import Resource, Warning

CODES = "urn:hie:warning"
_ENTRY = re.compile(r"\.entry\[(\d+)\](?=\.|\Z)")
_PATH = re.compile(r"[A-Z][A-Za-z]*[\w.\[\]]*\Z")
_ISSUE = {
    "fhir-required": "required",
    "fhir-value": "value",
    "fhir-shape": "structure",
    "fhir-element": "structure",
    "fhir-type": "not-supported",
    "fhir-version": "not-supported",
    "fhir-method": "not-supported",
    "fhir-not-taken": "not-supported",
    "fhir-modifier": "extension",
    "fhir-duplicate": "duplicate",
}
"""Warning of the decoder -> issue-type (http://hl7.org/fhir/issue-type)."""


def told(first: tuple[str, str, str, str], where: str = "", more: Sequence[Resource] = ()) -> Resource:
    """`first`: severity, issue-type, code of ours, text."""
    severity, kind, code, text = first
    return {
        "resourceType": "OperationOutcome",
        "issue": [_issue(severity, kind, "urn:hie:outcome", code, text, where), *more],
    }


def of_warning(warning: Warning | tuple[str, str, str]) -> Resource:
    code, where, text = warning
    return _issue("warning", _ISSUE.get(code, "business-rule"), CODES, code, text, where)


def _issue(severity: str, kind: str, system: str, code: str, text: str, where: str) -> Resource:
    issue: dict[str, Any] = {
        "severity": severity,
        "code": kind,
        "details": {"coding": [{"system": system, "code": code}], "text": text},
    }
    if _PATH.match(where):
        issue["expression"] = [_ENTRY.sub(r".entry[\1].resource", where)]
    elif where:
        issue["diagnostics"] = where
    return issue
