"""Who sent the fax and for whom it is: the cover sheet's From and To, else the letterhead."""

from __future__ import annotations

import re
from typing import NamedTuple

from adapters.fax.damage import digits
from adapters.fax.labels import Found, labels_of
from adapters.fax.pages import Page

_PHONE = re.compile(r"(?:\+?1[-. ]?)?\(?([\dOolIS]{3})\)?[-. ]{0,2}([\dOolIS]{3})[-. ]?([\dOolIS]{4})(?![\dA-Za-z])")
_ORG = re.compile(
    r"\b(?:clinic|hospital|medical|health|healthcare|center|centre|associates|laborator(?:y|ies)|labs?|imaging|radiology|pharmacy|group|"
    r"physicians|care|pediatrics|cardiology|orthop(?:a)?edics|surgery|oncology|neurology|dermatology|institute|university|department|"
    r"diagnostics|partners|services|insurance|plan|systems?|practice|wellness|rehabilitation|county|school)\b",
    re.IGNORECASE,
)
_TITLE = re.compile(
    r"\b(?:report|summary|note|request|referral|record|sheet|results|history|form|authorization|notice|page)\b",
    re.IGNORECASE,
)


class Party(NamedTuple):
    """A side of the transmission; "" where the paper says nothing. `fax` and `npi` are ten digits."""

    name: str = ""
    org: str = ""
    fax: str = ""
    npi: str = ""


def ten_digits(text: str) -> str:
    """The first telephone number of a text as ten digits, "" where there is none."""
    match = _PHONE.search(text)
    made = digits("".join(match.groups()))[0] if match else ""
    return made if made.isdigit() and made[:1] in "23456789" else ""


def is_npi(number: str) -> bool:
    """Check digit of a National Provider Identifier (Luhn over 80840 + number)."""
    if not re.fullmatch(r"[12]\d{9}", number):
        return False
    total = 0
    for place, digit in enumerate(reversed("80840" + number)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value // 10 + value % 10
    return total % 10 == 0


def parties_of(cover: Page | None, pages: list[Page]) -> tuple[Party, Party]:
    """(sender, recipient) of a document."""
    sender, recipient = _from_cover(cover) if cover is not None else (Party(), Party())
    if pages:
        labels = labels_of(pages[0])
        if not sender.name and not sender.org:
            s, r = _from_labels(labels)
            sender, recipient = _filled(sender, s), _filled(recipient, r)
        sender = _filled(sender, letterhead(pages[0]))
        npi = next((n for f in labels if f.role == "npi" and is_npi(n := digits(f.value[:10])[0])), "")
        sender = _filled(sender, Party(npi=npi))
    return sender, recipient


def _filled(a: Party, b: Party) -> Party:
    return Party(*(x or y for x, y in zip(a, b, strict=True)))


def _from_cover(page: Page) -> tuple[Party, Party]:
    sender, recipient = _from_labels(labels_of(page))
    return _filled(sender, letterhead(page)), recipient


def _from_labels(labels: list[Found]) -> tuple[Party, Party]:
    """Walks down the labels: a fax number or facility belongs to the To or From that stands above or left of it."""
    made = {"to": Party(), "from": Party()}
    at: dict[str, Found] = {}
    side = ""
    for item in labels:
        if item.role in made:
            side = item.role
            at.setdefault(side, item)
            made[side] = _filled(made[side], _named(item.value))
        elif item.role == "patient":
            side = ""
        elif len(at) == 2 and at["to"].line == at["from"].line != item.line and item.role in ("fax", "facility", "npi"):
            # two columns: what stands below a side belongs to it
            side = min(at, key=lambda role: abs(at[role].start - item.start))
        if side and item.role == "fax":
            made[side] = _filled(made[side], Party(fax=ten_digits(item.value)))
        elif side and item.role == "facility":
            made[side] = _filled(made[side], Party(org=item.value.strip()))
        elif side and item.role == "npi" and is_npi(item.value[:10]):
            made[side] = _filled(made[side], Party(npi=item.value[:10]))
    return made["from"], made["to"]


def _named(value: str) -> Party:
    """`Dr Jane Roe, Lakeside Clinic` -> person and organisation; the number in it is the fax number."""
    number = ten_digits(value)
    value = re.sub(r"\(?\+?[\d() .-]{7,}\d", "", value).strip(" ,;-/@")
    if not value:
        return Party(fax=number)
    pieces = [p.strip(" ,") for p in re.split(r"\s+[-–/@|]\s+|;\s*|,\s+(?![MDNPR]\.?[DOPAN])", value) if p.strip(" ,")]
    org = next((p for p in pieces if _ORG.search(p)), "")
    name = next((p for p in pieces if p != org), "")
    if not name and not org:
        name = value
    return Party(name=name, org=org, fax=number)


def letterhead(page: Page) -> Party:
    """Organisation and fax number of the first lines, above any label of the patient or of the other side."""
    org, fax = "", ""
    for line in page.filled[:7]:
        text = line.text.strip()
        if re.match(r"\W*(?:to|patient|re|attn|attention|date|dob|name)\b\s*[:;]", text, re.IGNORECASE):
            break
        if not org and _ORG.search(text) and not _TITLE.search(text) and len(text) <= 70 and ":" not in text:
            org = re.split(r"\s{3,}", text)[0].strip(" *=-")
        if not fax and (found := re.search(r"\bfax\b[^\d(]{0,12}(.*)", text, re.IGNORECASE)):
            fax = ten_digits(found.group(1))
    return Party(org=org, fax=fax)
