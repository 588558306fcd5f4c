"""Observation.value[x] by the xsi:type of a CDA value, and what FHIR has no type for as the nearest that loses nothing.

Sources: HL7 v3 data types R1; FHIR R4 Observation.value[x]; C-CDA on FHIR results map.
"""

from __future__ import annotations

from adapters.ccda.absence import absent_concept
from adapters.ccda.coded import concept
from adapters.ccda.contact import address, display, name, organisation_name
from adapters.ccda.draft import Draft
from adapters.ccda.narrative import text_of
from adapters.ccda.quantities import bounded, interval, number, quantity, ratio
from adapters.ccda.times import period, put_time
from adapters.ccda.tree import Node
from hie.model import Resource


def put_value(d: Draft, target: Resource, node: Node) -> bool:
    """Sets value[x] (or dataAbsentReason) of an Observation or component. False where the value says nothing."""
    kind = node.get("xsi:type").rpartition(":")[2] or _guess(node)
    made: object = None
    if kind in ("PQ", "PQR"):
        made = quantity(d, node)
        key = "valueQuantity"
        if made is None and node.get("value"):
            node.used = True
            key, made = "valueString", f"{node.get('value')} {node.get('unit')}".strip()
    elif kind == "IVL_PQ" or kind == "IVL_REAL" or kind == "IVL_INT":
        key, made = _interval(d, node)
    elif kind in ("CD", "CE", "CV", "CS", "CO"):
        key, made = "valueCodeableConcept", concept(d, node)
        if made is None and (text := text_of(d, node)):
            key, made = "valueString", text
    elif kind in ("ST", "ED", "SC", "ENXP", "ON", "PN", "EN", "TN", "AD", "TEL", "URL"):
        key, made = _text(d, node)
    elif kind == "INT":
        key, made = _whole(d, node)
    elif kind in ("REAL", "MO"):
        key, made = _real(d, node)
    elif kind == "BL":
        key, made = _boolean(node)
    elif kind in ("RTO", "RTO_PQ_PQ", "RTO_INT_INT", "RTO_QTY_QTY", "RTO_MO_PQ"):
        key, made = "valueRatio", ratio(d, node)
    elif kind == "II":
        node.used = True
        key, made = "valueString", node.get("extension") or node.get("root")
    elif kind in ("TS", "IVL_TS"):
        return _time(d, target, node)
    else:
        d.warn("value-type-unknown", node, "an xsi:type that is not known: kept as what it looks like")
        key, made = _any(d, node)
    if made is None or made == "":
        if node.null:
            # the unit of a value that is not there has no place
            node.used = not node.get("unit")
            target["dataAbsentReason"] = absent_concept(node.null)
            return True
        return False
    target[key] = made
    return True


def _guess(node: Node) -> str:
    """The type of a value that does not say it."""
    if node.get("code") or node.kid("translation") is not None or node.kid("originalText") is not None:
        return "CD"
    if node.get("value") and (node.get("unit") or number(node.get("value")) is not None):
        return "PQ"
    if node.kid("low") is not None or node.kid("high") is not None:
        bound = node.kid("low") or node.kid("high")
        return "IVL_TS" if bound is not None and len(bound.get("value")) >= 8 and not bound.get("unit") else "IVL_PQ"
    return "ST"


def _interval(d: Draft, node: Node) -> tuple[str, object]:
    one = bounded(d, node)
    if one:
        return "valueQuantity", one
    low, high = interval(d, node)
    if low and high:
        return "valueRange", {"low": low, "high": high}
    middle = node.kid("center")
    if middle is not None and (made := quantity(d, middle)):
        return "valueQuantity", made
    return "valueQuantity", quantity(d, node)


def _text(d: Draft, node: Node) -> tuple[str, object]:
    if node.get("representation") == "B64":
        # an Observation cannot hold an attachment in R4: the caller files it as a document
        return "valueString", None
    if node.kids and (said := _parts(d, node)):
        return "valueString", said
    text = text_of(d, node) or node.get("value")
    if "\n" in node.text and not node.kids:
        # a report keeps its lines
        text = "\n".join(line.strip() for line in node.text.strip().splitlines())
    if not text and (code := concept(d, node)):
        return "valueCodeableConcept", code
    return "valueString", text or None


def _parts(d: Draft, node: Node) -> str:
    """A name or an address as one line."""
    kind = node.get("xsi:type").rpartition(":")[2]
    if kind in ("PN", "EN", "TN", "ENXP"):
        return display(name(d, node) or {})
    if kind == "ON":
        return organisation_name(node)
    made = address(d, node) if kind == "AD" else None
    if not made:
        return ""
    lines = [
        *made.get("line", ()),
        *(made.get(key, "") for key in ("city", "district", "state", "postalCode", "country", "text")),
    ]
    return ", ".join(each for each in lines if each)


def _whole(d: Draft, node: Node) -> tuple[str, object]:
    text = node.get("value").strip()
    value = number(text)
    if value is None and not text and node.text.strip():
        return "valueString", text_of(d, node)
    if value is None:
        node.used = bool(text)
        return "valueString", text or None
    node.used = True
    if isinstance(value, int) and abs(value) <= 2_147_483_647 and not node.get("unit"):
        return "valueInteger", value
    return "valueQuantity", quantity(d, node)


def _real(d: Draft, node: Node) -> tuple[str, object]:
    made = quantity(d, node)
    if made is None and node.get("value"):
        node.used = True
        return "valueString", node.get("value")
    if made is not None and (currency := node.get("currency")):
        made = {**made, "unit": currency, "system": "urn:iso:std:iso:4217", "code": currency}
    return "valueQuantity", made


def _boolean(node: Node) -> tuple[str, object]:
    text = node.get("value").lower()
    if text in ("true", "false"):
        node.used = True
        return "valueBoolean", text == "true"
    return "valueBoolean", None


def _time(d: Draft, target: Resource, node: Node) -> bool:
    if node.kid("low") is not None or node.kid("high") is not None:
        made = period(d, node)
        if made:
            target["valuePeriod"] = made
            return True
    elif put_time(d, target, "valueDateTime", node):
        return True
    elif node.get("value"):
        node.used = True
        target["valueString"] = node.get("value")
        return True
    if node.null:
        node.used = True
        target["dataAbsentReason"] = absent_concept(node.null)
        return True
    return False


def _any(d: Draft, node: Node) -> tuple[str, object]:
    guess = _guess(node)
    if guess == "CD" and (code := concept(d, node)):
        return "valueCodeableConcept", code
    if guess == "PQ" and (made := quantity(d, node)):
        return "valueQuantity", made
    if text := text_of(d, node):
        return "valueString", text
    if node.get("value"):
        node.used = True
        return "valueString", node.get("value")
    return "valueString", None
