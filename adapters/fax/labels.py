"""Labels on a page and the text that belongs to each: `label: value`, value below, or a header row of labels.

The colon may be missing. Every role has its own labels, so that the text behind "Guarantor" or "To" is never taken
for the patient.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from adapters.fax.damage import SEPARATOR, tolerant
from adapters.fax.pages import Line, Page

LABELS: dict[str, tuple[str, ...]] = {
    "patient": (
        "patient name", "patients name", "patient's name", "name of patient", "pt name", "pt. name", "patient", "pt", "paciente",
        "nombre del paciente", "client name", "resident name", "member name", "re", "regarding", "name of member",
    ),
    "name": ("name", "full name", "nombre"),
    "family": ("last name", "surname", "family name", "apellido"),
    "given": ("first name", "given name"),
    "dob": ("date of birth", "birth date", "birthdate", "dob", "d.o.b.", "d.o.b", "born", "fecha de nacimiento", "patient dob"),
    "sex": ("sex", "gender", "sexo"),
    "mrn": (
        "mrn", "mr#", "mr #", "med rec #", "med rec no", "medical record number", "medical record no", "medical record #", "medical record",
        "chart #", "chart no", "chart number", "record no", "patient id", "pt id", "patient #", "record number", "patient number",
    ),
    "phone": ("patient phone", "home phone", "cell phone", "mobile phone", "patient tel", "phone number", "phone", "telephone", "tel", "cell", "home"),
    "fax": ("fax number", "fax no", "fax #", "facsimile", "fax"),
    "address": ("patient address", "home address", "address", "direccion"),
    "npi": ("npi number", "npi #", "npi"),
    "facility": ("facility", "organization", "practice", "clinic", "hospital", "company", "location", "office"),
    "to": ("to", "attn", "attention", "recipient", "send to", "deliver to", "para"),
    "from": ("from", "sender", "sent by", "de"),
    "cc": ("cc", "copy to", "copies to"),
    "person": (
        "guarantor", "guarantor name", "subscriber", "subscriber name", "policy holder", "policyholder", "insured", "insured name",
        "guardian", "legal guardian", "parent", "parent/guardian", "mother", "mother's name", "father", "father's name", "spouse",
        "emergency contact", "contact", "contact person", "contact name", "next of kin", "responsible party", "accompanied by",
    ),
    "ignored": (
        "account", "account #", "account number", "acct", "acct #", "accession", "accession #", "order #", "policy #", "group #",
        "member id", "insurance", "ssn", "age", "race", "ethnicity", "language", "employer", "relationship", "case #", "visit #", "encounter #",
    ),
    "provider": (
        "provider", "physician", "doctor", "prescriber", "ordering provider", "ordering physician", "ordered by", "requesting provider",
        "requesting physician", "requested by", "referring provider", "referring physician", "referred by", "referred to", "pcp",
        "primary care provider", "primary care physician", "attending", "attending physician", "dictated by", "signed by",
        "electronically signed by", "electronically signed", "printed by", "reviewed by", "verified by", "interpreted by", "radiologist",
        "read by", "director", "lab director", "laboratory director", "medical director", "pharmacist", "pharmacy", "nurse", "consultant",
        "consulting physician", "surgeon", "prepared by", "collected by", "entered by", "transcribed by", "authorized by",
        "administered by", "technologist", "seen by", "provider name", "physician name", "doctor name", "staff", "author",
    ),
    "date.service": (
        "date of service", "service date", "dos", "visit date", "date of visit", "encounter date", "date of encounter", "appointment date",
        "date seen", "consult date", "date of consultation", "consultation date", "fecha de servicio",
    ),
    "date.admit": ("admission date", "admit date", "date of admission", "date admitted", "admitted", "admission"),
    "date.discharge": ("discharge date", "date of discharge", "date discharged", "discharged"),
    "date.collected": (
        "collection date", "date collected", "collected on", "collected", "specimen collected", "date of collection", "specimen date", "drawn", "date drawn",
        "collection date/time", "collected date",
    ),
    "date.received": ("received date", "date received", "received", "specimen received"),
    "date.reported": ("report date", "date reported", "reported on", "reported", "date of report", "final report date", "result date", "resulted", "date resulted"),
    "date.exam": ("exam date", "date of exam", "date of examination", "study date", "date of study", "exam performed", "date of procedure", "procedure date"),
    "date.written": (
        "date written", "written date", "written", "date of request", "request date", "date requested", "referral date", "date of referral",
        "order date", "date ordered", "letter date", "date of letter", "notice date", "determination date", "date of notice", "decision date",
        "date issued", "issue date",
    ),
    "date.plain": ("date", "fecha", "date/time", "report printed on"),
    "date.printed": ("printed", "print date", "date printed", "printed on", "generated on", "run date"),
    "date.sent": ("sent", "date sent", "fax date", "transmitted", "transmission date", "date faxed", "faxed"),
    "date.signed": ("signed", "date signed", "signed on", "signature date", "dictated", "transcribed", "dictation date", "date dictated"),
    "date.expires": ("expires", "expiration", "expiration date", "exp", "exp date", "valid through", "valid until", "last filled", "last fill date",
                     "date last filled", "due date", "next appointment", "follow up date", "onset date", "last dose", "effective date"),
    "pages": ("number of pages", "no. of pages", "no of pages", "total pages", "pages", "# of pages", "pages including cover", "paginas"),
    "subject": ("subject", "reason for fax", "comments", "message", "notes", "memo", "asunto"),
}  # fmt: skip
"""Role -> labels as printed. Where several fit, the longest wins."""

ROLE_HEADINGS = re.compile(
    r"^\W*(guarantor|subscriber|insurance|insured|policy ?holder|emergency contact|contact|next of kin|responsible party|"
    r"referring|referred|ordering|prescriber|provider|physician|pharmacy|sender|recipient|from|to|requesting|attending|"
    r"parent|guardian)\b[ a-z/]*\W*$",
    re.IGNORECASE,
)
PATIENT_HEADINGS = re.compile(
    r"^\W*(?:patient|member|client|pt)(?:'s)?\b(?: (?:information|info|demographics|data|details|identification))?\W*$",
    re.I,
)
_WEAK = frozenset({"re", "to", "de", "from", "home", "name", "date", "sent", "born", "pt", "cell", "office", "clinic", "hospital",
                   "practice", "location", "company", "staff", "contact", "admitted", "received", "collected", "reported", "signed",
                   "written", "printed", "drawn", "expires", "exp", "admission", "parent", "mother", "father", "spouse", "insurance",
                   "author", "nurse", "doctor", "message", "notes", "pages", "account", "language", "race", "age", "subject", "para",
                   "discharged", "resulted", "dictated", "transcribed", "faxed", "transmitted", "pharmacy", "director", "medical record",
                   "provider", "physician", "patient", "attending", "consultant", "surgeon", "facility", "organization", "comments", "phone", "fax", "tel",
                   "sex", "gender", "address", "insured", "subscriber", "guardian", "guarantor", "recipient", "sender", "attention", "memo",
                   "electronically signed"})  # fmt: skip
"""Everyday words: a label only with its separator, or alone in front of a wide gap or at the end of the line."""


_STRICT = frozenset({"clinic", "hospital", "practice", "location", "office", "facility", "organization", "company", "staff", "insurance",
                     "pharmacy", "director", "nurse", "doctor", "physician", "provider", "author", "surgeon", "consultant", "message",
                     "notes", "comments", "de", "para", "home", "language", "race", "employer", "relationship", "contact", "re"})  # fmt: skip
"""Words of names and sentences: a label only with its separator."""


class Found(NamedTuple):
    """A label with its value; `below` where the value stood on another line."""

    role: str
    label: str
    value: str
    line: Line
    start: int


@lru_cache(maxsize=1)
def _pattern() -> tuple[re.Pattern[str], dict[str, tuple[str, str]]]:
    pairs = sorted(((label, role) for role, labels in LABELS.items() for label in labels), key=lambda p: -len(p[0]))
    names = {f"l{n}": (role, label) for n, (label, role) in enumerate(pairs)}
    parts = []
    for group, (_role, label) in names.items():
        tail = r"(?=\s*[:;=#]|\s{2,}|\s*$|\s*\.{2,}|\s*_{2,})" if label in _WEAK else r"(?![A-Za-z])"
        if label in _STRICT:
            tail = r"(?=\s*[:;=])"
        elif label in ("sex", "gender", "sexo"):
            tail = r"(?=\s*[:;=]|\s+(?:male|female|m|f)\b|\s{2,}|\s*$)"
        parts.append(f"(?P<{group}>{tolerant(label)}){tail}")
    return re.compile(r"(?<![A-Za-z0-9])(?:" + "|".join(parts) + ")", re.IGNORECASE), names


def labels_of(page: Page) -> list[Found]:
    """Every label of a page in order, with its value."""
    found: list[Found] = []
    lines = page.lines
    for at, line in enumerate(lines):
        here = list(_on_line(line))
        if here and not any(f.value for f in here):
            below = next((other for other in lines[at + 1 : at + 3] if other.text.strip()), None)
            here = _from_below(here, below) if below is not None else here
        found += here
    return found


def _on_line(line: Line) -> Iterator[Found]:
    pattern, names = _pattern()
    matches = list(pattern.finditer(line.text))
    for number, match in enumerate(matches):
        role, label = names[match.lastgroup or ""]
        end = matches[number + 1].start() if number + 1 < len(matches) else len(line.text)
        rest = line.text[match.end() : end]
        value = re.sub(rf"\A(?:'s)?{SEPARATOR}", "", rest)
        value = re.split(r"\s{4,}|\t", value)[0].strip(" |_")
        yield Found(role, label, value, line, match.start())


def _from_below(here: list[Found], below: Line) -> list[Found]:
    """Values of a header row: the text that stands under each label; nothing where labels stand below as well."""
    if next(_on_line(below), None) is not None:
        return here
    if len(here) == 1:
        return [here[0]._replace(value=re.split(r"\s{4,}|\t", below.text.strip())[0], line=below)]
    made = []
    cells = [(m.start(), m.group()) for m in re.finditer(r"\S+(?: \S+)*", below.text)]
    for number, label in enumerate(here):
        end = here[number + 1].start if number + 1 < len(here) else 10_000
        start = label.start - 3 if number else 0
        value = next((text for at, text in cells if start <= at < end - 3), "")
        made.append(label._replace(value=value, line=below))
    return made
