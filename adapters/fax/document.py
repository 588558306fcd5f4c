"""Fax text -> documents with everything that was read, each fact with its line. Pure; also what a preview shows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from adapters.fax.dates import dates_in, newest_year
from adapters.fax.kinds import Kind, kind_of
from adapters.fax.labels import Found, labels_of
from adapters.fax.labs import Lab, labs_of
from adapters.fax.pages import Line, Page, pages_of
from adapters.fax.parties import Party, letterhead, parties_of
from adapters.fax.patient import PatientKey
from adapters.fax.sections import sections_of
from adapters.fax.split import Part, split
from adapters.fax.statements import Allergy, Medication, Problem, allergies, medications, problems

DATE_ROLES: dict[str, tuple[str, ...]] = {
    "lab-report": ("collected", "reported", "received", "service", "plain"),
    "imaging-report": ("exam", "service", "reported", "plain"),
    "discharge-summary": ("discharge", "service", "plain", "signed"),
    "referral": ("written", "plain", "service", "signed"),
    "prior-auth": ("written", "plain", "service"),
    "rx-refill": ("written", "plain", "service"),
    "records-request": ("written", "plain", "signed"),
    "immunization-record": ("plain", "reported", "service", "printed"),
    "cover-only": ("plain", "sent"),
}
_OTHER_ROLES = ("service", "exam", "plain", "written", "reported", "signed", "admit")
_URGENT = re.compile(
    r"\b(?:urgent(?:ly)?|stat|asap|emergent|critical (?:value|result|lab)s?|panic value|high priority|immediate (?:attention|action)|as soon as possible|urgente)\b",
    re.IGNORECASE,
)
_NOT_URGENT = re.compile(
    r"urgent care|non-?\s?urgent|not urgent|\bif (?:this is |it is )?(?:an? )?(?:urgent|emergen\w+)|if you have (?:an? )?urgent|\bfor urgent\b|urgent (?:matters|questions|needs|issues)|"
    r"\[\s*\]\s*(?:urgent|stat)|\(\s*\)\s*(?:urgent|stat)|[☐□_]\s*(?:urgent|stat)|(?:urgent|stat)\s*[:;]?\s*(?:\[\s*\]|no\b|☐|□|n/a)|in (?:an|case of) emergen\w+",
    re.IGNORECASE,
)
_HAND = re.compile(r"\[?(?:handwritten|hand written|illegible)\]?", re.IGNORECASE)
_TOTAL = re.compile(r"\d{1,3}")


@dataclass(slots=True)
class FaxDocument:
    """One document of a fax. `reasons` are codes of why a person should look; `attached` are cover pages."""

    pages: tuple[int, ...]
    kind: Kind
    patient: PatientKey
    sender: Party = field(default_factory=Party)
    recipient: Party = field(default_factory=Party)
    facility: str = ""
    """Organisation of the letterhead: the one that a record number on these pages belongs to."""
    date: str = ""
    date_line: Line | None = None
    urgent: bool = False
    handwritten: bool = False
    incomplete: bool = False
    labs: list[Lab] = field(default_factory=list)
    medications: list[Medication] = field(default_factory=list)
    allergies: list[Allergy] = field(default_factory=list)
    no_known_allergies: bool = False
    problems: list[Problem] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    lines: tuple[Line, ...] = ()

    @property
    def text(self) -> str:
        """The text of its pages, parted by form feeds, for the attachment."""
        by_page: dict[int, list[str]] = {number: [] for number in self.pages}
        for line in self.lines:
            by_page[line.page].append(line.text)
        return "\f".join("\n".join(lines) for lines in by_page.values())


def documents_of(text: str) -> list[FaxDocument]:
    """Documents in page order; cover sheets go to the document behind them, or stand alone where there is none."""
    pages = pages_of(text)
    year = newest_year(text)
    parts = split(pages)
    cover = next((part.pages[0] for part in parts if part.cover), None)
    content = [part for part in parts if not part.cover]
    made: list[FaxDocument] = []
    if not content:
        return [_read(part, None, year) for part in parts]
    for part in content:
        made.append(_read(part, cover, year))
    stated = _stated_pages(cover) if cover is not None else None
    if stated is not None and stated > len(pages):
        for document in made:
            document.incomplete = True
            document.reasons.append("pages-missing")
    if cover is not None:
        first = made[0]
        first.pages = tuple(sorted({*(n for p in parts if p.cover for n in p.numbers), *first.pages}))
        first.lines = tuple(line for p in pages if p.number in first.pages for line in p.lines)
        urgent = _is_urgent([cover])
        for document in made:
            document.urgent = document.urgent or urgent
    return made


def _read(part: Part, cover: Page | None, year: int | None) -> FaxDocument:
    pages = part.pages
    kind = kind_of(pages) if not part.cover else Kind("cover-only", "other", 1.0)
    labels = [f for page in pages for f in labels_of(page)]
    sender, recipient = parties_of(cover or (pages[0] if part.cover else None), pages)
    date, line = _date(kind.name, labels, year)
    document = FaxDocument(
        pages=part.numbers,
        kind=kind,
        patient=part.key,
        sender=sender,
        recipient=recipient,
        facility=letterhead(pages[0]).org,
        date=date,
        date_line=line,
        urgent=_is_urgent(pages),
        handwritten=any(_HAND.search(p.text) for p in pages) or _is_noise(pages),
        incomplete="incomplete" in part.reasons,
        reasons=list(part.reasons),
        lines=tuple(line for page in pages for line in page.lines),
    )
    if kind.name == "junk":
        document.patient = PatientKey()
        document.reasons = ["junk"]
        return document
    if kind.margin < 0.15 and kind.name != "other":
        document.reasons.append("type-uncertain")
    if kind.name not in ("cover-only", "records-request"):
        _read_facts(document, pages)
    return document


def _read_facts(document: FaxDocument, pages: list[Page]) -> None:
    sections = sections_of(pages)
    document.labs = labs_of(list(document.lines), lab_report=document.kind.name == "lab-report")
    document.medications = medications(sections.get("medications", []), sections.get("stopped", []))
    document.allergies, document.no_known_allergies = allergies(sections.get("allergies", []))
    document.problems = problems(sections.get("problems", []))
    document.reasons += ["lab-doubtful"] * any(lab.conf < 0.9 for lab in document.labs)
    document.reasons += ["dose-doubtful"] * any(m.why == "no-known-strength" for m in document.medications)


def _date(kind: str, labels: list[Found], year: int | None) -> tuple[str, Line | None]:
    """The document's own date by the roles that its type has; never the birth date, never the transmission's."""
    by_role: dict[str, tuple[str, Line]] = {}
    for item in labels:
        if (
            item.role.startswith("date.")
            and (dates := dates_in(item.value, year))
            and dates[0].start <= 14
            and dates[0].sure
        ):
            by_role.setdefault(item.role[5:], (dates[0].iso, item.line))
    for role in (*DATE_ROLES.get(kind, ()), *_OTHER_ROLES):
        if role in by_role:
            return by_role[role]
    return "", None


def _is_urgent(pages: list[Page]) -> bool:
    for page in pages:
        for line in page.lines:
            rest = _NOT_URGENT.sub(" ", line.text)
            if _URGENT.search(rest):
                return True
    return False


def _stated_pages(cover: Page) -> int | None:
    for item in labels_of(cover):
        if item.role == "pages" and (found := _TOTAL.search(item.value)) is not None:
            return int(found.group())
    return None


def _is_noise(pages: list[Page]) -> bool:
    """True where most of what was read is no words: handwriting or a bad line."""
    text = "".join(page.text for page in pages)
    solid = [c for c in text if not c.isspace()]
    return len(solid) > 40 and sum(c.isalnum() for c in solid) / len(solid) < 0.6
