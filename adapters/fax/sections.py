"""Headed sections of a document: MEDICATIONS, ALLERGIES, ASSESSMENT ... with the lines below each."""

from __future__ import annotations

import re

from adapters.fax.damage import tolerant
from adapters.fax.pages import COUNT, Line, Page

HEADINGS: dict[str, tuple[str, ...]] = {
    "medications": (
        "medications", "current medications", "discharge medications", "home medications", "medication list", "active medications",
        "medications at discharge", "medication", "meds", "current meds", "medicamentos", "medications prescribed", "outpatient medications",
    ),
    "stopped": ("discontinued medications", "stopped medications", "medications discontinued", "stop taking", "medications stopped", "discontinue"),
    "allergies": ("allergies", "allergy", "drug allergies", "known allergies", "medication allergies", "alergias", "allergies and intolerances", "allergies/intolerances"),
    "problems": (
        "problem list", "active problems", "problems", "diagnoses", "diagnosis", "discharge diagnosis", "discharge diagnoses", "assessment",
        "admitting diagnosis", "primary diagnosis", "secondary diagnoses", "past medical history", "pmh", "assessment and plan", "assessment/plan",
        "medical history", "diagnostico", "principal diagnosis", "active problem list", "final diagnosis", "referral diagnosis", "dx",
    ),
    "end": (
        "family history", "social history", "plan", "subjective", "objective", "physical exam", "vital signs", "review of systems", "hpi",
        "history of present illness", "chief complaint", "recommendations", "hospital course", "follow up", "follow-up", "results", "labs",
        "laboratory", "impression", "findings", "technique", "comparison", "indication", "reason for referral", "reason for consultation",
        "disposition", "immunizations", "signature", "comments", "past surgical history", "procedures", "vitals", "instructions",
        "condition at discharge", "discharge instructions", "surgical history", "exam", "history", "notes", "sincerely", "reason for visit",
        "insurance", "requested by", "patient information", "provider", "directions", "quantity", "refills", "sig", "clinical history",
    ),
}  # fmt: skip
_ORDERED = sorted(((h, kind) for kind, hs in HEADINGS.items() for h in hs), key=lambda p: -len(p[0]))
_HEAD = re.compile(
    r"^\W*(?:\d{1,2}[.)]\s*)?(?:"
    + "|".join(f"(?P<h{n}>{tolerant(h)})" for n, (h, _) in enumerate(_ORDERED))
    + r")\s*(?P<end>[:;]|\.\s|-\s|$|\s{3,})(?P<rest>.*)$",
    re.IGNORECASE,
)

_RUNNING = re.compile(r"\b(?:dob|d\.o\.b|mrn|mr#|page\s+\d)\b", re.IGNORECASE)


def sections_of(pages: list[Page]) -> dict[str, list[Line]]:
    """Section -> its lines, the rest of the heading's own line first. A section ends at the next heading."""
    found: dict[str, list[Line]] = {}
    current = ""
    blank = 0
    head = {line.text.strip().lower() for line in pages[0].filled[:4]}
    for page in pages:
        running = [line.number for line in page.filled[:4] if page is not pages[0]]
        for line in page.lines:
            if line.number in running and (line.text.strip().lower() in head or _RUNNING.search(line.text)):
                continue
            if COUNT.search(line.text) and len(line.text.strip()) < 24:
                continue
            if not line.text.strip():
                blank += 1
                continue
            match = _HEAD.match(line.text)
            if match is not None:
                current = _ORDERED[int(_which(match)[1:])][1]
                rest = match.group("rest").strip()
                if rest and current != "end":
                    found.setdefault(current, []).append(line._replace(text=rest))
            elif blank >= 2:
                current = ""
            elif current and current != "end":
                found.setdefault(current, []).append(line)
            blank = 0
    return found


def _which(match: re.Match[str]) -> str:
    return next(name for name, value in match.groupdict().items() if value is not None and name not in ("end", "rest"))
