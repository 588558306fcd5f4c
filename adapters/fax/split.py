"""Cuts a fax into documents: by patient before anything else, then by title and page numbering.

A page without a key of its own joins its neighbour only where page numbers or a running header say so; otherwise it
stands alone, and is held. A cover sheet never names the patient of the pages behind it by itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from adapters.fax.damage import distance
from adapters.fax.dates import newest_year
from adapters.fax.kinds import is_cover, kind_of, titled
from adapters.fax.pages import Page
from adapters.fax.patient import PatientKey, agreement, merged, patient_of

_TELEPHONE = re.compile(
    r"\(?\d{3}\)?[-. ]{1,2}\d{3}[-. ]\d{4}|\b[A-Z]{2}\.? \d{5}(?:-\d{4})?\b|\d{1,2}/\d{1,2}/\d{2,4}"
)
_RUNNING_NUMBER = re.compile(r"[#:] ?([A-Z]{0,4}-?\d[\dA-Z-]{4,})")


@dataclass(slots=True)
class Part:
    """A run of pages about one patient; `reasons` say why it needs a person's eye."""

    pages: list[Page]
    key: PatientKey
    cover: bool = False
    reasons: list[str] = field(default_factory=list)
    last_count: tuple[int, int] | None = None

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(page.number for page in self.pages)


def split(pages: list[Page]) -> list[Part]:
    """Documents in the order of their first page. Every page is in exactly one of them."""
    year = newest_year("\n".join(page.text for page in pages))
    parts: list[Part] = []
    for page in pages:
        key = patient_of(page, year)
        count = page.count
        if not page.filled:
            _blank(parts, page)
            continue
        if is_cover(page):
            parts.append(Part([page], key, cover=True))
            continue
        before = parts[-1] if parts and not parts[-1].cover else None
        if before is not None and _continues(before, page, key, count):
            before.pages.append(page)
            before.key = merged(before.key, key)
            before.last_count = count or before.last_count
        else:
            parts.append(Part([page], key, last_count=count))
    for part in parts:
        _ordered(part)
        if part.key.conflict:
            part.reasons.append("several-patients")
        if part.key.is_empty and not part.cover:
            part.reasons.append("no-patient")
    return parts


def _blank(parts: list[Part], page: Page) -> None:
    if parts:
        parts[-1].pages.append(page)
    else:
        parts.append(Part([page], PatientKey(), reasons=["unreadable"]))


def _continues(before: Part, page: Page, key: PatientKey, count: tuple[int, int] | None) -> bool:
    """True where `page` goes on with the document `before`."""
    verdict = agreement(before.key, key) if not key.is_empty and not before.key.is_empty else "unknown"
    if verdict == "other":
        return False
    numbered = _numbered(before, count)
    if verdict == "same":
        return numbered is not False and not _begins(before, page, numbered is True)
    if numbered is True:
        return not _begins(before, page, True)
    return numbered is None and _same_running_number(before.pages[0], page)


def _numbered(before: Part, count: tuple[int, int] | None) -> bool | None:
    """True where the page numbers go on (in either direction), False where they begin anew, None without numbers."""
    if count is None or before.last_count is None:
        return None if count is None or count[0] != 1 else False
    (x, y), (last, whole) = count, before.last_count
    return y == whole and x in (last + 1, last - 1)


def _begins(before: Part, page: Page, numbered: bool) -> bool:
    """True where a page opens with a title of another sort than the document before it has."""
    if numbered:
        return False
    kind = kind_of([page])
    if kind.name == "other" or kind.margin <= 0.3 or not titled(page, kind.name):
        return False
    return kind.name != kind_of(before.pages[:1]).name or not _same_header(before.pages[0], page)


def _same_header(first: Page, page: Page) -> bool:
    """True where both pages begin with the same line, as far as damage allows."""
    a, b = (next((line.text.strip() for line in p.filled), "") for p in (first, page))
    if len(a) < 8 or len(b) < 8:
        return False
    a, b = a[:40].lower(), b[:40].lower()
    return distance(a, b, 4) <= max(1, len(a) // 10)


def _same_running_number(first: Page, page: Page) -> bool:
    """True where the head of both pages carries the same number of the document (an accession, a claim). A letterhead
    alone says nothing: the pages of two patients of one clinic share it."""
    a, b = (
        {n for line in p.filled[:3] for n in _RUNNING_NUMBER.findall(_TELEPHONE.sub(" ", line.text))}
        for p in (first, page)
    )
    return bool(a & b)


def _ordered(part: Part) -> None:
    """Pages in the order of their own numbering, where every one has a number; says what is missing."""
    counts = [page.count for page in part.pages if page.filled]
    known = [c for c in counts if c is not None]
    if not known:
        return
    whole = max(y for _, y in known)
    if len(known) == len(part.pages) and len({x for x, _ in known}) == len(known):
        part.pages.sort(key=lambda page: page.count or (0, 0))
    if len(part.pages) < whole:
        part.reasons.append("incomplete")
