"""OBX-5 by OBX-2 -> Observation.value[x]. What FHIR has no value type for becomes text; what is not there stays away.

Sources: HL7 v2.8.2 section 7.4.2 (OBX), tables 0125, 0291, 0834.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from adapters.hl7v2.concepts import concept
from adapters.hl7v2.conversions import readable
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import cx
from adapters.hl7v2.names import written, xpn
from adapters.hl7v2.numbers import number, quantity, structured, unit
from adapters.hl7v2.reader import Segment
from adapters.hl7v2.times import SENT_URL, TEXTS, clock, period, put_time, time_of

TEXT = frozenset(("ST", "TX", "FT", "GTS"))
CODED = frozenset(("CE", "CWE", "CNE", "CF", "CK"))
PLAIN_CODES = frozenset(("IS", "ID", "SI"))
TIMES = frozenset(("DT", "TS", "DTM"))
NAMES = frozenset(("XPN", "PN", "PPN", "CN", "XCN"))
COMPOSITES = frozenset(
    ("XAD", "AD", "SAD", "XTN", "TN", "CX", "CNN", "EI", "EIP", "HD", "XON", "PL", "CQ", "CP", "MO", "MF", "CD", "MA", "NA", "TQ",
     "JCC", "DLN", "FC", "OG", "RPT", "VID", "CM", "AUI", "PT", "UVC", "TUA", "SRT", "NR", "RI")
)  # fmt: skip
ATTACHED = frozenset(("ED", "RP"))
BESIDE = (6, 7, 8, 10, 17, 18, 19, 20, 21, 26, 29, 30, 32, 33)
"""Fields of an OBX that only an Observation has elements for: what becomes something else lists them."""
KNOWN = TEXT | CODED | PLAIN_CODES | TIMES | NAMES | COMPOSITES | ATTACHED | {"NM", "SN", "TM", "DR"}
_NULL = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"
_ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_TAG = re.compile(r"<[A-Za-z!/]")


def type_of(d: Draft, s: Segment) -> str:
    """OBX-2, or what stands for it where it is empty or unknown: coded if a known coding system is named, else text."""
    kind = s.get(2)
    if kind in KNOWN:
        return kind
    kind = d.first(kind).upper()
    if kind in KNOWN:
        return kind
    raw = s.get(5)
    if not raw:
        return "ST"
    code = "obx-2-unknown" if kind else "obx-2-missing"
    chosen = d.context.overrides.get("obx2", {}).get(kind or "empty") if d.context.overrides else None
    if chosen in KNOWN:
        return str(chosen)
    parts = raw.split(d.message.component)
    if s.get(6) and number(d.text(raw)) is not None:
        d.warn(code, s, 2, "read as a number: it has a unit")
        return "NM"
    named = len(parts) > 2 and parts[0] and parts[2] and not d.system(d.text(parts[2])).startswith("urn:hie:system:")
    d.warn(code, s, 2, "read as coded value" if named else "read as text")
    return "CWE" if named else "ST"


def value(d: Draft, s: Segment, kind: str, raw: str) -> dict[str, Any]:
    """`{"valueQuantity": ...}` and the like for OBX-5; several non-text repetitions become `component` entries."""
    message = d.message
    if kind in TEXT:
        text = raw
        if message.repetition in raw and not _TAG.search(raw):
            text = "\n".join(part.strip() for part in raw.split(message.repetition))
        text = d.text(text)
        return {"valueString": text} if text else {}
    if message.repetition not in raw:
        return _one(d, s, kind, raw, 0)
    found = [made for rep, part in d.repeats(raw) if (made := _one(d, s, kind, part, rep))]
    if len(found) == 1:
        return found[0]
    if all(set(one) == {"valueString"} for one in found):
        return {"valueString": "\n".join(one["valueString"] for one in found)} if found else {}
    return {"several": found}


def _one(d: Draft, s: Segment, kind: str, raw: str, rep: int) -> dict[str, Any]:
    if kind == "NM":
        return _numeric(d, s, raw, rep)
    if kind in CODED:
        return _coded(d, s, raw, rep)
    if kind in PLAIN_CODES:
        text = d.first(raw)
        return {"valueCodeableConcept": {"coding": [{"code": text}]}} if text else {}
    if kind == "SN":
        made = structured(d, s, raw, s.get(6))
        if made is None:
            text = "".join(d.text(p) for p in raw.split(d.message.component))
            if text:
                d.warn("value-not-structured", s, 5, "not a comparator with numbers: kept as text", rep)
            return {"valueString": text} if text else {}
        return made
    if kind in TIMES:
        return _dated(d, s, raw, rep)
    if kind == "TM":
        text = d.first(raw)
        if found := clock(text):
            return {"valueTime": found}
        return {"valueString": text} if text else {}
    if kind == "CQ" and (amount := quantity(d, s, 5, raw, rep, s.get(6), 6)):
        return {"valueQuantity": amount}
    if kind == "NR" and (span := _between(d, s, raw)):
        return {"valueRange": span}
    if kind == "DR":
        span = period(d, s, 5, raw, rep)
        return {"valuePeriod": span} if span else {}
    if kind in NAMES:
        shifted = raw.partition(d.message.component)[2] if kind in ("XCN", "CN") else raw
        name = xpn(d, s, 5, d.message.component.join(shifted.split(d.message.component)[:6]), rep) if shifted else None
        number_sent = d.first(raw) if kind in ("XCN", "CN") else ""
        text = " ".join(t for t in (number_sent, written(name) if name else "") if t)
        return {"valueString": text} if text else {}
    if kind == "CX" and (found_id := cx(d, s, 5, raw, rep)):
        return {
            "valueString": " ".join(
                t for t in (found_id["value"], readable(d, raw.partition(d.message.component)[2])) if t
            )
        }
    text = readable(d, raw)
    return {"valueString": text} if text else {}


def _between(d: Draft, s: Segment, raw: str) -> dict[str, Any] | None:
    """An NR: lowest and highest number."""
    low, _, high = raw.partition(d.message.component)
    made: dict[str, Any] = {}
    for key, part in (("low", low), ("high", high)):
        if text := d.text(part):
            if (edge := number(text)) is None:
                return None
            made[key] = {"value": edge}
            if s.get(6):
                unit(d, s, 6, s.fields[6], made[key])
    return made or None


def _numeric(d: Draft, s: Segment, raw: str, rep: int) -> dict[str, Any]:
    text = d.text(raw.rstrip(d.message.component))
    found = number(text) if text else None
    made: dict[str, Any] = {}
    if found is None:
        if not text:
            return {}
        if not (bound := _LIMIT.match(text)) or (found := number(bound[2])) is None:
            d.warn("value-not-numeric", s, 5, "OBX-2 says NM, the value is no number: kept as text", rep)
            return {"valueString": readable(d, raw)}
        d.warn("value-not-numeric", s, 5, "OBX-2 says NM, the value has a comparator: read as a bound", rep)
        made = {"extension": [{"url": SENT_URL, "valueString": text}], "comparator": bound[1]}
    made["value"] = found
    if s.get(6):
        unit(d, s, 6, s.fields[6], made)
    return {"valueQuantity": made}


def _coded(d: Draft, s: Segment, raw: str, rep: int) -> dict[str, Any]:
    made = concept(d, s, 5, raw, rep)
    if made is None:
        return {}
    coding: Sequence[dict[str, Any]] = made.get("coding") or ({},)
    if len(coding) == 1 and (
        coding[0].get("system") == _NULL or coding[0].get("system", "").endswith(("NULLFL", "v2-0353"))
    ):
        reason = d.coded("null", coding[0].get("code", ""))
        if reason:
            return {
                "dataAbsentReason": {
                    "coding": [{"system": _ABSENT, "code": reason[1]}, coding[0]],
                    **({"text": made["text"]} if "text" in made else {}),
                }
            }
    return {"valueCodeableConcept": made}


def _dated(d: Draft, s: Segment, raw: str, rep: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if time_of(d, raw).value:
        put_time(d, s, 5, raw, made, "valueDateTime", rep)
        return made
    text = readable(d, raw)
    if not text:
        return {}
    d.warn("time-invalid", s, 5, TEXTS["time-invalid"] + ": kept as text", rep)
    return {"valueString": text}


def range_of(d: Draft, s: Segment) -> list[dict[str, Any]]:
    """OBX-7 -> referenceRange: the text as sent, and low and high where the text is clearly a range of numbers."""
    raw = s.fields[7]
    made = []
    united: dict[str, Any] = {}
    if s.get(6):
        unit(d, s, 6, s.fields[6], united)
    for _, part in d.repeats(raw):
        text = readable(d, part)
        if not text:
            continue
        first = text
        if d.message.component in part:  # some repeat low and high behind the text
            first = d.text(part.partition(d.message.component)[0]) or text
        low, high = _edges(first if first[-1].isdigit() else _bare(d, s, first))
        one: dict[str, Any] = {}
        if low is not None:
            one["low"] = {"value": low, **united}
        if high is not None:
            one["high"] = {"value": high, **united}
        one["text"] = text
        made.append(one)
    return made


def _bare(d: Draft, s: Segment, text: str) -> str:
    """The range without the unit that some repeat behind it ("70-99 mg/dL"), if it is the unit of OBX-6."""
    if text[-1] == ")":
        return text
    named = [n for part in s.get(6).split(d.message.component) if (n := d.text(part)) and text.endswith(n)]
    return text[: -len(max(named, key=len))] if named else text


@lru_cache(maxsize=4096)
def _edges(text: str) -> tuple[int | float | None, int | float | None]:
    """Low and high of a range that is clearly one of numbers."""
    if found := _RANGE.match(text):
        low, high = number(found[1]), number(found[2])
        return (None, None) if low is None or high is None or low > high else (low, high)
    if bound := _BOUND.match(text):
        edge = number(bound[2])
        return (edge, None) if bound[1] in (">", ">=", "≥") else (None, edge)
    return None, None


_LIMIT = re.compile(r"(<=|>=|<|>)\s*([+-]?\d*\.?\d+)\Z")
_RANGE = re.compile(r"\s*[(\[]?\s*([+-]?\d*\.?\d+)\s*(?:-|–|to)\s*([+-]?\d*\.?\d+)\s*[)\]]?\s*\Z")
_BOUND = re.compile(r"\s*[(\[]?\s*(<=|>=|<|>|≤|≥)\s*([+-]?\d*\.?\d+)\s*[)\]]?\s*\Z")
