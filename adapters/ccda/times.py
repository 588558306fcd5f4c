"""TS and IVL_TS -> date, dateTime, instant and Period, with the sender's precision and offset (hie.fhir.dates).

Where FHIR cannot hold a value (an hour without minutes, a time without zone) the date goes in and the text as sent stays
beside it in an extension; an offset taken from the feed is marked. Source: HL7 v3 data types R1 (TS, IVL<TS>).
"""

from __future__ import annotations

import re

from adapters.ccda.absence import absent
from adapters.ccda.draft import Draft
from adapters.ccda.tree import Node
from hie.fhir.dates import DERIVED_OFFSET_URL, ORIGINAL_TEXT_URL, FhirTime, fhir_time
from hie.model import Resource

_ISO = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?))?(Z|[+-]\d\d:?\d\d)?\Z")
_TEXT = {
    "time-invalid": "not a time stamp that exists",
    "time-hour-only": "an hour without minutes: kept as a date with its original text",
    "time-without-zone": "a time without offset and no zone for this feed: kept as a date with its original text",
    "time-dst-doubt": "a local time that occurs twice or never at the change of clocks",
    "offset-odd": "an unusual offset from UTC",
}


def moment(d: Draft, node: Node | None) -> FhirTime | None:
    """The time of a TS by its `value`, None where there is none. Marks the node as carried where it could be read."""
    if node is None:
        return None
    text = node.get("value").strip()
    if not text:
        return None
    found = fhir_time(text, d.context.timezone)
    if not found.value and (iso := _ISO.match(text)):
        # the form of XML Schema where HL7's belongs means the same moment
        day, clock, offset = (part or "" for part in iso.groups())
        hl7 = day.replace("-", "") + (clock + offset).replace(":", "")
        found = fhir_time(hl7, d.context.timezone)
        if found.value:
            d.warn("time-form", node, "a time in the form of XML Schema, not of HL7")
    if found.warning:
        d.warn(found.warning, node, _TEXT[found.warning])
    if not found.value:
        return None
    node.used = True
    return found


def put_time(d: Draft, target: Resource, key: str, node: Node | None, *, unknown: bool = False) -> bool:
    """Sets `target[key]`, with the extension that says what was derived or lost. `unknown`: a nullFlavor is kept as the
    reason why there is no value. True where something was set."""
    if node is None:
        return False
    found = moment(d, node)
    if found is None:
        if unknown and node.null:
            node.used = True
            target[f"_{key}"] = absent(node.null)
            return True
        return False
    target[key] = found.value
    extension = extensions(found, node)
    if extension:
        target[f"_{key}"] = {"extension": extension}
    return True


def extensions(found: FhirTime, node: Node) -> list[Resource]:
    """What must be said beside a time: its text where precision was lost, and that its offset is the feed's."""
    if found.derived:
        return [{"url": DERIVED_OFFSET_URL, "valueBoolean": True}]
    if found.warning in ("time-hour-only", "time-without-zone", "time-invalid"):
        return [{"url": ORIGINAL_TEXT_URL, "valueString": node.get("value")}]
    return []


def dated(d: Draft, url: str, node: Node | None) -> Resource | None:
    """A time as an extension `{"url", "valueDateTime"}`, None where there is none. The value of an extension cannot carry
    a mark of its own: a time whose offset would be the feed's stays a date, and its place is listed."""
    probe: Resource = {}
    if node is None or not put_time(d, probe, "x", node):
        return None
    if "_x" in probe and len(probe["x"]) > 10:
        node.used = False
        probe["x"] = probe["x"][:10]
    return {"url": url, "valueDateTime": probe["x"]}


def put_date(d: Draft, target: Resource, key: str, node: Node | None) -> bool:
    """As `put_time`, cut to the day, for elements that are dates in FHIR; a time of day stays as original text."""
    found = moment(d, node)
    if found is None or node is None:
        return False
    target[key] = found.value[:10]
    if len(found.value) > 10 or found.warning:
        text = node.get("value")
        # midnight is how senders without a time of day fill the field: nothing is lost with it
        if text[8:].split("+")[0].split("-")[0].strip("0."):
            target[f"_{key}"] = {"extension": [{"url": ORIGINAL_TEXT_URL, "valueString": text}]}
    return True


def period(d: Draft, node: Node | None) -> Resource | None:
    """IVL_TS -> Period. A single `value` becomes start and end; `center` likewise; `width` gives the end from the start
    where both are whole days. None where it holds nothing."""
    if node is None:
        return None
    made: Resource = {}
    put_time(d, made, "start", node.kid("low"))
    put_time(d, made, "end", node.kid("high"))
    if not made:
        point = node if node.get("value") else node.kid("center")
        if put_time(d, made, "start", point):
            put_time(d, made, "end", point)
    if made:
        node.used = True
    return made or None


def bounds_unknown(d: Draft, node: Node | None) -> Resource:
    """The bounds of an IVL_TS that carry a nullFlavor other than "no information": `_start`, `_end`."""
    made: Resource = {}
    if node is not None:
        for tag, key in (("low", "_start"), ("high", "_end")):
            bound = node.kid(tag)
            if bound is not None and bound.null and not bound.get("value"):
                bound.used = True
                made[key] = absent(bound.null)
    return made


def put_when(d: Draft, target: Resource, stem: str, node: Node | None) -> bool:
    """A choice element such as `effective[x]`, `onset[x]`, `performed[x]`: DateTime for a point, Period for an interval."""
    if node is None:
        return False
    node.used = node.used or not node.get("value")
    low, high = node.kid("low"), node.kid("high")
    if low is None and high is None:
        point = node if node.get("value") else node.kid("center")
        return put_time(d, target, f"{stem}DateTime", point)
    made = period(d, node)
    if made is None:
        return put_time(d, target, f"{stem}DateTime", node)
    if made.get("start") and made.get("start") == made.get("end") and "_start" not in made:
        target[f"{stem}DateTime"] = made["start"]
    else:
        made.update({k: v for k, v in bounds_unknown(d, node).items() if k not in made and k[1:] not in made})
        target[f"{stem}Period"] = made
    return True


def start_of(d: Draft, node: Node | None) -> Node | None:
    """The node with the beginning of an interval: `low`, or the point itself."""
    if node is None:
        return None
    low = node.kid("low")
    if low is not None and low.get("value"):
        return low
    return node if node.get("value") else node.kid("center")
