"""Medications, allergies and problems as printed in their sections; negated and family statements are left out."""

from __future__ import annotations

import re
from typing import NamedTuple

from adapters.fax.drugs import STRENGTHS, drug, is_printed_exactly
from adapters.fax.pages import Line

_ITEM = re.compile(r"^\s*(?:[-*•·o>]\s+|\(?\d{1,2}[.):]\s*|[a-z]\)\s+)?")
_DOSE = re.compile(
    r"(?P<number>\d{1,5}(?:[.,]\d{1,3})?(?:\s?[-/]\s?\d{1,4}(?:\.\d+)?)?)\s*(?P<unit>mg/m[lL]|mg|mcg|ug|µg|g|m[lL]|units?|iu|mEq|%|meq)(?![A-Za-z])",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"[A-Za-z][A-Za-z0-9'/-]+(?: (?:[A-Z]?[a-z]+|ER|XR|SR|CR|XL|LA|DR|HCl|HCL|HCT|[A-Z]{2,4}))?(?: [A-Za-z]+)?"
)
_STOPPED = re.compile(r"\b(?:stop(?:ped)?|discontinu\w*|d/?c'?d|held|no longer)\b", re.IGNORECASE)
_FORM = re.compile(
    r"\b(?:tabs?|tablets?|caps?|capsules?|inhaler|solution|injection|cream|ointment|po|oral|by mouth|take|daily|every|patch|drops|suspension|spray)\b.*",
    re.IGNORECASE,
)
NONE_KNOWN = re.compile(
    r"\b(?:N\.?K\.?D?\.?A\.?|no known (?:drug |medication |food )?allerg\w*|none known|no (?:drug )?allergies|denies (?:any )?(?:drug )?allerg\w*|sin alergias\w*|NKMA)\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"\b(?:no evidence|negative for|denies|denied|without|no history of|ruled? out|r/o|free of|no acute|absence of|not have|unlikely|no known|unremarkable|resolved)\b|^\W*no\b|\?\s*$",
    re.IGNORECASE,
)
_DOUBTED = re.compile(
    r"\b(?:possible|probable|suspected|suspicion|rule out|r/o|vs\.?|likely|concern for|screening for|risk of|at risk)\b",
    re.IGNORECASE,
)
_FAMILY = re.compile(
    r"\b(?:family (?:history|hx)|mother|father|brother|sister|aunt|uncle|grand\w+|maternal|paternal|fhx?)\b",
    re.IGNORECASE,
)
_ICD = re.compile(r"(?<![A-Za-z0-9])([A-TV-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?)(?![A-Za-z0-9-])")


class Medication(NamedTuple):
    name: str
    dose: str
    status: str
    conf: float
    why: str
    text: str
    line: Line


class Allergy(NamedTuple):
    substance: str
    reaction: str
    line: Line


class Problem(NamedTuple):
    name: str
    code: str
    line: Line


def medications(lines: list[Line], stopped: list[Line]) -> list[Medication]:
    """One for each line that has a drug name with a strength, or a name that the table knows."""
    found = [_medication(line, "stopped" if _STOPPED.search(line.text) else "active") for line in lines]
    found += [_medication(line, "stopped") for line in stopped]
    return [m for m in found if m is not None]


def _medication(line: Line, status: str) -> Medication | None:
    text = _ITEM.sub("", line.text, count=1).strip()
    text = re.sub(
        r"^(?:continue|start(?:ed)?|stop(?:ped)?|discontinued?|increase|decrease|take|new|changed)\b[: ]*",
        "",
        text,
        flags=re.IGNORECASE,
    )
    named = _NAME.match(text)
    if named is None:
        return None
    dose = _DOSE.search(text)
    name = (
        text[: dose.start()].strip(" ,-:;")
        if dose and dose.start() <= 45
        else _FORM.sub("", named.group()).strip(" ,-")
    )
    name = re.sub(r"\s*\(.*?\)", "", name).strip()
    known = drug(name)
    if not name or (known is None and (dose is None or dose.start() > 45)) or len(name.split()) > 4:
        return None
    shown = f"{dose.group('number').replace(' ', '')} {dose.group('unit').lower()}" if dose else ""
    conf, why = (0.6, "unknown-drug") if known is None else (0.95, "")
    if known is not None and dose is not None and dose.group("unit").lower() in ("mg", "mcg"):
        number = re.split(r"[-/]", dose.group("number"))[0]
        strengths = STRENGTHS[known]
        if "," in number or float(number) not in strengths:
            conf, why = 0.3, "no-known-strength"
    shown_name = name if known is None or is_printed_exactly(name) else known
    return Medication(shown_name, shown, status, conf, why, text, line)


def allergies(lines: list[Line]) -> tuple[list[Allergy], bool]:
    """Substances with reactions, and whether the page says that none are known."""
    found: list[Allergy] = []
    none = False
    for line in lines:
        text = _ITEM.sub("", line.text, count=1).strip(" .")
        if NONE_KNOWN.search(text):
            none = True
            text = NONE_KNOWN.sub("", text).strip(" .,;-")
        if (
            not text
            or _FAMILY.search(text)
            or re.search(r"\b(?:denies|reviewed|updated|see list|unknown|none)\b", text, re.IGNORECASE)
        ):
            continue
        for part in re.split(r"[,;](?![^()]*\))|\s{3,}|\band\b(?![^()]*\))", text):
            match = re.match(
                r"([A-Za-z][A-Za-z0-9 /'-]{1,40}?)\s*(?:\(([^)]*)\)?|[-:–]\s*(.+)|causes\s+(.+))?\s*\.?$", part.strip()
            )
            if match is not None and len(match.group(1).split()) <= 4:
                reaction = next((g for g in match.groups()[1:] if g), "")
                found.append(Allergy(match.group(1).strip(), reaction.strip(), line))
    return found, none and not found


def problems(lines: list[Line]) -> list[Problem]:
    """Stated diagnoses: no negation, no doubt, nobody else's."""
    found = []
    for line in lines:
        text = _ITEM.sub("", line.text, count=1).strip()
        if _NEGATED.search(text) or _DOUBTED.search(text) or _FAMILY.search(text):
            continue
        code = _ICD.search(text)
        name = (text[: code.start()] + text[code.end() :]) if code else text
        name = re.sub(r"\b(?:icd-?10(?:-cm)?|dx|diagnosis|code)\b[:#]?", "", name, flags=re.IGNORECASE)
        name = re.split(r"\s[-–]\s|[:;]|\.\s|\s{3,}", name.strip(" ()[]-–:;,.*"))[0].strip(" ()[]-–:;,.*")
        if re.search(r"[A-Za-z]{3}", name) and (code or len(name.split()) <= 8):
            found.append(Problem(name, code.group(1) if code else "", line))
    return found
