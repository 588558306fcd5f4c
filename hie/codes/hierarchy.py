"""Code systems whose codes carry their hierarchy, and which strings are codes of a system at all.

A rule on a code covers its descendants: in ICD-9-CM, ICD-10, ICD-10-CM, ICD-10-PCS and ATC a descendant begins with the
code (dots aside). LOINC and SNOMED CT codes end in a check digit (modulo 10, Verhoeff), so that a damaged one shows.
"""

from __future__ import annotations

import re
from functools import lru_cache

from hie.codes.security import canonical

ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
ICD9CM = "http://hl7.org/fhir/sid/icd-9-cm"
ICD10PCS = "http://www.cms.gov/Medicare/Coding/ICD10"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
CPT = "http://www.ama-assn.org/go/cpt"
CVX = "http://hl7.org/fhir/sid/cvx"
NDC = "http://hl7.org/fhir/sid/ndc"
ATC = "http://www.whocc.no/atc"

_FORMS: dict[str, re.Pattern[str]] = {
    ICD10CM: re.compile(r"[A-Z]\d[0-9A-Z](?:\.?[0-9A-Z]{1,4})?\Z"),
    ICD10: re.compile(r"[A-Z]\d\d(?:\.?[0-9A-Z]{1,4})?\Z"),
    ICD9CM: re.compile(r"(?:\d{2,3}|V\d\d|E\d{3})(?:\.?\d{1,2})?\Z"),
    ICD10PCS: re.compile(r"[0-9A-HJ-NP-Z]{1,7}\Z"),
    LOINC: re.compile(r"\d{1,7}-\d\Z|LP\d+-\d\Z"),
    SNOMED: re.compile(r"\d{6,18}\Z"),
    RXNORM: re.compile(r"\d{1,8}\Z"),
    HCPCS: re.compile(r"[A-Z]\d{4}\Z|\d{4}[A-Z0-9]\Z"),
    CPT: re.compile(r"\d{4}[0-9FTUM]\Z"),
    CVX: re.compile(r"\d{1,3}\Z"),
    NDC: re.compile(r"[\d*-]{8,14}\Z"),
    ATC: re.compile(r"[A-Z](?:\d\d(?:[A-Z](?:[A-Z](?:\d\d)?)?)?)?\Z"),
}
_PREFIX = frozenset((ICD10CM, ICD10, ICD9CM, ICD10PCS, ATC))
_ALIASES = {
    "http://hl7.org/fhir/sid/icd-10-us": ICD10CM,
    "http://hl7.org/fhir/sid/icd-9": ICD9CM,
    "http://www.icd10data.com/icd10pcs": ICD10PCS,
    "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets": HCPCS,
    "http://terminology.hl7.org/CodeSystem/HCPCS": HCPCS,
    "https://loinc.org": LOINC,
}


@lru_cache(maxsize=512)
def system_of(uri: str) -> str:
    """A system URI in its one spelling."""
    uri = canonical(uri)
    return _ALIASES.get(uri, uri)


def normal(system: str, code: str) -> str:
    """A code without what does not count: dots and case in classifications, blanks everywhere."""
    code = code.strip()
    if system in _PREFIX:
        return code.replace(".", "").upper()
    return code.upper() if system in (HCPCS, CPT) else code


def readable(system: str, code: str) -> bool:
    """Can `code` be a code of `system`? Unknown systems: False."""
    form = _FORMS.get(system)
    if form is None or not form.match(code.strip().upper()):
        return False
    if system == LOINC and code[0].isdigit():
        return _mod10(code)
    return system != SNOMED or _verhoeff(code)


def _mod10(code: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(code[:-2])):
        number = int(digit) * (2 if place % 2 == 0 else 1)
        total += number - 9 if number > 9 else number
    return (10 - total % 10) % 10 == int(code[-1])


_D = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 3, 4, 0, 6, 7, 8, 9, 5), (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7), (4, 0, 1, 2, 3, 9, 5, 6, 7, 8), (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2), (7, 6, 5, 9, 8, 2, 1, 0, 4, 3), (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)  # fmt: skip
_P = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 5, 7, 6, 2, 8, 3, 0, 9, 4), (5, 8, 0, 3, 7, 9, 6, 1, 4, 2),
    (8, 9, 1, 6, 0, 4, 3, 5, 2, 7), (9, 4, 5, 3, 1, 2, 6, 8, 7, 0), (4, 2, 8, 6, 5, 7, 3, 9, 0, 1),
    (2, 7, 9, 3, 8, 0, 6, 4, 1, 5), (7, 0, 4, 6, 9, 1, 3, 2, 5, 8),
)  # fmt: skip


def _verhoeff(code: str) -> bool:
    check = 0
    for place, digit in enumerate(reversed(code)):
        check = _D[check][_P[place % 8][int(digit)]]
    return check == 0


@lru_cache(maxsize=65536)
def tokens(system: str, code: str) -> tuple[str, ...]:
    """What an item with this code carries: `system|code` for itself and for every code that covers it."""
    system = system_of(system)
    code = normal(system, code)
    if system not in _PREFIX:
        return (f"{system}|{code}",)
    shortest = 1 if system in (ICD10PCS, ATC) else 2 if system == ICD9CM else 3
    return tuple(f"{system}|{code[:end]}" for end in range(min(shortest, len(code)), len(code) + 1))


_RANGE = re.compile(r"([A-Z])(\d\d)-([A-Z])(\d\d)\Z")


def covering(system: str, code: str) -> frozenset[str] | None:
    """Tokens of which an item must carry one to lie under `code` in a rule; None where the code is not understood.

    >>> sorted(covering(ICD10CM, "F11.2"))
    ['http://hl7.org/fhir/sid/icd-10-cm|F112']
    """
    system = system_of(system)
    if system in (ICD10CM, ICD10) and (block := _RANGE.match(code.strip().upper())):
        return frozenset(f"{system}|{one}" for one in block_codes(*block.groups()))
    if not readable(system, code):
        return None
    return frozenset((f"{system}|{normal(system, code)}",))


def block_codes(first: str, low: str, last: str, high: str) -> list[str]:
    """Categories of a block such as F10-F19 or V00-Y99."""
    found = []
    for letter in range(ord(first), ord(last) + 1):
        start = int(low) if letter == ord(first) else 0
        end = int(high) if letter == ord(last) else 99
        found += [f"{chr(letter)}{number:02d}" for number in range(start, end + 1)]
    return found
