"""Who a page is about: name, birth date, record number and the rest, from labels and running headers alone.

People in other roles (To, From, guarantor, mother, prescriber ...) are never taken for the patient.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from adapters.fax.damage import digits, distance, one_confusable_apart
from adapters.fax.dates import dates_in
from adapters.fax.labels import PATIENT_HEADINGS, ROLE_HEADINGS, Found, labels_of
from adapters.fax.pages import Line, Page
from adapters.fax.people import PersonName, person_name

_PHONE = re.compile(r"(?:\+?1[-. ]?)?\(?(\d{3})\)?[-. ]{0,2}(\d{3})[-. ]?(\d{4})(?!\d)")
_MRN = re.compile(r"[A-Za-z]{0,4}[-#]?\d[\dA-Za-z-]{1,14}")
_HEADER_NAME = re.compile(r"^\s*([A-Za-z'’-]{2,}(?: [A-Za-z'’-]+)?, [A-Za-z'’-]+(?: [A-Za-z'’.-]+)?)\b")
_BLOCK = frozenset({"patient", "dob", "mrn"})
_OWNERS = frozenset({"patient", "to", "from", "cc", "person", "provider"})
_OF_A_PERSON = frozenset({"dob", "sex", "name", "mrn", "family", "given"})


@dataclass(frozen=True, slots=True)
class PatientKey:
    """What the paper says about the patient, with the line each part stands on; "" where it says nothing."""

    family: str = ""
    given: str = ""
    middle: str = ""
    suffix: str = ""
    dob: str = ""
    sex: str = ""
    mrn: str = ""
    phone: str = ""
    line: str = ""
    city: str = ""
    state: str = ""
    zip: str = ""
    name_sure: bool = True
    dob_sure: bool = True
    conflict: bool = False
    """Another name or birth date stands in the patient's place as well: nobody may be assumed."""
    places: tuple[tuple[str, Line], ...] = field(default=())

    @property
    def is_empty(self) -> bool:
        return not (self.family or self.dob or self.mrn)


def patient_of(page: Page, newest_year: int | None) -> PatientKey:
    """The patient named on one page; an empty key where none is."""
    found = labels_of(page)
    key, places = PatientKey(), []
    foreign = _foreign_lines(page)
    found = [
        f
        for f, owner in _owned(page, found)
        if not _is_anothers(f, owner) and (f.line.number not in foreign or f.role == "patient")
    ]
    anchors = {
        f.line.number for f in found if f.role in ("dob", "mrn") or (f.role == "patient" and person_name(f.value))
    }
    for item in found:
        update = _read(item, key, newest_year, anchors)
        if update is not None:
            key = update
            places.append((item.role, item.line))
    key = _given_and_family(found, key, places)
    if not key.family:
        key = _running_header(page, key, newest_year, places)
    return replace(key, places=tuple(places), conflict=_conflicting(found, key, newest_year))


def _owned(page: Page, found: list[Found]) -> list[tuple[Found, str]]:
    """Each label with the person whose block it stands in: the last owner above or left of it, up to a blank line."""
    blank = {line.number for line in page.lines if not line.text.strip() or PATIENT_HEADINGS.match(line.text.strip())}
    made, owner, last = [], "", 0
    for item in found:
        if any(n in blank for n in range(last + 1, item.line.number)):
            owner = ""
        if item.role in _OWNERS:
            owner = item.role
        made.append((item, owner))
        last = item.line.number
    return made


def _is_anothers(item: Found, owner: str) -> bool:
    """Providers and addressees have telephones, never birth dates; a guarantor has both."""
    if item.role in _OF_A_PERSON:
        return owner == "person"
    return item.role in ("phone", "address") and owner not in ("", "patient")


def _conflicting(found: list[Found], key: PatientKey, newest_year: int | None) -> bool:
    for item in found:
        if item.role == "patient" and key.family and (name := person_name(item.value)) is not None:
            if not _names_agree(key, _named(PatientKey(), name)):
                return True
        elif item.role == "dob" and key.dob and (dates := dates_in(item.value, newest_year, birth=True)):
            other = dates[0].iso
            if other != key.dob and not (one_confusable_apart(other, key.dob) and not (dates[0].sure and key.dob_sure)):
                return True
    return False


def _foreign_lines(page: Page) -> set[int]:
    """Lines below a heading of another role, up to a blank line or a patient heading."""
    foreign: set[int] = set()
    inside = False
    for line in page.lines:
        text = line.text.strip()
        if not text or PATIENT_HEADINGS.match(text):
            inside = False
        elif ROLE_HEADINGS.match(text):
            inside = True
        elif inside:
            foreign.add(line.number)
    return foreign


def _read(item: Found, key: PatientKey, newest_year: int | None, anchors: set[int]) -> PatientKey | None:
    """The key with what one label adds; the first good value of each kind stands."""
    role, value = item.role, item.value
    # a letterhead's telephone and address stand above the patient block, never in it
    above = item.line.number < min(anchors, default=0) and role in ("phone", "address")
    near = not above and any(abs(item.line.number - n) <= 5 for n in anchors)
    if role == "patient" or (role == "name" and near):
        if not key.family and (name := person_name(value)) is not None:
            return _named(key, name)
    elif role == "dob":
        dates = dates_in(value, newest_year, birth=True)
        if not key.dob and dates and dates[0].start <= 12:
            return replace(key, dob=dates[0].iso, dob_sure=dates[0].sure)
    elif role == "sex" and not key.sex:
        letter = value.strip()[:6].lower()
        sex = "female" if re.match(r"f(?:em|\b)", letter) else "male" if re.match(r"m(?:al|\b)", letter) else ""
        return replace(key, sex=sex) if sex else None
    elif role == "mrn" and not key.mrn:
        match = _MRN.match(value.strip("# :"))
        return replace(key, mrn=match.group()) if match else None
    elif role == "phone" and not key.phone and (near or item.label.startswith("patient")):
        match = _PHONE.search(value)
        return replace(key, phone="".join(match.groups())) if match else None
    elif role == "address" and not key.line and (near or item.label.startswith("patient")):
        return _addressed(key, value)
    return None


def _named(key: PatientKey, name: PersonName) -> PatientKey:
    return replace(
        key, family=name.family, given=name.given, middle=name.middle, suffix=name.suffix, name_sure=name.sure
    )


_ADDRESS = re.compile(
    r"(?P<line>.*?\S),?\s+(?P<city>[A-Za-z .'-]{2,30}?),?\s+(?P<state>[A-Z]{2})\.?\s+(?P<zip>\d{5}(?:-\d{4})?)\b"
)


def _addressed(key: PatientKey, value: str) -> PatientKey | None:
    if (match := _ADDRESS.match(value)) is not None:
        line, city = match.group("line").rstrip(","), match.group("city").strip()
        if "," in line:
            line, _, extra = line.rpartition(",")
            city = f"{extra.strip()} {city}".strip()
        return replace(key, line=line.strip(), city=city, state=match.group("state"), zip=match.group("zip"))
    return replace(key, line=value.strip(" ,")) if re.match(r"\d+\s+\w", value) else None


def _given_and_family(found: list[Found], key: PatientKey, places: list[tuple[str, Line]]) -> PatientKey:
    """Last name and first name in fields of their own."""
    if key.family:
        return key
    family = next((f for f in found if f.role == "family"), None)
    given = next((f for f in found if f.role == "given"), None)
    if family is None or given is None:
        return key
    name = person_name(f"{family.value}, {given.value}")
    if name is None:
        return key
    places += [("patient", family.line), ("patient", given.line)]
    return _named(key, name)


def _running_header(page: Page, key: PatientKey, newest_year: int | None, places: list[tuple[str, Line]]) -> PatientKey:
    """`FAMILY, GIVEN` at the head or foot of a page, beside a birth date or a record number."""
    filled = page.filled
    for line in (*filled[:4], *filled[-3:]):
        match = _HEADER_NAME.match(line.text)
        if match is None:
            continue
        dates = dates_in(line.text, newest_year, birth=True)
        labelled = re.search(r"\b(?:dob|d\.o\.b|born|mrn|mr#)\b", line.text, re.IGNORECASE)
        if not (labelled or (dates and dates[0].start <= match.end() + 6)):
            continue
        name = person_name(match.group(1))
        if name is not None:
            places.append(("patient", line))
            made = _named(key, name)
            return made if made.dob or not dates or not labelled else replace(made, dob=dates[0].iso)
    return key


def agreement(a: PatientKey, b: PatientKey) -> str:
    """`same`, `other` or `unknown`: whether two keys can be one person's.

    A birth date with one confusable digit is near, not different and not equal: it leaves the name to decide.
    """
    named = _names_agree(a, b) if a.family and b.family else None
    if named is False:
        return "other"
    if a.dob and b.dob:
        if a.dob == b.dob:
            return "same"
        near = one_confusable_apart(a.dob, b.dob)
        return (
            "same" if near and named and (not a.mrn or a.mrn == b.mrn) and not (a.dob_sure and b.dob_sure) else "other"
        )
    if a.mrn and b.mrn and named is None:
        return "same" if digits(a.mrn)[0] == digits(b.mrn)[0] else "other"
    if named:
        return "other" if a.mrn and b.mrn and distance(a.mrn, b.mrn, 1) > 1 else "same"
    return "unknown"


def _names_agree(a: PatientKey, b: PatientKey) -> bool:
    words = [set(f"{k.family} {k.given} {k.middle}".lower().replace("-", " ").split()) for k in (a, b)]
    if min(map(len, words)) >= 2 and (words[0] <= words[1] or words[1] <= words[0]):
        return True  # the same words, cut differently into given names and two family names
    families = distance(a.family.lower(), b.family.lower(), 2) <= (1 if len(a.family) < 8 else 2)
    first, second = a.given.lower(), b.given.lower()
    initial = min(len(first), len(second)) == 1 and first[:1] == second[:1]
    return families and (initial or distance(first, second, 1) <= (1 if len(first) > 3 else 0))


def merged(a: PatientKey, b: PatientKey) -> PatientKey:
    """`a` completed by what only `b` has; a sure value takes the place of a repaired one."""
    fill = {n: getattr(b, n) for n in ("sex", "mrn", "phone") if not getattr(a, n)}
    if not a.line:
        fill |= {n: getattr(b, n) for n in ("line", "city", "state", "zip")}
    if not a.family or (not a.name_sure and b.name_sure and b.family):
        fill |= {n: getattr(b, n) for n in ("family", "given", "middle", "suffix", "name_sure")}
    if not a.dob or (not a.dob_sure and b.dob_sure and b.dob):
        fill |= {"dob": b.dob, "dob_sure": b.dob_sure}
    return replace(a, places=(*a.places, *b.places), conflict=a.conflict or b.conflict, **fill)
