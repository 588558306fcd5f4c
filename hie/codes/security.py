"""Security labels as numbers: confidentiality levels, and sensitivity codes with their hierarchy as bit masks.

Sources: HL7 v3-Confidentiality (ordered), v3-ActCode InformationSensitivityPolicy and PrivacyPolicy, IHE PCF.
A label that is not here is kept as text, never guessed at.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
LOCAL = "urn:hie:label"
"""System of our own labels: `unclassified`."""

LEVELS: dict[str, int] = {"U": 0, "L": 1, "M": 2, "N": 3, "R": 4, "V": 5}
"""Confidentiality, ordered. A code that is in no list counts as above all (`UNREADABLE_LEVEL`)."""
UNREADABLE_LEVEL = 6

# deprecated v3-Confidentiality codes that senders still use; all of them mean "more than normal"
_OLD_LEVELS = {"S": 4, "T": 4, "C": 4, "D": 4, "I": 4, "B": 4, "ETH": 4, "HIV": 4, "PSY": 4, "SDV": 4}

PARENTS: dict[str, str] = {
    "ETHUD": "ETH",
    "OPIOIDUD": "ETH",
    "ETH": "SUD",
    "SUD": "BH",
    "PSY": "MH",
    "PSYTHPN": "PSY",
    "MH": "BH",
    "COGN": "BH",
    "DVD": "BH",
    "EMOTDIS": "BH",
    "STD": "SEX",
    "PREGNANT": "SEX",
    "SICKLE": "GDIS",
}
"""Sensitivity code -> the code that covers it."""

SAME: dict[str, str] = {"SUD": "ETH", "MH": "PSY", "VIO": "SDV"}
"""Codes that a rule on the other one must also reach: a deny of ETH holds what is labelled SUD."""

_FLAT = [
    "HIV",
    "SDV",
    "VIO",
    "SEX",
    "GDIS",
    "ADOL",
    "CEL",
    "DEMO",
    "DIA",
    "DOB",
    "DRGIS",
    "EMP",
    "EMPL",
    "GENDER",
    "LIVARG",
    "LOCIS",
    "MARST",
    "MST",
    "ORCHOICE",
    "PATLOC",
    "PDS",
    "PHY",
    "PRS",
    "RACE",
    "RELIGION",
    "SCA",
    "SENSITIVE",
    "SEXGEN",
    "SOC",
    "SPI",
    "SSP",
    "SSN",
    "TBOO",
    "TRAVEL",
    "VIP",
    "UNCLASSIFIED",
    "42CFRPart2",
    "HIPAAPsyNotes",
    "HIPAANOPP",
    "HIPAASelfPay",
    "Title38Section7332",
    "42CFRPart2CD",
    "42CFRPart2DF",
    "MDHHS-5515",
]

_BITS: dict[str, int] = {
    code: 1 << place for place, code in enumerate(dict.fromkeys([*PARENTS, *PARENTS.values(), *_FLAT]))
}
UNCLASSIFIED = _BITS["UNCLASSIFIED"]
PART2 = _BITS["42CFRPart2"]

# what sits in meta.security without limiting anybody: obligations, refrains, integrity, test flags, purposes
_NOT_SENSITIVITY = frozenset(
    [
        "HTEST",
        "NORDSCLCD",
        "NORDSLCD",
        "NOAUTH",
        "NOCOLLECT",
        "NODSCLCD",
        "NOINTEGRATE",
        "NOLIST",
        "NOMOU",
        "NOORGPOL",
        "NOPAT",
        "NOPERSISTP",
        "NORDSCLCDS",
        "NORELINK",
        "NOREUSE",
        "NOVIP",
        "ORCON",
        "ENCRYPT",
        "MASK",
        "REDACT",
        "PERSISTLABEL",
        "PRIVMARK",
        "DELAU",
        "DEID",
        "ANONY",
        "PSEUD",
        "CUI",
        "CPLYCD",
        "CPLYPOL",
        "RELIABLE",
        "UNRELIABLE",
        "UNCERTREL",
        "HRELIABLE",
        "HUNCERTREL",
        "SUBSETTED",
    ]
)


def bit(code: str) -> int:
    """The bit of one sensitivity code, 0 where it has none."""
    return _BITS.get(code, 0)


def names(mask: int) -> list[str]:
    """The codes in a mask, in a fixed order."""
    return [code for code, one in _BITS.items() if mask & one]


def _descendants(code: str) -> int:
    mask = _BITS[code]
    for child, parent in PARENTS.items():
        if parent == code:
            mask |= _descendants(child)
    return mask


_COVERED = {code: _descendants(code) for code in _BITS}


def covered(code: str) -> int:
    """What a rule on `code` covers for certain: itself and its descendants; 0 for an unknown code."""
    return _COVERED.get(code, 0)


def reached(code: str) -> int:
    """What a deny on `code` reaches: as `covered`, and the codes that are used for the same thing."""
    mask = _COVERED.get(code, 0)
    for one, other in SAME.items():
        if code == other:
            mask |= _COVERED[one]
    return mask


def level(code: str) -> int:
    """Rank of a confidentiality code; unreadable ones rank above all, so that no permit covers them."""
    return LEVELS.get(code, _OLD_LEVELS.get(code, UNREADABLE_LEVEL))


@lru_cache(maxsize=1024)
def canonical(system: str) -> str:
    """A code system URI as HL7 terminology writes it now: STU3 URIs, OIDs and a stray slash are mended."""
    uri = system.strip().rstrip("/")
    if uri.startswith("http://hl7.org/fhir/v3/"):
        return "http://terminology.hl7.org/CodeSystem/v3-" + uri[23:]
    if uri.startswith("http://hl7.org/fhir/consent"):
        return "http://terminology.hl7.org/CodeSystem/consent" + uri[27:].lstrip("/")
    if uri.startswith("urn:oid:"):
        from hie.codes.systems import OID_TO_URI

        return OID_TO_URI.get(uri[8:], uri)
    return uri


class Labels(NamedTuple):
    """All labels of one item, folded. `level` is None where there is no confidentiality label."""

    mask: int
    level: int | None
    other: frozenset[str]
    """Labels of systems or codes that are not known, as `system|code`."""
    broken: bool
    """meta.security itself is not readable."""


def fold(security: Any) -> Labels:
    """`meta.security` (a list of Coding) -> Labels. Never raises: what cannot be read makes `broken` true."""
    if security is None:
        return Labels(0, None, frozenset(), False)
    if not isinstance(security, list):
        return Labels(0, None, frozenset(), True)
    mask, high, other, broken = 0, None, set(), False
    for coding in security:
        code = coding.get("code") if isinstance(coding, dict) else None
        system = coding.get("system", "") if isinstance(coding, dict) else None
        if not isinstance(code, str) or not isinstance(system, str) or not code:
            broken = True
            continue
        system = canonical(system)
        if system == CONFIDENTIALITY:
            high = level(code) if high is None else max(high, level(code))
        elif system == ACT_REASON or code in _NOT_SENSITIVITY:
            continue
        elif system == LOCAL and code == "unclassified":
            mask |= UNCLASSIFIED
        elif (system == ACT_CODE or not system) and code in _BITS:
            mask |= _BITS[code]
        else:
            other.add(f"{system}|{code}")
    return Labels(mask, high, frozenset(other), broken)
