"""Which known patient a document would be filed under, on the strictest reading: a wrong chart is the one unforgivable error.

`file` needs name and birth date printed and equal, one candidate, no near twin, no conflict. Everything else is for a
person, with its reason. A record number proves nothing (it may be another facility's), but one that belongs to
somebody else on the list stops the filing.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any, NamedTuple

from adapters.fax.damage import distance, one_confusable_apart
from adapters.fax.document import FaxDocument
from adapters.fax.patient import PatientKey

_TO_NOBODY = frozenset({"junk", "cover-only"})


class Match(NamedTuple):
    action: str
    patient_id: str | None
    score: float
    why: str


@dataclass(frozen=True, slots=True)
class Known:
    """One row of the roster, compared in plain letters."""

    patient_id: str
    family: str
    given: str
    dob: str
    sex: str
    mrn: str
    phone: str
    suffix: str


def plain(text: str) -> str:
    """Letters only, lower case, without accents."""
    bare = unicodedata.normalize("NFKD", text)
    return re.sub(r"[^a-z]", "", "".join(c for c in bare if not unicodedata.combining(c)).lower())


class Roster:
    """Known patients by birth date and by family name."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.known = [
            Known(
                str(row["patient_id"]),
                plain(str(row.get("family") or "")),
                plain(str(row.get("given") or "")),
                str(row.get("dob") or ""),
                str(row.get("sex") or "")[:1].lower(),
                str(row.get("mrn") or ""),
                re.sub(r"\D", "", str(row.get("phone") or ""))[-10:],
                plain(str(row.get("suffix") or "")),
            )
            for row in rows
        ]
        self._by_mrn = {k.mrn: k for k in self.known if k.mrn}

    def match(self, document: FaxDocument) -> Match:
        """What would be done with one document."""
        key = document.patient
        if document.kind.name in _TO_NOBODY:
            return Match("none", None, 0.0, document.kind.name)
        if key.conflict:
            return Match("review", None, 0.0, "the pages name more than one patient")
        if key.is_empty or not key.family:
            return Match("review", None, 0.0, "no patient could be read")
        family, given = plain(key.family), plain(key.given)
        equal = [k for k in self.known if k.dob == key.dob != "" and _same_name(k, family, given)]
        near = [k for k in self.known if k not in equal and _near(k, family, given, key)]
        owner = self._by_mrn.get(key.mrn) if key.mrn else None
        if len(equal) == 1:
            return self._sole(equal[0], near, key, owner)
        if len(equal) > 1:
            return Match("review", None, 0.5, "several patients have this name and birth date")
        if near:
            return Match(
                "review", near[0].patient_id if len(near) == 1 else None, 0.5, "near, not equal, to a known patient"
            )
        if owner is not None:
            return Match("review", owner.patient_id, 0.2, "only the record number agrees")
        if key.dob and key.dob_sure and key.name_sure and len(given) > 1 and "incomplete" not in document.reasons:
            return Match("new", None, 0.0, "name and birth date are clear and nobody is near")
        return Match("review", None, 0.0, "not found, and not clear enough for a new person")

    def _sole(self, known: Known, near: list[Known], key: PatientKey, owner: Known | None) -> Match:
        score = (
            0.9
            + 0.04 * (known.phone == key.phone != "")
            + 0.04 * (known.mrn == key.mrn != "")
            + 0.02 * (known.sex == key.sex[:1])
        )
        reason = ""
        if not (key.name_sure and key.dob_sure):
            reason = "the name or birth date was damaged"
        elif near:
            reason = "a near twin is known"
        elif key.sex and known.sex and key.sex[0] != known.sex:
            reason = "the sex does not agree"
        elif key.suffix and known.suffix and plain(key.suffix) != known.suffix:
            reason = "the suffix does not agree"
        elif owner is not None and owner != known:
            reason = "the record number is another patient's"
        if reason:
            return Match("review", known.patient_id, min(score, 0.8), reason)
        return Match("file", known.patient_id, score, "name and birth date agree, sole candidate, no near twin")


def _same_name(known: Known, family: str, given: str) -> bool:
    return known.family == family and known.given == given


def _near(known: Known, family: str, given: str, key: PatientKey) -> bool:
    """True for anybody the paper could mean as well: near name with near birth date, or a swap, or a missing date."""
    close_name = (
        distance(known.family, family, 2) <= 2
        and (distance(known.given, given, 2) <= 2 or known.given[:1] == given[:1])
    ) or (known.family, known.given) == (given, family)
    if not key.dob or not known.dob:
        return close_name
    close_date = known.dob == key.dob or one_confusable_apart(known.dob, key.dob)
    close_date = close_date or sorted(known.dob) == sorted(key.dob) or known.dob[4:] == key.dob[4:]
    if close_name and close_date:
        return True
    # one half of the name with the very same birth date: a marriage, a nickname, a twin, or damage
    return known.dob == key.dob and (known.family == family or known.given == given)
