"""Forecast OBX of a registry's answer -> ImmunizationRecommendation: what is due, from when, until when, why.

One RXA (998, nothing given) carries the OBX; OBX-4 says which of them speak of one vaccine. Sources: CDC immunization
guide 2.5.1 release 1.5, profile Z42; FHIR R4 ImmunizationRecommendation.
"""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.codes import THO
from adapters.hl7v2.concepts import concept, plain
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.times import put_time
from hie.model import Resource

DATES = frozenset(("30980-7", "30981-5", "59777-3", "59778-1"))
"""Due, earliest, latest, overdue."""
MARKS = DATES | {"30979-9"}
"""One of these makes its group a forecast."""
_CODES = MARKS | {"30956-7", "38890-0", "59783-1", "30982-3", "30973-2", "59782-3", "59780-7", "59779-9"}
_STATUS = {"LA13421-5": "complete", "LA13423-1": "overdue"}
"""Answers to 59783-1 that the FHIR code system says in the same words."""
_STATUSES = THO + "immunization-recommendation-status"


def forecast(d: Draft, s: Segment, code: str, given: Resource) -> bool:
    """True where this OBX became part of a recommendation."""
    if code not in _CODES:
        return False
    whole = _whole(d, given)
    entry = _entry(d, s, code, whole, given)
    value = concept(d, s, 5, s.get(5).partition(d.message.repetition)[0])
    if code in ("30979-9", "30956-7", "38890-0"):
        if "vaccineCode" not in entry:
            entry["vaccineCode"] = [value]
        elif entry.setdefault("targetDisease", value) != value:
            return False
    elif code in DATES:
        held: dict[str, Any] = {}
        if put_time(d, s, 5, s.get(5), held, "value"):
            criterion = {"code": concept(d, s, 3, s.get(3)), **held}
            entry.setdefault("dateCriterion", []).append(criterion)
    elif code == "59783-1" and value is not None:
        if known := next((_STATUS[c["code"]] for c in value.get("coding", ()) if c.get("code") in _STATUS), None):
            value["coding"].insert(0, {"system": _STATUSES, "code": known})
        entry["forecastStatus"] = value
    elif code == "30982-3":
        entry.setdefault("forecastReason", []).append(value)
    elif code == "59780-7":
        return series(d, s, entry) and _made(d, s, whole, given)
    elif code == "59779-9":
        if whole.setdefault("authority", schedule(d, s)) != schedule(d, s):
            return False
    else:
        numbered(d, s, entry, "doseNumber" if code == "30973-2" else "seriesDoses")
    return _made(d, s, whole, given)


def _made(d: Draft, s: Segment, whole: Resource, given: Resource) -> bool:
    d.source(s, whole)
    d.owner = given
    return True


def _whole(d: Draft, given: Resource) -> Resource:
    found: Resource | None = d.now.get(("forecast", given["id"]))
    if found is None:
        found = d.unique("ImmunizationRecommendation", d.scope, given["id"])
        found["patient"] = dict(given["patient"])
        for key in ("occurrenceDateTime", "_occurrenceDateTime"):
            if key in given:
                found[key.replace("occurrenceDateTime", "date")] = given[key]
        if "date" not in found:
            found["_date"] = d.nobody()
        found["recommendation"] = []
        d.now[("forecast", given["id"])] = found
        d.later.append(lambda: _close(d, found, given))
    return found


def _entry(d: Draft, s: Segment, code: str, whole: Resource, given: Resource) -> dict[str, Any]:
    """The recommendation of this OBX-4; a second "due next" under one OBX-4 begins another."""
    groups = d.now.setdefault(("forecast groups", given["id"]), {})
    sub = d.text(s.get(4))
    entry: dict[str, Any] | None = groups.get(sub)
    if entry is None or (code == "30979-9" and "vaccineCode" in entry and "dateCriterion" in entry):
        entry = groups[sub] = {"forecastStatus": d.nobody()}
        whole["recommendation"].append(entry)
    return entry


def _close(d: Draft, whole: Resource, given: Resource) -> None:
    """A group that names no vaccine speaks of the one that was given, if one was."""
    named = given["vaccineCode"]
    if any(c.get("code") == "998" for c in named.get("coding", ())):
        named = d.nobody()
    for entry in whole["recommendation"]:
        if "vaccineCode" not in entry and "targetDisease" not in entry:
            entry["vaccineCode"] = [named]


def numbered(d: Draft, s: Segment, entry: dict[str, Any], key: str) -> None:
    """A dose number: positiveInt where it is one, else as written."""
    text = d.first(s.get(5))
    if text.isdigit() and int(text) > 0:
        entry[key + "PositiveInt"] = int(text)
    elif shown := plain(d, s.get(5)):
        entry[key + "String"] = shown
    else:
        d.lose(s, 5)


def series(d: Draft, s: Segment, entry: dict[str, Any]) -> bool:
    """The name of a series is words: a code beside them is listed. False where another name stands there already."""
    text = plain(d, s.get(5))
    if not text:
        d.lose(s, 5)
        return True
    if entry.setdefault("series", text) != text:
        return False
    parts = d.parts(s.get(5).partition(d.message.repetition)[0])
    d.rest(s, 5, 0, [p if d.text(p) != text else "" for p in parts], 0)
    return True


def schedule(d: Draft, s: Segment) -> dict[str, Any]:
    """Whose schedule was used: an organisation known by a code."""
    parts = [d.text(p) for p in d.parts(s.get(5).partition(d.message.repetition)[0])] + ["", "", ""]
    made: dict[str, Any] = {"type": "Organization"}
    if parts[0]:
        made["identifier"] = {**({"system": d.system(parts[2])} if parts[2] else {}), "value": parts[0]}
    if parts[1]:
        made["display"] = parts[1]
    return made
