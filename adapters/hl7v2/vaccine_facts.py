"""OBX behind a vaccination that Immunization has elements for: eligibility, funding, statements, dose, series, reason.

Sources: CDC immunization guide 2.5.1 release 1.5, appendix A (NIP003, PHVS_ImmunizationEvaluation); FHIR R4 Immunization.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapters.hl7v2 import forecast
from adapters.hl7v2.concepts import concept, plain
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.forecast import numbered, schedule, series
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.times import SENT_URL, fhir_time_of, put_time
from adapters.hl7v2.values import BESIDE
from hie.model import Resource

_STATEMENT = frozenset(("69764-9", "29768-9", "29769-7"))
_PROTOCOL = frozenset(("30973-2", "59782-3", "59780-7", "59779-9"))
_TYPES = frozenset(("30956-7", "38890-0"))
_LEFT = (*BESIDE, 15, 16, 23, 24, 25)


def about_vaccine(d: Draft, s: Segment, made: Resource) -> bool:
    """False where the OBX stays an Observation beside the vaccination."""
    code = d.first(s.get(3))
    if not d.first(s.get(5)) and not s.get(5).strip(d.message.component):
        return False
    subs, codes = _groups(d, s, made)
    if d.text(s.get(4)) in subs and forecast.forecast(d, s, code, made):
        _listed(d, s, made)
        return True
    mine = codes.get(d.text(s.get(4)), set())
    value = concept(d, s, 5, s.get(5).partition(d.message.repetition)[0])
    coded = False  # by a system that a string cannot say: then it is an Observation too
    if code == "64994-7" and value:
        made.setdefault("programEligibility", []).append(value)
    elif code == "30963-3" and value and "fundingSource" not in made:
        made["fundingSource"] = value
    elif code == "59785-6" and value:
        made.setdefault("reasonCode", []).append(value)
    elif code == "48767-8":
        made.setdefault("note", []).append({"text": plain(d, s.get(5))})
    elif code in _STATEMENT or (code in _TYPES and mine & {"29768-9", "29769-7"} and "69764-9" not in mine):
        if code in ("29768-9", "29769-7") and not fhir_time_of(d, s.get(5)):
            return False
        _education(d, s, code, made)
        coded = code not in ("29768-9", "29769-7") and any(d.text(p) for p in d.parts(s.get(5))[2:])
    elif code in _PROTOCOL or (code in _TYPES and mine & _PROTOCOL):
        if not _protocol(d, s, code, value, made):
            return False
    elif code == "31044-1":
        _reaction(d, s, made)
        return False
    else:
        return False
    d.owner = made
    d.source(s, made)
    return not (coded or _more(d, s, made))


def _more(d: Draft, s: Segment, made: Resource) -> bool:
    """Whether the OBX says more than the element holds (how eligibility was captured, another day): then it is an Observation too."""
    if any(s.get(n) for n in _LEFT):
        return True
    return bool(s.get(14)) and fhir_time_of(d, s.get(14))[:10] != made.get("occurrenceDateTime", "")[:10]


def _listed(d: Draft, s: Segment, made: Resource) -> None:
    """What else such an OBX holds has no element; a time that is the vaccination's own is said already."""
    for n in _LEFT:
        if s.get(n):
            d.lose(s, n)
    if (raw := s.get(14)) and fhir_time_of(d, raw)[:10] != made.get("occurrenceDateTime", "")[:10]:
        d.lose(s, 14)
    entries = d.rules["OBX"][0]
    for n, raw in enumerate(s.fields):
        if n and raw and n not in _LEFT and (n >= len(entries) or entries[n] is None):
            d.lose(s, n)


def _groups(d: Draft, s: Segment, made: Resource) -> tuple[frozenset[str], dict[str, set[str]]]:
    """Of all OBX of this vaccination: the sub-ids that are forecasts, and the codes under each sub-id."""
    key = ("groups", made["id"])
    found: tuple[frozenset[str], dict[str, set[str]]] | None = d.now.get(key)
    if found is None:
        codes: dict[str, set[str]] = {}
        for one in _run(d, s):
            codes.setdefault(d.text(one.get(4)), set()).add(d.first(one.get(3)))
        found = d.now[key] = (frozenset(sub for sub, held in codes.items() if held & forecast.MARKS), codes)
    return found


def _run(d: Draft, s: Segment) -> Iterator[Segment]:
    """This OBX and the ones behind it up to the next vaccination."""
    begun = False
    for one in d.message.segments:
        begun = begun or one is s
        if begun and one.name in ("RXA", "ORC", "PID"):
            return
        if begun and one.name == "OBX":
            yield one


def _education(d: Draft, s: Segment, code: str, made: Resource) -> None:
    """A vaccine information statement: which (69764-9, or the vaccine type of older versions), published, handed over.

    R4 takes a string that identifies it: the code, with its words beside it.
    """
    parts = d.parts(s.get(5).partition(d.message.repetition)[0])
    named = [t for p in parts[:2] if (t := d.text(p))]
    if not named:
        d.lose(s, 5)
        return
    sub = d.text(s.get(4))
    known = d.now.setdefault(("education", made["id"]), {})
    entry = known.get(sub)
    if entry is None or (code in _TYPES and "documentType" in entry):
        entry = known[sub] = {}
        made.setdefault("education", []).append(entry)
    if code in ("29768-9", "29769-7"):
        put_time(d, s, 5, s.get(5), entry, "publicationDate" if code == "29768-9" else "presentationDate")
    else:
        entry["documentType"] = named[0]
        if named[1:]:
            entry["_documentType"] = {"extension": [{"url": SENT_URL, "valueString": named[1]}]}


def _protocol(d: Draft, s: Segment, code: str, value: dict[str, Any] | None, made: Resource) -> bool:
    """Dose, series and schedule by which the dose was counted; each OBX-4 is a statement of its own."""
    known = d.now.setdefault(("protocol", made["id"]), {})
    sub = d.text(s.get(4))
    entry = known.get(sub)
    if entry is None:
        entry = known[sub] = {}
        made.setdefault("protocolApplied", []).append(entry)
    if code in _TYPES:
        if value is not None and value not in (held := entry.setdefault("targetDisease", [])):
            held.append(value)
    elif code == "59780-7":
        return series(d, s, entry)
    elif code == "59779-9":
        return bool(entry.setdefault("authority", schedule(d, s)) == schedule(d, s))
    else:
        numbered(d, s, entry, "doseNumber" if code == "30973-2" else "seriesDoses")
    return True


def _reaction(d: Draft, s: Segment, made: Resource) -> None:
    """A reaction is an Observation (its `detail`) that the vaccination points to."""

    def tie() -> None:
        for reference, where in d.sources:
            if where == s.where and reference.startswith("Observation/"):
                entry: dict[str, Any] = {"detail": {"reference": reference}}
                found = d.resources[reference]
                for key in ("effectiveDateTime", "_effectiveDateTime"):
                    if key in found:
                        entry[key.replace("effectiveDateTime", "date")] = found[key]
                made.setdefault("reaction", []).append(entry)
                return

    d.later.append(tie)


def close(d: Draft) -> None:
    """Immunization.protocolApplied needs a dose number; what was said without one says that it is not known."""
    for made in d.resources.values():
        if made["resourceType"] == "Immunization":
            for applied in made.get("protocolApplied", ()):
                if "doseNumberPositiveInt" not in applied and "doseNumberString" not in applied:
                    applied["_doseNumberString"] = d.nobody()
