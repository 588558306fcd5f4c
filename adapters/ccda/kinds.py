"""Which section is which: by template, then by LOINC code. What is in neither table is "other" and judged entry by entry.

Sources: C-CDA R1.1 and R2.1 section templates, CCD/C32 (HITSP/C83) section templates, eICR sections, LOINC document sections.
"""

from __future__ import annotations

from adapters.ccda.tree import Node

_SECTION = "2.16.840.1.113883.10.20.22.2."
_CCD = "2.16.840.1.113883.10.20.1."

BY_TEMPLATE: dict[str, str] = {
    _SECTION + "6": "allergies",
    _SECTION + "6.1": "allergies",
    _CCD + "2": "allergies",
    "2.16.840.1.113883.3.88.11.83.102": "allergies",
    _SECTION + "1": "medications",
    _SECTION + "1.1": "medications",
    _CCD + "8": "medications",
    "2.16.840.1.113883.3.88.11.83.112": "medications",
    _SECTION + "11": "medications",
    _SECTION + "11.1": "medications",
    _SECTION + "44": "medications",
    _SECTION + "38": "administered",
    _SECTION + "5": "problems",
    _SECTION + "5.1": "problems",
    _CCD + "11": "problems",
    "2.16.840.1.113883.3.88.11.83.103": "problems",
    _SECTION + "20": "history",
    _SECTION + "24": "diagnosis",
    _SECTION + "43": "diagnosis",
    _SECTION + "3": "results",
    _SECTION + "3.1": "results",
    _CCD + "14": "results",
    _SECTION + "4": "vitals",
    _SECTION + "4.1": "vitals",
    _CCD + "16": "vitals",
    _SECTION + "2": "immunizations",
    _SECTION + "2.1": "immunizations",
    _CCD + "6": "immunizations",
    _SECTION + "7": "procedures",
    _SECTION + "7.1": "procedures",
    _CCD + "12": "procedures",
    _SECTION + "22": "encounters",
    _SECTION + "22.1": "encounters",
    _CCD + "3": "encounters",
    _SECTION + "17": "social",
    _CCD + "15": "social",
    _SECTION + "10": "plan",
    _CCD + "10": "plan",
    _SECTION + "9": "plan",
    _SECTION + "15": "family",
    _CCD + "4": "family",
    _SECTION + "14": "functional",
    _CCD + "5": "functional",
    _SECTION + "56": "mental",
    _SECTION + "23": "equipment",
    _CCD + "7": "equipment",
    _SECTION + "18": "payers",
    _CCD + "9": "payers",
    _SECTION + "60": "goals",
    _SECTION + "500": "team",
    _SECTION + "21": "directives",
    _SECTION + "21.1": "directives",
    _CCD + "1": "directives",
    _SECTION + "58": "concerns",
    _SECTION + "65": "notes",
    _SECTION + "45": "instructions",
    _SECTION + "8": "assessment",
    _SECTION + "61": "outcomes",
    "2.16.840.1.113883.10.20.21.2.3": "interventions",
    "2.16.840.1.113883.10.20.2.10": "exam",
}

BY_CODE: dict[str, str] = {
    "48765-2": "allergies",
    "10160-0": "medications",
    "10183-2": "medications",
    "75311-1": "medications",
    "42346-7": "medications",
    "29549-3": "administered",
    "11450-4": "problems",
    "11348-0": "history",
    "46241-6": "diagnosis",
    "42347-5": "diagnosis",
    "11535-2": "diagnosis",
    "10219-4": "diagnosis",
    "10218-6": "diagnosis",
    "59769-0": "diagnosis",
    "30954-2": "results",
    "11502-2": "results",
    "18723-7": "results",
    "18725-2": "results",
    "18768-2": "results",
    "18782-3": "imaging",
    "18726-0": "imaging",
    "18748-4": "imaging",
    "8716-3": "vitals",
    "11369-6": "immunizations",
    "47519-4": "procedures",
    "46240-8": "encounters",
    "29762-2": "social",
    "18776-5": "plan",
    "51847-2": "plan",
    "59772-4": "plan",
    "10157-6": "family",
    "47420-5": "functional",
    "10190-7": "mental",
    "46264-8": "equipment",
    "48768-6": "payers",
    "61146-7": "goals",
    "85847-2": "team",
    "42348-3": "directives",
    "75310-3": "concerns",
    "69730-0": "instructions",
    "51848-0": "assessment",
    "11383-7": "outcomes",
    "62387-6": "interventions",
    "29545-1": "exam",
    "10210-3": "exam",
    "10187-3": "exam",
    "42349-1": "referral",
    "34109-9": "notes",
    "11488-4": "notes",
    "11506-3": "notes",
    "34117-2": "notes",
    "28570-0": "notes",
    "18842-5": "notes",
}


def kind_of(section: Node) -> tuple[str, str]:
    """(kind, LOINC code) of a section; kind "other" where neither template nor code is known."""
    code = section.kid("code")
    value = code.get("code").strip() if code is not None else ""
    for kid in section.kids:
        if kid.tag == "templateId" and (found := BY_TEMPLATE.get(kid.get("root"))):
            return found, value
    return BY_CODE.get(value) or _translated(code), value


def _translated(code: Node | None) -> str:
    for kid in code.all("translation") if code is not None else ():
        if found := BY_CODE.get(kid.get("code")):
            return found
    return "other"
