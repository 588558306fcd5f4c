"""PQ, IVL_PQ, RTO, MO, REAL, INT -> Quantity, Range, Ratio, Money. The unit stays as sent; UCUM is claimed only where it is.

Source: HL7 v3 data types R1; FHIR R4 Quantity (`qty-3`), Range, Ratio.
"""

from __future__ import annotations

import re

from adapters.ccda.absence import absent
from adapters.ccda.coded import coding
from adapters.ccda.draft import Draft
from adapters.ccda.narrative import text_of
from adapters.ccda.tree import Node
from adapters.ccda.ucum import is_ucum
from hie.fhir.digits import number as written
from hie.model import Resource

_JSON = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?\Z")
UCUM = "http://unitsofmeasure.org"
_TRANSLATION = "http://hl7.org/fhir/StructureDefinition/iso21090-PQ-translation"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\Z")


def number(text: str) -> int | float | None:
    """A decimal as sent -> JSON number, None where it is none."""
    text = text.strip()
    if not _NUMBER.match(text):
        return None
    if text.lstrip("+-").isdigit() and len(text) < 18:
        return int(text)
    value = float(text)
    if abs(value) >= 1e300:
        return None
    # ".5" and "+5.0" are no numbers of JSON: only their value can be kept
    return written(text) if _JSON.match(text) else value


def quantity(d: Draft, node: Node | None) -> Resource | None:
    """One PQ. A value that is no number, or a nullFlavor with a translation, gives what the translation says."""
    if node is None:
        return None
    text = node.get("value")
    value = number(text)
    if value is None:
        if text:
            d.warn("number-invalid", node, "not a number")
            return None
        for kid in node.all("translation"):
            if made := _translated(d, kid):
                node.used = True
                return made
        return None
    node.used = True
    made = {"value": value}
    unit = node.get("unit").strip()
    if unit:
        made["unit"] = unit
        if is_ucum(unit):
            made["system"] = UCUM
            made["code"] = unit
        if node.kids:
            _also(d, made, node)
    else:
        # "1 tablet": no unit of measure, but a coded one in the translation
        for kid in node.all("translation"):
            if (other := _translated(d, kid)) and other.get("value", value) == value:
                made = {**other, "value": value}
                break
    return made


def _also(d: Draft, made: Resource, node: Node) -> None:
    """The same amount in other units: 500 mg, which are two tablets."""
    others = []
    for kid in node.all("translation"):
        other = _translated(d, kid)
        if other and "value" in other:
            others.append(other)
        elif other:
            # a text or a code alone is no amount
            for each in kid.walk():
                each.used = False
    if others:
        # an extension stands first in a FHIR element, as in its schema
        plain = dict(made)
        made.clear()
        made["extension"] = [{"url": _TRANSLATION, "valueQuantity": other} for other in others]
        made.update(plain)


def _translated(d: Draft, node: Node) -> Resource | None:
    """PQR: value, and a unit that is a code or a text."""
    value = number(node.get("value"))
    unit = coding(d, node)
    text = text_of(d, node.kid("originalText")) if node.kid("originalText") is not None else ""
    if value is None and not unit and not text:
        return None
    node.used = True
    made: Resource = {}
    if value is not None:
        made["value"] = value
    if name := text or (unit or {}).get("display", "") or (unit or {}).get("code", ""):
        made["unit"] = name
    if unit and unit.get("system"):
        made["system"] = unit["system"]
        made["code"] = unit["code"]
    return made if "value" in made or "unit" in made else None


def interval(d: Draft, node: Node | None) -> tuple[Resource | None, Resource | None]:
    """(low, high) of an IVL_PQ. `width` and `center` are left to the caller."""
    if node is None:
        return None, None
    low, high = quantity(d, node.kid("low")), quantity(d, node.kid("high"))
    if low or high:
        node.used = True
    return low, high


def bounded(d: Draft, node: Node) -> Resource | None:
    """An IVL_PQ with one bound as a Quantity with a comparator: low 100 exclusive -> > 100."""
    low, high = interval(d, node)
    if (low is None) == (high is None):
        return None
    tag = "low" if low else "high"
    bound = node.kid(tag)
    inclusive = bound is not None and bound.get("inclusive") != "false"
    made = low or high or {}
    comparator = {"low": (">", ">="), "high": ("<", "<=")}[tag][inclusive]
    return {"value": made["value"], "comparator": comparator, **{k: v for k, v in made.items() if k != "value"}}


def dose(d: Draft, node: Node | None) -> tuple[str, Resource] | None:
    """A dose, rate or amount: ("Quantity", q) or ("Range", r); None where it has no number."""
    if node is None:
        return None
    low, high = interval(d, node)
    if low and high:
        if low == high:
            return "Quantity", low
        return "Range", {"low": low, "high": high}
    if low or high:
        return "Range", {"low": low} if low else {"high": high}
    single = quantity(d, node)
    if single is None and (center := node.kid("center")) is not None:
        single = quantity(d, center)
    return ("Quantity", single) if single else None


def simple(d: Draft, node: Node | None) -> Resource | None:
    """A quantity for elements that take no range: the value, or the only bound."""
    found = dose(d, node)
    if found is None:
        return None
    kind, made = found
    if kind == "Quantity":
        return made
    return made.get("low") or made.get("high")


def ratio(d: Draft, node: Node | None, half: bool = False) -> Resource | None:
    """RTO_PQ_PQ: numerator and denominator, which FHIR wants both (rat-1): a side that is null says why it is missing, and
    with `half` one that was not sent at all does; else half a ratio is none."""
    if node is None:
        return None
    above, below = node.kid("numerator"), node.kid("denominator")
    top, bottom = quantity(d, above), quantity(d, below)
    if not (top or bottom):
        return None
    if not half and any(
        made is None and (part is None or not part.null) for part, made in ((above, top), (below, bottom))
    ):
        return None
    node.used = True
    return {"numerator": top or _missing(above), "denominator": bottom or _missing(below)}


def _missing(part: Node | None) -> Resource:
    return absent(part.null if part is not None and part.null else "UNK")
