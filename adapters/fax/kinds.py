"""What sort of document a run of pages is: weighted evidence, title zone first, with the second-best and its margin.

LOINC document codes; where none is confirmed, a code of our own system, never an invented LOINC.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from adapters.fax.damage import tolerant
from adapters.fax.pages import Page

LOCAL = "urn:hie:fax-document"
LOINC: dict[str, tuple[str, str]] = {
    "referral": ("57133-1", "Referral note"),
    "lab-report": ("11502-2", "Laboratory report"),
    "discharge-summary": ("18842-5", "Discharge summary"),
    "consult-note": ("11488-4", "Consult note"),
    "imaging-report": ("18748-4", "Diagnostic imaging study"),
    "progress-note": ("11506-3", "Progress note"),
    "immunization-record": ("11369-6", "History of Immunization note"),
    "rx-refill": ("57833-6", "Prescription for medication"),
    "prior-auth": ("52034-6", "Payer letter"),
}
TITLES: dict[str, tuple[str, ...]] = {
    "lab-report": ("laboratory report", "lab report", "laboratory results", "lab results", "clinical laboratory", "pathology report",
                   "microbiology report", "test results", "final report laboratory", "resultados de laboratorio", "laboratory result"),
    "discharge-summary": ("discharge summary", "hospital discharge", "discharge note", "hospital course", "resumen de alta", "discharge instructions"),
    "consult-note": ("consultation report", "consultation note", "consult note", "consultation", "specialist consultation", "consult report", "cardiology consult"),
    "imaging-report": ("radiology report", "imaging report", "diagnostic imaging", "ct scan", "mri report", "ultrasound report", "x-ray report",
                       "mammogram", "mammography report", "radiology consultation", "imaging results", "xray report", "ct of the", "mri of the", "mri brain", "ct chest", "ct abdomen", "chest x-ray"),
    "referral": ("referral", "referral request", "referral form", "patient referral", "specialist referral", "referral letter", "referral order", "referido"),
    "prior-auth": ("prior authorization", "prior authorisation", "preauthorization", "pre-authorization", "authorization request",
                   "notice of approval", "notice of denial", "coverage determination", "utilization review", "precertification", "authorization determination"),
    "rx-refill": ("refill request", "prescription refill", "refill authorization", "renewal request", "prescription renewal", "medication refill", "rx refill", "pharmacy refill request"),
    "records-request": ("medical records request", "request for medical records", "records request", "authorization for release", "authorization to release",
                        "release of information", "authorization to disclose", "request for records", "hipaa authorization", "authorization for the release"),
    "immunization-record": ("immunization record", "vaccination record", "immunization history", "vaccine record", "vaccine administration record",
                            "immunization certificate", "certificate of immunization", "immunizations administered", "cartilla de vacunacion"),
    "progress-note": ("progress note", "office visit", "clinic note", "soap note", "visit note", "follow-up visit", "follow up visit", "encounter note",
                      "office note", "chart note", "clinical note", "history and physical", "well child visit", "nota de evolucion", "visit summary"),
    "cover-only": ("fax cover sheet", "fax cover", "cover sheet", "facsimile cover", "fax transmittal", "facsimile transmittal", "fax transmission", "facsimile transmission", "fax message"),
    "junk": ("special offer", "act now", "unsubscribe", "limited time", "remove your fax number", "lowest rates", "call now", "vacation", "free quote",
             "opt out", "opt-out", "to be removed", "business loan", "advertisement", "discount", "save up to"),
}  # fmt: skip
BODY: dict[str, tuple[str, ...]] = {
    "lab-report": ("specimen", "reference range", "ref range", "collected", "accession", "clia", "flag", "reference interval", "units", "hemoglobin", "glucose", "creatinine", "analyte", "fasting"),
    "discharge-summary": ("admission date", "discharge date", "hospital course", "discharge medications", "discharge diagnosis", "disposition", "condition at discharge", "admitted", "admitting diagnosis"),
    "consult-note": ("thank you for referring", "thank you for allowing", "thank you for asking", "reason for consultation", "reason for consult", "recommendations", "i was asked to see", "in consultation", "consulting physician", "thank you for the opportunity"),
    "imaging-report": ("technique", "findings", "impression", "comparison", "radiologist", "contrast", "views", "exam date", "modality", "indication"),
    "referral": ("reason for referral", "referred to", "referring provider", "referring physician", "please evaluate", "evaluate and treat", "please see this patient", "referral date", "number of visits", "urgency"),
    "prior-auth": ("authorization number", "member id", "approved", "denied", "determination", "health plan", "appeal", "medical necessity", "cpt", "reference number", "coverage"),
    "rx-refill": ("refills", "quantity", "qty", "last filled", "days supply", "pharmacy", "prescriber", "sig", "dea", "ndc", "approve", "deny", "dispense"),
    "records-request": ("please send", "records", "dates of service requested", "release", "i authorize", "purpose of disclosure", "signature of patient", "requesting copies", "expires"),
    "immunization-record": ("vaccine", "lot number", "lot #", "dose", "manufacturer", "cvx", "mmr", "dtap", "hepatitis b", "influenza", "varicella", "polio", "administered", "vis date"),
    "progress-note": ("subjective", "objective", "assessment", "plan", "chief complaint", "history of present illness", "hpi", "review of systems", "physical exam", "vital signs", "follow up in", "vitals"),
    "cover-only": ("number of pages", "confidentiality notice", "intended recipient", "if you received this", "pages including cover", "to:", "from:", "comments", "total pages"),
    "junk": ("offer", "% off", "toll free", "1-800", "promotion", "rates as low", "free", "sale", "order today", "guaranteed", "toner", "travel", "roofing", "credit"),
}  # fmt: skip
_TITLE, _HEAD, _BODY = 6.0, 2.5, 1.0


class Kind(NamedTuple):
    """The document type, its nearest rival and how far ahead it is (0-1)."""

    name: str
    rival: str
    margin: float


def _compiled(phrases: dict[str, tuple[str, ...]]) -> dict[str, list[re.Pattern[str]]]:
    return {
        kind: [
            re.compile(rf"(?<![A-Za-z]){tolerant(p)}(?![A-Za-z])" if p[-1].isalnum() else re.escape(p), re.I)
            for p in words
        ]
        for kind, words in phrases.items()
    }


_TITLE_PATTERNS = _compiled(TITLES)
_BODY_PATTERNS = _compiled(BODY)


def kind_of(pages: list[Page]) -> Kind:
    """The best-supported type; `other` where nothing supports any."""
    scores = dict.fromkeys(TITLES, 0.0)
    head = [line.text.strip() for line in pages[0].filled[:14]]
    text = "\n".join(page.text for page in pages)
    for kind, patterns in _TITLE_PATTERNS.items():
        for at, line in enumerate(head):
            for pattern in patterns:
                match = pattern.search(line)
                if match is not None:
                    alone = len(match.group()) >= 0.6 * len(line.strip(" *=-_:#"))
                    scores[kind] += (_TITLE if alone else _HEAD) * (1.0 if at < 8 else 0.7)
                    break
        if kind == "junk":
            scores[kind] += 2.0 * sum(1 for p in patterns if p.search(text))
    for kind, patterns in _BODY_PATTERNS.items():
        hits = sum(1 for p in patterns if p.search(text))
        scores[kind] += _BODY * min(hits, 6)
    if len(pages) > 1 or len(text) > 2500:
        scores["cover-only"] *= 0.4
    ranked = sorted(scores.items(), key=lambda item: -item[1])
    (best, top), (rival, second) = ranked[0], ranked[1]
    if top < 3.0:
        return Kind("other", best, 0.0)
    return Kind(best, rival, (top - second) / top)


def is_cover(page: Page) -> bool:
    """True for a cover sheet: its title or its fields To, From and a page count, and little else."""
    head = "\n".join(line.text for line in page.filled[:25])
    titled = any(p.search(head) for p in _TITLE_PATTERNS["cover-only"])
    fields = sum(
        1
        for p in (
            r"^\W*to\s*[:;]",
            r"^\W*from\s*[:;]|\bfrom\s*[:;]",
            r"pages?\b.{0,25}\d",
            r"\bre(?:garding)?\s*[:;]|subject\s*[:;]",
        )
        if re.search(p, head, re.I | re.M)
    )
    return (titled and fields >= 1) or (fields >= 3 and len(page.filled) < 30)


def titled(page: Page, kind: str) -> bool:
    """True where the first lines hold a title of `kind`, as a first page does and a continuation does not."""
    head = [line.text.strip() for line in page.filled[:8]]
    return any(p.search(line) and len(line) < 60 for line in head for p in _TITLE_PATTERNS[kind])
